import GXCore

/// What a classifier said of one record whose class is known: what scores, charts, audits and calibrations are made of.
/// Classes are told by their numbers.
public struct LabelledPrediction: Sendable {
  public var truth: Int
  /// Of a record that the classifier abstains from, the class that it leans to.
  public var predicted: Int
  /// `[classes]`, each in [0, 1]; empty where the classifier gave none.
  public var probabilities: [Double]
  /// `[classes]`, finite, before any calibration; empty where they were not asked for.
  public var logits: [Double] = []
  /// Whether the classifier would rather not say.
  public var abstains = false
  /// The classes of its prediction set, if it gave one.
  public var set: [Int]?

  public init(truth: Int, predicted: Int, probabilities: [Double] = []) {
    self.truth = truth
    self.predicted = predicted
    self.probabilities = probabilities
  }

  /// - Parameters:
  ///   - logits: `[classes]`, finite.
  ///   - truth: In `0..<classes`.
  ///   - scaling: What makes probabilities of them. The class predicted is the first of the likeliest.
  public init(logits: [Double], truth: Int, scaling: LogitScaling = .none) {
    let scaled = scaling.scaled(logits)
    self.init(
      truth: truth, predicted: scaled.indices.min { (scaled[$1], $0) < (scaled[$0], $1) } ?? 0,
      probabilities: softmax(scaled))
    self.logits = logits
  }

  public var isRight: Bool { predicted == truth }

  /// The probability of the class predicted; nil where there are none.
  public var confidence: Double? { probabilities.isEmpty ? nil : probabilities[predicted] }
}
