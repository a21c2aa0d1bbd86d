import GXCore

// Text stays text: it can be selected, searched and read aloud, and a chart takes a tenth of the bytes of one whose
// letters are paths, as Cairo writes them.
extension Drawing {
  /// The drawing as an SVG element that stands alone as a file and in an HTML page. No ids, so that a page can hold any
  /// number of them.
  /// - Parameter size: width and height that it says it has, in CSS pixels [the drawing's own].
  public func svg(size: (width: Double, height: Double)? = nil) -> String {
    var out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(number(size?.width ?? width))\""
    out += " height=\"\(number(size?.height ?? height))\" viewBox=\"0 0 \(number(width)) \(number(height))\""
    out += " font-family=\"DejaVu Sans, Verdana, sans-serif\" role=\"img\">\n"
    if !title.isEmpty { out += "<title>\(escapedMarkup(title))</title>\n" }
    if !caption.isEmpty { out += "<desc>\(escapedMarkup(caption))</desc>\n" }
    out += "<rect width=\"100%\" height=\"100%\" fill=\"\(theme.background.css)\"/>\n"
    for mark in marks { out += element(mark) + "\n" }
    return out + "</svg>\n"
  }

  private func element(_ mark: Mark) -> String {
    switch mark {
    case .rect(let r, let color):
      return "<rect x=\"\(number(r.x))\" y=\"\(number(r.y))\" width=\"\(number(r.width))\" "
        + "height=\"\(number(r.height))\" fill=\"\(color.css)\"/>"
    case .line(let points, let stroke):
      let path = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
      let dash = stroke.dash.isEmpty ? "" : " stroke-dasharray=\"\(stroke.dash.map(number).joined(separator: " "))\""
      return "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(stroke.color.css)\" "
        + "stroke-width=\"\(number(stroke.width))\" stroke-linejoin=\"round\"\(dash)/>"
    case .dot(let at, let radius, let color):
      return "<circle cx=\"\(number(at.x))\" cy=\"\(number(at.y))\" r=\"\(number(radius))\" fill=\"\(color.css)\"/>"
    case .text(let text, let at, let anchor, let size, let bold, let color):
      return "<text x=\"\(number(at.x))\" y=\"\(number(at.y + Self.halfCapital * size))\" font-size=\"\(number(size))\""
        + (anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\"") + (bold ? " font-weight=\"bold\"" : "")
        + " fill=\"\(color.css)\">\(escapedMarkup(text))</text>"
    case .turnedText(let text, let at, let size, let color):
      return "<text transform=\"translate(\(number(at.x + Self.halfCapital * size)) \(number(at.y))) rotate(-90)\" "
        + "font-size=\"\(number(size))\" fill=\"\(color.css)\">\(escapedMarkup(text))</text>"
    }
  }

  /// From the middle of a line of text to its baseline, of its size: half the height of DejaVu's capitals.
  static let halfCapital = 0.36

  private func number(_ value: Double) -> String { trimmed(fixed(value, 2)) }
}
