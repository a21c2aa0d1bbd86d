import GXCore
import GXMetrics

/// A confusion matrix: what records of each class (a row) were taken for, as a share of the row and as a count.
public struct ConfusionChart: Chart {
  let matrix: ConfusionMatrix
  let classes: [String]

  /// - Parameter classes: their names, in the matrix's order. Shown in bytewise order.
  public init(_ matrix: ConfusionMatrix, classes: [String]) {
    precondition(classes.count == matrix.classes, "one name a class")
    (self.matrix, self.classes) = (matrix, classes)
  }

  public func draw(on drawing: inout Drawing, title: String?) {
    let (medium, theme) = (drawing.medium, drawing.theme)
    let order = bytewiseOrder(classes)
    let scores = matrix.perClass
    let area = drawing.heading(
      title ?? "Confusion matrix",
      "\(matrix.total) records, accuracy \(fixed(matrix.accuracy, 3)), "
        + "balanced accuracy \(fixed(matrix.balancedAccuracy, 3)); shares of each true class")

    let line = medium.lineHeight
    let counts = order.map { "\(scores[$0].support)" }
    let nameWidth = order.map { medium.width(classes[$0]) }.max() ?? 0
    let countWidth = (counts + ["records"]).map { medium.width($0) }.max() ?? 0
    let left = min(nameWidth, area.width * 0.3)
    var grid = area.inset(left: left + medium.gap, top: line, right: countWidth + 2 * medium.gap, bottom: 2 * line)
    // Names that are wider than their columns read upwards, but on a terminal.
    let turns = medium == .page && nameWidth > grid.width / Double(order.count) - medium.gap / 2
    let turnedRoom = min(nameWidth, area.height * 0.25)
    if turns { grid = grid.inset(bottom: max(0, turnedRoom + medium.gap - line)) }
    if medium == .terminal {
      let cell = max(2, (grid.width / Double(order.count) / 2).rounded(.down) * 2)
      let rows = max(4, (grid.height / Double(order.count) / 4).rounded(.down) * 4)
      grid = Rect(
        x: (grid.x / 2).rounded(.up) * 2, y: (grid.y / 4).rounded(.up) * 4, width: cell * Double(order.count),
        height: rows * Double(order.count))
    } else {
      // Cells are not much wider than high.
      grid.width = min(grid.width, grid.height * 1.9)
    }
    let size = (width: grid.width / Double(order.count), height: grid.height / Double(order.count))

    drawing.text("true class", at: Point(area.x, area.y + line / 2), .start, theme.muted)
    if countWidth > 0 {
      drawing.text("records", at: Point(grid.right + medium.gap, area.y + line / 2), .start, theme.muted)
    }
    let namesFit = size.height >= line * 0.9
    let columnsFit = size.width >= (turns ? line * 0.9 : medium.width("mmm"))
    for (row, truth) in order.enumerated() {
      let middle = grid.y + (Double(row) + 0.5) * size.height
      if namesFit {
        let name = medium.shortened(classes[truth], to: left)
        drawing.text(name, at: Point(grid.x - medium.gap, middle), .end, theme.ink)
        drawing.text(counts[row], at: Point(grid.right + medium.gap, middle), .start, theme.muted)
      }
      for (column, predicted) in order.enumerated() {
        let count = matrix[truth, predicted]
        let share = scores[truth].support > 0 ? Double(count) / Double(scores[truth].support) : 0
        let gap = medium == .page && size.width > 12 ? 2.0 : 0
        let cell = Rect(
          x: grid.x + Double(column) * size.width, y: grid.y + Double(row) * size.height, width: size.width - gap,
          height: size.height - gap)
        drawing.rect(cell, theme.shade(share))
        write(count, share, in: cell, on: &drawing)
      }
      let x = grid.x + (Double(row) + 0.5) * size.width
      if columnsFit, turns {
        let name = medium.shortened(classes[truth], to: turnedRoom)
        drawing.turnedText(name, at: Point(x, grid.bottom + medium.gap / 2 + medium.width(name)), theme.ink)
      } else if columnsFit {
        let name = medium.shortened(classes[truth], to: size.width - medium.gap / 2)
        drawing.text(name, at: Point(x, grid.bottom + line / 2), .middle, theme.ink)
      }
    }
    let below = grid.bottom + (turns ? turnedRoom + medium.gap : line) + line / 2
    drawing.text("predicted class", at: Point(grid.x + grid.width / 2, below), .middle, theme.muted)
  }

  /// The share, and below it the count; the count alone, or nothing, where there is no room.
  private func write(_ count: Int, _ share: Double, in cell: Rect, on drawing: inout Drawing) {
    let medium = drawing.medium
    let color = drawing.theme.text(on: drawing.theme.shade(share))
    let (percent, number) = ("\(fixed(share * 100, 0)) %", "\(count)")
    let x = cell.x + cell.width / 2
    let middle = cell.y + cell.height / 2
    guard medium.width(number) <= cell.width, cell.height >= medium.lineHeight * 0.9 else { return }
    guard cell.height >= 2 * medium.lineHeight, medium.width(percent) <= cell.width else {
      drawing.text(number, at: Point(x, middle), .middle, color)
      return
    }
    drawing.text(percent, at: Point(x, middle - medium.lineHeight / 2), .middle, color, bold: medium == .page)
    drawing.text(number, at: Point(x, middle + medium.lineHeight / 2), .middle, color)
  }
}
