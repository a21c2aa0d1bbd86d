import GXCore

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
    public mutating func appendInterpolation(_ value: String) { text += escapedMarkup(value) }
    public mutating func appendInterpolation(_ value: Int) { text += String(value) }
    public mutating func appendInterpolation(_ html: HTML) { text += html.text }
    public mutating func appendInterpolation(_ parts: [HTML]) { for part in parts { text += part.text } }
  }

  public static func + (a: HTML, b: HTML) -> HTML { HTML(markup: a.text + b.text) }
  public static func += (a: inout HTML, b: HTML) { a.text += b.text }
}
