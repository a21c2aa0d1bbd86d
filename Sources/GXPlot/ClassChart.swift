import GXCore
import GXMetrics

/// How many records there are of each class, and of each split.
public struct ClassCounts: Equatable, Sendable {
  /// In the order in which they turned up.
  public private(set) var classes: [String] = []
  public private(set) var splits: [String] = []
  private var counts: [Name: [Name: Int]] = [:]

  /// The most different splits.
  public static let splitLimit = 8

  public init() {}

  /// - Parameter split: empty where the record tells none.
  /// - Throws: `GXError` where there are more classes than `ConfusionMatrix.classLimit`, or splits than `splitLimit`.
  public mutating func add(class name: String, split: String = "") throws(GXError) {
    if counts[Name(name)] == nil {
      guard classes.count < ConfusionMatrix.classLimit else {
        throw GXError("'\(name)' is one class more than the limit of \(ConfusionMatrix.classLimit)")
      }
    }
    if !splits.contains(name: split) {
      guard splits.count < Self.splitLimit else {
        throw GXError("'\(split)' is one split more than the limit of \(Self.splitLimit)")
      }
      splits.append(split)
    }
    if counts[Name(name)] == nil { classes.append(name) }
    counts[Name(name), default: [:]][Name(split), default: 0] += 1
  }

  public func count(class name: String, split: String) -> Int { counts[Name(name)]?[Name(split)] ?? 0 }
  public func count(class name: String) -> Int { counts[Name(name)]?.values.reduce(0, +) ?? 0 }
  public var total: Int { counts.values.reduce(0) { $0 + $1.values.reduce(0, +) } }
}

/// The class balance: a bar for each class, in pieces by split.
public struct ClassChart: Chart {
  let counts: ClassCounts

  public init(_ counts: ClassCounts) { self.counts = counts }

  public func draw(on drawing: inout Drawing, title: String?) {
    let (medium, theme) = (drawing.medium, drawing.theme)
    let order = bytewiseOrder(counts.classes).map { counts.classes[$0] }
    // In the order of their use; others behind them.
    let known = ["train", "val", "test"].filter { counts.splits.contains(name: $0) }
    let splits = known + bytewiseOrder(counts.splits).map { counts.splits[$0] }.filter { !known.contains(name: $0) }
    let sizes = order.map { counts.count(class: $0) }
    let (least, most) = (sizes.min() ?? 0, sizes.max() ?? 0)
    let area = drawing.heading(
      title ?? "Class balance",
      "\(counts.total) records of \(order.count) class\(order.count == 1 ? "" : "es")"
        + (least > 0 && order.count > 1
          ? "; the largest has \(fixed(Double(most) / Double(least), 1)) times the smallest" : ""))
    let line = medium.lineHeight
    let hasKey = splits != [""]
    let keys = splits.map { $0.isEmpty ? "no split" : $0 }
    let left = min(order.map { medium.width($0) }.max() ?? 0, area.width * 0.3) + medium.gap
    func ends(_ i: Int) -> String {
      let share = Double(sizes[i]) / Double(max(1, counts.total)) * 100
      return "\(sizes[i]), \(fixed(share, share < 9.95 ? 1 : 0)) %"
    }
    let right = (order.indices.map { medium.width(ends($0)) }.max() ?? 0) + 2 * medium.gap
    var plot = area.inset(left: left, top: hasKey ? line * 1.5 : 0, right: right)
    if medium == .terminal {
      plot.x = (plot.x / 2).rounded(.up) * 2
      plot.y = (plot.y / 4).rounded(.up) * 4
    }
    if hasKey {
      var x = plot.x
      for (i, key) in keys.enumerated() {
        let square = medium == .page ? 12.0 : 4
        drawing.rect(
          Rect(x: x, y: area.y + line / 2 - square / 2, width: square, height: square), theme.color(i))
        x += square + medium.gap * 0.75
        drawing.text(key, at: Point(x, area.y + line / 2), .start, theme.ink)
        x += medium.width(key) + 2 * medium.gap
      }
    }
    // As many as fit; the rest is told.
    let pitch = min(
      max(plot.height / Double(max(1, order.count)), line), medium == .page ? 110 : 8)
    let shown = min(
      order.count, max(1, Int(plot.height / pitch)) - (Double(order.count) * pitch > plot.height + 1 ? 1 : 0))
    for (i, name) in order.prefix(shown).enumerated() {
      let top = plot.y + Double(i) * pitch
      let bar = Rect(
        x: plot.x, y: top + (medium == .page ? pitch * 0.12 : 0), width: 0,
        height: medium == .page ? pitch * 0.76 : 4)
      let middle = bar.y + bar.height / 2
      drawing.text(
        medium.shortened(name, to: left - medium.gap), at: Point(plot.x - medium.gap, middle), .end, theme.ink)
      var x = plot.x
      for (k, split) in splits.enumerated() {
        let count = counts.count(class: name, split: split)
        var piece = bar
        piece.x = x
        piece.width = Double(count) / Double(max(1, most)) * plot.width
        if count > 0 { drawing.rect(piece, theme.color(k)) }
        let label = "\(count)"
        if hasKey, medium.width(label) + medium.gap < piece.width, bar.height >= line * 0.8 {
          drawing.text(
            label, at: Point(x + piece.width / 2, middle), .middle, theme.text(on: theme.color(k)))
        }
        x += piece.width
      }
      drawing.text(ends(i), at: Point(x + medium.gap, middle), .start, theme.muted)
    }
    if shown < order.count {
      drawing.text(
        "and \(order.count - shown) more", at: Point(plot.x, plot.y + (Double(shown) + 0.5) * pitch), .start,
        theme.muted)
    }
  }
}
