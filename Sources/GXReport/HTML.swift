/// A piece of HTML. What is put into a literal as `\(…)` is escaped unless it is HTML itself, so that text from outside
/// (names of classes and galaxies, paths) can't become markup by mistake.
public struct HTML: ExpressibleByStringInterpolation, Sendable {
  public private(set) var text: String

  public init(stringLiteral text: String) { self.text = text }
  public init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }
  /// Markup from a maker that escapes what it is given.
  public init(markup: String) { text = markup }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    public init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }
    public mutating func appendLiteral(_ literal: String) { text += literal }
    public mutating func appendInterpolation(_ value: String) { text += escaped(value) }
    public mutating func appendInterpolation(_ value: Int) { text += String(value) }
    public mutating func appendInterpolation(_ html: HTML) { text += html.text }
    public mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }
  }

  public static func + (a: HTML, b: HTML) -> HTML { HTML(markup: a.text + b.text) }
  public static func += (a: inout HTML, b: HTML) { a.text += b.text }
}

/// As character data or an attribute's value in quotes. Control characters, which HTML cannot hold, become U+FFFD.
private func escaped(_ text: String) -> String {
  var out = ""
  for c in text.unicodeScalars {
    switch c {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    case "\n", "\t": out.unicodeScalars.append(c)
    case "\u{0}"..<" ", "\u{7f}"..."\u{9f}", "\u{fffe}", "\u{ffff}": out += "\u{fffd}"
    default: out.unicodeScalars.append(c)
    }
  }
  return out
}

/// RFC 4648, section 4.
func base64(_ bytes: [UInt8]) -> String {
  let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var out: [UInt8] = []
  out.reserveCapacity((bytes.count + 2) / 3 * 4)
  for at in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[at..<min(at + 3, bytes.count)]
    let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
    for k in 0..<4 { out.append(k <= group.count ? letters[bits >> (18 - 6 * k) & 63] : UInt8(ascii: "=")) }
  }
  return String(decoding: out, as: UTF8.self)
}
