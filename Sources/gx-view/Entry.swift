import GXCommand
import GXCore
import GXImage
import GXMetrics
import GXPlot
import GXStream
import GXTerminal

/// What is kept of a record.
struct Entry {
  let key: RowKey
  let label: String?
  private(set) var prediction: String?
  private(set) var confidence: Double?
  /// u8 `[cell, cell, 3]`.
  private(set) var picture: Tensor?
  private(set) var error: String?

  init(_ record: Record, cell: Int, overlay: String?, _ theme: Theme) {
    key = record.rowKey
    label = record.label
    error = record.error
    predict(record.meta)
    guard error == nil else { return }
    do {
      guard let tensor = record.tensor else { throw GXError("has no pixels") }
      var shown = try Image.shown(tensor, ops: record.ops)
      if let overlay {
        guard let map = record.extras.first(where: { $0.name == overlay })?.tensor else {
          throw GXError("has no map \(overlay)")
        }
        shown = try Image.overlay(map, over: shown, opacity: 0.5)
      }
      let fill = [theme.grid.red, theme.grid.green, theme.grid.blue].map { Double($0) / 255 }
      picture = try Resize(width: cell, height: cell, mode: .fit(fill: fill)).apply(shown)
    } catch {
      self.error = "\(error)"
    }
  }

  /// Takes the prediction that a row holds; a classifier that abstained is told by a question mark.
  mutating func predict(_ row: Row) {
    guard row.prediction != nil || row.abstains else { return }
    prediction = row.prediction ?? "?"
    confidence = row.confidence
  }

  /// Its text: as many lines as those of all other entries.
  func lines(_ has: (labels: Bool, predictions: Bool)) -> [ContactSheet.Line] {
    var lines = [ContactSheet.Line(key.description, .muted)]
    if has.labels { lines.append(ContactSheet.Line(label ?? "–")) }
    guard has.predictions else { return lines }
    let sure = confidence.map { " \(fixed($0 * 100, 0)) %" } ?? ""
    switch (error, prediction) {
    case (_?, _): lines.append(ContactSheet.Line("failed", .wrong))
    case (nil, nil): lines.append(ContactSheet.Line("–", .muted))
    case (nil, "?"): lines.append(ContactSheet.Line("? uncertain", .muted))
    case (nil, let name?):
      let role: ContactSheet.Line.Role = label.map { $0.hasSameBytes(as: name) ? .right : .wrong } ?? .plain
      lines.append(ContactSheet.Line((role == .plain ? "" : role == .right ? "✓ " : "✗ ") + name + sure, role))
    }
    return lines
  }
}

/// Gives entries the predictions that a file of gx-infer's rows has for them.
func join(_ path: String, to entries: inout [Entry], _ tally: inout Tally) throws {
  var places: [RowKey: [Int]] = [:]
  for (i, entry) in entries.enumerated() { places[entry.key, default: []].append(i) }
  var found = 0
  try forEachRow(of: path, &tally) { row throws(GXError) in
    _ = try row.name(in: Row.Field.prediction.rawValue)
    for i in row.key.flatMap({ places.removeValue(forKey: $0) }) ?? [] {
      entries[i].predict(row)
      found += 1
    }
    return true
  }
  if found < entries.count { Log.note("\(path): nothing of \(entries.count - found) of \(entries.count) records") }
}

/// How many pictures stand side by side on the terminal, whose characters are 8 pixels wide where it does not say.
func columnsThatFit(_ cell: Int) -> Int {
  let size = Terminal.size
  let width = size.pixels?.width ?? 8 * size.columns
  return max(1, width / (cell + max(4, cell / 16)))
}

/// Pictures of half blocks, `cell` columns wide, with their text below.
func blocks(_ cells: [ContactSheet.Cell], cell: Int, columns: Int?) -> [UInt8] {
  let depth = ColorDepth(environment: Terminal.variable)
  // Whoever forces blocks on a terminal that has no colours wants to see them all the same.
  let colors = depth == .none ? .indexed : depth
  let columns = columns ?? max(1, (Terminal.size.columns + 1) / (cell + 1))
  var text = ""
  for start in stride(from: 0, to: cells.count, by: columns) {
    let row = cells[start..<min(start + columns, cells.count)]
    let blank = [String](repeating: String(repeating: " ", count: cell), count: (cell + 1) / 2)
    let pictures = row.map { $0.picture.map { TerminalPicture.blocks($0, colors) } ?? blank }
    for y in blank.indices { text += pictures.map { $0[y] }.joined(separator: " ") + "\n" }
    for k in 0..<(row.first?.lines.count ?? 0) {
      text +=
        row.map { one in
          let line = Medium.terminal.shortened(printable(one.lines[k].text), to: Double(2 * cell))
          let style = ["muted": "2", "right": "32", "wrong": "31"]["\(one.lines[k].role)"]
          let padding = String(repeating: " ", count: max(0, cell - Int(Medium.terminal.width(line) / 2)))
          return (style.map { "\u{1b}[\($0)m\(line)\u{1b}[0m" } ?? line) + padding
        }.joined(separator: " ") + "\n"
    }
    text += "\n"
  }
  return Array(text.utf8)
}
