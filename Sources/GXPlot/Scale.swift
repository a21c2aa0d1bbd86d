import GXCore
import Glibc

/// How numbers on an axis are written.
public enum NumberForm: Sendable { case number, percent, whole }

/// An axis' range of values and its ticks, at round numbers: 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers
/// for graph labels", Graphics Gems 1990).
public struct Scale: Equatable, Sendable {
  public struct Tick: Equatable, Sendable {
    public let value: Double
    public let label: String
  }

  public let low, high: Double
  public let ticks: [Tick]

  /// - Parameters:
  ///   - range: the values to show; not finite, it is 0 to 1; of no width, it is widened; of what is larger than
  ///     2e307, no more than that is shown.
  ///   - count: how many ticks there may be, about.
  ///   - isTight: the axis ends where `range` does, not at the next tick.
  public init(_ range: ClosedRange<Double>, ticks count: Int, _ form: NumberForm = .number, isTight: Bool = false) {
    var (low, high) = (range.lowerBound, range.upperBound)
    if !low.isFinite || !high.isFinite { (low, high) = (0, 1) }
    // Further apart, their distance or a tick beyond them would not be finite.
    let most = Double.greatestFiniteMagnitude / 8
    (low, high) = (low.clamped(to: -most...most), high.clamped(to: -most...most))
    // Less than that, ticks could not be told apart.
    let least = max(low.magnitude, high.magnitude, 1e-300) * 1e-9
    if high - low <= least {
      let half = form == .whole || low.magnitude < 1e-300 ? 0.5 : low.magnitude * 0.1
      (low, high) = (low - max(half, least), high + max(half, least))
    }
    var step = Self.niceStep((high - low) / Double(max(1, count)))
    if form == .whole { step = max(1, step) }
    // A range that ends at a tick, but for rounding, does.
    let slack = 1e-6
    if !isTight {
      (low, high) = ((low / step + slack).rounded(.down) * step, (high / step - slack).rounded(.up) * step)
    }
    (self.low, self.high) = (low, high)
    var first: Double { (low / step - slack).rounded(.up) }
    var between: Double { (high / step + slack).rounded(.down) - first }
    // Between ends that are no ticks there may be none: 7 epochs hold no multiple of 10.
    while between < 0 { step = form == .whole ? max(1, (step / 2).rounded(.down)) : step / 2 }
    ticks = (0...Int(between)).map { [step, first] i in
      let value = (first + Double(i)) * step
      return Tick(value: value, label: Self.label(value, step: step, form))
    }
  }

  /// Where `value` lies, from 0 at the low end to 1 at the high; what is outside lies at the end.
  public func place(_ value: Double) -> Double {
    value.isNaN ? .nan : ((value - low) / (high - low)).clamped(to: 0...1)
  }

  static func niceStep(_ rough: Double) -> Double {
    let power = pow(10, log10(rough).rounded(.down))
    let digit = rough / power
    return power * (digit < 1.5 ? 1 : digit < 3 ? 2 : digit < 7 ? 5 : 10)
  }

  /// With as many decimals as `step` has.
  static func label(_ value: Double, step: Double, _ form: NumberForm) -> String {
    if form == .percent { return label(value * 100, step: step * 100, .number) + " %" }
    let decimals = Int((-log10(step) - 1e-9).rounded(.up))
    let largest = max(value.magnitude, step)
    if decimals > 4 || largest >= 1e7 {
      guard value != 0 else { return "0" }
      let power = Int(log10(value.magnitude).rounded(.down))
      return trimmed(fixed(value / pow(10, Double(power)), 2)) + "e\(power)"
    }
    return fixed(value, max(0, decimals))
  }
}
