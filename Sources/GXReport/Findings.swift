import GXCore
import GXMetrics
import GXPlot
import GXStream

/// A prediction worth looking at, and its picture where it passed by.
public struct Finding: Sendable {
  public let row: PredictionRow
  /// What it is ranked by: the greatest come first.
  let rank: Double
  /// Why it stands out, where more than the row is to be said.
  var remark = ""
  var record: Record?
}

/// The greatest few of many findings, in order; equals in the order of their ids.
struct Ranking: Sendable {
  private(set) var findings: [Finding] = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func add(_ finding: Finding) {
    let place = findings.firstIndex { isBefore(finding, $0) } ?? findings.count
    guard place < limit else { return }
    findings.insert(finding, at: place)
    if findings.count > limit { findings.removeLast() }
  }

  private func isBefore(_ a: Finding, _ b: Finding) -> Bool {
    if a.rank != b.rank { return a.rank > b.rank }
    return (a.row.key?.description ?? "") < (b.row.key?.description ?? "")
  }

  /// Gives its picture to the finding that `record` is of, if there is one.
  mutating func attach(_ record: Record, _ key: PredictionRow.Key) {
    for i in findings.indices where findings[i].row.key == key { findings[i].record = record }
  }
}

/// How a classifier did on the records of some splits: all scores, and the few pictures that tell most.
public struct Judgement: Sendable {
  /// The most classes that a sure example is kept of.
  static let exampleLimit = 12

  /// What people call the splits; empty where the records tell none.
  public let splits: String
  public private(set) var board = Scoreboard()
  /// Wrong, the most confident first.
  private(set) var mistakes: Ranking
  /// Right, by class, the most confident.
  private(set) var examples: [String: Ranking] = [:]

  init(splits: String, pictures: Int) {
    self.splits = splits
    mistakes = Ranking(limit: pictures)
  }

  mutating func add(_ object: JSONObject, _ record: Record?) throws(GXError) {
    try board.add(object)
    let row = try PredictionRow(object)
    guard let label = row.label, !row.abstains, let confidence = row.confidence else { return }
    let finding = Finding(row: row, rank: confidence, record: record)
    if row.prediction != label {
      mistakes.add(finding)
    } else if examples[label] != nil || examples.count < Self.exampleLimit {
      examples[label, default: Ranking(limit: 1)].add(finding)
    }
  }

  mutating func attach(_ record: Record, _ key: PredictionRow.Key) {
    mistakes.attach(record, key)
    for name in examples.keys { examples[name]!.attach(record, key) }
  }
}

/// What is gathered from rows of predictions and from the stream that they are of. It holds some 50 bytes a row, and the
/// pictures that will be shown.
public struct Findings: Sendable {
  /// Labelled records by class and split, judged or not.
  public private(set) var counts = ClassCounts()
  /// Records without a label.
  public private(set) var unlabelled = 0
  /// By split, or all in one where splits were asked for.
  private var judgements: [String: Judgement] = [:]
  private let splits: [String]?
  private let pictures: Int
  private var suspects: Ranking

  /// - Parameters:
  ///   - splits: Which to judge; nil is test or, where there is none, val or, where there is none, what has no split.
  ///   - pictures: How many mistakes and suspects are shown.
  public init(splits: [String]?, pictures: Int) {
    (self.splits, self.pictures) = (splits, pictures)
    suspects = Ranking(limit: pictures)
  }

  /// Whether records of `split` may be judged, so that they have to be classified.
  public func judges(_ split: String?) -> Bool {
    splits?.contains(split ?? "") ?? Self.preferred.contains(split ?? "")
  }

  private static let preferred = ["test", "val", ""]

  /// Counts a record of the data.
  /// - Throws: `GXError` where there are too many classes or splits.
  public mutating func count(label: String?, split: String?) throws(GXError) {
    guard let label else {
      unlabelled += 1
      return
    }
    try counts.add(class: label, split: split ?? "")
  }

  /// Judges a row of predictions, if it is of a split to be judged.
  /// - Throws: `GXError` that names the field where it can't be scored.
  public mutating func judge(_ row: JSONObject, record: Record? = nil) throws(GXError) {
    let split = row["split"]?.nameValue
    guard judges(split) else { return }
    let name = splits?.joined(separator: ", ") ?? split ?? ""
    try judgements[name, default: Judgement(splits: name, pictures: pictures)].add(row, record)
  }

  /// Takes in the labels that an audit finds probably wrong.
  /// - Returns: how many there are, of which so many are shown as there are pictures; nil where the audit has no rows.
  public mutating func suspect(_ audit: LabelAudit) throws(GXError) -> Int? {
    guard let found = audit.findings else { return nil }
    for (i, suspect) in found.suspects.prefix(pictures).enumerated() {
      var object = audit.row(of: suspect)
      object["prediction"] = object["suggested"]
      let remark = "p(label) less p(\(object["suggested"]?.nameValue ?? "")): \(fixed(suspect.score, 2))"
      suspects.add(Finding(row: try PredictionRow(object), rank: -Double(i), remark: remark))
    }
    return found.suspects.count
  }

  /// Keeps the record's picture if it will be shown.
  public mutating func attach(_ record: Record) {
    let key = PredictionRow.Key(id: record.id, copy: record.copy)
    for name in judgements.keys { judgements[name]!.attach(record, key) }
    suspects.attach(record, key)
  }

  /// The labels that are most probably wrong first.
  var suspected: [Finding] { suspects.findings }

  /// What to report on.
  /// - Throws: `GXError` where there is nothing.
  public func judgement() throws(GXError) -> Judgement {
    let names = splits.map { [$0.joined(separator: ", ")] } ?? Self.preferred
    guard let found = names.lazy.compactMap({ judgements[$0] }).first(where: { $0.board.evaluation.records > 0 }) else {
      throw GXError(
        splits.map { "no labelled record of split \($0.joined(separator: " or "))" }
          ?? "no labelled record of split test or val, or without a split; with --split train, say, others are judged")
    }
    return found
  }
}
