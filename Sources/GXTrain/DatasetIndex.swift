import GXCore
import GXMetrics
import GXModel
import GXStream

/// What is known of the stream so far, and the rules that each further record must keep.
struct Index {
  let training: Dataset?
  let trainingGalaxies: Set<UInt64>
  let admission: Admission
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
  /// No more than there can be classes, and one.
  var testLabels: Set<Name> = []

  init(_ admission: Admission, validating training: Dataset?) {
    (self.admission, self.training) = (admission, training)
    finer = admission.finerField.map(FinerIndex.init)
    trainingGalaxies = Set(training?.train.map(\.id) ?? [])
    form = training.map { ($0.shape, $0.dtype, $0.ops) }
    for (i, name) in (training?.classes ?? []).enumerated() { labels[Name(name)] = Int32(i) }
  }

  /// Takes in a record without a fault whose pixels begin at `offset`, and gives its label; nil if it is not needed.
  mutating func add(_ record: Record, _ split: Split, offset: Int?) throws(GXError) -> String? {
    if split == .test {
      testCount += 1
      if let label = record.label, testLabels.count <= ConfusionMatrix.classLimit { testLabels.insert(Name(label)) }
    }
    guard admission.uses(split), let name = record.label, let tensor = record.tensor, let offset else { return nil }
    guard let label = try number(ofLabel: name) else { return nil }
    try check(tensor, Provenance.history(of: record).map(Provenance.deterministic))
    var sample = Dataset.Sample(
      offset: offset, id: stableHash(record.id), copy: Int32(truncatingIfNeeded: record.copy), label: label)
    if split == .train, let part = try finer?.number(record, label: name) { sample.part = part }
    if split == .val { val.append(sample) } else { train.append(sample) }
    return name
  }

  /// What the fingerprint holds of the finer class.
  func finerText(_ record: Record, _ split: Split) -> String {
    finer.flatMap { split == .train ? "\0\(record.meta[$0.field]?.text ?? "")" : nil } ?? ""
  }

  /// The record's part of the data.
  mutating func split(of record: Record) throws(GXError) -> Split {
    let id = stableHash(record.id)
    let split = try admission.split(of: record)
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
  private mutating func number(ofLabel name: String) throws(GXError) -> Int32? {
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
