// gx-plot: draws charts of logs, predictions and manifests.
//
// stdin or FILEs: NDJSON. -o: SVG or PNG. stdout: text, or as --format says.

import GXCommand
import GXCore
import GXMetrics
import GXPlot
import GXStream
import GXTerminal

let command = Command(
  "gx-plot", "draw charts of logs, predictions and manifests",
  synopsis: "KIND [FILE]... < NDJSON",
  about: """
    Draws one of these from stdin or FILEs:

    training: loss, scores and learning rate by epoch, of gx-train's log. confusion: the confusion matrix,
    reliability: how often predictions come true by their confidence, coverage: the accuracy of the most confident
    share, roc and pr: each class against the rest; of gx-infer's rows with labels. classes: records by class and
    split, of anything with labels.

    The end of -o's name decides between SVG and PNG. Without -o the chart is text, as large as the terminal. Rows with an error
    are counted and left out, as are rows without a label; where the classifier abstained, a row counts in coverage,
    roc and pr alone.

    training --follow draws anew as the log grows: what stands in FILE, until interrupted (Ctrl-C), or what comes
    through a pipe, until its end.

    coverage holds 9 bytes a row, roc and pr 8 bytes a row and class.
    """,
  options: [
    Option("format", "f", "FORMAT", "svg, png or text [as -o's name ends; text without -o]"),
    Option(
      "size", nil, "SIZE",
      "WxH, width and height: pixels of PNG [1600x1000], units of SVG [800x500], characters of text"),
    Option("theme", nil, "light|dark", "colours [light; of text dark]"),
    Option("title", nil, "TEXT", "in place of the chart's own; empty for none"),
    .truth, .rowSplits,
    Option("follow", "F", nil, "of training: draw anew as the log grows"),
    .output, .maxErrors,
  ],
  examples: [
    "gx-plot training -o training.svg < log.ndjson",
    "gx-train -o galaxy.safetensors < train.tar | tee log.ndjson | gx-plot training --follow",
    "gx-infer -m galaxy.safetensors < test.tar | gx-plot confusion --theme dark -o confusion.png",
  ])

enum Kind: String, CaseIterable { case training, confusion, reliability, coverage, roc, pr, classes }

command.main { arguments in
  guard let name = arguments.operands.first, let kind = Kind(rawValue: name) else {
    let all = Kind.allCases.map(\.rawValue).joined(separator: ", ")
    throw UsageError(
      arguments.operands.first.map { "'\($0)' is none of \(all)" } ?? "a KIND of chart is missing: \(all)")
  }
  let canvas = try Canvas(arguments)
  var paths = Array(arguments.operands.dropFirst())
  if paths.isEmpty { paths = ["-"] }
  if arguments.has("follow") {
    guard kind == .training, paths.count == 1 else { throw UsageError("--follow is for one log of training") }
    return try follow(paths[0], arguments, canvas)
  }

  let rows = try Rows(arguments, paths)
  return try arguments.run(binary: canvas.format == .png) { output, tally in
    let drawn: any Chart =
      switch kind {
      case .training: TrainingChart(try rows.log(&tally))
      case .classes: ClassChart(try rows.counts(&tally))
      default: try rows.chart(kind, &tally)
      }
    try output.sink.write(canvas.bytes(drawn))
  }
}
