import GXCore
import Glibc

/// Sums up predictions one at a time. It holds counts and sums only, unless it is to bootstrap:
/// then 32 bytes a record.
///
/// Of probabilities, three proper or calibration scores are taken where *every* record has them:
/// - NLL: the mean of -ln p(truth), in nats. As in scikit-learn's `log_loss`, p is clipped from below
///   at 2^-52, so that one certain mistake costs 36.04 and not infinity.
/// - Brier: the mean over records of the sum over classes of (p - [class is the truth])^2, in 0...2
///   (Brier 1950; scikit-learn's `scale_by_half=False`).
/// - ECE: expected calibration error of the predicted class' probability over 15 equal bins, each
///   open below and closed above (Guo et al. 2017); 0 goes to the first.
///
/// All these are of the records that were answered. Records that the classifier abstains from count in the coverage,
/// in prediction sets and in the risk-coverage curve.
public struct Evaluation: Sendable {
  /// Bins of the calibration error.
  public static let bins = 15
  static let leastProbability = 0x1p-52

  private var totals: Totals
  private let keepsSamples: Bool
  private var samples: [Sample] = []

  /// - Parameter bootstraps: whether `intervals`, `riskCoverage` or `subset` will be asked for.
  public init(classes: Int, bootstraps: Bool = false) {
    totals = Totals(classes: classes)
    keepsSamples = bootstraps
  }

  /// Of the records that were answered.
  public var confusion: ConfusionMatrix { totals.confusion }
  /// Answered or not.
  public var records: Int { totals.records }

  /// - Parameter count: How many classes there are by now, where more turn up on the way; records added before gave
  ///   those no probability.
  /// - Throws: `GXError` where a class is out of range, or the probabilities are not one a class, each in [0, 1]; then
  ///   nothing changes.
  public mutating func add(_ record: LabelledPrediction, classes count: Int = 0) throws(GXError) {
    let classes = 0..<max(count, confusion.classes)
    guard classes.contains(record.truth), classes.contains(record.predicted) else {
      throw GXError("class \(record.truth) predicted as \(record.predicted): there are \(classes.count) classes")
    }
    guard record.probabilities.isEmpty || record.probabilities.count == classes.count else {
      throw GXError("\(record.probabilities.count) probabilities for \(classes.count) classes")
    }
    var sample = Sample(truth: UInt16(record.truth), predicted: UInt16(record.predicted))
    if !record.probabilities.isEmpty {
      sample.brier = 0
      for (k, p) in record.probabilities.enumerated() {
        guard p >= 0 && p <= 1 else { throw GXError("probability \(p) is not in [0, 1]") }
        let miss = k == record.truth ? 1 - p : p
        sample.brier += miss * miss
      }
      sample.nll = -log(max(record.probabilities[record.truth], Self.leastProbability))
      sample.confidence = record.probabilities[record.predicted]
    }
    sample.abstains = record.abstains
    if let set = record.set {
      guard set.allSatisfy(classes.contains), Set(set).count == set.count else {
        throw GXError("the set \(set) is not one of \(classes.count) classes")
      }
      (sample.setSize, sample.setHolds) = (Int16(set.count), set.contains(record.truth))
    }
    totals.confusion.grow(to: classes.count)
    totals.add(sample)
    if keepsSamples { samples.append(sample) }
  }

  public var scores: Scores { Scores(totals) }

  /// How often the answers come true, by their confidence; nil where not every answered record has probabilities.
  public var reliability: Reliability? {
    totals.calibration.count == confusion.total ? totals.calibration.reliability : nil
  }

  /// What answering only the most confident would be worth, records that the classifier abstains from among them; nil
  /// where not every record has probabilities. Needs `bootstraps: true`.
  public var riskCoverage: RiskCoverage? {
    guard !samples.isEmpty, samples.allSatisfy({ !$0.confidence.isNaN }) else { return nil }
    return RiskCoverage(confidences: samples.map(\.confidence), right: samples.map(\.isRight))
  }

  /// The same of some of the records, by their places in the order they were added in. Needs `bootstraps: true`.
  public func subset(_ places: some Sequence<Int>) -> Evaluation {
    var subset = Evaluation(classes: confusion.classes, bootstraps: true)
    for place in places {
      subset.totals.add(samples[place])
      subset.samples.append(samples[place])
    }
    return subset
  }

  /// Percentile-bootstrap intervals (Efron & Tibshirani 1993, ch. 13): the records are drawn anew
  /// with replacement, `replicates` times, and each score's `level` of the middle is kept.
  /// Reproducible by `seed`. Needs `bootstraps: true` and at least one record.
  public func intervals(replicates: Int, seed: UInt64, level: Double = 0.95) -> ScoreIntervals {
    let names = scores.named.map(\.name)
    return ScoreIntervals(
      of: draws(replicates, seed: seed, names: names), names: names, seed: seed, level: level)
  }

  /// The scores `names` of `replicates` resamples. Which records are drawn hangs on `seed` and their number alone: two
  /// evaluations of the same records in the same order are drawn from in pairs.
  func draws(_ replicates: Int, seed: UInt64, names: [String]) -> [ScoreDraw] {
    precondition(!samples.isEmpty && replicates > 0, "nothing to draw from")
    let count = samples.count
    return (0..<replicates).map { replicate in
      var random = Random(seed: seed, epoch: replicate, id: "bootstrap")
      var drawn = Totals(classes: confusion.classes)
      samples.withUnsafeBufferPointer { samples in
        for _ in 0..<count { drawn.add(samples[random.below(count)]) }
      }
      return ScoreDraw(Scores(drawn), names: names)
    }
  }

  /// Of each record, in the order they were added in.
  var outcomes: [(truth: Int, isRight: Bool, abstains: Bool)] {
    samples.map { (Int($0.truth), $0.isRight, $0.abstains) }
  }
}

/// What is kept of a record: 32 bytes.
struct Sample {
  var truth: UInt16
  var predicted: UInt16
  /// -1 without a set.
  var setSize: Int16 = -1
  var setHolds = false
  var abstains = false
  /// NaN without probabilities, as the next two.
  var nll = Double.nan
  var brier = Double.nan
  var confidence = Double.nan

  var isRight: Bool { truth == predicted }
}

/// The counts and sums that all scores are made of.
struct Totals: Sendable {
  var confusion: ConfusionMatrix
  private(set) var abstained = 0
  /// Of the answered records that have probabilities.
  private(set) var calibration = Calibration()
  /// Records that have a prediction set, the sizes of all sets together, and how many hold the truth.
  private(set) var sets = (count: 0, sizes: 0, holding: 0)

  init(classes: Int) { confusion = ConfusionMatrix(classes: classes) }

  var records: Int { confusion.total + abstained }

  @inline(__always) mutating func add(_ sample: Sample) {
    if sample.abstains {
      abstained &+= 1
    } else {
      confusion.add(truth: Int(sample.truth), predicted: Int(sample.predicted))
      if !sample.confidence.isNaN {
        calibration.add(
          nll: sample.nll, brier: sample.brier, confidence: sample.confidence, right: sample.isRight)
      }
    }
    if sample.setSize >= 0 {
      sets.count &+= 1
      sets.sizes &+= Int(sample.setSize)
      sets.holding &+= sample.setHolds ? 1 : 0
    }
  }
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
