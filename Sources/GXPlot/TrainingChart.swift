import GXCore

/// What gx-train logs, an epoch a row.
public struct TrainingLog: Sendable {
  /// The most epochs.
  public static let limit = 100_000
  /// The most different losses and scores.
  public static let nameLimit = 256
  /// What numbers epochs have.
  public static let numbers = 0...1_000_000_000

  public struct Epoch: Equatable, Sendable {
    /// As the log says; each phase of a training begins anew.
    public let number: Int
    public let phase: String?
    /// nil where the row has none, or none that is finite.
    public let learningRate: Double?
    /// Losses (in nats) and scores by the log's names, such as `train_loss` or `val_macro_f1`.
    public let values: [String: Double]
    public let isBest: Bool
  }

  public private(set) var epochs: [Epoch] = []
  /// Of all that ever had a value, in the order of their first.
  private var known: [String] = []

  public init() {}

  /// Of all that have a value in some epoch, in the order of their first.
  public var names: [String] { known.filter { name in epochs.contains { $0.values[name] != nil } } }

  /// Adds a row. One of an epoch that was there in the same phase takes its place and drops those behind it: training
  /// went on from a checkpoint.
  /// Numbers that are not finite are gaps, as `null` is.
  /// - Throws: `GXError` where the row is no epoch's, or one more than `limit`; then nothing changes.
  public mutating func add(_ row: JSONObject) throws(GXError) {
    guard let number = row["epoch"]?.intValue else { throw GXError("epoch: missing, or no whole number") }
    guard Self.numbers.contains(number) else {
      throw GXError("epoch: \(number) is not in \(Self.numbers.lowerBound) to \(Self.numbers.upperBound)")
    }
    var (values, known): ([String: Double], [String]) = ([:], known)
    for (name, value) in row where name.hasPrefix("train_") || name.hasPrefix("val_") {
      guard let value = value.doubleValue, value.isFinite else { continue }
      values[name] = value
      if known.contains(name) { continue }
      guard known.count < Self.nameLimit else {
        throw GXError("\(name): one more than the limit of \(Self.nameLimit) losses and scores")
      }
      known.append(name)
    }
    guard !values.isEmpty else { throw GXError("epoch \(number) has no train_… or val_… number") }
    let phase = row["phase"]?.stringValue
    while let last = epochs.last, last.phase == phase, last.number >= number { epochs.removeLast() }
    guard epochs.count < Self.limit else { throw GXError("more than the limit of \(Self.limit) epochs") }
    self.known = known
    epochs.append(
      Epoch(
        number: number, phase: phase, learningRate: row["lr"]?.doubleValue.flatMap { $0.isFinite ? $0 : nil },
        values: values, isBest: row["best"]?.boolValue ?? false))
  }

  /// The epochs counted through all phases; never less than the one before.
  var positions: [Double] {
    var (offset, previous) = (0, 0)
    return epochs.indices.map { i in
      if i > 0, epochs[i].phase != epochs[i - 1].phase { offset += previous }
      previous = epochs[i].number
      return Double(offset + previous)
    }
  }
}

/// Loss and scores by epoch, side by side, and the learning rate below.
public struct TrainingChart: Chart {
  let log: TrainingLog

  public init(_ log: TrainingLog) { self.log = log }

  public func draw(on drawing: inout Drawing, title: String?) {
    let area = drawing.heading(title ?? "Training", caption)
    let medium = drawing.medium
    let losses = log.names.filter(Self.isLoss)
    let scores = log.names.filter { !Self.isLoss($0) }
    let hasRate = log.epochs.contains { $0.learningRate != nil }
    let rateHeight = medium == .page ? 4.5 * medium.lineHeight : 5 * medium.lineHeight
    let showsRate = hasRate && area.height > 3 * rateHeight
    let panels = [losses, scores].filter { !$0.isEmpty }
    let above = area.inset(bottom: showsRate ? rateHeight + medium.gap : 0)
    // Side by side, or on a page as narrow as a phone one above the other.
    let isNarrow = medium == .page && above.width < 480
    let parts =
      isNarrow ? above.rows(panels.count, gap: medium.gap) : above.columns(panels.count, gap: 2 * medium.gap)
    for (names, part) in zip(panels, parts) {
      panel(names, on: &drawing, in: part, isLoss: names == losses)
    }
    if showsRate { rate(on: &drawing, in: area.inset(top: area.height - rateHeight)) }
  }

  private static func isLoss(_ name: String) -> Bool { name.hasSuffix("loss") || name.hasSuffix("nll") }

  /// The last epoch that was the best so far.
  private var best: Int? { log.epochs.lastIndex { $0.isBest } }

  private var caption: String {
    guard !log.epochs.isEmpty else { return "no epoch yet" }
    let count = log.epochs.count == 1 ? "1 epoch" : "\(log.epochs.count) epochs"
    guard let best else { return count }
    let values = log.names.filter { $0.hasPrefix("val_") }.compactMap { name in
      log.epochs[best].values[name].map { "\(Self.shown(name)) \(fixed($0, 3))" }
    }
    // Each phase counts anew.
    let phase =
      log.epochs[best].phase.flatMap { name in log.epochs.contains { $0.phase != name } ? " of \(name)" : nil } ?? ""
    return "\(count); best: \(log.epochs[best].number)\(phase)"
      + (values.isEmpty ? "" : " with " + values.joined(separator: ", "))
  }

  private static func shown(_ name: String) -> String {
    name.split(separator: "_").map { $0 == "f1" ? "F1" : String($0) }.joined(separator: " ")
  }

  private func panel(_ names: [String], on drawing: inout Drawing, in area: Rect, isLoss: Bool) {
    let medium = drawing.medium
    let xs = log.positions
    // In the loss' panel, "train" and "val" say enough.
    let labels = names.map { isLoss && names.count == 2 ? String($0.prefix { $0 != "_" }) : Self.shown($0) }
    let room = drawing.roomForEndLabels(labels, of: area.width)
    let all = log.epochs.flatMap { epoch in names.compactMap { epoch.values[$0] } }
    let (low, high) = (all.min() ?? 0, all.max() ?? 1)
    // Losses stand on zero where that costs little; scores end at 1 where they are shares.
    let from = low >= 0 && low < 0.4 * high && isLoss ? 0 : low
    let to = !isLoss && low >= 0 && high <= 1 && high > 0.6 ? 1 : high
    let axes = drawing.axes(
      in: area, x: { Scale((xs.first ?? 1)...(xs.last ?? 1), ticks: $0, .whole, isTight: true) }, named: "epoch",
      y: { Scale(from...to, ticks: $0) }, named: isLoss ? "loss (nats)" : "score", right: room)

    phases(on: &drawing, axes)
    var ends: [Drawing.EndLabel] = []
    // The less important first: what was measured on val lies above.
    for (i, name) in names.enumerated() {
      let stroke = Stroke(drawing.theme.color(i), width: medium.lineWidth, dash: drawing.theme.dash(i))
      let values = log.epochs.map { $0.values[name] ?? .nan }
      let points = zip(xs, values).map { axes.point($0, $1) }
      drawing.line(points, stroke)
      if points.count == 1 { drawing.dot(points[0], radius: medium == .page ? 3.5 : 1, stroke.color) }
      if let best, name.hasPrefix("val_"), values[best].isFinite, medium == .page {
        drawing.dot(points[best], radius: 5, drawing.theme.background)
        drawing.dot(points[best], radius: 4, stroke.color)
      }
      if let end = points.last(where: { $0.y.isFinite }) {
        ends.append(Drawing.EndLabel(text: labels[i], y: end.y, stroke: stroke))
      }
    }
    drawing.endLabels(ends, axes.plot, room: room)
  }

  /// A line where one phase ends and the next begins, with the next one's name.
  private func phases(on drawing: inout Drawing, _ axes: Axes) {
    let xs = log.positions
    for i in log.epochs.indices.dropFirst() where log.epochs[i].phase != log.epochs[i - 1].phase {
      let top = axes.point((xs[i] + xs[i - 1]) / 2, axes.y.high)
      drawing.line([top, Point(top.x, axes.plot.bottom)], Stroke(drawing.theme.muted, dash: [2, 3]))
      let name = drawing.medium.shortened(log.epochs[i].phase ?? "", to: axes.plot.right - top.x)
      drawing.text(
        name, at: Point(top.x + drawing.medium.gap / 2, top.y + drawing.medium.lineHeight / 2), .start,
        drawing.theme.muted)
    }
  }

  private func rate(on drawing: inout Drawing, in area: Rect) {
    let xs = log.positions
    let rates = log.epochs.map { $0.learningRate ?? .nan }
    // It stands on zero, wherever it lies.
    let known = rates.filter(\.isFinite) + [0]
    let axes = drawing.axes(
      in: area, x: { Scale((xs.first ?? 1)...(xs.last ?? 1), ticks: $0, .whole, isTight: true) }, named: "",
      y: { Scale(known.min()!...known.max()!, ticks: max(1, $0)) }, named: "learning rate")
    let points = zip(xs, rates).map { axes.point($0, $1) }
    drawing.line(points, Stroke(drawing.theme.muted, width: drawing.medium.lineWidth * 0.75))
    if points.count == 1 { drawing.dot(points[0], radius: drawing.medium == .page ? 2.5 : 1, drawing.theme.muted) }
  }
}
