import GXCommand
import GXCore
import GXMetrics
import GXPlot

/// The rows that are to be drawn, and what charts are made of them.
struct Rows {
  let paths: [String]
  let splits: Set<String>?
  /// The field that holds the truth.
  let label: String
  private(set) var tally: Tally

  init(_ arguments: Arguments, _ paths: [String]) throws {
    self.paths = paths
    splits = arguments.string("split").map { Set($0.split(separator: ",").map(String.init)) }
    label = arguments.string("label") ?? "label"
    tally = try Tally(arguments)
  }

  private mutating func read(_ body: (JSONObject) throws(GXError) -> Void) throws {
    for path in paths {
      try forEachRow(
        of: path, &tally, where: { [splits] in splits?.contains($0["split"]?.nameValue ?? "") ?? true }, body)
    }
  }

  private func note(_ count: Int, _ what: String) {
    if count > 0 { Log.note("\(count) of \(tally.records) rows \(what)") }
  }

  /// That a chart has nothing to show.
  private func nothing(_ what: String) -> GXError {
    tally.report()
    return GXError("no row of \(tally.records) \(what)")
  }

  mutating func log() throws -> TrainingLog {
    var log = TrainingLog()
    try read { row throws(GXError) in try log.add(row) }
    guard !log.epochs.isEmpty else { throw nothing("is an epoch's") }
    return log
  }

  mutating func counts() throws -> ClassCounts {
    var (counts, unlabelled) = (ClassCounts(), 0)
    try read { [label] row throws(GXError) in
      guard let name = row[label]?.nameValue else {
        unlabelled += 1
        return
      }
      try counts.add(class: name, split: row["split"]?.nameValue ?? "")
    }
    note(unlabelled, "have no \(label)")
    guard counts.total > 0 else { throw nothing("has a \(label)") }
    return counts
  }

  /// A chart of predictions.
  mutating func chart(_ kind: Kind) throws -> any Chart {
    var table = PredictionTable(ranks: kind == .roc || kind == .pr)
    try read { [label] row throws(GXError) in try table.add(PredictionRow(row, label: label)) }
    note(table.unlabelled, "have no \(label)")
    note(table.abstained, "abstain")
    if kind == .confusion {
      guard table.confusion.total > 0 else { throw nothing("has both a \(label) and a prediction") }
      return ConfusionChart(table.confusion, classes: table.classes)
    }
    note(table.withoutProbabilities, "have no probabilities and are left out")
    guard table.answered > 0 else { throw nothing("has both a \(label) and probabilities") }
    switch kind {
    case .reliability: return ReliabilityChart(table.reliability)
    case .coverage: return CoverageChart(table.coverage)
    default: return RankingChart(kind == .roc ? .roc : .precisionRecall, try table.rankingCurves())
    }
  }
}
