/// A JSON value (RFC 8259) that comes out as it went in: objects keep their order, numbers their
/// text (so 64-bit ids and `1.10` survive), because a filter passes on what it does not know.
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number by its JSON text.
  case number(String)
  case string(String)
  case array([JSON])
  case object(JSONObject)

  /// The deepest nesting that is read.
  public static let depthLimit = 64

  /// Texts are equal where their bytes are, numbers where they are written alike.
  public static func == (a: JSON, b: JSON) -> Bool {
    switch (a, b) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a.hasSameBytes(as: b)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }

  public static func int(_ value: Int) -> JSON { .number(String(value)) }

  /// The shortest text that reads back as the same value; `null` where it is not finite.
  public static func double(_ value: Double) -> JSON { value.isFinite ? .number(trim("\(value)")) : .null }
  public static func float(_ value: Float) -> JSON { value.isFinite ? .number(trim("\(value)")) : .null }

  private static func trim(_ text: String) -> String { text.hasSuffix(".0") ? String(text.dropLast(2)) : text }

  public var stringValue: String? { if case .string(let s) = self { s } else { nil } }
  public var boolValue: Bool? { if case .bool(let b) = self { b } else { nil } }
  public var doubleValue: Double? { if case .number(let n) = self { Double(n) } else { nil } }
  public var arrayValue: [JSON]? { if case .array(let a) = self { a } else { nil } }
  public var objectValue: JSONObject? { if case .object(let o) = self { o } else { nil } }
  public var intValue: Int? {
    guard case .number(let n) = self else { return nil }
    return Int(n) ?? Double(n).flatMap { Int(exactly: $0) }
  }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(JSONObject(elements)) }
}

/// An object's fields in order. Setting a field that is there keeps its place; `nil` removes it.
public struct JSONObject: Equatable, Sendable, ExpressibleByDictionaryLiteral, Sequence {
  private var fields: [(key: String, value: JSON)]
  /// The place of a field that the text had twice; -1 if there is none.
  private var repeated: Int32 = -1

  public init() { fields = [] }
  public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
  init(_ elements: [(String, JSON)], repeated: Int? = nil) {
    fields = elements.map { ($0.0, $0.1) }
    self.repeated = repeated.map { Int32($0) } ?? -1
  }

  /// The name of a field that the text had more than once. Its last value counts, as in most readers; a strict one
  /// (`JSONFields`) refuses.
  public var repeatedField: String? { repeated < 0 ? nil : fields[Int(repeated)].key }

  public var count: Int { fields.count }
  public func makeIterator() -> IndexingIterator<[(key: String, value: JSON)]> { fields.makeIterator() }

  public subscript(key: String) -> JSON? {
    get { fields.first { $0.key.hasSameBytes(as: key) }?.value }
    set {
      let place = fields.firstIndex { $0.key.hasSameBytes(as: key) }
      switch (place, newValue) {
      case (let i?, let value?): fields[i].value = value
      case (let i?, nil):
        fields.remove(at: i)
        if repeated >= i { repeated = repeated == i ? -1 : repeated - 1 }
      case (nil, let value?): fields.append((key, value))
      case (nil, nil): break
      }
    }
  }

  /// Adds `other`'s fields, its values where both have one.
  public mutating func merge(_ other: JSONObject) { for (key, value) in other { self[key] = value } }

  public static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.fields.elementsEqual(b.fields) { $0.key.hasSameBytes(as: $1.key) && $0.value == $1.value }
  }
}

// MARK: Writing

extension JSON {
  /// The value on one line, without spaces.
  public var text: String { String(decoding: bytes, as: UTF8.self) }

  public var bytes: [UInt8] {
    var out: [UInt8] = []
    write(to: &out)
    return out
  }

  public func write(to out: inout [UInt8]) {
    switch self {
    case .null: out.append(contentsOf: "null".utf8)
    case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
    case .number(let text): out.append(contentsOf: text.utf8)
    case .string(let text): Self.write(text, to: &out)
    case .array(let items):
      out.append(UInt8(ascii: "["))
      for (i, item) in items.enumerated() {
        if i > 0 { out.append(UInt8(ascii: ",")) }
        item.write(to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let object): object.write(to: &out)
    }
  }

  static func write(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        out.append(UInt8(ascii: "\\"))
        out.append(byte)
      case 0x0a: out.append(contentsOf: "\\n".utf8)
      case 0x0d: out.append(contentsOf: "\\r".utf8)
      case 0x09: out.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        out.append(contentsOf: "\\u00".utf8)
        out.append(hexDigits[Int(byte >> 4)])
        out.append(hexDigits[Int(byte & 15)])
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}

extension JSONObject {
  public func write(to out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    for (i, field) in fields.enumerated() {
      if i > 0 { out.append(UInt8(ascii: ",")) }
      JSON.write(field.key, to: &out)
      out.append(UInt8(ascii: ":"))
      field.value.write(to: &out)
    }
    out.append(UInt8(ascii: "}"))
  }
}

// MARK: Reading

extension JSON {
  /// Reads exactly one value with nothing but white space around it.
  /// - Throws: `GXError` naming the byte offset and what was wrong there.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(GXError) {
    var parser = JSONParser(bytes: bytes)
    self = try parser.document()
  }

  public init(parsing text: String) throws(GXError) {
    var copy = text
    let result: Result<JSON, GXError> = copy.withUTF8 { utf8 in
      do throws(GXError) { return .success(try JSON(parsing: UnsafeRawBufferPointer(utf8))) } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }
}

private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  var at = 0

  mutating func document() throws(GXError) -> JSON {
    let value = try self.value(depth: 0)
    skipSpace()
    guard at == bytes.count else { throw fault("text after the value") }
    return value
  }

  func fault(_ what: String) -> GXError { GXError("JSON, byte \(at): \(what)") }

  var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

  mutating func skipSpace() {
    while let b = byte, b == 0x20 || b == 0x0a || b == 0x0d || b == 0x09 { at += 1 }
  }

  mutating func take(_ wanted: Character) throws(GXError) {
    guard byte == wanted.asciiValue! else { throw fault("expected '\(wanted)'") }
    at += 1
  }

  mutating func value(depth: Int) throws(GXError) -> JSON {
    guard depth <= JSON.depthLimit else { throw fault("nested deeper than the limit of \(JSON.depthLimit)") }
    skipSpace()
    guard let b = byte else { throw fault("ends where a value should be") }
    switch b {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default: throw fault("no JSON value starts like this")
    }
  }

  mutating func word(_ text: StaticString, _ value: JSON) throws(GXError) -> JSON {
    let n = text.utf8CodeUnitCount
    guard at + n <= bytes.count, (0..<n).allSatisfy({ bytes[at + $0] == text.utf8Start[$0] }) else {
      throw fault("expected '\(text)'")
    }
    at += n
    return value
  }

  mutating func object(depth: Int) throws(GXError) -> JSONObject {
    at += 1
    var fields: [(String, JSON)] = []
    var places: [Name: Int] = [:]
    var repeated: Int?
    skipSpace()
    if byte == UInt8(ascii: "}") {
      at += 1
      return JSONObject()
    }
    while true {
      skipSpace()
      guard byte == UInt8(ascii: "\"") else { throw fault("expected a field name") }
      let key = try string()
      skipSpace()
      try take(":")
      let value = try self.value(depth: depth + 1)
      // Among few fields a name is found faster by looking at each.
      if places.isEmpty && fields.count == 16 {
        for (i, field) in fields.enumerated() { places[Name(field.0)] = i }
      }
      let place =
        places.isEmpty ? fields.firstIndex { $0.0.hasSameBytes(as: key) } : places[Name(key)]
      // The last of equal names counts, as in most readers.
      if let place {
        fields[place].1 = value
        repeated = place
      } else {
        if !places.isEmpty { places[Name(key)] = fields.count }
        fields.append((key, value))
      }
      skipSpace()
      if byte == UInt8(ascii: ",") {
        at += 1
      } else {
        try take("}")
        return JSONObject(fields, repeated: repeated)
      }
    }
  }

  mutating func array(depth: Int) throws(GXError) -> [JSON] {
    at += 1
    var items: [JSON] = []
    skipSpace()
    if byte == UInt8(ascii: "]") {
      at += 1
      return items
    }
    while true {
      items.append(try value(depth: depth + 1))
      skipSpace()
      if byte == UInt8(ascii: ",") {
        at += 1
      } else {
        try take("]")
        return items
      }
    }
  }

  mutating func number() throws(GXError) -> String {
    let start = at
    func isDigit(_ b: UInt8?) -> Bool { b.map { $0 >= 0x30 && $0 <= 0x39 } ?? false }
    if byte == UInt8(ascii: "-") { at += 1 }
    guard isDigit(byte) else { throw fault("expected a digit") }
    if byte == UInt8(ascii: "0") {
      at += 1
    } else {
      while isDigit(byte) { at += 1 }
    }
    if byte == UInt8(ascii: ".") {
      at += 1
      guard isDigit(byte) else { throw fault("expected a digit") }
      while isDigit(byte) { at += 1 }
    }
    if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
      at += 1
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { at += 1 }
      guard isDigit(byte) else { throw fault("expected a digit") }
      while isDigit(byte) { at += 1 }
    }
    return String(decoding: bytes[start..<at], as: UTF8.self)
  }

  mutating func string() throws(GXError) -> String {
    at += 1
    let start = at
    while let b = byte, b != UInt8(ascii: "\""), b != UInt8(ascii: "\\"), b >= 0x20 { at += 1 }
    if byte == UInt8(ascii: "\"") {  // nothing escaped: the common case
      defer { at += 1 }
      return try utf8(bytes[start..<at])
    }
    var out = [UInt8](bytes[start..<at])
    while true {
      guard let b = byte else { throw fault("ends inside a string") }
      at += 1
      switch b {
      case UInt8(ascii: "\""): return try utf8(out)
      case UInt8(ascii: "\\"): try escape(into: &out)
      case 0..<0x20:
        at -= 1
        throw fault("bare control character in a string")
      default: out.append(b)
      }
    }
  }

  func utf8(_ slice: some Collection<UInt8>) throws(GXError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw fault("string is not UTF-8") }
    return text
  }

  mutating func escape(into out: inout [UInt8]) throws(GXError) {
    guard let b = byte else { throw fault("ends inside a string") }
    at += 1
    switch b {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(b)
    case UInt8(ascii: "b"): out.append(0x08)
    case UInt8(ascii: "f"): out.append(0x0c)
    case UInt8(ascii: "n"): out.append(0x0a)
    case UInt8(ascii: "r"): out.append(0x0d)
    case UInt8(ascii: "t"): out.append(0x09)
    case UInt8(ascii: "u"):
      var unit = UInt32(try hex4())
      if unit >= 0xd800 && unit < 0xdc00 {
        guard byte == UInt8(ascii: "\\") else { throw fault("lone surrogate") }
        at += 1
        try take("u")
        let low = UInt32(try hex4())
        guard low >= 0xdc00 && low < 0xe000 else { throw fault("lone surrogate") }
        unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(unit) else { throw fault("lone surrogate") }
      out.append(contentsOf: String(Character(scalar)).utf8)
    default: throw fault("unknown escape")
    }
  }

  mutating func hex4() throws(GXError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let b = byte, let digit = hexValue(b) else { throw fault("expected four hex digits") }
      value = value << 4 | UInt16(digit)
      at += 1
    }
    return value
  }
}
