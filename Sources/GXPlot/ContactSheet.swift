import GXCore

/// Pictures in rows and columns, each with lines of text below it.
public struct ContactSheet {
  public struct Line: Equatable, Sendable {
    public enum Role: Sendable { case plain, muted, right, wrong }
    public let text: String
    public let role: Role
    public init(_ text: String, _ role: Role = .plain) { (self.text, self.role) = (text, role) }
  }

  public struct Cell: Sendable {
    /// u8 `[cell, cell, 3]`; nil where there is none to show.
    public let picture: Tensor?
    public let lines: [Line]
    public init(picture: Tensor?, lines: [Line]) { (self.picture, self.lines) = (picture, lines) }
  }

  /// Width and height of a cell's picture, in pixels.
  public static let cellSizes = 16...2048

  let cells: [Cell]
  let cell: Int
  public let columns: Int
  let theme: Theme

  /// - Parameter columns: nil chooses as many as make the sheet wider than high.
  public init(_ cells: [Cell], cell: Int, columns: Int? = nil, theme: Theme) {
    (self.cells, self.cell, self.theme) = (cells, cell, theme)
    self.columns = max(1, min(cells.count, columns ?? Int((1.6 * Double(cells.count)).squareRoot().rounded(.up))))
  }

  /// How many pixels a sheet of `count` cells with `lines` lines of text has, at most, if none is left empty.
  public static func pixels(count: Int, cell: Int, lines: Int) -> Int {
    let metrics = Metrics(cell: cell, lines: lines)
    return (count + 1) * metrics.width * metrics.height
  }

  /// Of one cell, in pixels: the space around it included.
  private struct Metrics {
    let gap, line, width, height: Int
    let textSize: Double

    init(cell: Int, lines: Int) {
      textSize = max(10, 13 * Double(cell) / 160)
      gap = max(4, cell / 16)
      line = Int((textSize * 1.35).rounded())
      width = cell + gap
      height = cell + lines * line + gap + (lines > 0 ? gap / 2 : 0)
    }
  }

  /// The sheet, u8 `[height, width, 3]`.
  /// - Throws: `GXError` where it has more than `Drawing.pixelLimit` pixels.
  public func pixels() throws -> Tensor {
    let metrics = Metrics(cell: cell, lines: cells.map(\.lines.count).max() ?? 0)
    let rows = max(1, (cells.count + columns - 1) / columns)
    var drawing = Drawing(
      width: Double(columns * metrics.width + metrics.gap), height: Double(rows * metrics.height + metrics.gap),
      theme: theme)
    func corner(_ i: Int) -> (x: Int, y: Int) {
      (metrics.gap + i % columns * metrics.width, metrics.gap + i / columns * metrics.height)
    }
    let medium = drawing.medium
    for (i, one) in cells.enumerated() {
      let (x, y) = corner(i)
      if one.picture == nil {
        drawing.rect(Rect(x: Double(x), y: Double(y), width: Double(cell), height: Double(cell)), theme.grid)
      }
      for (k, line) in one.lines.enumerated() {
        let color: Color =
          switch line.role {
          case .plain: theme.ink
          case .muted: theme.muted
          case .right: theme.background.isDark ? .green : Color(0x007d5b)
          case .wrong: .vermillion
          }
        let middle = Double(y + cell + metrics.gap / 2) + (Double(k) + 0.5) * Double(metrics.line)
        drawing.text(
          medium.shortened(printable(line.text), to: Double(cell) * medium.textSize / metrics.textSize),
          at: Point(Double(x), middle), .start, color, size: metrics.textSize)
      }
    }
    let sheet = try drawing.pixels(scale: 1)
    return try Tensor(.u8, sheet.shape) { out in
      sheet.withBytes { out.copyMemory(from: $0) }
      for (i, one) in cells.enumerated() {
        guard let picture = one.picture else { continue }
        precondition(picture.dtype == .u8 && picture.shape == [cell, cell, 3], "the picture is not of the cell's size")
        let (x, y) = corner(i)
        let (line, step) = (3 * cell, 3 * sheet.shape[1])
        picture.withBytes { pixels in
          for row in 0..<cell {
            let source = UnsafeRawBufferPointer(rebasing: pixels[row * line..<(row + 1) * line])
            UnsafeMutableRawBufferPointer(rebasing: out[((y + row) * step + 3 * x)...]).copyMemory(from: source)
          }
        }
      }
    }
  }
}
