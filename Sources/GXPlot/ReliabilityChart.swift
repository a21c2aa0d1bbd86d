import GXCore
import GXMetrics

/// A reliability diagram: how often predictions come true, by their confidence, and below it how many there are of
/// each.
public struct ReliabilityChart: Chart {
  let reliability: Reliability

  public init(_ reliability: Reliability) { self.reliability = reliability }

  public func draw(on drawing: inout Drawing, title: String?) {
    let (medium, theme) = (drawing.medium, drawing.theme)
    let bins = reliability.bins.filter { $0.count > 0 }
    let n = Double(reliability.count)
    let confidence = bins.reduce(0) { $0 + $1.confidence * Double($1.count) } / n
    let accuracy = bins.reduce(0) { $0 + $1.accuracy * Double($1.count) } / n
    let area = drawing.heading(
      title ?? "Reliability",
      "ECE \(fixed(reliability.ece, 3)) over \(reliability.bins.count) bins of \(reliability.count) predictions; "
        + "mean confidence \(fixed(confidence, 3)), accuracy \(fixed(accuracy, 3))")
    var strip = max(medium == .page ? 110 : 20, area.height * 0.22)
    if medium == .terminal { strip = (strip / 4).rounded() * 4 }
    let showsCounts = area.height > 2.2 * strip
    let labels = ["accuracy", "to confidence", "calibrated"]
    let room = drawing.roomForEndLabels(labels, of: area.width)

    let main = drawing.axes(
      in: area.inset(bottom: showsCounts ? strip : 0), x: { Scale(0...1, ticks: $0, .percent) },
      named: showsCounts ? "" : "confidence", y: { Scale(0...1, ticks: $0, .percent) }, named: "accuracy", right: room)
    let (bar, gap) = (theme.color(0), theme.color(1))
    let space = medium == .page ? 1.5 : 0
    for bin in bins {
      let (left, right) = (main.point(bin.low, 0).x + space, main.point(bin.high, 0).x - space)
      let (top, base) = (main.point(0, bin.accuracy).y, main.plot.bottom)
      // A bin of equal mass may be no wider than one confidence.
      let width = max(right - left, 2)
      drawing.rect(Rect(x: left, y: top, width: width, height: base - top), bar)
      // From what came true to what was promised.
      let sure = main.point(bin.confidence, bin.confidence)
      let band = Rect(x: left + width * 0.3, y: min(top, sure.y), width: width * 0.4, height: abs(top - sure.y))
      drawing.rect(band, gap)
    }
    let diagonal = Stroke(theme.ink, width: medium == .page ? 1.2 : 1, dash: [5, 4])
    drawing.line([main.point(0, 0), main.point(1, 1)], diagonal)
    let wide = medium == .page ? 10.0 : 1
    drawing.endLabels(
      [
        Drawing.EndLabel(text: "calibrated", y: main.plot.y, stroke: diagonal),
        Drawing.EndLabel(
          text: "to confidence", y: main.plot.y + medium.lineHeight,
          stroke: Stroke(gap, width: wide)),
        Drawing.EndLabel(text: "accuracy", y: main.plot.y + 2 * medium.lineHeight, stroke: Stroke(bar, width: wide)),
      ], main.plot, room: room)
    guard showsCounts else { return }

    let most = Double(bins.map(\.count).max() ?? 1)
    // Under the diagram, bin under bin.
    let top = area.bottom - strip
    let plot = Rect(
      x: main.plot.x, y: top + (medium == .page ? 1.3 : 1) * medium.lineHeight, width: main.plot.width,
      height: max(medium.lineHeight, strip - (medium == .page ? 2.6 : 2) * medium.lineHeight))
    let counts = Axes(plot: plot, x: main.x, y: Scale(0...most, ticks: 1, .whole, isTight: true))
    drawing.text("predictions", at: Point(area.x, top + medium.lineHeight / 2), .start, theme.muted)
    for bin in bins {
      let (left, right) = (counts.point(bin.low, 0).x + space, counts.point(bin.high, 0).x - space)
      let top = counts.point(0, Double(bin.count)).y
      drawing.rect(
        Rect(x: left, y: top, width: max(right - left, 2), height: plot.bottom - top),
        theme.background.mixed(with: theme.muted, 0.7))
      let label = "\(bin.count)"
      if medium == .page, medium.width(label, size: 11) < right - left + 2 {
        drawing.text(label, at: Point((left + right) / 2, top - 8), .middle, theme.muted, size: 11)
      }
    }
    if medium == .page {
      drawing.line([Point(plot.x, plot.bottom), Point(plot.right, plot.bottom)], Stroke(theme.muted))
    }
    let below = plot.bottom + medium.lineHeight * (medium == .page ? 0.9 : 0.5)
    drawing.text("confidence", at: Point(plot.x + plot.width / 2, below), .middle, theme.muted)
  }
}
