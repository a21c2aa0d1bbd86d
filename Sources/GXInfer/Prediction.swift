import GXCore
import GXMetrics
import GXModel
import GXStream
import Glibc

/// What one model or several say of a picture. Lists are in the order of `classes`; all numbers are finite.
public struct Prediction: Sendable {
  public let classes: [String]
  /// Before calibration: the network's, or of several models or views the logarithm of their mean probabilities.
  public let logits: [Float]
  /// After calibration, where there is one: 1 in sum.
  public let probabilities: [Float]
  /// The places of all classes, the likeliest first; equals in the order of `classes`.
  public let ranking: [Int]
  /// Of several models, or of the several views of one.
  public let disagreement: Disagreement?
  /// The classes of the conformal set, the likeliest first; nil where the calibration has none.
  public let set: [Int]?
  /// Whether the confidence is below what the calibration asks for a prediction; nil where it asks nothing.
  public let isUncertain: Bool?
  public let isCalibrated: Bool

  /// How little several models, or one of several views, know of a picture, before calibration, in nats.
  public struct Disagreement: Sendable {
    /// Of their mean probabilities, in 0...ln(classes): the whole uncertainty.
    public let entropy: Double
    /// The part of it that comes of their saying different things: the entropy of the mean less the mean of the
    /// entropies (Houlsby et al. 2011), in 0...entropy.
    public let mutualInformation: Double
  }

  /// - Parameters:
  ///   - members: Logits of several models or views, whose probabilities are averaged, or of one:
  ///     `[members][classes]`.
  ///   - calibration: Of the average, by `classes` in their order.
  /// - Throws: `GXError` where numbers are not finite.
  init(classes: [String], members: [[Float]], calibration: Calibration? = nil) throws(GXError) {
    guard members.joined().allSatisfy(\.isFinite) else { throw GXError("the network's logits are not finite") }
    let mean = members.count == 1 ? members[0] : logMeanProbabilities(members)
    let scaled = (calibration?.scaling ?? .none).scaled(mean.map(Double.init))
    guard scaled.allSatisfy(\.isFinite) else { throw GXError("the calibrated logits are not finite") }
    let probabilities = softmax(scaled)
    let ranking = scaled.indices.sorted { (scaled[$1], $0) < (scaled[$0], $1) }
    let inSet = calibration?.conformal.map { Set($0.set(probabilities)) }
    self.classes = classes
    logits = mean
    self.probabilities = probabilities.map(Float.init)
    self.ranking = ranking
    disagreement = members.count == 1 ? nil : Disagreement(mean: mean, members: members)
    set = inSet.map { set in ranking.filter(set.contains) }
    isUncertain = calibration?.abstention?.isUncertain(probabilities[ranking[0]])
    isCalibrated = calibration != nil
  }

  /// The place of the likeliest class.
  public var likeliest: Int { ranking[0] }
  /// Its name.
  public var name: String { classes[likeliest] }
  /// Its probability.
  public var confidence: Float { probabilities[likeliest] }
}

extension Prediction {
  /// Writes itself into a row: `prediction` (null, with the `reason` `uncertain`, where it abstains), `confidence`,
  /// `probabilities` by class, and where there are such `set`, `entropy`, `mutual_information` and `calibrated`. What an
  /// earlier prediction had of them is gone.
  /// - Parameter classifier: What predicted it, where `logits` are wanted too.
  public func write(to row: inout Row, logitsOf classifier: String? = nil) {
    func byClass(_ values: [Float]) -> JSON {
      var object = JSONObject()
      for (name, value) in zip(classes, values) { object[name] = .float(value) }
      return .object(object)
    }
    let abstains = isUncertain == true
    row.prediction = abstains ? nil : name
    row[.reason] = abstains ? .string(Row.uncertain) : nil
    row[.confidence] = .float(confidence)
    row[.probabilities] = byClass(probabilities)
    row[.set] = set.map { .array($0.map { .string(classes[$0]) }) }
    row[.entropy] = disagreement.map { .double($0.entropy) }
    row[.mutualInformation] = disagreement.map { .double($0.mutualInformation) }
    row[.calibrated] = isCalibrated ? true : nil
    row[.logits] = classifier.map { _ in byClass(logits) }
    row[.classifier] = classifier.map(JSON.string)
  }
}

extension Prediction.Disagreement {
  /// - Parameters: logits, `[classes]` and `[models or views][classes]`.
  init(mean: [Float], members: [[Float]]) {
    func uncertainty(_ logits: [Float]) -> Double {
      softmax(logits.map(Double.init)).reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }
    entropy = uncertainty(mean)
    let within = members.map(uncertainty).sorted().reduce(0, +) / Double(members.count)
    // Rounding can take the difference of equal numbers below 0.
    mutualInformation = max(0, entropy - within)
  }
}

/// log of the mean over rows of softmax(row), `[rows][classes]`; finite even where a probability is not told from 0, and
/// the same for rows in any order.
func logMeanProbabilities(_ logits: [[Float]]) -> [Float] {
  let rows = logits.map { row in
    let row = row.map(Double.init)
    let norm = logSumExp(row)
    return row.map { $0 - norm }
  }
  let lowest = Double(-Float.greatestFiniteMagnitude)
  return rows[0].indices.map { c in
    Float(max(lowest, logSumExp(rows.map { $0[c] }.sorted()) - log(Double(rows.count))))
  }
}
