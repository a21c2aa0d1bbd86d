import GXCore
import GXMetrics

/// How accurate a classifier is that answers only the share of the records of which it is most sure.
public struct CoverageChart: Chart {
  let curve: RiskCoverage

  public init(_ curve: RiskCoverage) { self.curve = curve }

  public func draw(on drawing: inout Drawing, title: String?) {
    let (medium, theme) = (drawing.medium, drawing.theme)
    let points = curve.points(atMost: 1000)
    let area = drawing.heading(
      title ?? "Accuracy by coverage",
      "\(curve.records) predictions, the most confident first; area under the risk-coverage curve (AURC) "
        + fixed(curve.aurc, 4))
    guard let whole = points.last else { return }
    let low = points.filter { $0.coverage >= 0.05 }.map(\.accuracy).min() ?? whole.accuracy
    let axes = drawing.axes(
      in: area, x: { Scale(0...1, ticks: $0, .percent) }, named: "coverage (share that is answered)",
      y: { Scale(min(low, 0.98)...1, ticks: $0, .percent) }, named: "accuracy of the answers",
      right: medium.width("100.0 %", bold: true) + 2 * medium.gap)
    let stroke = Stroke(theme.color(0), width: medium.lineWidth)
    drawing.line(points.map { axes.point($0.coverage, $0.accuracy) }, stroke)
    for coverage in [0.8, 1] {
      let accuracy = curve.accuracy(atCoverage: coverage)
      let at = axes.point(coverage, accuracy)
      if medium == .page { drawing.line([at, Point(at.x, axes.plot.bottom)], Stroke(theme.muted, dash: [3, 3])) }
      drawing.dot(at, radius: medium == .page ? 4.5 : 1, stroke.color)
      // Above the line, which falls to the right.
      let up = coverage == 1 ? 0 : 0.7 * medium.lineHeight
      drawing.text(
        "\(fixed(accuracy * 100, 1)) %",
        at: Point(at.x + medium.gap, max(axes.plot.y + medium.lineHeight / 2, at.y - up)), .start, theme.ink,
        bold: medium == .page)
    }
  }
}

/// The ROC or precision-recall curves of classes, each against the rest.
public struct RankingChart: Chart {
  public enum Kind: Sendable { case roc, precisionRecall }

  /// The most classes: more lines cannot be told apart.
  public static let limit = 24

  let kind: Kind
  let classes: [(name: String, curve: RankingCurve)]

  /// - Parameter classes: of each its name and its curve, shown in bytewise order; at most `limit`.
  public init(_ kind: Kind, _ classes: [(name: String, curve: RankingCurve)]) {
    precondition(classes.count <= Self.limit, "more than \(Self.limit) classes")
    self.kind = kind
    self.classes = bytewiseOrder(classes.map(\.name)).map { classes[$0] }
  }

  public func draw(on drawing: inout Drawing, title: String?) {
    let (medium, theme) = (drawing.medium, drawing.theme)
    let isROC = kind == .roc
    let areas = classes.map { isROC ? $0.curve.auc : $0.curve.averagePrecision }
    let known = areas.filter(\.isFinite)
    let mean = known.reduce(0, +) / Double(known.count)
    let name = isROC ? "AUC" : "AP"
    let area = drawing.heading(
      title ?? (isROC ? "ROC curves" : "Precision and recall"),
      "each class against the rest; mean \(name) \(fixed(mean, 3))"
        + (isROC ? "" : "; dotted: the share of the class, which guessing reaches"))
    let labels = zip(classes, areas).map { "\($1.isFinite ? fixed($1, 3) : "–") \($0.name)" }
    let room = drawing.roomForEndLabels(labels + ["\(name) of each"], of: area.width * 0.7)
    let axes = drawing.axes(
      in: area, x: { Scale(0...1, ticks: $0) }, named: isROC ? "false positive rate" : "recall",
      y: { Scale(0...1, ticks: $0) }, named: isROC ? "true positive rate (recall)" : "precision", right: room)
    if isROC {
      drawing.line([axes.point(0, 0), axes.point(1, 1)], Stroke(theme.muted, dash: [4, 4]))
    }
    var ends: [Drawing.EndLabel] = []
    for (i, one) in classes.enumerated() {
      let stroke = Stroke(theme.color(i), width: medium.lineWidth, dash: theme.dash(i))
      let share = Double(one.curve.positives) / Double(one.curve.positives + one.curve.negatives)
      if !isROC, medium == .page, share > 0 {
        drawing.line(
          [axes.point(0, share), axes.point(1, share)], Stroke(stroke.color, width: 0.8, dash: [2, 4]))
      }
      drawing.line(line(one.curve).map { axes.point($0.x, $0.y) }, stroke)
      // In order from the top: all of them end in the same corner.
      ends.append(Drawing.EndLabel(text: labels[i], y: axes.plot.y + Double(i + 1) * medium.lineHeight, stroke: stroke))
    }
    drawing.text(
      "\(name) of each", at: Point(axes.plot.right + medium.gap, axes.plot.y), .start, theme.muted)
    drawing.endLabels(ends, axes.plot, room: room)
  }

  private func line(_ curve: RankingCurve) -> [(x: Double, y: Double)] {
    guard kind == .precisionRecall else { return curve.roc }
    var (steps, recall): ([(x: Double, y: Double)], Double) = ([], 0)
    // What lies below, at an equal recall, is not part of the area.
    for point in curve.precisionRecall where point.x != recall {
      steps += [(recall, point.y), point]
      recall = point.x
    }
    return steps
  }
}
