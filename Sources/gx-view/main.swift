// gx-view: shows the pictures of a tensor stream.
//
// stdin: tensor stream. stdout or -o: a contact sheet as PNG; on a terminal the pictures themselves.

import GXCommand
import GXCore
import GXImage
import GXMetrics
import GXPlot
import GXStream
import GXTerminal

let command = Command(
  "gx-view", "show the pictures of a tensor stream",
  synopsis: "< IN > SHEET.png",
  about: """
    Makes a contact sheet of the first N records: each picture with its id, its label and, where it has one, its
    prediction, with a tick where that is the label and a cross where it is not. Predictions are the records' own, or
    those that --predictions has for their ids. What gx-normalize did to the pixels is undone; floats of unknown scale
    are stretched. A failed record is an empty cell.

    On a terminal the pictures are shown there, by the kitty protocol, as sixels or in half blocks, whichever is the
    best that the terminal says it knows.

    N cells are held, and nothing else; what stands behind the Nth record is not read.
    """,
  options: [
    Option("number", "n", "N", "show up to so many records [100]"),
    Option(
      "columns", nil, "N", "pictures side by side [as many as make the sheet wider than high; as fit]", formerly: ["c"]),
    Option("cell", nil, "PIXELS", "width and height of a picture; of blocks, columns [160; of blocks 24]"),
    Option(
      "heat-map", nil, "NAME", "lay the map KEY.NAME.npy over each picture, such as gradcam", formerly: ["overlay"]),
    Option("predictions", "p", "FILE", "gx-infer's rows, joined by id"),
    Option("theme", nil, "light|dark", "colours of the sheet [light; on a terminal dark]"),
    Option(
      "terminal", nil, "METHOD",
      "\(GraphicsMethod.allCases.map(\.rawValue).joined(separator: ", ")): write for such a terminal"),
    .output, .maxErrors,
  ],
  examples: [
    "gx-decode images/*.jpg | gx-view",
    "gx-cat --split test galaxies.tar | gx-view -n 40 --predictions test.ndjson -o sheet.png",
    "gx-decode *.jpg | gx-explain | gx-view --heat-map gradcam -o evidence.png",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let number = try arguments.int("number", in: 1...100_000) ?? 100
  let columns = try arguments.int("columns", in: 1...1000)
  let method = try method(arguments)
  let cell =
    try arguments.int("cell", in: method == .blocks ? 4...512 : ContactSheet.cellSizes)
    ?? (method == .blocks ? 24 : 160)
  let theme = try arguments.choice("theme", Theme.Name.self)?.theme ?? (method == nil ? .light : .dark)
  guard ContactSheet.pixels(count: number, cell: cell, lines: 3) <= Drawing.pixelLimit else {
    throw UsageError("\(number) cells of \(cell) pixels are over the limit of \(Drawing.pixelLimit) pixels")
  }
  let reader = try standardRecords()
  return try arguments.run(binary: method == nil) { output, tally in
    var entries: [Entry] = []
    while entries.count < number, let record = try reader.next() {
      let entry = Entry(record, cell: cell, overlay: arguments.string("heat-map"), theme)
      if let error = entry.error { Log.error("\(record.id): \(error)") }
      tally.add(failed: entry.error != nil)
      entries.append(entry)
    }
    guard !entries.isEmpty else { throw GXError("stdin: no records") }
    if let path = arguments.string("predictions") { try join(path, to: &entries, &tally) }
    let hasText = (
      labels: entries.contains { $0.label != nil }, predictions: entries.contains { $0.prediction != nil }
    )
    let cells = entries.map { ContactSheet.Cell(picture: $0.picture, lines: $0.lines(hasText)) }

    let sink = output.sink
    if method == .blocks {
      try sink.write(blocks(cells, cell: cell, columns: columns))
    } else {
      let sheet = ContactSheet(
        cells, cell: cell, columns: columns ?? method.map { _ in columnsThatFit(cell) }, theme: theme)
      let pixels = try sheet.pixels()
      switch method {
      case .kitty: try sink.write(TerminalPicture.kitty(pixels))
      case .sixel: try sink.write(TerminalPicture.sixel(pixels))
      default: try sink.write(Image.encodePNG(pixels))
      }
    }
  }
}

/// How a terminal is written for; nil for a PNG.
func method(_ arguments: Arguments) throws -> GraphicsMethod? {
  if let method = try arguments.choice("terminal", GraphicsMethod.self) {
    if arguments.has("output") { throw UsageError("--terminal and -o do not go together") }
    return method
  }
  guard !arguments.has("output"), Terminal.isOutput else { return nil }
  guard let method = Terminal.graphics() else {
    throw UsageError("this terminal shows no pictures; write them to a file with -o, or force --terminal METHOD")
  }
  return method
}
