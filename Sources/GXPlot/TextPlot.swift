import GXCore
import GXTerminal

extension Drawing {
  /// The drawing as lines of text for a terminal: lines in braille dots, areas in blocks. For the medium `terminal`,
  /// half as many columns as it is wide and a quarter as many lines as it is high.
  public func text(colors: ColorDepth) -> [String] {
    var grid = CellGrid(columns: Int(width / 2), rows: Int(height / 4))
    for mark in marks {
      switch mark {
      case .rect(let rect, let color): grid.fill(rect, color)
      case .line(let points, let stroke): grid.draw(points, stroke)
      case .dot(let at, let radius, let color): grid.dot(at, radius, color)
      case .text(let text, let at, let anchor, _, let bold, let color): grid.write(text, at, anchor, bold, color)
      case .turnedText: break  // no chart turns text on a terminal
      }
    }
    return (0..<grid.rows).map { grid.line($0, theme, colors) }
  }
}

/// A character's place on a terminal. Text covers dots, and dots what is filled.
private struct Cell {
  /// Bit `4 * column + row` of the 2x4 dots.
  var dots: UInt8 = 0
  var dotColor: Color?
  var filled: UInt8 = 0
  var fillColor: Color?
  /// Empty for the second half of a wide character.
  var character: String?
  var textColor: Color?
  var isBold = false
}

private struct CellGrid {
  let columns, rows: Int
  var cells: [Cell]

  init(columns: Int, rows: Int) {
    (self.columns, self.rows) = (columns, rows)
    cells = [Cell](repeating: Cell(), count: columns * rows)
  }

  /// The place of dot (x, y), if it is on the grid.
  private func place(_ x: Int, _ y: Int) -> (cell: Int, bit: UInt8)? {
    guard x >= 0, y >= 0, x < 2 * columns, y < 4 * rows else { return nil }
    return (y / 4 * columns + x / 2, 1 << UInt8(4 * (x % 2) + y % 4))
  }

  mutating func fill(_ rect: Rect, _ color: Color) {
    let (xs, ys) = (dots(rect.x, rect.right, 2 * columns), dots(rect.y, rect.bottom, 4 * rows))
    for y in ys {
      for x in xs {
        let (cell, bit) = place(x, y)!
        if cells[cell].fillColor != color { (cells[cell].fillColor, cells[cell].filled) = (color, 0) }
        cells[cell].filled |= bit
      }
    }
  }

  /// The dots whose middle lies between two coordinates.
  private func dots(_ from: Double, _ to: Double, _ count: Int) -> Range<Int> {
    func bound(_ value: Double) -> Int { Int(value.rounded().clamped(to: 0...Double(count))) }
    return bound(from)..<max(bound(from), bound(to))
  }

  private mutating func set(_ x: Double, _ y: Double, _ color: Color) {
    // The far edges belong to what lies before them.
    let column = min(Int(x.rounded(.down)), x == Double(2 * columns) ? 2 * columns - 1 : Int.max)
    guard let (cell, bit) = place(column, Int(y.rounded(.down))) else { return }
    cells[cell].dots |= bit
    cells[cell].dotColor = color
  }

  mutating func draw(_ points: [Point], _ stroke: Stroke) {
    let period = stroke.dash.reduce(0, +)
    var travelled = 0.0
    for (a, b) in zip(points, points.dropFirst()) {
      let steps = max(abs(b.x - a.x), abs(b.y - a.y)).rounded(.up)
      for i in 0...Int(max(1, steps)) {
        let share = Double(i) / max(1, steps)
        if period > 0, (travelled + share * steps).truncatingRemainder(dividingBy: period) >= stroke.dash[0] {
          continue
        }
        set(a.x + (b.x - a.x) * share, a.y + (b.y - a.y) * share, stroke.color)
      }
      travelled += steps
    }
  }

  mutating func dot(_ at: Point, _ radius: Double, _ color: Color) {
    for (x, y) in [(0.0, 0.0), (radius, 0), (-radius, 0), (0, radius), (0, -radius)] { set(at.x + x, at.y + y, color) }
  }

  mutating func write(_ text: String, _ at: Point, _ anchor: Mark.Anchor, _ isBold: Bool, _ color: Color) {
    let text = printable(text)
    let width = Double(text.reduce(0) { $0 + GXPlot.columns(of: $1) })
    let share = anchor == .start ? 0 : anchor == .middle ? 0.5 : 1
    var column = Int((at.x / 2 - share * width).rounded())
    let row = Int((at.y / 4).rounded(.down))
    guard (0..<rows).contains(row) else { return }
    for character in text {
      let wide = GXPlot.columns(of: character)
      if column >= 0, column + wide <= columns {
        for k in 0..<wide {
          cells[row * columns + column + k].character = k == 0 ? String(character) : ""
          cells[row * columns + column + k].textColor = color
          cells[row * columns + column + k].isBold = isBold
        }
      }
      column += wide
    }
  }

  /// A row of cells as text, without spaces at its end.
  func line(_ row: Int, _ theme: Theme, _ colors: ColorDepth) -> String {
    var (out, style) = ("", "")
    var cells = self.cells[row * columns..<(row + 1) * columns]
    while let last = cells.last, last.character == nil, last.dots == 0, last.filled == 0 { cells.removeLast() }
    for cell in cells {
      let (glyph, wanted) = look(cell, theme, colors)
      if wanted != style {
        out += "\u{1b}[0\(wanted.isEmpty ? "" : ";" + wanted)m"
        style = wanted
      }
      out += glyph
    }
    return out + (style.isEmpty ? "" : "\u{1b}[0m")
  }

  /// What is written for a cell, and the parameters of its style.
  private func look(_ cell: Cell, _ theme: Theme, _ colors: ColorDepth) -> (String, String) {
    /// The terminal's own colour stands for ink, its faint one for what is muted.
    func foreground(_ color: Color?) -> String {
      guard let color, colors != .none, color != theme.ink else { return "" }
      if color == theme.muted || color == theme.grid { return "2" }
      return colors.parameters(red: color.red, green: color.green, blue: color.blue, background: false)
    }
    func background(_ color: Color?) -> String {
      guard let color, colors != .none else { return "" }
      return colors.parameters(red: color.red, green: color.green, blue: color.blue, background: true)
    }
    func style(_ parts: String...) -> String { parts.filter { !$0.isEmpty }.joined(separator: ";") }
    let behind = cell.filled.nonzeroBitCount > 4 ? background(cell.fillColor) : ""
    if let character = cell.character {
      return (character, style(cell.isBold && colors != .none ? "1" : "", foreground(cell.textColor), behind))
    }
    if cell.dots != 0 {
      return (braille(cell.dots), style(foreground(cell.dotColor), cell.filled == 0xff ? behind : ""))
    }
    guard cell.filled != 0, let color = cell.fillColor else { return (" ", "") }
    if colors == .none, cell.filled == 0xff {
      // Without colours, how far it is from the background has to do.
      let share = abs(color.luminance - theme.background.luminance)
      return (share < 0.03 ? " " : share < 0.12 ? "░" : share < 0.25 ? "▒" : "█", "")
    }
    return (block(cell.filled), foreground(color))
  }

  /// Halves, quarters and eighths where a filled part is one; else braille.
  private func block(_ filled: UInt8) -> String {
    switch filled {
    case 0xff: "█"
    case 0xee: "▆"
    case 0xcc: "▄"
    case 0x88: "▂"
    case 0x0f: "▌"
    case 0xf0: "▐"
    case 0x33: "▀"
    default: braille(filled)
    }
  }

  private func braille(_ dots: UInt8) -> String {
    // Unicode numbers the upper three rows by columns, and then the lowest.
    var code: UInt32 = 0x2800
    for (bit, value) in [1, 2, 4, 0x40, 8, 0x10, 0x20, 0x80].enumerated() where dots >> UInt8(bit) & 1 == 1 {
      code += UInt32(value)
    }
    return String(Unicode.Scalar(code)!)
  }
}
