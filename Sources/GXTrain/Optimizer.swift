import GXCore
import GXNet
import Glibc

/// The rule by which gradients change the weights. Figures and formulas are PyTorch's.
public enum UpdateRule: Equatable, Sendable {
  /// Stochastic gradient descent with momentum (Sutskever et al. 2013).
  case sgd(momentum: Double, nesterov: Bool)
  /// Kingma & Ba 2015. Weight decay is added to the gradient.
  case adam(beta1: Double, beta2: Double, epsilon: Double)
  /// Loshchilov & Hutter 2019: weight decay acts on the weights, apart from the gradient.
  case adamW(beta1: Double, beta2: Double, epsilon: Double)

  public static let names = ["sgd", "adam", "adamw"]

  public init?(named name: String, momentum: Double = 0.9, nesterov: Bool = false) {
    switch name {
    case "sgd": self = .sgd(momentum: momentum, nesterov: nesterov)
    case "adam": self = .adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
    case "adamw": self = .adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8)
    default: return nil
    }
  }

  /// The name that `init(named:)` takes.
  public var name: String {
    switch self {
    case .sgd: "sgd"
    case .adam: "adam"
    case .adamW: "adamw"
    }
  }

  /// Names of the values kept for each weight.
  var moments: [String] {
    switch self {
    case .sgd: ["momentum"]
    case .adam, .adamW: ["mean", "square"]
    }
  }
}

/// Changes a network's parameters by their gradients, element by element in the network's own layout.
public final class Optimizer {
  public let rule: UpdateRule
  /// The share of a weight that decays, times the learning rate; only for parameters that `decays`.
  public let weightDecay: Double
  /// The largest norm of all gradients together; longer ones are scaled down to it. nil: no limit.
  public let clip: Double?

  private let parameters: [Parameter]
  /// For each parameter, what the learning rate is multiplied with.
  private let rates: [Double]
  /// A buffer a parameter, for each of the rule's moments.
  private let moments: [[UnsafeMutableBufferPointer<Float>]]
  /// Steps done.
  public private(set) var steps = 0

  /// - Parameter rate: by a parameter's name, what the learning rate is multiplied with for it.
  public init(
    _ rule: UpdateRule, weightDecay: Double = 0, clip: Double? = nil, parameters: [Parameter],
    rate: (String) -> Double = { _ in 1 }
  ) {
    self.rule = rule
    self.weightDecay = weightDecay
    self.clip = clip
    self.parameters = parameters
    rates = parameters.map { rate($0.name) }
    moments = rule.moments.map { _ in
      parameters.map { parameter in
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.values.count)
        buffer.initialize(repeating: 0)
        return buffer
      }
    }
  }

  deinit { for buffer in moments.joined() { buffer.deallocate() } }

  /// One step with the gradients that the parameters hold now.
  public func step(learningRate: Double) {
    steps += 1
    let scale = clip.map { limit in min(1, limit / (gradientNorm + 1e-6)) } ?? 1
    parameters.forEachPiece { i, elements in
      let parameter = parameters[i]
      let (start, n) = (elements.lowerBound, elements.count)
      let w = parameter.values.baseAddress! + start
      let g = parameter.gradient.baseAddress! + start
      let state = moments.map { $0[i].baseAddress! + start }
      let decay = parameter.decays ? weightDecay : 0
      let learningRate = learningRate * rates[i]
      switch rule {
      case .sgd(let momentum, let nesterov):
        sgd(
          w, g, state[0], n, scale: Float(scale), decay: Float(decay),
          momentum: Float(momentum), nesterov: nesterov, rate: Float(learningRate))
      case .adam(let beta1, let beta2, let epsilon):
        adam(
          w, g, state[0], state[1], n, scale: Float(scale), decay: Float(decay),
          shrink: 1, beta1, beta2, epsilon, rate: learningRate, step: steps)
      case .adamW(let beta1, let beta2, let epsilon):
        adam(
          w, g, state[0], state[1], n, scale: Float(scale), decay: 0,
          shrink: Float(1 - learningRate * decay), beta1, beta2, epsilon, rate: learningRate, step: steps)
      }
    }
  }

  /// The Euclidean norm of all gradients together.
  public var gradientNorm: Double {
    var sum = 0.0
    for parameter in parameters {
      let g = parameter.gradient.baseAddress!
      let n = parameter.gradient.count
      var lanes = SIMD4<Double>()
      var i = 0
      while i + 4 <= n {
        let v = SIMD4<Double>(UnsafeRawPointer(g + i).loadUnaligned(as: SIMD4<Float>.self))
        lanes += v * v
        i += 4
      }
      sum += lanes.sum()
      while i < n {
        sum += Double(g[i]) * Double(g[i])
        i += 1
      }
    }
    return sum.squareRoot()
  }

  // MARK: State for a checkpoint

  /// The moments in the parameters' plain layout, as `PARAMETER.MOMENT`.
  public var state: [(name: String, tensor: Tensor)] {
    get throws {
      try zip(rule.moments, moments).flatMap { moment, buffers in
        try zip(parameters, buffers).map { parameter, buffer in
          ("\(parameter.name).\(moment)", try parameter.plain(UnsafeBufferPointer(buffer)))
        }
      }
    }
  }

  /// Takes up a state that `state` gave after `steps` steps; `tensor` finds one by name.
  public func restore(steps: Int, _ tensor: (String) throws -> Tensor) throws {
    for (moment, buffers) in zip(rule.moments, moments) {
      for (parameter, buffer) in zip(parameters, buffers) {
        try parameter.native(from: try tensor("\(parameter.name).\(moment)"), into: buffer)
      }
    }
    self.steps = steps
  }
}

// MARK: Kernels

private typealias Lanes = SIMD8<Float>
private typealias Floats = UnsafeMutablePointer<Float>

/// Eight elements from `i`; zeros past the end `n`.
@inline(__always) private func load(_ p: Floats, _ i: Int, _ n: Int) -> Lanes {
  if i &+ 8 <= n { return UnsafeRawPointer(p + i).loadUnaligned(as: Lanes.self) }
  var lanes = Lanes()
  for k in 0..<n &- i { lanes[k] = p[i &+ k] }
  return lanes
}

@inline(__always) private func store(_ lanes: Lanes, _ p: Floats, _ i: Int, _ n: Int) {
  if i &+ 8 <= n {
    UnsafeMutableRawPointer(p + i).storeBytes(of: lanes, as: Lanes.self)
  } else {
    for k in 0..<n &- i { p[i &+ k] = lanes[k] }
  }
}

private func sgd(
  _ w: Floats, _ g: Floats, _ m: Floats, _ n: Int, scale: Float, decay: Float, momentum: Float, nesterov: Bool,
  rate: Float
) {
  for i in stride(from: 0, to: n, by: 8) {
    let weight = load(w, i, n)
    let gradient = load(g, i, n) * scale + weight * decay
    let velocity = load(m, i, n) * momentum + gradient
    store(velocity, m, i, n)
    let direction = nesterov ? gradient + velocity * momentum : velocity
    store(weight - direction * rate, w, i, n)
  }
}

private func adam(
  _ w: Floats, _ g: Floats, _ m: Floats, _ v: Floats, _ n: Int, scale: Float, decay: Float, shrink: Float,
  _ beta1: Double, _ beta2: Double, _ epsilon: Double, rate: Double, step: Int
) {
  let (keep1, add1) = (Float(beta1), Float(1 - beta1))
  let (keep2, add2) = (Float(beta2), Float(1 - beta2))
  let size = Float(rate / (1 - pow(beta1, Double(step))))
  let correction = Float(1 / (1 - pow(beta2, Double(step))).squareRoot())
  let epsilon = Float(epsilon)
  for i in stride(from: 0, to: n, by: 8) {
    let weight = load(w, i, n) * shrink
    let gradient = load(g, i, n) * scale + weight * decay
    let mean = load(m, i, n) * keep1 + gradient * add1
    let square = load(v, i, n) * keep2 + gradient * gradient * add2
    store(mean, m, i, n)
    store(square, v, i, n)
    store(weight - mean * size / (square.squareRoot() * correction + epsilon), w, i, n)
  }
}
