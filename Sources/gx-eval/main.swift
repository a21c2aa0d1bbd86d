// gx-eval: scores predictions against labels.
//
// stdin or FILEs: NDJSON rows of gx-infer. stdout: tables, or with --json one object; with --suspects NDJSON.

import GXCommand
import GXCore
import GXMetrics
import GXStream

let command = Command(
  "gx-eval", "score predictions against labels",
  synopsis: "[FILE]... < PREDICTIONS",
  about: """
    Reads gx-infer's rows from stdin or FILEs (NDJSON with label, prediction and probabilities) and prints accuracy,
    balanced accuracy, macro F1, NLL, Brier score and expected calibration error (15 bins) with 95 % intervals,
    precision, recall and F1 of each class, and the confusion matrix. A row without a prediction counts as its
    likeliest class.

    Rows that carry an error, or a label that is none of the classes that the rows' probabilities are of, are counted as
    failed; rows without a label are counted and left out. Calibration is
    scored where every row has probabilities. So is what answering only the most confident would be worth: the
    accuracy at 90 and 80 % coverage, and the area under the risk-coverage curve (AURC). Rows that abstain
    ("prediction": null, "reason": "uncertain") count in the coverage; the other scores are of those that were
    answered. Where every row has a prediction set, its coverage (how many hold the truth) and mean size are told.

    --group FIELD tells the scores of each value of a field: of each text (up to \(Groups.limit) different ones), of each
    number where there are no more than \(Groups.numberLimit), and of more numbers in \(Groups.bins) bins of equally \
    many rows.

    --compare OTHER joins the rows with another file's by id and tells how far the scores lie apart, with intervals
    from a paired bootstrap, and McNemar's exact test of whether one is right more often than the other.

    --suspects ranks the labels that are probably wrong (confident learning: Northcutt et al. 2021). It needs
    probabilities from networks that have not learnt the rows' labels, which "gx-train --folds" gives. A row is
    suspected where its likeliest class is another than its label, and as probable as it is of the records that are
    labelled so. Instead of scores, NDJSON comes out, the worst first: "id", "path", "label", "suggested" (the likely
    class), and "score", p(label) - p(suggested), where -1 is surely wrong. It is a manifest: gx-decode reads it.

    What is held is about 50 bytes a row, and with --compare the ids; with --suspects some 300 bytes and 4 a class, of
    at most \(LabelAudit.limit) rows.
    """,
  options: [
    Option("json", nil, nil, "one JSON object instead of the tables"),
    .truth, .rowSplits,
    Option("group", "g", "FIELD", "tell the scores by this field's values too"),
    Option("compare", nil, "OTHER", "compare with the predictions of this file"),
    Option("suspects", nil, nil, "write the labels that are probably wrong instead, the worst first"),
    .bootstrap, .seed, .output, .maxErrors,
  ],
  examples: [
    "gx-infer -m galaxy.safetensors < test.tar | gx-eval",
    "gx-eval --json --split test predictions.ndjson | jq .macro_f1",
    "gx-train --folds 5 < train.tar | gx-eval --suspects | head -20 | gx-decode > look.tar",
    "gx-eval --group hubble --compare before.ndjson predictions.ndjson",
  ])

command.main { arguments in
  let replicates = try arguments.bootstrap()
  let seed = try arguments.seed()
  let selection = try RowSelection(arguments)
  let label = selection.label
  let other = arguments.string("compare")
  return try arguments.run { output, tally in
    func read(_ paths: [String], _ add: (Row) throws(GXError) -> PredictionReader.Reading) throws {
      for path in paths {
        try forEachRow(of: path, &tally, selected: selection) { row throws(GXError) in try add(row).isGood }
      }
    }
    let paths = arguments.operands.isEmpty ? ["-"] : arguments.operands
    if arguments.has("suspects") {
      if let option = ["json", "group", "compare", "bootstrap"].first(where: arguments.has) {
        throw UsageError("--suspects and --\(option) do not go together")
      }
      var audit = LabelAudit(label: label)
      try read(paths) { row throws(GXError) in try audit.add(row) }
      if let message = audit.unknownMessage { Log.error(message) }
      return try write(audit, label, output)
    }
    var board = Scoreboard(label: label, group: arguments.string("group"), compares: other != nil)
    try read(paths) { row throws(GXError) in try board.add(row) }
    if let message = board.unknownMessage { Log.error(message) }
    if board.unlabelled > 0 { Log.note("\(board.unlabelled) of \(tally.records) rows have no \(label)") }
    guard board.evaluation.records > 0 else {
      throw GXError("no row of \(tally.records) has both a \(label) and a prediction")
    }
    if let groups = board.groups {
      guard !groups.areTooMany else {
        throw GXError("--group \(groups.field): there are more than \(Groups.limit) different texts")
      }
      guard !groups.areMissing else { throw GXError("--group \(groups.field): no row has such a field") }
    }
    let failed = tally.failed
    var comparison: Comparison?
    if let other {
      var otherBoard = Scoreboard(label: label, compares: true)
      try read([other]) { row throws(GXError) in try otherBoard.add(row) }
      if let message = otherBoard.unknownMessage { Log.error("\(other): \(message)") }
      do throws(GXError) {
        comparison = try Comparison(board, otherBoard, replicates: replicates, seed: seed)
      } catch { throw error.at("--compare \(other)") }
    }
    let sheet = ScoreSheet(board, failed: failed, replicates: replicates, seed: seed, comparison: comparison)
    let text = arguments.has("json") ? JSON.object(sheet.json).text + "\n" : sheet.text
    try output.write(text)
  }
}

/// The suspects' rows, and on stderr how many there are.
func write(_ audit: LabelAudit, _ label: String, _ output: Output) throws {
  if audit.unlabelled > 0 { Log.note("\(audit.unlabelled) rows have no \(label)") }
  guard let findings = audit.findings else { throw GXError("no row has both a \(label) and probabilities") }
  let writer = output.rows()
  for suspect in findings.suspects { try writer.write(audit.row(of: suspect)) }
  Log.note(
    "\(findings.suspects.count) of \(audit.records) labels are suspect; "
      + "\(fixed(100 * findings.noise, 1)) % are estimated to be wrong")
}
