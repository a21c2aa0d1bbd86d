import GXNet

/// Sharpness-aware minimisation (Foret et al. 2021, algorithm 1 with p = 2): the step is made from where the weights are,
/// by the gradient from where, within a radius, the batch's loss is worst to first order, which leads to flatter minima.
final class Sharpness {
  /// How far the weights go for the gradient, by the Euclidean norm of all of them together.
  private let radius: Double
  private let parameters: [Parameter]
  /// What comes back as it was: the weights, and the running statistics, which are of the weights' own place.
  private let kept: [(array: Parameter, values: UnsafeMutableBufferPointer<Float>)]

  init(radius: Double, of network: Network) {
    self.radius = radius
    parameters = network.parameters
    kept = (network.parameters + network.state).map { ($0, .allocate(capacity: $0.values.count)) }
  }

  deinit { for (_, values) in kept { values.deallocate() } }

  /// Runs `body`, which is to compute the gradient anew, with the weights moved along the gradient that they hold now.
  /// - Parameter norm: Of that gradient.
  func atTheWorst(gradientNorm norm: Double, _ body: () throws -> Void) rethrows {
    for (array, values) in kept { _ = values.initialize(fromContentsOf: array.values) }
    let factor = Float(radius / (norm + 1e-12))
    parameters.forEachPiece { place, elements in
      let (weights, gradient) = (parameters[place].values, parameters[place].gradient)
      for i in elements { weights[i] += factor * gradient[i] }
    }
    defer { for (array, values) in kept { _ = array.values.update(fromContentsOf: values) } }
    try body()
  }
}
