import GXCore
import GXImage
import GXNet

/// What one step of training or validation takes.
public final class Batch: @unchecked Sendable {
  /// The most pictures in it.
  let size: Int
  /// `[size, height, width, channels]`; zeros behind the first `count` pictures.
  public let pixels: UnsafeMutableBufferPointer<Float>
  /// `[size, width]`: what the network is to predict for each picture, see `TargetMaker`; zeros behind the first `count`.
  public let targets: UnsafeMutableBufferPointer<Float>
  /// Values of a picture's target, as the maker that filled the batch has them.
  var width: Int
  /// `[size]`: how much each picture counts in the loss; 0 behind the first `count`.
  public let weights: UnsafeMutableBufferPointer<Float>
  /// `[count]`: the true classes.
  public internal(set) var labels: [Int] = []
  public var count: Int { labels.count }

  /// - Parameter width: the most values of a picture's target.
  init(size: Int, picture: Shape, width: Int) {
    (self.size, self.width) = (size, width)
    pixels = .allocate(capacity: size * picture.reduce(1, *))
    targets = .allocate(capacity: size * width)
    weights = .allocate(capacity: size)
  }

  deinit {
    pixels.deallocate()
    targets.deallocate()
    weights.deallocate()
  }
}

/// Turns samples into batches: reads, augments, crops, mixes, and sets the targets.
///
/// All randomness follows from (seed, epoch, picture), or (seed, epoch, batch) for mixup.
public struct BatchMaker: Sendable {
  /// Where the pictures are.
  let dataset: Dataset
  /// What the network is to predict for them.
  var targets: TargetMaker
  /// Pictures a batch.
  let size: Int
  /// `[height, width, channels]` of what comes out.
  let picture: Shape
  /// Random changes; in training only.
  var augmentation: Augmentation?
  /// What stands for the augmentation's crop where there is none.
  var crop: Crop?
  /// The parameter of the Beta distribution that pictures are blended by; 0: not blended.
  var mixup: Double = 0
  var seed: UInt64 = 0

  /// The order of `samples` in an epoch. It depends on what the pictures are, not on where they stood.
  static func order(_ samples: [Dataset.Sample], seed: UInt64, epoch: Int) -> [Dataset.Sample] {
    let key = mixed(seed, UInt64(epoch))
    return samples.map { (rank: mixed(key, $0.id &+ UInt64(bitPattern: Int64($0.copy))), sample: $0) }
      .sorted { ($0.rank, $0.sample.offset) < ($1.rank, $1.sample.offset) }
      .map(\.sample)
  }

  /// Fills `batch` with at most `size` samples; the batch's number within the epoch names its randomness.
  func fill(_ batch: Batch, _ samples: ArraySlice<Dataset.Sample>, epoch: Int, number: Int) throws {
    let length = picture.reduce(1, *)
    let width = targets.width
    batch.width = width
    batch.labels.removeAll(keepingCapacity: true)
    for (place, sample) in samples.enumerated() {
      var tensor = try dataset.pixels(of: sample)
      if let augmentation {
        var random = Random(
          seed: mixed(mixed(seed, UInt64(epoch)), mixed(sample.id, UInt64(bitPattern: Int64(sample.copy)))))
        tensor = try augmentation.apply(tensor, random: &random)
      } else if let crop {
        tensor = try crop.apply(tensor)
      }
      tensor.copyFloats(to: UnsafeMutableBufferPointer(rebasing: batch.pixels[place * length..<(place + 1) * length]))
      batch.labels.append(Int(sample.label))
      batch.weights[place] = targets.weight(of: sample)
      targets.fill(.init(rebasing: batch.targets[place * width..<(place + 1) * width]), for: sample)
    }
    batch.weights[batch.count...].update(repeating: 0)
    batch.targets[(batch.count * width)...].update(repeating: 0)
    batch.pixels[(batch.count * length)...].update(repeating: 0)
    if mixup > 0 {
      var random = Random(seed: seed, epoch: epoch, id: "mixup", copy: number)
      batch.blend(Float(random.beta(mixup)))
    }
  }

  /// Runs a network for as many pictures over all `samples` in turn. `read` gets each batch, its samples, and what the
  /// network gives for them.
  func run(
    _ network: Network, over samples: [Dataset.Sample], _ batches: (Batch, Batch),
    _ read: (Batch, ArraySlice<Dataset.Sample>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let starts = Array(stride(from: 0, to: samples.count, by: size))
    let slice = { @Sendable [size] (number: Int) in samples[starts[number]..<min(samples.count, starts[number] + size)]
    }
    let prefetcher = Prefetcher(batches, starts.indices) { number, batch in
      try fill(batch, slice(number), epoch: 0, number: number)
    }
    defer { prefetcher.stop() }
    for number in starts.indices {
      guard let batch = try prefetcher.next() else { break }
      _ = network.input.update(fromContentsOf: batch.pixels)
      try read(batch, slice(number), network.forward())
    }
  }
}
