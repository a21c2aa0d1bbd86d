import GXCore

/// A chart: data that knows how it is drawn.
public protocol Chart {
  /// Draws into `drawing`, all of it, with `title` in place of the chart's own where it is not nil.
  func draw(on drawing: inout Drawing, title: String?)
}

extension Chart {
  /// The chart as a drawing.
  /// - Parameters:
  ///   - width, height: in units; see `Medium`.
  ///   - title: in place of the chart's own; empty for none.
  public func drawing(
    width: Double = 800, height: Double = 500, theme: Theme = .light, medium: Medium = .page, title: String? = nil
  ) -> Drawing {
    var drawing = Drawing(width: width, height: height, theme: theme, medium: medium)
    draw(on: &drawing, title: title)
    return drawing
  }
}

/// The part of a drawing that data is drawn on, and what its edges stand for.
struct Axes {
  let plot: Rect
  let x: Scale
  let y: Scale

  /// NaN where a coordinate is.
  func point(_ x: Double, _ y: Double) -> Point {
    Point(plot.x + self.x.place(x) * plot.width, plot.bottom - self.y.place(y) * plot.height)
  }
}

extension Drawing {
  /// Writes title and caption at the top and returns what is left for the chart.
  mutating func heading(_ title: String, _ caption: String) -> Rect {
    (self.title, self.caption) = (title, caption)
    let margin = medium == .page ? 16.0 : 0
    var area = bounds.inset(left: margin, top: margin, right: margin, bottom: margin)
    func lineBelow(_ height: Double) -> Double {
      defer { area = area.inset(top: height) }
      return area.y + height / 2
    }
    if !title.isEmpty {
      let size = medium.titleSize
      let y = lineBelow(medium.lineHeight + (size - medium.textSize))
      text(
        medium.shortened(title, to: area.width * medium.textSize / size / 1.13), at: Point(area.x, y), .start,
        theme.ink, bold: true, size: size)
    }
    for line in medium.wrapped(caption, to: area.width).prefix(2) {
      text(line, at: Point(area.x, lineBelow(medium.lineHeight)), .start, theme.muted)
    }
    return area.inset(top: medium == .page ? 10 : 0)
  }

  /// Draws axes that fill `area`.
  /// - Parameters:
  ///   - makeX, makeY: The scale, for as many ticks as there is room for.
  ///   - right: What is left for labels beside the plot.
  mutating func axes(
    in area: Rect, x makeX: (Int) -> Scale, named xName: String, y makeY: (Int) -> Scale, named yName: String,
    right: Double = 0
  ) -> Axes {
    let line = medium.lineHeight
    let top = (yName.isEmpty ? 0 : line) + (medium == .page ? 6 : 0)
    let below = line * (xName.isEmpty ? 1 : 2) + (medium == .page ? 4 : 0)
    let height = max(line, area.height - top - below)
    let y = makeY(max(1, Int(height / medium.tickDistance.y)))
    let labels = y.ticks.map { medium.width($0.label) }.max() ?? 0
    var plot = area.inset(
      left: labels + medium.gap, top: top,
      right: max(right, makeX(5).ticks.map { medium.width($0.label) / 2 }.max() ?? 0), bottom: below)
    if medium == .terminal {  // whole cells
      plot.x = (plot.x / 2).rounded(.up) * 2
      plot.y = (plot.y / 4).rounded(.up) * 4
      plot.height = max(4, (plot.height / 4).rounded(.down) * 4)
    }
    plot.width = max(medium.gap, plot.width)
    let x = makeX(max(1, Int(plot.width / medium.tickDistance.x)))
    let axes = Axes(plot: plot, x: x, y: y)

    if !yName.isEmpty {
      text(medium.shortened(yName, to: area.width), at: Point(area.x, area.y + line / 2), .start, theme.muted)
    }
    var lowest = Double.infinity  // of the labels so far, so that none overlap
    for tick in y.ticks {
      let at = axes.point(x.low, tick.value)
      if medium == .page { self.line([at, Point(plot.right, at.y)], Stroke(theme.grid)) }
      guard at.y <= lowest - line * 0.9 else { continue }
      lowest = at.y
      let inCell = medium == .terminal ? at.y.clamped(to: plot.y...plot.bottom - 1) : at.y
      text(tick.label, at: Point(plot.x - medium.gap, inCell), .end, theme.muted)
    }
    var rightmost = -Double.infinity
    for tick in x.ticks {
      let at = axes.point(tick.value, y.low)
      let half = medium.width(tick.label) / 2
      guard at.x - half >= rightmost else { continue }
      rightmost = at.x + half + medium.gap
      if medium == .page { self.line([at, Point(at.x, at.y + 4)], Stroke(theme.muted)) }
      text(tick.label, at: Point(at.x, plot.bottom + line / 2 + (medium == .page ? 4 : 0)), .middle, theme.muted)
    }
    if !xName.isEmpty {
      text(
        medium.shortened(xName, to: plot.width + right),
        at: Point(plot.x + plot.width / 2, plot.bottom + line * 1.5 + (medium == .page ? 4 : 0)), .middle, theme.muted)
    }
    // On a terminal the axes are the dots just outside of the left and on the bottom of the plot.
    let inside = medium == .terminal ? 1.0 : 0
    self.line(
      [Point(plot.x, plot.bottom - inside), Point(plot.right, plot.bottom - inside)], Stroke(theme.muted))
    if medium == .terminal {
      self.line([Point(plot.x - 1, plot.y), Point(plot.x - 1, plot.bottom - 1)], Stroke(theme.muted))
    }
    return axes
  }

  /// A name beside the end of a line.
  struct EndLabel {
    let text: String
    let y: Double
    let stroke: Stroke
  }

  /// How much room `endLabels` needs to the right of a plot.
  func roomForEndLabels(_ texts: [String], of width: Double) -> Double {
    min((texts.map { medium.width($0) }.max() ?? 0) + swatch + 2 * medium.gap, width * 0.5)
  }

  private var swatch: Double { medium == .page ? 14 : 4 }

  /// Names lines where they end, to the right of the plot: in their order there, and moved apart where they would
  /// overlap. Each begins with a piece of its line, for it may have been moved far, and colours of lines are hard to
  /// read as text.
  mutating func endLabels(_ labels: [EndLabel], _ plot: Rect, room: Double) {
    let line = medium == .page ? medium.lineHeight - 2 : medium.lineHeight
    let sorted = labels.sorted { ($0.y, $0.text) < ($1.y, $1.text) }
    // Those that do not fit are left out from below.
    let shown = sorted.prefix(max(1, Int((plot.height + line) / line)))
    var places = shown.map { $0.y.clamped(to: plot.y...plot.bottom) }
    for i in places.indices.dropFirst() { places[i] = max(places[i], places[i - 1] + line) }
    var limit = plot.bottom
    for i in places.indices.reversed() {
      places[i] = min(places[i], limit)
      limit = places[i] - line
    }
    for (label, y) in zip(shown, places) {
      let x = plot.right + medium.gap
      // The middle of the line of characters, where it is one.
      let middle = medium == .terminal ? (y / 4).rounded(.down) * 4 + 2 : y
      self.line([Point(x, middle), Point(x + swatch, middle)], label.stroke)
      text(
        medium.shortened(label.text, to: room - swatch - 2 * medium.gap),
        at: Point(x + swatch + medium.gap * 0.75, y), .start, theme.ink)
    }
  }
}

extension Medium {
  /// `text` in lines that are no wider than `width`; a word that is wider is shortened.
  func wrapped(_ text: String, to width: Double) -> [String] {
    var lines: [String] = []
    for word in text.prefix(2000).split(separator: " ") {
      let longer = lines.last.map { $0 + " " + word } ?? String(word)
      if !lines.isEmpty, self.width(longer) <= width {
        lines[lines.count - 1] = longer
      } else {
        lines.append(shortened(String(word), to: width))
      }
    }
    return lines
  }
}
