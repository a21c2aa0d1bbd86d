import GXCore

/// The scores of one set of predictions. Shares are in [0, 1]. What a record would have to carry, every record must:
/// `nll`, `brier` and `ece` are nil where not all had probabilities, `setCoverage` and `setSize` where not all had a set.
public struct Scores: Equatable, Sendable {
  /// Of the records that were answered, as are all scores but the last three.
  public let confusion: ConfusionMatrix
  public let accuracy: Double
  public let balancedAccuracy: Double
  public let macroF1: Double
  public let nll: Double?
  public let brier: Double?
  public let ece: Double?
  public let perClass: [ClassScores]
  /// Records that the classifier abstained from.
  public let abstained: Int
  /// The share of the records that has a true class in its prediction set (marginal coverage).
  public let setCoverage: Double?
  /// Classes in a prediction set, on average.
  public let setSize: Double?

  init(_ totals: Totals) {
    confusion = totals.confusion
    accuracy = confusion.accuracy
    balancedAccuracy = confusion.balancedAccuracy
    macroF1 = confusion.macroF1
    perClass = confusion.perClass
    let calibration = totals.calibration.count == confusion.total ? totals.calibration : nil
    nll = calibration?.nll
    brier = calibration?.brier
    ece = calibration?.reliability.ece
    abstained = totals.abstained
    let sets = totals.sets.count == totals.records ? totals.sets : nil
    setCoverage = sets.map { Double($0.holding) / Double($0.count) }
    setSize = sets.map { Double($0.sizes) / Double($0.count) }
  }

  /// Answered or not.
  public var records: Int { confusion.total + abstained }
  /// The share of the records that was answered.
  public var coverage: Double { Double(confusion.total) / Double(records) }

  /// The scores of all `predictions`, over `classes` classes.
  public init(classes: Int, predictions: some Sequence<LabelledPrediction>) throws(GXError) {
    var evaluation = Evaluation(classes: classes)
    for prediction in predictions { try evaluation.add(prediction) }
    self = evaluation.scores
  }

  /// Whole-set scores by the names they have in JSON; `coverage` is among them where the classifier abstained.
  public var named: [(name: String, value: Double)] {
    let all: [(String, Double?)] = [
      ("coverage", abstained > 0 ? coverage : nil), ("accuracy", accuracy), ("balanced_accuracy", balancedAccuracy),
      ("macro_f1", macroF1), ("nll", nll), ("brier", brier), ("ece", ece), ("set_coverage", setCoverage),
      ("set_size", setSize),
    ]
    return all.compactMap { name, value in value.map { (name, $0) } }
  }

  /// What people call the score that JSON calls `name`.
  public static func title(_ name: String) -> String {
    let titles = ["macro_f1": "macro F1", "nll": "NLL", "brier": "Brier", "ece": "ECE"]
    return titles[name] ?? name.replacing("_", with: " ")
  }

  /// The scores as an object. `classes` names the classes, in their order; in the object they stand
  /// in bytewise order, whatever order they were met in.
  public func json(classes: [String]) -> JSONObject {
    precondition(classes.count == confusion.classes, "one name a class")
    var object: JSONObject = ["records": .int(records)]
    if abstained > 0 { object["abstained"] = .int(abstained) }
    for (name, value) in named { object[name] = .double(value) }
    let order = bytewiseOrder(classes)
    object["classes"] = .array(order.map { .string(classes[$0]) })
    var each = JSONObject()
    for k in order {
      let scores = perClass[k]
      each[classes[k]] = [
        "precision": .double(scores.precision), "recall": .double(scores.recall), "f1": .double(scores.f1),
        "support": .int(scores.support), "predicted": .int(scores.predicted),
      ]
    }
    object["per_class"] = .object(each)
    object["confusion"] = .array(
      order.map { truth in .array(order.map { .int(confusion[truth, $0]) }) })
    return object
  }
}

/// Places of `names` in the order of their UTF-8 bytes.
public func bytewiseOrder(_ names: [String]) -> [Int] {
  names.indices.sorted { names[$0].utf8.lexicographicallyPrecedes(names[$1].utf8) }
}

/// A range of a score's values.
public struct Interval: Equatable, Sendable {
  public let low: Double
  public let high: Double

  /// The middle `level` of `values`, such as 0.95; those that are not a number (the accuracy of a resample of which
  /// nothing was answered, say) are left out.
  init(_ values: [Double], level: Double) {
    let sorted = values.filter { !$0.isNaN }.sorted()
    (low, high) = (percentile(sorted, (1 - level) / 2), percentile(sorted, (1 + level) / 2))
  }

  public var json: JSON { [.double(low), .double(high)] }
}

/// The scores of one resample.
struct ScoreDraw {
  /// In the order of the names asked for; NaN where a resample has no such score.
  let values: [Double]
  let perClass: [ClassScores]

  init(_ scores: Scores, names: [String]) {
    let named = Dictionary(uniqueKeysWithValues: scores.named.map { ($0.name, $0.value) })
    values = names.map { named[$0] ?? ($0 == "coverage" ? scores.coverage : .nan) }
    perClass = scores.perClass
  }
}

/// Bootstrap intervals of the scores.
public struct ScoreIntervals: Sendable {
  public let replicates: Int
  public let seed: UInt64
  /// The share of the replicates inside, such as 0.95.
  public let level: Double
  /// Of the whole set's scores, by name and in the order of `Scores.named`.
  public let named: [(name: String, interval: Interval)]
  public let perClass: [(precision: Interval, recall: Interval, f1: Interval)]

  init(of draws: [ScoreDraw], names: [String], seed: UInt64, level: Double) {
    replicates = draws.count
    self.seed = seed
    self.level = level
    func interval(_ score: (ScoreDraw) -> Double) -> Interval { Interval(draws.map(score), level: level) }
    named = names.enumerated().map { i, name in (name, interval { $0.values[i] }) }
    perClass = draws[0].perClass.indices.map { k in
      (interval { $0.perClass[k].precision }, interval { $0.perClass[k].recall }, interval { $0.perClass[k].f1 })
    }
  }

  public subscript(name: String) -> Interval? { named.first { $0.name == name }?.interval }

  /// The intervals as an object of `[low, high]` pairs.
  public func json(classes: [String]) -> JSONObject {
    var object: JSONObject = ["level": .double(level), "replicates": .int(replicates), "seed": .number(String(seed))]
    for (name, interval) in named { object[name] = interval.json }
    var each = JSONObject()
    for k in bytewiseOrder(classes) {
      let scores = perClass[k]
      each[classes[k]] = ["precision": scores.precision.json, "recall": scores.recall.json, "f1": scores.f1.json]
    }
    object["per_class"] = .object(each)
    return object
  }
}

/// The value below which the share `q` of `sorted` lies, linear between neighbours (NumPy's default); NaN of nothing.
func percentile(_ sorted: [Double], _ q: Double) -> Double {
  guard !sorted.isEmpty else { return .nan }
  let place = q * Double(sorted.count - 1)
  let below = Int(place.rounded(.down))
  let above = min(below + 1, sorted.count - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
}
