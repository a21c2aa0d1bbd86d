import GXCore
import GXMetrics
import GXStream

/// What charts of predictions are made from, gathered a row at a time.
public struct PredictionTable: Sendable {
  /// The most numbers that are held: of each row one, or for ranking curves one a class.
  public static let limit = 50_000_000

  /// In the order in which they turned up.
  public var classes: [String] { reader.classes }
  /// Rows without a label, which are left out.
  public var unlabelled: Int { reader.unlabelled }
  /// What is to be said of labels that are no class.
  public var unknownMessage: String? { reader.unknownMessage }
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
  private var reader: PredictionReader

  /// - Parameters:
  ///   - label: The field that holds the truth.
  ///   - ranks: Whether ranking curves will be asked for.
  public init(label: String, ranks: Bool) { (reader, self.ranks) = (PredictionReader(label: label), ranks) }

  /// - Throws: `GXError` that names the field where the row is not as it should be, or where there are too many classes
  ///   or rows.
  @discardableResult public mutating func add(_ row: Row) throws(GXError) -> PredictionReader.Reading {
    let reading = try reader.read(row)
    guard case .prediction(let prediction) = reading else { return reading }
    if prediction.abstains {
      abstained += 1
    } else {
      confusion.grow(to: classes.count)
      confusion.add(truth: prediction.truth, predicted: prediction.predicted)
    }
    guard let confidence = prediction.confidence else {
      withoutProbabilities += 1
      return reading
    }
    if !prediction.abstains { reliability.add(confidence: confidence, isRight: prediction.isRight) }
    held += ranks ? prediction.probabilities.count : 1
    guard held <= Self.limit else { throw GXError("more than the limit of \(Self.limit) probabilities") }
    if ranks {
      probabilities.append(prediction.probabilities)
      truths.append(prediction.truth)
    } else {
      confidences.append(confidence)
      right.append(prediction.isRight)
    }
    return reading
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
