import GXCore
import Glibc

/// How well a set's probabilities mean what they say. The predicted class is the likeliest; NLL and Brier score are as
/// in `Evaluation`, calibration errors over `Evaluation.bins` bins.
public struct CalibrationScores: Equatable, Sendable {
  /// In nats.
  public let nll: Double
  /// In 0...2.
  public let brier: Double
  /// Expected calibration error of the predicted class' probability, over bins of equal width, in [0, 1].
  public let ece: Double
  /// The same over bins of equal mass.
  public let equalMassECE: Double
  /// The mean over classes of the calibration error of the class' probability, over bins of equal width, in [0, 1].
  public let classwiseECE: Double

  /// By the names they have in JSON and in tables.
  public var named: [(name: String, value: Double)] {
    [
      ("nll", nll), ("brier", brier), ("ece", ece), ("ece_equal_mass", equalMassECE),
      ("classwise_ece", classwiseECE),
    ]
  }
}

/// The records that `CalibrationScores` are taken of, as they are and drawn anew.
public struct CalibrationSample: Sendable {
  /// By rising confidence, so that no draw needs to be sorted.
  private let predictions: [LabelledPrediction]
  private let judged: [Reliability.Sample]
  private let nll: [Double]
  private let brier: [Double]
  /// Of each of them, where it stood in the order that was given.
  private let places: [Int]
  private let classes: Int

  /// - Parameter predictions: One or more, each with a probability for each class.
  public init(_ predictions: [LabelledPrediction]) {
    precondition(!predictions.isEmpty, "nothing to score")
    classes = predictions[0].probabilities.count
    func confidence(_ i: Int) -> Double { predictions[i].probabilities[predictions[i].predicted] }
    places = predictions.indices.sorted { (confidence($0), $0) < (confidence($1), $1) }
    self.predictions = places.map { predictions[$0] }
    nll = places.map { -log(max(predictions[$0].probabilities[predictions[$0].truth], Evaluation.leastProbability)) }
    brier = self.predictions.map { prediction in
      prediction.probabilities.enumerated().reduce(0) { sum, entry in
        let miss = entry.offset == prediction.truth ? 1 - entry.element : entry.element
        return sum + miss * miss
      }
    }
    judged = places.map {
      .init(confidence: confidence($0), isRight: predictions[$0].truth == predictions[$0].predicted)
    }
  }

  public var scores: CalibrationScores { scores([Int](repeating: 1, count: judged.count)) }

  /// - Parameter weights: How many times each record counts, in the order they were given in.
  private func scores(_ weights: [Int]) -> CalibrationScores {
    let weights = places.map { weights[$0] }
    func mean(_ values: [Double]) -> Double {
      zip(values, weights).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(weights.reduce(0, +))
    }
    var equalWidth = Reliability()
    for (sample, weight) in zip(judged, weights) {
      equalWidth.add(confidence: sample.confidence, isRight: sample.isRight, times: weight)
    }
    let equalMass = Reliability(sorted: judged, weights: weights, bins: Evaluation.bins)
    let each = Reliability.classwise(predictions, weights: weights, classes: classes)
    return CalibrationScores(
      nll: mean(nll), brier: mean(brier), ece: equalWidth.ece, equalMassECE: equalMass.ece,
      classwiseECE: Reliability.classwiseECE(each))
  }

  /// Percentile-bootstrap intervals of the scores, in the order of `CalibrationScores.named`; see
  /// `Evaluation.intervals`. Samples of as many records draw the same ones with the same seed.
  ///
  /// Calibration errors are sums of magnitudes, which noise makes larger: so are those of the draws, and their intervals
  /// lie high; where a set is small and well calibrated, even above its own error.
  public func intervals(replicates: Int, seed: UInt64, level: Double = 0.95) -> [Interval] {
    let draws = (0..<replicates).map { replicate in
      var random = Random(seed: seed, epoch: replicate, id: "bootstrap")
      var weights = [Int](repeating: 0, count: judged.count)
      for _ in judged { weights[random.below(judged.count)] += 1 }
      return scores(weights).named.map(\.value)
    }
    return scores.named.indices.map { i in Interval(draws.map { $0[i] }, level: level) }
  }
}
