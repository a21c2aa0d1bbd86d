import GXCore
import GXNet

/// The exponential moving average of a network's weights and running statistics over its steps
/// (Polyak averaging; as in timm, with TensorFlow's rise of the decay, so that the start is soon forgotten).
final class WeightAverage {
  /// The weight of the past in each step, once there is a past.
  let decay: Double
  private let sources: [Parameter]
  private let averages: [UnsafeMutableBufferPointer<Float>]

  /// Begins with the weights as they are.
  init(decay: Double, of sources: [Parameter]) {
    self.decay = decay
    self.sources = sources
    averages = sources.map { source in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: source.values.count)
      _ = buffer.initialize(fromContentsOf: source.values)
      return buffer
    }
  }

  deinit { averages.forEach { $0.deallocate() } }

  /// Takes in the weights after step number `step`, from 1.
  func update(step: Int) {
    let keep = Float(min(decay, Double(1 + step) / Double(10 + step)))
    sources.forEachPiece { place, elements in
      let (values, out) = (sources[place].values.baseAddress!, averages[place].baseAddress!)
      for i in elements { out[i] = values[i] + keep * (out[i] - values[i]) }
    }
  }

  /// The network's `weights` in plain layout, with the averages in place of those that learn.
  func weights(in weights: [(name: String, tensor: Tensor)]) throws -> [(name: String, tensor: Tensor)] {
    let places = Dictionary(uniqueKeysWithValues: sources.enumerated().map { ($1.name, $0) })
    return try weights.map { weight in
      guard let place = places[weight.name] else { return weight }
      return (weight.name, try sources[place].plain(UnsafeBufferPointer(averages[place])))
    }
  }

  /// Takes up what `weights` gave.
  func restore(_ tensor: (String) throws -> Tensor) throws {
    for (source, average) in zip(sources, averages) { try source.native(from: try tensor(source.name), into: average) }
  }
}
