import GXCore
import Glibc

/// When to say "I don't know": predictions of a lower confidence than `threshold` are kept back, so that those that are
/// made are right in a wanted share (selective classification; El-Yaniv & Wiener 2010).
public struct Abstention: Equatable, Sendable {
  /// How sure the choice of the threshold is.
  public static let level = 0.95

  /// The wanted share of right ones among the predictions that are made, in (0, 1).
  public let precision: Double
  /// The lowest confidence that a prediction is made with.
  public let threshold: Double

  public init(precision: Double, threshold: Double) { (self.precision, self.threshold) = (precision, threshold) }

  /// The smallest threshold among the confidences of `samples` whose precision is at least `precision` by its lower 95 %
  /// confidence bound (Clopper & Pearson 1934, one-sided), and not just in these samples by luck.
  /// - Throws: `GXError` where there is none.
  public init(precision: Double, fitting samples: [Reliability.Sample]) throws(GXError) {
    precondition(precision > 0 && precision < 1, "a precision of \(precision)")
    let sorted = samples.sorted { $0.confidence > $1.confidence }
    var (right, best) = (0, Double?.none)
    for (i, sample) in sorted.enumerated() {
      right += sample.isRight ? 1 : 0
      // Equal confidences stay together.
      if i + 1 < sorted.count && sorted[i + 1].confidence == sample.confidence { continue }
      if Self.chance(ofAtLeast: right, of: i + 1, precision) <= 1 - Self.level { best = sample.confidence }
    }
    guard let best else {
      let needed = Int((log(1 - Self.level) / log(precision)).rounded(.up))
      if right == samples.count && right < needed {
        throw GXError(
          "\(right) records are too few to be sure of a precision of \(JSON.double(precision).text): it takes \(needed) "
            + "records, all of them right")
      }
      throw GXError(
        "no confidence is high enough for a precision of \(JSON.double(precision).text) "
          + "(at the lower bound of a 95 % interval) on these \(samples.count) records")
    }
    self.init(precision: precision, threshold: best)
  }

  /// Whether a prediction of this confidence is kept back.
  public func isUncertain(_ confidence: Double) -> Bool { confidence < threshold }

  /// P(X >= right) of `count` trials with probability `p`: where that is small, the true share is larger than p.
  static func chance(ofAtLeast right: Int, of count: Int, _ p: Double) -> Double {
    // At the mean and below it, it is a quarter at the least (Greenberg & Mohri 2014): not small.
    guard Double(right) > Double(count) * p else { return 1 }
    let n = Double(count)
    var term = exp(
      lgamma(n + 1) - lgamma(Double(right) + 1) - lgamma(n - Double(right) + 1) + Double(right) * log(p)
        + (n - Double(right)) * log1p(-p))
    // Beyond the mean, terms fall faster than a geometric series.
    var sum = term
    for i in right..<count {
      term *= (n - Double(i)) / Double(i + 1) * p / (1 - p)
      sum += term
      if term < 1e-17 * sum { break }
    }
    return sum
  }
}
