import GXCore
import GXImage
import GXNet
import Glibc

/// What one step of training or validation takes.
public final class Batch: @unchecked Sendable {
  /// `[size, height, width, channels]`; zeros behind the first `count` pictures.
  public let pixels: UnsafeMutableBufferPointer<Float>
  /// `[size, classes]`: how much of each class, or finer class, a picture is; with `taught` 1 in sum.
  public let targets: UnsafeMutableBufferPointer<Float>
  /// `[size, labels]`: where targets are of finer classes and there are teachers, who know the labels alone, what these
  /// say. Empty otherwise.
  public let taught: UnsafeMutableBufferPointer<Float>
  /// `[size]`: how much each picture counts in the loss; 0 behind the first `count`.
  public let weights: UnsafeMutableBufferPointer<Float>
  /// `[count]`: the true classes.
  public internal(set) var labels: [Int] = []
  public var count: Int { labels.count }

  init(size: Int, picture: Shape, classes: Int, taught: Int = 0) {
    pixels = .allocate(capacity: size * picture.reduce(1, *))
    targets = .allocate(capacity: size * classes)
    self.taught = .allocate(capacity: size * taught)
    weights = .allocate(capacity: size)
  }

  deinit {
    pixels.deallocate()
    targets.deallocate()
    taught.deallocate()
    weights.deallocate()
  }
}

/// Turns samples into batches: reads, augments, crops, mixes, and sets the targets.
///
/// All randomness follows from (seed, epoch, picture), or (seed, epoch, batch) for mixup.
public struct BatchMaker: Sendable {
  /// Where the pictures are.
  let dataset: Dataset
  /// Whether targets are of the finer classes.
  var isFiner = false
  /// What is learnt beside the labels.
  var teacher: Teacher?
  /// Pictures a batch.
  let size: Int
  /// `[height, width, channels]` of what comes out.
  let picture: Shape
  /// Random changes; in training only.
  var augmentation: Augmentation?
  /// What stands for the augmentation's crop where there is none.
  var crop: Crop?
  /// The share of a target that is spread evenly over all classes (Szegedy et al. 2016).
  var labelSmoothing: Float = 0
  /// The parameter of the Beta distribution that pictures are blended by (Zhang et al. 2018); 0: not blended.
  var mixup: Double = 0
  /// `[classes]`, or nil where all count the same.
  var classWeights: [Float]?
  var seed: UInt64 = 0

  /// How many classes targets are of.
  private var targetCount: Int { isFiner ? dataset.finer!.names.count : dataset.classes.count }

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
    let classes = targetCount
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
      let label = Int(sample.label)
      batch.labels.append(label)
      batch.weights[place] = classWeights?[label] ?? 1
      let target = isFiner ? Int(sample.part) : label
      for k in 0..<classes {
        batch.targets[place * classes + k] = labelSmoothing / Float(classes) + (k == target ? 1 - labelSmoothing : 0)
      }
      if let teacher { teach(batch, place, teacher, sample, classes) }
    }
    for place in batch.count..<size {
      batch.weights[place] = 0
      for k in 0..<classes { batch.targets[place * classes + k] = 0 }
    }
    batch.taught[min(batch.count * dataset.classes.count, batch.taught.count)...].update(repeating: 0)
    batch.pixels[(batch.count * length)...].update(repeating: 0)
    if mixup > 0 {
      var random = Random(seed: seed, epoch: epoch, id: "mixup", copy: number)
      blend(batch, Float(random.beta(mixup)), length, classes)
    }
  }

  /// Puts the teacher in the place of its share of the label, where it knows the picture.
  private func teach(_ batch: Batch, _ place: Int, _ teacher: Teacher, _ sample: Dataset.Sample, _ classes: Int) {
    let labels = dataset.classes.count
    let known = teacher.probabilities(of: sample.id)
    if known != nil { for k in 0..<classes { batch.targets[place * classes + k] *= 1 - teacher.share } }
    for k in 0..<labels {
      let part = teacher.share * (known.map { $0[$0.startIndex + k] } ?? 0)
      if isFiner { batch.taught[place * labels + k] = part } else { batch.targets[place * labels + k] += part }
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

  /// Blends each picture with its opposite in the batch, which is in random order already.
  private func blend(_ batch: Batch, _ share: Float, _ length: Int, _ classes: Int) {
    let pixels = batch.pixels.baseAddress!
    for i in 0..<batch.count / 2 {
      let j = batch.count - 1 - i
      mix(pixels + i * length, pixels + j * length, length, share)
      let targets = batch.targets.baseAddress!
      mix(targets + i * classes, targets + j * classes, classes, share)
      if !batch.taught.isEmpty {
        let labels = dataset.classes.count
        mix(batch.taught.baseAddress! + i * labels, batch.taught.baseAddress! + j * labels, labels, share)
      }
      mix(batch.weights.baseAddress! + i, batch.weights.baseAddress! + j, 1, share)
    }
  }

  private func mix(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ n: Int, _ share: Float) {
    for k in 0..<n {
      let (x, y) = (a[k], b[k])
      a[k] = y + share * (x - y)
      b[k] = x + share * (y - x)
    }
  }
}

extension Random {
  /// Beta distributed with both parameters `alpha`: of two gamma variates, one's part of the sum.
  mutating func beta(_ alpha: Double) -> Double {
    let (x, y) = (gamma(alpha), gamma(alpha))
    return x + y > 0 ? x / (x + y) : 1
  }

  /// Gamma distributed with scale 1 (Marsaglia & Tsang 2000).
  private mutating func gamma(_ shape: Double) -> Double {
    if shape < 1 { return gamma(shape + 1) * pow(1 - uniform(), 1 / shape) }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(1 - uniform()) < x * x / 2 + d - d * v + d * log(v) { return d * v }
    }
  }
}

/// Makes batches on a thread of its own, one ahead of who takes them.
final class Prefetcher: @unchecked Sendable {
  private let monitor = Monitor()
  private let batches: [Batch]
  private var made = 0
  private var taken = 0
  private var released = 0
  private var stopped = false
  private var end: Result<Void, Error>?

  /// Calls `fill` for each of `numbers` in turn. The two batches can be used again when `stop` was called.
  init(_ batches: (Batch, Batch), _ numbers: Range<Int>, fill: @escaping @Sendable (Int, Batch) throws -> Void) {
    self.batches = [batches.0, batches.1]
    detachThread { [self] in
      let result = Result { try make(numbers, fill) }
      monitor.locked {
        end = result
        monitor.signalAll()
      }
    }
  }

  private func make(_ numbers: Range<Int>, _ fill: (Int, Batch) throws -> Void) throws {
    for number in numbers {
      let stop = monitor.locked {
        while made - released == 2 && !stopped { monitor.wait() }
        return stopped
      }
      if stop { return }
      try fill(number, batches[made % 2])
      monitor.locked {
        made += 1
        monitor.signalAll()
      }
    }
  }

  /// The next batch, which is the caller's until the next call; nil when all were taken.
  func next() throws -> Batch? {
    try monitor.locked {
      released = taken
      monitor.signalAll()
      while made == taken {
        if let end {
          try end.get()
          return nil
        }
        monitor.wait()
      }
      taken += 1
      return batches[(taken - 1) % 2]
    }
  }

  /// Ends the thread, and waits for it.
  func stop() {
    monitor.locked {
      stopped = true
      monitor.signalAll()
      while end == nil { monitor.wait() }
    }
  }
}
