import GXCommand
import GXCore
import GXInfer
import GXMetrics
import GXModel
import GXStream
import GXTrain

/// A network for each fold, and its rows for what it has not seen.
func crossValidate(_ start: Run) throws -> ExitStatus {
  var run = start
  let arguments = run.arguments
  let count = try arguments[Run.folds]!
  // There is nothing to choose by: what is held out is to be predicted, and must not choose the best epoch.
  let pointless = ["output", "val", "hold-out", "best", "patience", "checkpoint", "checkpoint-every", "resume", "half"]
  if let option = pointless.first(where: arguments.has) {
    throw UsageError("--folds and --\(option) do not go together: it writes no model, and begins anew each time")
  }
  let views = try arguments[Run.views] ?? .one
  try expectStream()
  let log = try arguments.string("log").map { try EpochLog(path: $0, appending: false, tell: Log.tell) }
  (run.settings.plan.validates, run.settings.plan.patience) = (false, nil)
  let status = try arguments.run { output, tally in
    let writer = output.rows()
    let learnt: Set<Split> = arguments.has("fold-val") ? [.train, .val] : [.train]
    let data = try run.data(learning: learnt, validates: false, counting: &tally)
    try run.teach(data)
    let folds = try Folds(count, of: data, seed: run.settings.plan.seed)
    for warning in folds.warnings { Log.warning(warning) }
    let none = ConfusionMatrix(classes: data.classes.count)
    var all = none
    for fold in 0..<count {
      log?.fields = [Row.Field.fold.rawValue: .int(fold)]
      let others = folds.data(without: fold)
      let outcome = try run.train(others, others, log)
      guard outcome.isFinished else {
        Log.error("interrupted in fold \(fold) of \(count)")
        Signals.endAsInterrupted()
      }
      let classifier = try Ensemble([outcome.model], assuming: .all, views: views, calibration: .none)
      var predictions = none
      try orderedMap(jobs: run.settings.jobs, next: folds.records(of: fold)) { record in
        (record, Result { try classifier.row(of: record, logitsOf: "") })
      } emit: { (record: Record, result: Result<Row, Error>) in
        var row = try result.get()
        row[.classifier] = nil  // it is gone with the fold
        row[.fold] = .int(fold)
        try writer.write(row)
        tally.add(record.id, error: row.error)
        guard let predicted = row.prediction.flatMap(data.classes.firstIndex(ofName:)) else { return }
        let truth = data.classes.firstIndex(ofName: record.label!)!
        predictions.add(truth: truth, predicted: predicted)
        all.add(truth: truth, predicted: predicted)
      }
      Log.note("fold \(fold) of \(count): \(scores(predictions))")
    }
    let failed = folds.failed()
    while let record = try failed() {
      var row = record.meta
      row["ops"] = nil
      try writer.write(row)
    }
    Log.note("all folds: \(scores(all))")
  }
  return log?.failed == true ? .failed : status
}

private func scores(_ predictions: ConfusionMatrix) -> String {
  func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
  return
    "\(predictions.total) records, accuracy \(rounded(predictions.accuracy)), macro F1 \(rounded(predictions.macroF1))"
}
