import GXCore
import Glibc

/// Split-conformal prediction sets: for each record the classes that may be the truth, so that the truth is among them
/// in a promised share of the records (Vovk et al. 2005; Papadopoulos et al. 2002).
///
/// The promise: for a new record that could as well have been one of those the threshold comes from (they are
/// exchangeable), the truth is in the set with a probability of at least `coverage`, and less than that plus 1 / (n + 1)
/// where no two scores are equal. It holds for any classifier, good or bad, that had not learnt from these records; on
/// average over records and such draws, not for each class or each kind of galaxy by itself.
public struct ConformalSets: Equatable, Sendable {
  /// How unusual a class would be as the truth.
  public enum Score: String, CaseIterable, Sendable {
    /// 1 - its probability ("least ambiguous classifier"; Sadinle et al. 2019): the smallest sets on average. A set may
    /// be empty, where no class is likely enough.
    case lac
    /// The sum of the probabilities of all likelier classes ("adaptive prediction sets"; Romano et al. 2020): larger
    /// sets where the picture is harder. Not randomised: the paper's U is 0, so a set always begins with the likeliest
    /// class, and the coverage is never below the accuracy.
    case aps
  }

  public let score: Score
  /// The promised share, in (0, 1).
  public let coverage: Double
  /// The highest score that is let in.
  public let threshold: Double

  public init(score: Score, coverage: Double, threshold: Double) {
    (self.score, self.coverage, self.threshold) = (score, coverage, threshold)
  }

  /// The threshold is the ⌈(n + 1) · coverage⌉-th smallest score of the truths.
  /// - Parameters:
  ///   - records: For each its probabilities, `[classes]`, and its truth.
  /// - Throws: `GXError` where that is more than n: then only sets of all classes would keep the promise.
  public init(score: Score, coverage: Double, fitting records: [(probabilities: [Double], truth: Int)]) throws(GXError)
  {
    precondition(coverage > 0 && coverage < 1, "a coverage of \(coverage)")
    // (n + 1) · 0.9 may be a hair more than the whole number that is meant.
    let rank = Int(ceil(Double(records.count + 1) * coverage - 1e-9))
    guard rank <= records.count else {
      let needed = Int(ceil(coverage / (1 - coverage) - 1e-9))
      throw GXError(
        "\(records.count) records are too few to promise a coverage of \(JSON.double(coverage).text): "
          + "it takes \(needed)")
    }
    let scores = records.map { Self.scores(score, $0.probabilities)[$0.truth] }.sorted()
    self.init(score: score, coverage: coverage, threshold: scores[rank - 1])
  }

  /// The places of the classes in the set, in order of place.
  public func set(_ probabilities: [Double]) -> [Int] {
    let scores = Self.scores(score, probabilities)
    return scores.indices.filter { scores[$0] <= threshold }
  }

  /// Of each class; equal probabilities have equal scores.
  static func scores(_ score: Score, _ probabilities: [Double]) -> [Double] {
    switch score {
    case .lac: return probabilities.map { 1 - $0 }
    case .aps:
      let sorted = probabilities.sorted(by: >)
      return probabilities.map { p in sorted.prefix { $0 > p }.reduce(0, +) }
    }
  }
}
