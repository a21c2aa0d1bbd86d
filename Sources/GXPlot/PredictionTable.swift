import GXCore
import GXMetrics

/// What charts of predictions are made from, gathered a row at a time.
public struct PredictionTable: Sendable {
  /// The most numbers that are held: of each row one, or for ranking curves one a class.
  public static let limit = 50_000_000

  /// In the order in which they turned up.
  public var classes: [String] { numbers.names }
  /// Rows without a label, which are left out.
  public private(set) var unlabelled = 0
  /// Rows without a prediction of their own (of a classifier that abstains). They count in the coverage and in ranking
  /// curves, nowhere else.
  public private(set) var abstained = 0
  /// Rows without probabilities.
  public private(set) var withoutProbabilities = 0
  /// Rows with a label and probabilities.
  public var answered: Int { ranks ? truths.count : confidences.count }
  /// Rows with a label and a prediction.
  public private(set) var confusion = ConfusionMatrix(classes: 1)
  public private(set) var reliability = Reliability()
  private var confidences: [Double] = []
  private var right: [Bool] = []
  /// Of each row, one a class known by then.
  private var probabilities: [[Double]] = []
  private var truths: [Int] = []
  private let ranks: Bool
  private var held = 0
  private var numbers = ClassNumbers()

  /// - Parameter ranks: whether ranking curves will be asked for.
  public init(ranks: Bool) { self.ranks = ranks }

  /// - Throws: `GXError` where there are too many classes or rows, or a probability is not in [0, 1].
  public mutating func add(_ row: PredictionRow) throws(GXError) {
    guard let label = row.label else {
      unlabelled += 1
      return
    }
    for (name, p) in row.probabilities where !(0...1).contains(p) {
      throw GXError("probabilities.\(name): \(p) is not in [0, 1]")
    }
    let truth = try numbers.number(of: label)
    let predicted = try row.prediction.map { name throws(GXError) in try numbers.number(of: name) }
    if row.abstains {
      abstained += 1
    } else if let predicted {
      confusion.grow(to: classes.count)
      confusion.add(truth: truth, predicted: predicted)
    }
    guard let confidence = row.confidence, let predicted else {
      withoutProbabilities += 1
      return
    }
    if !row.abstains { reliability.add(confidence: confidence, isRight: predicted == truth) }
    held += ranks ? row.probabilities.count : 1
    guard held <= Self.limit else { throw GXError("more than the limit of \(Self.limit) probabilities") }
    guard ranks else {
      confidences.append(confidence)
      right.append(predicted == truth)
      return
    }
    var values: [Double] = []
    for (name, p) in row.probabilities {
      let k = try numbers.number(of: name)
      if k >= values.count { values += [Double](repeating: 0, count: k + 1 - values.count) }
      values[k] = p
    }
    probabilities.append(values)
    truths.append(truth)
  }

  public var coverage: RiskCoverage { RiskCoverage(confidences: confidences, right: right) }

  /// Each class against the rest; a row that gives a class no probability gives it 0.
  /// - Throws: `GXError` where there are more classes than a chart shows.
  public func rankingCurves() throws(GXError) -> [(name: String, curve: RankingCurve)] {
    guard classes.count <= RankingChart.limit else {
      throw GXError("\(classes.count) classes are more than the limit of \(RankingChart.limit) curves")
    }
    return classes.enumerated().map { k, name in
      let scores = probabilities.map { k < $0.count ? $0[k] : 0 }
      return (name, RankingCurve(scores: scores, isPositive: truths.map { $0 == k }))
    }
  }
}
