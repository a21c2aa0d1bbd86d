import GXCommand
import GXCore
import GXMetrics
import GXPlot
import GXTerminal

enum Format: String, CaseIterable { case svg, png, text }

/// What the options say of how a chart is written.
struct Canvas {
  let format: Format
  let theme: Theme
  let title: String?
  /// As --size says, if it does.
  let size: (width: Int, height: Int)?

  init(_ arguments: Arguments) throws {
    let path = arguments.string("output")
    let named = path.flatMap { path in Format.allCases.first { path.lowercased().hasSuffix(".\($0)") } }
    guard let format = try arguments.choice("format", Format.self) ?? named ?? (path == nil ? .text : nil) else {
      throw UsageError("-o \(path!): ends neither in .svg nor in .png; --format says what it is to be")
    }
    self.format = format
    title = arguments.string("title")
    theme = try arguments.choice("theme", Theme.Name.self)?.theme ?? (format == .text ? .dark : .light)
    size = try arguments.string("size").map { text in
      let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
      let (least, most) = format == .text ? (10, 1000) : (100, 16384)
      guard parts.count == 2, parts.allSatisfy({ (least...most).contains($0) }) else {
        throw UsageError("--size: '\(text)' is not like 1600x900, each from \(least) to \(most)")
      }
      guard format != .png || parts[0] * parts[1] <= Drawing.pixelLimit else {
        throw UsageError("--size: \(text) pixels are over the limit of \(Drawing.pixelLimit) pixels")
      }
      return (parts[0], parts[1])
    }
  }

  func bytes(_ chart: any Chart) throws -> [UInt8] {
    switch format {
    case .text:
      var lines = lines(chart)
      while lines.last == "" { lines.removeLast() }
      return Array(lines.map { $0 + "\n" }.joined().utf8)
    case .svg:
      let (width, height) = size.map { (Double($0.width), Double($0.height)) } ?? (800, 500)
      return Array(drawing(chart, width, height).0.svg(size: (width, height)).utf8)
    case .png:
      let (drawing, scale) = drawing(chart, Double(size?.width ?? 1600), Double(size?.height ?? 1000))
      return try drawing.png(scale: scale)
    }
  }

  /// A picture larger than 800x500 is one of that size, enlarged: text can be read from as far away.
  private func drawing(_ chart: any Chart, _ width: Double, _ height: Double) -> (Drawing, scale: Double) {
    let scale = max(1, min(width / 800, height / 500))
    return (chart.drawing(width: width / scale, height: height / scale, theme: theme, title: title), scale)
  }

  /// As many as fit on the terminal with a line for the prompt; 80x24 elsewhere.
  func lines(_ chart: any Chart) -> [String] {
    let terminal = Terminal.size
    let (columns, rows) = size.map { ($0.width, $0.height) } ?? (terminal.columns, max(8, terminal.rows - 1))
    let drawing = chart.drawing(
      width: Double(2 * columns), height: Double(4 * rows), theme: theme, medium: .terminal, title: title)
    let depth = Terminal.isOutput ? ColorDepth(environment: Terminal.variable) : .none
    return drawing.text(colors: depth)
  }
}
