import GXCore
import GXMetrics
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
  /// The parts of the labels that are told apart in training, if any are.
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
  public private(set) var teacher: Teacher?
  /// Records of the test split: counted, and never looked at.
  public let testCount: Int
  /// Records that carry `error`: counted, and passed over.
  public let failedCount: Int
  /// A fingerprint of all train and val records: id, copy, label, split, finer class and pixels, in whatever order.
  public let digest: UInt64

  private let input: SeekableInput

  /// Reads the stream to its proven end.
  ///
  /// - Parameters:
  ///   - training: If given, the stream is validation data for it: records of split `val`, or of none,
  ///     become `val`, and all others are left.
  ///   - learnt: The splits whose records become `train`.
  ///   - finer: The field of train records that tells which part of its label a picture is.
  /// - Throws: `GXError` where the stream breaks off; and naming the record where a galaxy is in two
  ///   splits, or a train or val record has no label, no float pixels, pixels that are not finite, or
  ///   another size, type or `ops` than those before it.
  public init(
    _ input: SeekableInput, validating training: Dataset? = nil, learning learnt: Set<Split> = [.train],
    finer field: String? = nil
  ) throws {
    self.input = input
    var digest: UInt64 = 0
    var index = Index(validating: training, learnt: learnt, finer: field)
    let reader = RecordReader(input.source())
    while let record = try reader.next() {
      do {
        guard let (split, label, tensor) = try index.admit(record) else { continue }
        try tensor.withBytes { bytes in
          guard allFinite(bytes, tensor.dtype) else { throw GXError("a pixel is not finite") }
          try index.add(record, split, label, offset: reader.pixelOffset!)
          digest &+= xxh64(
            bytes,
            seed: stableHash(
              "\(record.id)\0\(record.copy)\0\(record.label!)\0\(split)\(index.finerText(record, split))"))
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
    (testCount, failedCount) = (index.testCount, index.failedCount)
  }

  /// Those of `other`'s pictures that are in `train`, and none to validate on.
  init(_ other: Dataset, train: [Sample]) {
    (classes, finer, shape, dtype, ops) = (other.classes, other.finer, other.shape, other.dtype, other.ops)
    (self.train, val, teacher) = (train, [], other.teacher)
    (testCount, failedCount, digest, input) = (other.testCount, other.failedCount, other.digest, other.input)
  }

  /// From now on `train` is learnt from `teacher`, too.
  public func learn(from teacher: Teacher?) { self.teacher = teacher }

  /// The stream's records, all of them, from its beginning. Only one reader can be at work.
  func records() -> RecordReader { RecordReader(input.source()) }

  /// Moves `share` of the train pictures to `val`, the same share of every class, and all copies of a
  /// galaxy together. Which they are depends on `seed` and their ids alone.
  public func holdOut(_ share: Double, seed: UInt64) {
    var chosen: Set<UInt64> = []
    for label in Int32(0)..<Int32(classes.count) {
      let galaxies = Set(train.lazy.filter { $0.label == label }.map(\.id))
      let ranked = galaxies.map { (rank: mixed($0, seed), id: $0) }.sorted { $0 < $1 }
      chosen.formUnion(ranked.prefix(Int((Double(ranked.count) * share).rounded())).map(\.id))
    }
    val += train.filter { chosen.contains($0.id) }
    train.removeAll { chosen.contains($0.id) }
  }

  /// - Throws: `GXError` where there are fewer than two classes, one of them is without train pictures, or
  ///   `validation` has nothing to validate on; nil if that is as it should be.
  public func checkTrainable(validation: Dataset?) throws(GXError) {
    guard classes.count >= 2 else {
      throw GXError("\(input.name): two or more labels are needed; the records have \(classes)")
    }
    var counts = [Int](repeating: 0, count: classes.count)
    for sample in train { counts[Int(sample.label)] += 1 }
    if let empty = counts.firstIndex(of: 0) {
      throw GXError("\(input.name): no train record has the label '\(classes[empty])'")
    }
    if let validation, validation.val.isEmpty { throw GXError("\(validation.input.name): no record to validate on") }
  }

  /// The picture as it is on disk, `shape` of `dtype`. Safe from several threads.
  /// - Throws: where the file became shorter, or cannot be read.
  func pixels(of sample: Sample) throws -> Tensor {
    try Tensor(dtype, shape) { try input.read(at: sample.offset, into: $0) }
  }
}

// MARK: The index

/// What is known of the stream so far, and the rules that each further record must keep.
private struct Index {
  let training: Dataset?
  let trainingGalaxies: Set<UInt64>
  let learnt: Set<Split>
  var labels: [Name: Int32] = [:]
  var splits: [UInt64: Split] = [:]
  var named: Bool?
  var form: (shape: Shape, dtype: DType, ops: [JSON]?)?
  var finer: FinerIndex?
  /// Of validation data: labels that are none of those to train on.
  var unknown = UnknownLabels()
  var train: [Dataset.Sample] = []
  var val: [Dataset.Sample] = []
  var testCount = 0
  var failedCount = 0

  init(validating training: Dataset?, learnt: Set<Split>, finer field: String?) {
    (self.training, self.learnt) = (training, learnt)
    finer = training == nil ? field.map(FinerIndex.init) : nil
    trainingGalaxies = Set(training?.train.map(\.id) ?? [])
    form = training.map { ($0.shape, $0.dtype, $0.ops) }
    for (i, name) in (training?.classes ?? []).enumerated() { labels[Name(name)] = Int32(i) }
  }

  /// What there is to keep of a record; nil if it is no train or val record.
  mutating func admit(_ record: Record) throws(GXError) -> (split: Split, label: Int32, tensor: Tensor)? {
    guard record.error == nil else {
      failedCount += 1
      return nil
    }
    let split = try split(of: record)
    if split == .test { testCount += 1 }
    guard split == .val || split == .train && training == nil else { return nil }
    guard let label = try label(of: record) else { return nil }
    guard let tensor = record.tensor else { throw GXError("has no pixels") }
    try check(tensor, Provenance.history(of: record).map(Provenance.deterministic))
    return (split, label, tensor)
  }

  mutating func add(_ record: Record, _ split: Split, _ label: Int32, offset: Int) throws(GXError) {
    var sample = Dataset.Sample(
      offset: offset, id: stableHash(record.id), copy: Int32(truncatingIfNeeded: record.copy), label: label)
    if split == .train, let part = try finer?.number(record, label: record.label!) { sample.part = part }
    if split == .val { val.append(sample) } else { train.append(sample) }
  }

  /// What the fingerprint holds of the finer class.
  func finerText(_ record: Record, _ split: Split) -> String {
    finer.flatMap { split == .train ? "\0\(record.meta[$0.field]?.text ?? "")" : nil } ?? ""
  }

  private mutating func split(of record: Record) throws(GXError) -> Split {
    let id = stableHash(record.id)
    var split = training == nil ? Split.train : .val
    if let name = record.split {
      guard let known = Split(rawValue: name) else { throw GXError("split '\(name)' is none of train, val, test") }
      split = training == nil && learnt.contains(known) ? .train : known
    }
    guard named ?? (record.split != nil) == (record.split != nil) else {
      throw GXError("has \(record.split == nil ? "no split, unlike" : "a split, unlike") the records before it")
    }
    named = record.split != nil
    if let other = splits.updateValue(split, forKey: id), other != split {
      throw GXError("the galaxy is in two splits, \(other) and \(split)")
    }
    if split == .val, trainingGalaxies.contains(id) {
      throw GXError("the galaxy is among those to train on, too")
    }
    return split
  }

  /// nil where it is none of those to train on, which is told when all are known.
  private mutating func label(of record: Record) throws(GXError) -> Int32? {
    guard let name = record.label else { throw GXError("has no label") }
    if let label = labels[Name(name)] { return label }
    guard training == nil else {
      unknown.add(name)
      return nil
    }
    guard labels.count < ConfusionMatrix.classLimit else {
      throw GXError("label '\(name)' is one more than the limit of \(ConfusionMatrix.classLimit) classes")
    }
    labels[Name(name)] = Int32(labels.count)
    return Int32(labels.count - 1)
  }

  private mutating func check(_ tensor: Tensor, _ ops: [JSON]?) throws(GXError) {
    guard tensor.dtype.isFloat else {
      throw GXError("pixels are \(tensor.dtype.name), not floats: put gx-normalize before")
    }
    guard tensor.shape.count == 3, tensor.shape.allSatisfy({ $0 > 0 }) else {
      throw GXError("shape \(tensor.shape) is no [height, width, channels]")
    }
    guard let form else {
      form = (tensor.shape, tensor.dtype, ops)
      return
    }
    guard tensor.shape == form.shape, tensor.dtype == form.dtype else {
      throw GXError(
        "is \(tensor.dtype.name) of shape \(tensor.shape), others are \(form.dtype.name) of \(form.shape)")
    }
    guard Provenance.equal(ops, form.ops) else {
      throw GXError("was prepared by \(Provenance.text(ops)), others by \(Provenance.text(form.ops))")
    }
  }

  /// The class names in bytewise order, and where each provisional label comes in it.
  func rankLabels() -> (classes: [String], rank: [Int32]) {
    if let training { return (training.classes, Array(0..<Int32(training.classes.count))) }
    let sorted = labels.sorted { $0.key < $1.key }
    var rank = [Int32](repeating: 0, count: labels.count)
    for (place, label) in sorted.enumerated() { rank[Int(label.value)] = Int32(place) }
    return (sorted.map(\.key.text), rank)
  }

  /// With final labels, in an order that depends on what the pictures are, not on where they stand.
  func samples(_ split: Split, _ rank: [Int32], parts: [Int32]? = nil) -> [Dataset.Sample] {
    (split == .val ? val : train)
      .map { sample in
        var sample = sample
        sample.label = rank[Int(sample.label)]
        if let parts { sample.part = parts[Int(sample.part)] }
        return sample
      }
      .sorted { ($0.id, $0.copy, $0.offset) < ($1.id, $1.copy, $1.offset) }
  }
}

/// Whether no f16 or f32 value is an infinity or NaN: those have all bits of their exponent set.
private func allFinite(_ bytes: UnsafeRawBufferPointer, _ dtype: DType) -> Bool {
  var found: UInt32 = 0
  if dtype == .f16 {
    for i in 0..<bytes.count / 2 {
      let bits = bytes.loadUnaligned(fromByteOffset: i &* 2, as: UInt16.self)
      found |= bits & 0x7c00 == 0x7c00 ? 1 : 0
    }
  } else {
    for i in 0..<bytes.count / 4 {
      let bits = bytes.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)
      found |= bits & 0x7f80_0000 == 0x7f80_0000 ? 1 : 0
    }
  }
  return found == 0
}

/// A number that looks random and depends on both.
func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
  var outer = Random(seed: a)
  var inner = Random(seed: outer.next() ^ b)
  return inner.next()
}
