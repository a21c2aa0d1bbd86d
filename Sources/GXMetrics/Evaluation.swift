import GXCore
import Glibc

/// One scored record: its true and its predicted class, and the probability given to each class
/// (empty where the classifier gave none).
public struct Prediction: Sendable {
  public var truth: Int
  public var predicted: Int
  public var probabilities: [Double]

  public init(truth: Int, predicted: Int, probabilities: [Double] = []) {
    self.truth = truth
    self.predicted = predicted
    self.probabilities = probabilities
  }
}

/// Sums up predictions one at a time. It holds counts and sums only, unless it is to bootstrap:
/// then 16 bytes a record.
///
/// Of probabilities, three proper or calibration scores are taken where *every* record has them:
/// - NLL: the mean of -ln p(truth), in nats. As in scikit-learn's `log_loss`, p is clipped from below
///   at 2^-52, so that one certain mistake costs 36.04 and not infinity.
/// - Brier: the mean over records of the sum over classes of (p - [class is the truth])^2, in 0...2
///   (Brier 1950; scikit-learn's `scale_by_half=False`).
/// - ECE: expected calibration error of the predicted class' probability over 15 equal bins, each
///   open below and closed above (Guo et al. 2017); 0 goes to the first.
public struct Evaluation: Sendable {
  /// Bins of the calibration error.
  public static let bins = 15
  static let leastProbability = 0x1p-52

  public private(set) var confusion: ConfusionMatrix
  private var calibration = Calibration()
  private var keepsSamples: Bool
  private var samples: [Sample] = []

  /// - Parameter bootstraps: whether `intervals` will be asked for.
  public init(classes: Int, bootstraps: Bool = false) {
    confusion = ConfusionMatrix(classes: classes)
    keepsSamples = bootstraps
  }

  /// Makes room for classes that turn up on the way; records added before gave them no probability.
  public mutating func grow(to classes: Int) { confusion.grow(to: classes) }

  /// - Throws: `GXError` where a class is out of range, or the probabilities are not one a class, each in [0, 1].
  public mutating func add(_ record: Prediction) throws(GXError) {
    let classes = 0..<confusion.classes
    guard classes.contains(record.truth), classes.contains(record.predicted) else {
      throw GXError("class \(record.truth) predicted as \(record.predicted): there are \(classes.count) classes")
    }
    guard record.probabilities.isEmpty || record.probabilities.count == classes.count else {
      throw GXError("\(record.probabilities.count) probabilities for \(classes.count) classes")
    }
    var sample = Sample(truth: UInt16(record.truth), predicted: UInt16(record.predicted))
    if !record.probabilities.isEmpty {
      var brier = 0.0
      for (k, p) in record.probabilities.enumerated() {
        guard p >= 0 && p <= 1 else { throw GXError("probability \(p) is not in [0, 1]") }
        let miss = k == record.truth ? 1 - p : p
        brier += miss * miss
      }
      sample.brier = Float(brier)
      sample.nll = Float(-log(max(record.probabilities[record.truth], Self.leastProbability)))
      sample.confidence = Float(record.probabilities[record.predicted])
      calibration.add(
        nll: -log(max(record.probabilities[record.truth], Self.leastProbability)), brier: brier,
        confidence: record.probabilities[record.predicted], right: record.truth == record.predicted)
    }
    confusion.add(truth: record.truth, predicted: record.predicted)
    if keepsSamples { samples.append(sample) }
  }

  public var scores: Scores {
    Scores(confusion: confusion, calibration: calibration.count == confusion.total ? calibration : nil)
  }

  /// Percentile-bootstrap intervals (Efron & Tibshirani 1993, ch. 13): the records are drawn anew
  /// with replacement, `replicates` times, and each score's `level` of the middle is kept.
  /// Reproducible by `seed`. Needs `bootstraps: true` and at least one record.
  public func intervals(replicates: Int, seed: UInt64, level: Double = 0.95) -> ScoreIntervals {
    precondition(keepsSamples && !samples.isEmpty && replicates > 0, "nothing to draw from")
    let calibrated = calibration.count == confusion.total
    let draws = (0..<replicates).map { replicate in
      var random = Random(seed: seed, epoch: replicate, id: "bootstrap")
      var counts = [Int](repeating: 0, count: confusion.counts.count)
      var sums = Calibration()
      let (classes, count) = (confusion.classes, samples.count)
      samples.withUnsafeBufferPointer { samples in
        counts.withUnsafeMutableBufferPointer { counts in
          for _ in 0..<count {
            let s = samples[random.below(count)]
            counts[Int(s.truth) &* classes &+ Int(s.predicted)] &+= 1
            if calibrated {
              sums.add(
                nll: Double(s.nll), brier: Double(s.brier), confidence: Double(s.confidence),
                right: s.truth == s.predicted)
            }
          }
        }
      }
      let matrix = ConfusionMatrix(classes: classes, counts: counts)
      return Scores(confusion: matrix, calibration: calibrated ? sums : nil)
    }
    return ScoreIntervals(of: draws, seed: seed, level: level)
  }
}

/// What the bootstrap keeps of a record: 16 bytes.
private struct Sample {
  var truth: UInt16
  var predicted: UInt16
  var nll: Float = 0
  var brier: Float = 0
  var confidence: Float = 0
}

/// The sums that NLL, Brier and ECE are made of.
struct Calibration: Sendable {
  private var nllSum = 0.0
  private var brierSum = 0.0
  private(set) var reliability = Reliability()

  @inline(__always) mutating func add(nll: Double, brier: Double, confidence: Double, right: Bool) {
    nllSum += nll
    brierSum += brier
    reliability.add(confidence: confidence, isRight: right)
  }

  var count: Int { reliability.count }
  var nll: Double { nllSum / Double(count) }
  var brier: Double { brierSum / Double(count) }
}
