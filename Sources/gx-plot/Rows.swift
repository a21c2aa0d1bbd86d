import GXCommand
import GXCore
import GXMetrics
import GXPlot
import GXStream

/// The rows that are to be drawn, and what charts are made of them.
struct Rows {
  let paths: [String]
  let selection: RowSelection
  private var label: String { selection.label }

  init(_ arguments: Arguments, _ paths: [String]) throws {
    self.paths = paths
    selection = try RowSelection(arguments)
  }

  private func read(_ tally: inout Tally, _ body: (Row) throws(GXError) -> Bool) throws {
    for path in paths { try forEachRow(of: path, &tally, selected: selection, body) }
  }

  private func note(_ count: Int, _ what: String, _ tally: Tally) {
    if count > 0 { Log.note("\(count) of \(tally.records) rows \(what)") }
  }

  /// That a chart has nothing to show.
  private func nothing(_ what: String, _ tally: Tally) -> GXError {
    GXError("no row of \(tally.records) \(what)")
  }

  func log(_ tally: inout Tally) throws -> TrainingLog {
    var log = TrainingLog()
    try read(&tally) { row throws(GXError) in
      try log.add(row.fields)
      return true
    }
    guard !log.epochs.isEmpty else { throw nothing("is an epoch's", tally) }
    return log
  }

  func counts(_ tally: inout Tally) throws -> ClassCounts {
    var (counts, unlabelled) = (ClassCounts(), 0)
    try read(&tally) { [label] row throws(GXError) in
      if let name = try row.name(in: label) {
        try counts.add(class: name, split: row.split ?? "")
      } else {
        unlabelled += 1
      }
      return true
    }
    note(unlabelled, "have no \(label)", tally)
    guard counts.total > 0 else { throw nothing("has a \(label)", tally) }
    return counts
  }

  /// A chart of predictions.
  func chart(_ kind: Kind, _ tally: inout Tally) throws -> any Chart {
    var table = PredictionTable(label: label, ranks: kind == .roc || kind == .pr)
    try read(&tally) { row throws(GXError) in try table.add(row).isGood }
    if let message = table.unknownMessage { Log.error(message) }
    note(table.unlabelled, "have no \(label)", tally)
    note(table.abstained, "abstain", tally)
    if kind == .confusion {
      guard table.confusion.total > 0 else { throw nothing("has both a \(label) and a prediction", tally) }
      return ConfusionChart(table.confusion, classes: table.classes)
    }
    note(table.withoutProbabilities, "have no probabilities and are left out", tally)
    guard table.answered > 0 else { throw nothing("has both a \(label) and probabilities", tally) }
    switch kind {
    case .reliability: return ReliabilityChart(table.reliability)
    case .coverage: return CoverageChart(table.coverage)
    default: return RankingChart(kind == .roc ? .roc : .precisionRecall, try table.rankingCurves())
    }
  }
}
