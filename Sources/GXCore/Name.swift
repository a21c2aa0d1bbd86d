import Glibc

/// A text that is what its bytes are, as class names, ids, splits and the fields of JSON objects have to be: é in one
/// code point and é in two are two names, though Swift's `String` takes them for equal. For sets and dictionaries.
public struct Name: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  public let text: String

  public init(_ text: some StringProtocol) { self.text = String(text) }
  public init(stringLiteral value: String) { text = value }

  public var description: String { text }

  public static func == (a: Name, b: Name) -> Bool { a.text.hasSameBytes(as: b.text) }

  public func hash(into hasher: inout Hasher) {
    var copy = text
    copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension Name: Comparable {
  /// Bytewise.
  public static func < (a: Name, b: Name) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

extension String {
  /// Whether both are the same name: equal byte by byte.
  public func hasSameBytes(as other: String) -> Bool {
    guard utf8.count == other.utf8.count else { return false }
    var (a, b) = (self, other)
    return a.withUTF8 { a in b.withUTF8 { b in a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 } }
  }
}

extension Sequence where Element == String {
  public func contains(name: String) -> Bool { contains { $0.hasSameBytes(as: name) } }
}

extension Collection where Element == String {
  public func firstIndex(ofName name: String) -> Index? { firstIndex { $0.hasSameBytes(as: name) } }
}

// MARK: Names that are numbers

extension JSON {
  /// A name: a text, or a number by its digits, see `name(ofNumber:)`; nil for anything else.
  public var nameValue: String? {
    switch self {
    case .string(let text): text
    case .number(let digits): Self.name(ofNumber: digits)
    default: nil
    }
  }

  /// The name that a number is, by its JSON text: its decimal digits, all of them, however it was written. `1`, `1.0`
  /// (which data frames make of a column of whole numbers with a gap) and `1e0` are one name.
  public static func name(ofNumber text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) { return text }
    let parts = text.split(maxSplits: 1) { $0 == "e" || $0 == "E" }
    let isNegative = text.hasPrefix("-")
    let mantissa = parts[0].dropFirst(isNegative ? 1 : 0).split(separator: ".", maxSplits: 1)
    // The number is 0.DIGITS · 10^point.
    var digits = mantissa.joined()[...]
    guard var point = parts.count == 2 ? Int(parts[1]) : 0, abs(point) <= nameDigitLimit else { return text }
    point += mantissa[0].utf8.count
    let leading = digits.prefix { $0 == "0" }.count
    digits = digits.dropFirst(leading)
    point -= leading
    while digits.last == "0" { digits.removeLast() }
    guard !digits.isEmpty else { return "0" }
    func zeros(_ count: Int) -> String { String(repeating: "0", count: max(0, count)) }
    let whole = point > 0 ? digits.prefix(point) + zeros(point - digits.count) : "0"
    let fraction = point < digits.count ? "." + zeros(-point) + digits.dropFirst(max(0, point)) : ""
    return (isNegative ? "-" : "") + whole + fraction
  }

  /// Numbers with more zeros than this are names as they are written.
  private static let nameDigitLimit = 100
}
