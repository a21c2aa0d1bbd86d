/// A JSON object whose fields are read one by one, strictly: each must be of the kind that is asked for, and what nobody
/// asked for is refused by `finish`. A field that is `null` counts as absent; one that stands twice is an error.
///
///     var fields = try JSONFields(json, "op crop")
///     let width = try fields.required("width", .int(in: 1...32768))
///     let filter = try fields.optional("filter", .choice(Filter.self)) ?? .bilinear
///     try fields.finish()
public struct JSONFields {
  /// What errors call the object.
  public var place: String
  private var left: JSONObject

  /// - Throws: `GXError` where `json` is no object, or has a field twice.
  public init(_ json: JSON, _ place: String) throws(GXError) {
    guard let object = json.objectValue else { throw GXError("\(place): \(json.excerpt) is no JSON object") }
    try self.init(object, place)
  }

  /// - Throws: `GXError` where a field stands twice.
  public init(_ object: JSONObject, _ place: String) throws(GXError) {
    if let name = object.repeatedField { throw GXError("\(place): field \"\(name)\" stands twice") }
    (left, self.place) = (object, place)
  }

  /// The field's value; nil where it is absent or null.
  /// - Throws: `GXError` where it is of another kind.
  public mutating func optional<Value>(_ name: String, _ kind: JSONKind<Value>) throws(GXError) -> Value? {
    guard let json = left[name] else { return nil }
    left[name] = nil
    if json == .null { return nil }
    guard let value = kind.read(json) else {
      throw GXError("\(place): \"\(name)\" is \(json.excerpt), not \(kind.name)")
    }
    return value
  }

  /// The field's value.
  /// - Throws: `GXError` where it is absent, null, or of another kind.
  public mutating func required<Value>(_ name: String, _ kind: JSONKind<Value>) throws(GXError) -> Value {
    guard let value = try optional(name, kind) else { throw missing(name) }
    return value
  }

  /// The fields of an object in this one, whose errors name both; nil where it is absent or null.
  public mutating func optionalFields(_ name: String) throws(GXError) -> JSONFields? {
    guard let object = try optional(name, .object) else { return nil }
    return try JSONFields(object, "\(place): \(name)")
  }

  /// Whether the field is there, not null, and not read yet.
  public func has(_ name: String) -> Bool { left[name].map { $0 != .null } ?? false }

  /// What was not read yet: for objects that keep what they do not know, in place of `finish`.
  public var rest: JSONObject { left }

  /// - Throws: `GXError` where a field is left that was not read.
  public func finish() throws(GXError) {
    for (name, _) in left { throw GXError("\(place): unknown field \"\(name)\"") }
  }

  private func missing(_ name: String) -> GXError { GXError("\(place): no \"\(name)\"") }
}

/// What a field of a JSON object may hold, and how it is read.
public struct JSONKind<Value> {
  /// As errors name it: "a whole number".
  public let name: String
  /// The value; nil where the JSON is of another kind.
  public let read: (JSON) -> Value?

  public init(_ name: String, _ read: @escaping (JSON) -> Value?) { (self.name, self.read) = (name, read) }

  /// The same, where a value meets a condition too, which `name` tells.
  public func restricted(_ name: String, _ condition: @escaping (Value) -> Bool) -> JSONKind {
    JSONKind(name) { json in read(json).flatMap { condition($0) ? $0 : nil } }
  }
}

extension JSONKind where Value == Int {
  public static var int: JSONKind { JSONKind("a whole number", \.intValue) }
  public static func int(in range: ClosedRange<Int>) -> JSONKind {
    int.restricted("a whole number in \(range.lowerBound)...\(range.upperBound)", range.contains)
  }
  /// A whole number that is not negative.
  public static var count: JSONKind { int.restricted("a count") { $0 >= 0 } }
}

extension JSONKind where Value == Double {
  /// A finite number.
  public static var number: JSONKind {
    JSONKind("a number") { json in json.doubleValue.flatMap { $0.isFinite ? $0 : nil } }
  }
  public static func number(in range: ClosedRange<Double>) -> JSONKind {
    let (low, high) = (JSON.double(range.lowerBound).text, JSON.double(range.upperBound).text)
    return number.restricted("a number in \(low)...\(high)", range.contains)
  }
}

extension JSONKind where Value == String {
  public static var string: JSONKind { JSONKind("a text", \.stringValue) }
}

extension JSONKind where Value == Bool {
  public static var bool: JSONKind { JSONKind("true or false", \.boolValue) }
}

extension JSONKind where Value == JSONObject {
  public static var object: JSONKind { JSONKind("an object", \.objectValue) }
}

extension JSONKind where Value == JSON {
  public static var any: JSONKind { JSONKind("a value") { $0 } }
}

extension JSONKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of an enumeration's values, by its text.
  public static func choice(_ type: Value.Type) -> JSONKind {
    JSONKind("one of \(type.allCases.map(\.rawValue).joined(separator: ", "))") { json in
      json.stringValue.flatMap(Value.init(rawValue:))
    }
  }
}

extension JSONKind {
  /// One of some texts, each of which stands for a value.
  public static func choice(_ choices: [(name: String, value: Value)]) -> JSONKind {
    JSONKind("one of \(choices.map(\.name).joined(separator: ", "))") { json in
      json.stringValue.flatMap { text in choices.first { $0.name == text }?.value }
    }
  }

  /// A list, all of whose items are of one kind.
  public static func list<Item>(
    _ item: JSONKind<Item>, count: ClosedRange<Int>? = nil
  ) -> JSONKind where Value == [Item] {
    let size =
      count.map { $0.lowerBound == $0.upperBound ? " of \($0.lowerBound)" : " of at least \($0.lowerBound)" } ?? ""
    return JSONKind("a list\(size), each \(item.name)") { json in
      guard let items = json.arrayValue, count?.contains(items.count) ?? true else { return nil }
      let values = items.compactMap(item.read)
      return values.count == items.count ? values : nil
    }
  }
}

extension JSONKind where Value == [String] {
  /// A list of names, all of them different.
  /// - Parameter least: How many there must be.
  public static func names(atLeast least: Int) -> JSONKind {
    list(.string).restricted("a list of \(least) or more different names") {
      $0.count >= least && Set($0.map { Name($0) }).count == $0.count
    }
  }
}

extension JSON {
  /// The beginning of its text, for errors.
  fileprivate var excerpt: String { String(text.prefix(80)) }
}
