import GXCore

/// What is known of a galaxy: a row of NDJSON, or the JSON member of a record. Its fields travel as they came, in their
/// order; this is where those that gx knows have their names and their meaning, the same for every command.
///
/// - `null` is as good as no field, and so is an empty text where a name should be.
/// - Ids, paths, labels, splits and classes are names. A number is a name by its digits, all of them (`JSON.name`).
/// - Names are compared by bytes (`Name`).
public struct Row: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  /// What fields are called.
  public enum Field: String, CaseIterable, Sendable {
    // Of every row.
    case id, path, label, split, copy, ops, error
    // Of a prediction.
    case prediction, reason, confidence, probabilities, set, entropy
    case mutualInformation = "mutual_information"
    case calibrated, logits, classifier, fold
    // Of a label that is probably wrong.
    case suggested, score

    /// Those that mean something of their own in every row: no other thing can be called so.
    public static let ofEveryRow: [Field] = [.id, .path, .label, .split, .copy, .ops, .error]
  }

  /// The `reason` of a row whose prediction is kept back.
  public static let uncertain = "uncertain"

  public var fields: JSONObject

  public init(_ fields: JSONObject = [:]) { self.fields = fields }

  public init(dictionaryLiteral elements: (String, JSON)...) {
    fields = [:]
    for (name, value) in elements { fields[name] = value }
  }

  /// A picture's row.
  public init(id: String, path: String) {
    self.init()
    (self.id, self.path) = (id, path)
  }

  /// - Throws: as `check`.
  public init(checking fields: JSONObject) throws(GXError) {
    self.fields = fields
    try check()
  }

  /// A field as it came.
  public subscript(name: String) -> JSON? {
    get { fields[name] }
    set { fields[name] = newValue }
  }

  /// A field that gx knows; nil where it is null, too.
  public subscript(field: Field) -> JSON? {
    get {
      guard let value = fields[field.rawValue], value != .null else { return nil }
      return value
    }
    set { fields[field.rawValue] = newValue }
  }

  /// Adds `other`'s fields, its values where both have one.
  public mutating func merge(_ other: Row) { fields.merge(other.fields) }

  /// - Throws: `GXError` that names the field, where one of every row's does not hold what it should.
  public func check() throws(GXError) {
    for field in [Field.id, .path, .label, .split] { _ = try name(in: field.rawValue) }
    if let copy = self[.copy] {
      guard let number = copy.intValue, number >= 0 else { throw Self.fault(.copy, copy, "no whole number from 0 on") }
    }
    if let ops = self[.ops], ops.arrayValue == nil { throw Self.fault(.ops, ops, "no list") }
  }

  private static func fault(_ field: Field, _ value: JSON, _ what: String) -> GXError {
    GXError("\(field.rawValue): \(value.text.prefix(80)) is \(what)")
  }

  /// The name that any field holds, nil where there is none.
  /// - Throws: `GXError` that names the field, where it holds something else than a text or a number.
  public func name(in field: String) throws(GXError) -> String? {
    guard let value = fields[field], value != .null else { return nil }
    guard let name = value.nameValue else {
      throw GXError("\(field): \(value.text.prefix(80)) is neither a text nor a number")
    }
    return name.isEmpty ? nil : name
  }

  private func name(_ field: Field) -> String? { try? name(in: field.rawValue) }

  private mutating func set(_ field: Field, _ name: String?) { self[field] = name.map(JSON.string) }
}

// MARK: Of every row

extension Row {
  /// The galaxy's name.
  public var id: String? {
    get { name(.id) }
    set { set(.id, newValue) }
  }

  /// Of the picture's file.
  public var path: String? {
    get { name(.path) }
    set { set(.path, newValue) }
  }

  /// The galaxy's class, as people say.
  public var label: String? {
    get { name(.label) }
    set { set(.label, newValue) }
  }

  /// What the galaxy is for: `train`, `val`, `test`.
  public var split: String? {
    get { name(.split) }
    set { set(.split, newValue) }
  }

  /// Which of the galaxy's augmented copies it is; 0 is the galaxy itself.
  public var copy: Int {
    get { max(0, self[.copy]?.intValue ?? 0) }
    set { self[.copy] = .int(newValue) }
  }

  /// What was done to the pixels since they were decoded; nil for a foreign stream that does not say.
  public var ops: [JSON]? {
    get { self[.ops]?.arrayValue }
    set { self[.ops] = newValue.map(JSON.array) }
  }

  /// Why it failed, if it did.
  public var error: String? {
    get { self[.error].map { $0.stringValue ?? $0.text } }
    set { self[.error] = newValue.map(JSON.string) }
  }

  /// Whether it failed.
  public var hasFailed: Bool { self[.error] != nil }
}

// MARK: Which it is

/// What tells one row from another: copies of a galaxy share its id.
public struct RowKey: Hashable, Sendable, CustomStringConvertible {
  private let name: Name
  public let copy: Int

  public init(id: String, copy: Int = 0) { (name, self.copy) = (Name(id), copy) }
  public var id: String { name.text }
  public var description: String { copy == 0 ? id : "\(id), copy \(copy)" }
}

extension Row {
  /// nil where the row has no id.
  public var key: RowKey? { id.map { RowKey(id: $0, copy: copy) } }
}

extension Record {
  public var rowKey: RowKey { RowKey(id: id, copy: copy) }
}

// MARK: Of predictions

extension Row {
  /// The class that was predicted; nil where it was kept back, too.
  public var prediction: String? {
    get { name(.prediction) }
    set { self[.prediction] = newValue.map(JSON.string) ?? .null }
  }

  /// Whether the prediction was kept back: null, for the reason `uncertain`.
  public var abstains: Bool {
    self[.prediction] == nil && self[.reason]?.stringValue?.hasSameBytes(as: Self.uncertain) == true
  }

  /// The likeliest class' probability.
  public var confidence: Double? { self[.confidence]?.doubleValue }

  /// Whether its probabilities were calibrated.
  public var isCalibrated: Bool { self[.calibrated]?.boolValue == true }
}
