import GXCore
import GXModel
import GXStream

/// The part of the data that a record belongs to, by its field `split`.
public enum Split: String, CaseIterable, Sendable {
  case train, val, test
}

/// The labelled pictures of a prepared tensor stream. They stay on disk; in memory there is an index of
/// some 24 bytes a picture (and as much for its name while the stream is read), so that the stream may
/// be larger than memory.
///
/// A record in which something is wrong by itself (see `Admission.fault`) is refused, and the others are learnt from.
/// Where two records do not go together, nobody can say which of them is right, and the stream is refused.
public final class Dataset: @unchecked Sendable {
  /// A picture's place, and what its randomness and target are derived from.
  public struct Sample: Sendable {
    /// Of its first byte in the file.
    let offset: Int
    /// A hash of its `id`, which copies of one galaxy share.
    let id: UInt64
    let copy: Int32
    /// Into `classes`.
    public internal(set) var label: Int32
    /// Into `finer`'s names; 0 where there are none, and in validation.
    var part: Int32 = 0
  }

  /// The labels, in bytewise order.
  public let classes: [String]
  /// The parts of the labels that a network learns to predict in their place, if any are.
  public let finer: FinerClasses?
  /// `[height, width, channels]` of every picture.
  public let shape: Shape
  /// `.f32` or `.f16`.
  public let dtype: DType
  /// What was done to the pictures since they were decoded, without random steps; nil for a foreign
  /// stream, which does not say.
  public let ops: [JSON]?
  /// In an order that does not depend on the stream's.
  public private(set) var train: [Sample]
  public private(set) var val: [Sample]
  /// What is learnt beside the labels of `train`.
  public private(set) var soft: SoftLabels?
  /// Records of the test split: counted, and but for their labels never looked at.
  public let testCount: Int
  /// Labels that test records alone have, in bytewise order.
  public let testLabels: [String]
  /// Records that nothing can be learnt from.
  public let refusals: Refusals
  /// A fingerprint of all train and val records: id, copy, label, split, finer class and pixels, in whatever order.
  public let digest: UInt64

  private let input: SeekableInput
  private let admission: Admission

  /// Reads the stream to its proven end.
  ///
  /// - Parameters:
  ///   - training: If given, the stream is validation data for it: records of split `val`, or of none,
  ///     become `val`, and all others are left.
  ///   - learnt: The splits whose records become `train`.
  ///   - validates: Whether records of split `val` are needed; else they are left.
  ///   - finer: The field of train records that holds which part of its label a picture is.
  ///   - refused: Told of each record that nothing can be learnt from, and why; what it throws ends the reading.
  /// - Throws: `GXError` where the stream breaks off; and naming the record where a galaxy is in two splits, its split
  ///   is none, its label is none of those to train on, or its size, type or `ops` are others than those before it.
  public init(
    _ input: SeekableInput, validating training: Dataset? = nil, learning learnt: Set<Split> = [.train],
    validates: Bool = true, finer field: String? = nil,
    refused: (Record, String) throws -> Void = { throw GXError($1) }
  ) throws {
    self.input = input
    admission = Admission(
      learnt: learnt, isValidation: training != nil, validates: validates, finerField: training == nil ? field : nil)
    var digest: UInt64 = 0
    var refusals = Refusals()
    var index = Index(admission, validating: training)
    let reader = RecordReader(input.source())
    while let record = try reader.next() {
      do {
        let split = record.error == nil ? try index.split(of: record) : nil
        if let fault = admission.fault(of: record, in: split) {
          refusals.add(record, fault)
          try refused(record, fault)
        } else if let split, let label = try index.add(record, split, offset: reader.pixelOffset) {
          record.tensor!.withBytes {
            digest &+= xxh64(
              $0,
              seed: stableHash("\(record.id)\0\(record.copy)\0\(label)\0\(split)\(index.finerText(record, split))"))
          }
        }
      } catch {
        throw GXError("\(input.name): record '\(record.id)': \(error)")
      }
    }
    self.digest = digest
    if let message = index.unknown.message(field: Row.Field.label.rawValue, classes: training?.classes ?? []) {
      throw GXError("\(input.name): \(message)")
    }
    let ranks = index.rankLabels()
    classes = ranks.classes
    let parts = index.finer.map { $0.ranked(labels: ranks.classes) }
    finer = parts?.classes
    train = index.samples(.train, ranks.rank, parts: parts?.rank)
    val = index.samples(.val, ranks.rank)
    (shape, dtype, ops) = (index.form?.shape ?? [], index.form?.dtype ?? .f32, index.form?.ops)
    (testCount, self.refusals) = (index.testCount, refusals)
    testLabels = index.testLabels.subtracting(classes.map { Name($0) }).sorted().map(\.text)
  }

  /// Those of `other`'s pictures that are in `train`, and none to validate on.
  init(_ other: Dataset, train: [Sample]) {
    (classes, finer, shape, dtype, ops) = (other.classes, other.finer, other.shape, other.dtype, other.ops)
    (self.train, val, soft) = (train, [], other.soft)
    (testCount, testLabels, refusals) = (other.testCount, [], other.refusals)
    (digest, input, admission) = (other.digest, other.input, other.admission)
  }

  /// Records of the stream that were not refused.
  public var count: Int { train.count + val.count + testCount }

  /// Of the stream.
  var name: String { input.name }

  /// From now on `train` is learnt from `soft` labels, too.
  public func learn(from soft: SoftLabels?) { self.soft = soft }

  /// The stream's records, all of them, from its beginning. Only one reader can be at work.
  func records() -> RecordReader { RecordReader(input.source()) }

  /// Why nothing can be learnt from one of the stream's records; nil where something can be, or need not.
  func fault(of record: Record) -> String? { admission.fault(of: record, in: try? admission.split(of: record)) }

  /// Moves `share` of the train pictures to `val`, the same share of every class, and all copies of a
  /// galaxy together; of each class one galaxy stays. Which they are depends on `seed` and their ids alone.
  public func holdOut(_ share: Double, seed: UInt64) {
    var chosen: Set<UInt64> = []
    for label in Int32(0)..<Int32(classes.count) {
      let galaxies = Set(train.lazy.filter { $0.label == label }.map(\.id))
      let ranked = galaxies.map { (rank: mixed($0, seed), id: $0) }.sorted { $0 < $1 }
      let count = min(Int((Double(ranked.count) * share).rounded()), ranked.count - 1)
      chosen.formUnion(ranked.prefix(max(count, 0)).map(\.id))
    }
    val += train.filter { chosen.contains($0.id) }
    train.removeAll { chosen.contains($0.id) }
  }

  /// The picture as it is on disk, `shape` of `dtype`. Safe from several threads.
  /// - Throws: where the file became shorter, or cannot be read.
  func pixels(of sample: Sample) throws -> Tensor {
    try Tensor(dtype, shape) { try input.read(at: sample.offset, into: $0) }
  }
}

/// A number that looks random and depends on both.
func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
  var outer = Random(seed: a)
  var inner = Random(seed: outer.next() ^ b)
  return inner.next()
}
