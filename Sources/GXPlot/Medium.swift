/// What a drawing is laid out for: sizes of text and of the space around things, in units.
public enum Medium: Sendable {
  /// A unit is a point: a 96th of an inch in SVG.
  case page
  /// A unit is a braille dot: a character is 2 wide and 4 high.
  case terminal

  public var textSize: Double { self == .page ? 13 : 4 }
  var titleSize: Double { self == .page ? 17 : 4 }
  /// From one line of text to the next.
  public var lineHeight: Double { self == .page ? 19 : 4 }
  /// Between things that belong together.
  public var gap: Double { self == .page ? 8 : 2 }
  var lineWidth: Double { self == .page ? 2 : 1 }

  /// The longest line of text that fits between ticks of the x axis, and the least distance of ticks on the y axis.
  var tickDistance: (x: Double, y: Double) { self == .page ? (60, 42) : (12, 12) }

  /// How wide `text` is. The drawing is the same on every machine, so this knows DejaVu Sans by heart; what stands in
  /// for it where it is missing (Verdana, say) is as wide.
  public func width(_ text: String, bold: Bool = false, size: Double? = nil) -> Double {
    if self == .terminal { return 2 * Double(text.reduce(0) { $0 + columns(of: $1) }) }
    let thousandths = text.unicodeScalars.reduce(0) { sum, c in
      let code = Int(c.value)
      return sum + (code < 32 ? 0 : code < 127 ? dejaVuSans[code - 32] : isWide(c) ? 1000 : 640)
    }
    return Double(thousandths) / 1000 * (size ?? textSize) * (bold ? 1.13 : 1)
  }

  /// `text`, or as much of its beginning as fits into `width`, and an ellipsis.
  public func shortened(_ text: String, to width: Double) -> String {
    // Nothing that long fits, and it would take long to find out.
    var text = text.count > 200 ? String(text.prefix(200)) + "…" : text
    let limit = width + 0.01  // sums round
    guard self.width(text) > limit else { return text }
    while !text.isEmpty, self.width(text + "…") > limit { text.removeLast() }
    return text + "…"
  }
}

/// Columns of a terminal that a character takes.
func columns(of character: Character) -> Int { isWide(character.unicodeScalars.first!) ? 2 : 1 }

/// Of East Asian scripts and emoji (Unicode's UAX 11, coarsely).
private func isWide(_ c: Unicode.Scalar) -> Bool {
  switch c.value {
  case 0x1100...0x115f, 0x2e80...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
    0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
    true
  default: false
  }
}

/// Advances of DejaVu Sans 2.37 for ASCII 32 to 126, in thousandths of the size.
private let dejaVuSans = [
  318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
  636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
  748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
  615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
  337, 636, 838,
]
