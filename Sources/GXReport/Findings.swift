import GXCore
import GXMetrics
import GXPlot
import GXStream

/// A prediction worth looking at, and its picture where it passed by.
public struct Finding: Sendable {
  let key: RowKey?
  let label: String
  /// The class predicted.
  let prediction: String
  /// By class; empty where there are none.
  var probabilities: [(name: String, value: Double)] = []
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
    return Name(a.key?.description ?? "") < Name(b.key?.description ?? "")
  }

  /// Gives its picture to the finding that `record` is of, if there is one.
  mutating func attach(_ record: Record, _ key: RowKey) {
    for i in findings.indices where findings[i].key == key { findings[i].record = record }
  }
}

/// How a classifier did on the records of some splits: all scores, and the few pictures that tell most.
public struct Judgement: Sendable {
  /// The most classes that a sure example is kept of.
  static let exampleLimit = 12

  /// What people call the splits; empty where the records tell none.
  public let splits: String
  public private(set) var board: Scoreboard
  /// Wrong, the most confident first.
  private(set) var mistakes: Ranking
  /// Right, by class, the most confident.
  private(set) var examples: [Name: Ranking] = [:]

  /// - Parameter classes: Those of rows before, if there were any.
  init(splits: String, pictures: Int, classes: [String]?) {
    self.splits = splits
    board = Scoreboard(classes: classes)
    mistakes = Ranking(limit: pictures)
  }

  /// - Returns: whether its label, if it has one, is a class.
  mutating func add(_ row: Row, _ record: Record?) throws(GXError) -> Bool {
    let reading = try board.add(row)
    guard case .prediction(let prediction) = reading else { return reading.isGood }
    guard !prediction.abstains, let confidence = prediction.confidence else { return true }
    let classes = board.classes
    let finding = Finding(
      key: row.key, label: classes[prediction.truth], prediction: classes[prediction.predicted],
      probabilities: Array(zip(classes, prediction.probabilities)), rank: confidence, record: record)
    let label = Name(finding.label)
    if !prediction.isRight {
      mistakes.add(finding)
    } else if examples[label] != nil || examples.count < Self.exampleLimit {
      examples[label, default: Ranking(limit: 1)].add(finding)
    }
    return true
  }

  mutating func attach(_ record: Record, _ key: RowKey) {
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
  private var judgements: [Name: Judgement] = [:]
  /// Of the rows, where they have told it.
  private var classes: [String]?
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
    (splits ?? Self.preferred).contains(name: split ?? "")
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
  /// - Returns: whether its label, if it has one, is a class.
  /// - Throws: `GXError` that names the field where it can't be scored.
  public mutating func judge(_ row: Row, record: Record? = nil) throws(GXError) -> Bool {
    guard judges(row.split) else { return true }
    let name = splits?.joined(separator: ", ") ?? row.split ?? ""
    var judgement =
      judgements.removeValue(forKey: Name(name))
      ?? Judgement(splits: name, pictures: pictures, classes: classes)
    defer { judgements[Name(name)] = judgement }
    let isGood = try judgement.add(row, record)
    classes = classes ?? judgement.board.columnClasses
    return isGood
  }

  /// What is to be said of labels that are no class.
  public var unknownMessages: [String] {
    judgements.sorted { $0.key < $1.key }.compactMap(\.value.board.unknownMessage)
  }

  /// Takes in the labels that an audit finds probably wrong.
  /// - Returns: how many there are, of which so many are shown as there are pictures; nil where the audit has no rows.
  public mutating func suspect(_ audit: LabelAudit) -> Int? {
    guard let found = audit.findings else { return nil }
    for (i, suspect) in found.suspects.prefix(pictures).enumerated() {
      let row = audit.row(of: suspect)
      let suggested = row[.suggested]?.nameValue ?? ""
      suspects.add(
        Finding(
          key: row.key, label: row.label ?? "", prediction: suggested, rank: -Double(i),
          remark: "p(label) less p(\(suggested)): \(fixed(suspect.score, 2))"))
    }
    return found.suspects.count
  }

  /// Keeps the record's picture if it will be shown.
  public mutating func attach(_ record: Record) {
    let key = record.rowKey
    for name in judgements.keys { judgements[name]!.attach(record, key) }
    suspects.attach(record, key)
  }

  /// The labels that are most probably wrong first.
  var suspected: [Finding] { suspects.findings }

  /// What to report on.
  /// - Throws: `GXError` where there is nothing.
  public func judgement() throws(GXError) -> Judgement {
    let names = splits.map { [$0.joined(separator: ", ")] } ?? Self.preferred
    guard let found = names.lazy.compactMap({ judgements[Name($0)] }).first(where: { $0.board.evaluation.records > 0 })
    else {
      throw GXError(
        splits.map { "no labelled record of split \($0.joined(separator: " or "))" }
          ?? "no labelled record of split test or val, or without a split; with --split train, say, others are judged")
    }
    return found
  }
}
