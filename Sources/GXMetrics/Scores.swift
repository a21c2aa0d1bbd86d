import GXCore

/// The scores of one set of predictions. Shares are in [0, 1]; `nll`, `brier` and `ece` are nil where
/// not every record had probabilities.
public struct Scores: Equatable, Sendable {
  public let confusion: ConfusionMatrix
  public let accuracy: Double
  public let balancedAccuracy: Double
  public let macroF1: Double
  public let nll: Double?
  public let brier: Double?
  public let ece: Double?
  public let perClass: [ClassScores]

  init(confusion: ConfusionMatrix, calibration: Calibration?) {
    self.confusion = confusion
    accuracy = confusion.accuracy
    balancedAccuracy = confusion.balancedAccuracy
    macroF1 = confusion.macroF1
    perClass = confusion.perClass
    nll = calibration?.nll
    brier = calibration?.brier
    ece = calibration?.reliability.ece
  }

  /// The scores of all `predictions`, over `classes` classes.
  public init(classes: Int, predictions: some Sequence<Prediction>) throws(GXError) {
    var evaluation = Evaluation(classes: classes)
    for prediction in predictions { try evaluation.add(prediction) }
    self = evaluation.scores
  }

  /// Whole-set scores by the names they have in JSON and in tables.
  public var named: [(name: String, value: Double)] {
    [("accuracy", accuracy), ("balanced_accuracy", balancedAccuracy), ("macro_f1", macroF1)]
      + [("nll", nll), ("brier", brier), ("ece", ece)].compactMap { pair in pair.1.map { (pair.0, $0) } }
  }

  /// The scores as an object. `classes` names the classes, in their order; in the object they stand
  /// in bytewise order, whatever order they were met in.
  public func json(classes: [String]) -> JSONObject {
    precondition(classes.count == confusion.classes, "one name a class")
    var object: JSONObject = ["records": .int(confusion.total)]
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

/// Bootstrap intervals of the scores.
public struct ScoreIntervals: Sendable {
  public let replicates: Int
  public let seed: UInt64
  /// The share of the replicates inside, such as 0.95.
  public let level: Double
  /// Of the whole set's scores, by name and in the order of `Scores.named`.
  public let named: [(name: String, interval: Interval)]
  public let perClass: [(precision: Interval, recall: Interval, f1: Interval)]

  init(of draws: [Scores], seed: UInt64, level: Double) {
    replicates = draws.count
    self.seed = seed
    self.level = level
    func interval(_ score: (Scores) -> Double) -> Interval { Interval(draws.map(score), level: level) }
    named = draws[0].named.enumerated().map { i, score in (score.name, interval { $0.named[i].value }) }
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

/// The value below which the share `q` of `sorted` lies, linear between neighbours (NumPy's default).
func percentile(_ sorted: [Double], _ q: Double) -> Double {
  let place = q * Double(sorted.count - 1)
  let below = Int(place.rounded(.down))
  let above = min(below + 1, sorted.count - 1)
  return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
}
