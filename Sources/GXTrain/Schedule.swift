import Glibc

/// The learning rate over a training run, as a share of the peak rate: a pure function of progress.
public enum Schedule: Equatable, Sendable {
  case constant
  /// Times `factor` after every `every` epochs.
  case step(every: Int, factor: Double)
  /// From 1 to `final` in half a cosine (Loshchilov & Hutter 2017, without restarts).
  case cosine(final: Double)
  /// PyTorch's `OneCycleLR` with cosine annealing (Smith & Topin 2018): from `1/divisor` up to 1 in the
  /// first `rise` of the run, then down to `1/(divisor * finalDivisor)`.
  case oneCycle(rise: Double, divisor: Double, finalDivisor: Double)
  /// Constant here; `Plateau` halves it by what validation says.
  case plateau

  public static let names = ["constant", "step", "cosine", "one-cycle", "plateau"]

  /// The schedule of that name with its usual figures: `step` a tenth after each third of the run, and
  /// PyTorch's defaults for `one-cycle`.
  public init?(named name: String, epochs: Int) {
    switch name {
    case "constant": self = .constant
    case "step": self = .step(every: max(1, (epochs + 2) / 3), factor: 0.1)
    case "cosine": self = .cosine(final: 0)
    case "one-cycle": self = .oneCycle(rise: 0.3, divisor: 25, finalDivisor: 1e4)
    case "plateau": self = .plateau
    default: return nil
    }
  }

  /// The name that `init(named:)` takes.
  public var name: String {
    switch self {
    case .constant: "constant"
    case .step: "step"
    case .cosine: "cosine"
    case .oneCycle: "one-cycle"
    case .plateau: "plateau"
    }
  }

  /// The rate's share for step `step` of `steps` (from 0), with `stepsPerEpoch` steps an epoch. The
  /// first `warmup` steps rise linearly, and the schedule proper runs over the steps after them.
  public func factor(step: Int, of steps: Int, stepsPerEpoch: Int, warmup: Int = 0) -> Double {
    if step < warmup { return Double(step + 1) / Double(warmup + 1) }
    let step = step - warmup
    let last = Double(max(1, steps - warmup - 1))
    let progress = min(1, Double(step) / last)
    switch self {
    case .constant, .plateau: return 1
    case .step(let every, let factor): return pow(factor, Double(step / (every * stepsPerEpoch)))
    case .cosine(let final): return Self.anneal(1, final, progress)
    case .oneCycle(let rise, let divisor, let finalDivisor):
      let peak = rise * (last + 1) - 1
      let low = 1 / divisor
      if Double(step) <= peak { return Self.anneal(low, 1, Double(step) / max(peak, 1)) }
      return Self.anneal(1, low / finalDivisor, min(1, (Double(step) - peak) / (last - peak)))
    }
  }

  /// Half a cosine from `start` (at 0) to `end` (at 1).
  private static func anneal(_ start: Double, _ end: Double, _ progress: Double) -> Double {
    end + (start - end) / 2 * (1 + cos(.pi * progress))
  }
}

/// Reduces the learning rate when a score stops improving: times `factor` after each `patience` epochs
/// in a row without a better one, as Keras's `ReduceLROnPlateau` does (PyTorch's waits one epoch more).
public struct Plateau: Equatable, Sendable {
  public let factor: Double
  public let patience: Int
  /// What the rate is to be multiplied with now.
  public internal(set) var scale = 1.0
  /// Epochs since the last improvement or reduction.
  public internal(set) var waited = 0

  public init(factor: Double = 0.5, patience: Int = 3) {
    self.factor = factor
    self.patience = patience
  }

  /// Takes an epoch's outcome.
  public mutating func update(improved: Bool) {
    waited = improved ? 0 : waited + 1
    if waited >= patience {
      scale *= factor
      waited = 0
    }
  }
}
