// gx-report: a run as one page to mail: scores, charts, mistakes with what the model saw in them, how to do it again.
//
// stdin: tensor stream of labelled pictures. stdout or -o: an HTML file that stands alone.

import GXBox
import GXCommand
import GXCore
import GXInfer
import GXMetrics
import GXModel
import GXPlot
import GXReport
import GXStream
import Glibc

let command = Command(
  "gx-report", "make one HTML page of a model's run, to read and to mail",
  synopsis: "[-m MODEL] [-o REPORT.html] < STREAM",
  about: """
    Classifies the labelled records of a tensor stream and writes one HTML page: scores with 95 % intervals, confusion
    matrix, reliability and risk-coverage, the most confident mistakes with the places that spoke for them (Grad-CAM),
    the data by class and split, and how to do it again. The page stands alone: it holds its pictures and charts, runs
    no script and asks nothing of the network.

    Records of split test are judged, or where there are none those of val, or those without a split; all count among
    the data. With --predictions, gx-infer's rows are judged instead (those of an ensemble, say), and the stream gives
    the pictures; a terminal on stdin gives none. With --out-of-fold, labels that are probably wrong are shown too
    (see gx-eval --suspects).

    What is held is about 50 bytes a record and the pictures shown; of an --out-of-fold file some 300 bytes a row.
    """,
  options: [
    Option("model", "m", "MODEL", "a model that gx-train wrote [the one in the box]"),
    Option("log", nil, "FILE", "gx-train's rows: adds the training curves", formerly: ["l"]),
    Option("predictions", "p", "FILE", "judge these rows of gx-infer instead of classifying"),
    Option(
      "out-of-fold", nil, "FILE", "find labels that are probably wrong by these rows of gx-train --folds",
      formerly: ["f"]),
    .splits.saying("judge the records of these splits [test, or val, or those without]"),
    Option("title", nil, "TEXT", "the page's title", formerly: ["t"]),
    Option("number", "n", "N", "how many mistakes, and suspects, are shown, up to 100 [12]", formerly: ["pictures"]),
    .bootstrap,
    Option(
      "assume-ops", nil, "WHAT",
      "count records without \"ops\" as prepared like the training pictures (all), or as merely decoded (none)"),
    .seed, .output, .jobs, .maxErrors,
  ],
  examples: [
    "gx-report -m galaxy.safetensors --log log.ndjson -o report.html < galaxies.tar",
    "gx-list images/ --labels labels.csv | gx-decode | gx-report -o report.html",
    "gx-report -m galaxy.safetensors -p predictions.ndjson --title 'Run 7' -o report.html < test.tar",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let assumption = try arguments.choice("assume-ops", Provenance.Assumption.self)
  let pictures = try arguments.int("number", in: 0...100) ?? 12
  let replicates = try arguments.bootstrap()
  let seed = try arguments.seed()
  let splits = try arguments[Option.splits]
  let predictions = arguments.string("predictions")
  let reader = predictions != nil && isatty(STDIN_FILENO) == 1 ? nil : try standardRecords(map: false)
  let path = arguments.string("model")
  if path == nil { Log.note("no -m MODEL: \(Model.inTheBoxName) classifies") }
  let model = try Model(path: path)
  let modelName = path.map { String($0.split(separator: "/").last ?? "") } ?? Model.inTheBoxName
  return try arguments.run { output, tally in
    var findings = Findings(splits: splits, pictures: pictures)

    var log: TrainingLog?
    if let path = arguments.string("log") {
      var rows = TrainingLog()
      try forEachRow(of: path, &tally) { row throws(GXError) in
        try rows.add(row.fields)
        return true
      }
      log = rows
    }
    var audit: (String, Int)?
    if let path = arguments.string("out-of-fold") {
      var labels = LabelAudit()
      try forEachRow(of: path, &tally) { row throws(GXError) in try labels.add(row).isGood }
      if let message = labels.unknownMessage { Log.error("\(path): \(message)") }
      guard let count = findings.suspect(labels) else {
        throw GXError("\(path): no labelled row has probabilities")
      }
      audit = (path, count)
    }
    let failedBefore = tally.failed
    if let predictions {
      try forEachRow(of: predictions, &tally) { row throws(GXError) in
        if reader == nil { try findings.count(label: row.label, split: row.split) }
        return try findings.judge(row)
      }
    }
    if let reader {
      let classifier = try predictions == nil ? Ensemble([model], assuming: assumption) : nil
      let judges = findings.judges
      try orderedMap(jobs: arguments.jobs(), next: reader.next) { record in
        Result { () throws -> (Record, Row?) in
          guard let classifier, record.label != nil, judges(record.split) else { return (record, nil) }
          return (record, try classifier.row(of: record))
        }.mapError { GXError("\(record.id): \($0)") }
      } emit: { result in
        let (record, row) = try result.get()
        let error = row?.error
        if record.error == nil, let error { Log.error("\(record.id): \(error)") }
        var isGood = record.error == nil && error == nil
        try findings.count(label: record.label, split: record.split)
        if isGood, let row { isGood = try findings.judge(row, record: record) }
        tally.add(failed: !isGood)
        findings.attach(record)
      }
    }

    for message in findings.unknownMessages { Log.error(message) }
    var report = Report(
      title: arguments.string("title") ?? "How \(modelName) tells galaxies apart", model: model, modelName: modelName,
      judgement: try findings.judgement(), findings: findings,
      command: [command.name] + CommandLine.arguments.dropFirst()
    )
    (report.log, report.predictionsName, report.failed) = (log, predictions, tally.failed - failedBefore)
    report.audit = audit
    (report.replicates, report.seed, report.assumption) = (replicates, seed, assumption)
    try output.write(report.html.text)
  }
}
