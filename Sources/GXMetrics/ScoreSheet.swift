import GXCore

/// All that there is to say of a scoreboard, as one JSON object or as tables for people.
public struct ScoreSheet: Sendable {
  /// The coverages that the accuracy is told at.
  public static let coverages = [0.9, 0.8]
  /// The most points of the risk-coverage curve in the JSON.
  static let curvePoints = 100

  private let board: Scoreboard
  private let failed: Int
  private let scores: Scores
  private let intervals: ScoreIntervals?
  private let selective: RiskCoverage?
  private let groups: [(group: Groups.Group, scores: Scores, intervals: ScoreIntervals?)]
  private let comparison: Comparison?

  /// - Parameters:
  ///   - board: With at least one record.
  ///   - failed: How many rows carry an error or could not be read.
  ///   - replicates: Of the bootstrap; 0 for none.
  public init(_ board: Scoreboard, failed: Int, replicates: Int, seed: UInt64, comparison: Comparison? = nil) {
    (self.board, self.failed, self.comparison) = (board, failed, comparison)
    func intervals(_ evaluation: Evaluation) -> ScoreIntervals? {
      replicates > 0 ? evaluation.intervals(replicates: replicates, seed: seed) : nil
    }
    scores = board.evaluation.scores
    self.intervals = intervals(board.evaluation)
    selective = board.evaluation.riskCoverage
    groups = (board.groups?.groups ?? []).map { group in
      let evaluation = board.evaluation.subset(group.places)
      return (group, evaluation.scores, intervals(evaluation))
    }
  }

  // MARK: JSON

  /// The scores (see `Scores.json`), `failed` and `unlabelled` rows, and where there are such, `intervals`, `selective`,
  /// `groups` and `comparison`.
  public var json: JSONObject {
    var object = scores.json(classes: board.classes)
    object["failed"] = .int(failed)
    object["unlabelled"] = .int(board.unlabelled)
    if let intervals { object["intervals"] = .object(intervals.json(classes: board.classes)) }
    if let selective { object["selective"] = .object(json(selective)) }
    if let field = board.groups?.field {
      object["groups"] = ["field": .string(field), "groups": .array(groups.map { .object(json($0)) })]
    }
    if let comparison { object["comparison"] = .object(comparison.json) }
    return object
  }

  private func json(_ curve: RiskCoverage) -> JSONObject {
    let points = curve.points(atMost: Self.curvePoints)
    return [
      "aurc": .double(curve.aurc),
      "accuracy_at": .array(
        Self.coverages.map { coverage in
          [
            "coverage": .double(coverage), "accuracy": .double(curve.accuracy(atCoverage: coverage)),
            "confidence": .double(curve.confidence(atCoverage: coverage)),
          ]
        }),
      "curve": .array(
        points.map { point in
          [
            "coverage": .double(point.coverage), "accuracy": .double(point.accuracy),
            "confidence": .double(point.confidence),
          ]
        }),
    ]
  }

  private func json(_ row: (group: Groups.Group, scores: Scores, intervals: ScoreIntervals?)) -> JSONObject {
    var object: JSONObject = ["group": .string(row.group.name)]
    if let range = row.group.range { object["range"] = [.double(range.lowerBound), .double(range.upperBound)] }
    object["records"] = .int(row.scores.records)
    for (name, value) in row.scores.named { object[name] = .double(value) }
    if let intervals = row.intervals {
      var each = JSONObject()
      for (name, interval) in intervals.named { each[name] = interval.json }
      object["intervals"] = .object(each)
    }
    return object
  }

  // MARK: Tables

  public var text: String {
    let names = board.classes.map(printable)
    let width = max(20, (names + groups.map { printable($0.group.name) }).map(\.count).max()! + 1)
    var text = scoreTable(width) + classTable(names, width)
    if let selective { text += table(selective, width) }
    if let field = board.groups?.field { text += groupTable(printable(field), width) }
    if let comparison { text += table(comparison, width) }
    return text
  }

  private func scoreTable(_ width: Int) -> String {
    var text = left("records", width) + right("\(scores.records)", 9)
    text += intervals.map { "  95 % from \($0.replicates) replicates\n" } ?? "\n"
    if scores.abstained > 0 {
      text += left("abstained", width) + right("\(scores.abstained)", 9)
      text += "  scores are of the \(scores.confusion.total) answered\n"
    }
    if failed > 0 { text += left("failed", width) + right("\(failed)", 9) + "\n" }
    if board.unlabelled > 0 { text += left("unlabelled", width) + right("\(board.unlabelled)", 9) + "\n" }
    for (name, value) in scores.named {
      text += left(Scores.title(name), width) + right(fixed(value), 9) + range(intervals?[name]) + "\n"
    }
    return text
  }

  private func classTable(_ names: [String], _ width: Int) -> String {
    let order = bytewiseOrder(board.classes)
    var text = "\n" + left("", width) + ["precision", "recall", "F1", "records"].map { right($0, 11) }.joined() + "\n"
    for k in order {
      let one = scores.perClass[k]
      text += left(names[k], width) + [one.precision, one.recall, one.f1].map { right(fixed($0), 11) }.joined()
      text += right("\(one.support)", 11) + (intervals.map { "  F1" + range($0.perClass[k].f1) } ?? "") + "\n"
    }
    text += "\n" + left("label \\ prediction", width)
    let columns = order.map { max(9, names[$0].count + 2) }
    text += zip(order, columns).map { right(names[$0], $1) }.joined() + "\n"
    for truth in order {
      text += left(names[truth], width)
      text += zip(order, columns).map { right("\(scores.confusion[truth, $0])", $1) }.joined() + "\n"
    }
    return text
  }

  private func table(_ curve: RiskCoverage, _ width: Int) -> String {
    var text = "\n" + left("most confident", width) + right("accuracy", 9) + "  from confidence\n"
    for coverage in Self.coverages {
      text += left("\(Int((coverage * 100).rounded())) %", width)
      text += right(fixed(curve.accuracy(atCoverage: coverage)), 9)
      text += "  " + fixed(curve.confidence(atCoverage: coverage)) + "\n"
    }
    return text + left("AURC", width) + right(fixed(curve.aurc), 9) + "\n"
  }

  private func groupTable(_ field: String, _ width: Int) -> String {
    let names = ["coverage", "accuracy", "macro_f1", "nll", "ece", "set_coverage", "set_size"]
    let columns = names.filter { name in groups.contains { $0.scores.named.contains { $0.name == name } } }
    var text = "\n" + left(field, width) + right("records", 9)
    text += columns.map { right(Scores.title($0), max(11, $0.count + 2)) }.joined() + "\n"
    for (group, scores, intervals) in groups {
      text += left(printable(group.name), width) + right("\(scores.records)", 9)
      for column in columns {
        let value = scores.named.first { $0.name == column }?.value ?? .nan
        text += right(fixed(value), max(11, column.count + 2))
      }
      text += (intervals.map { "  accuracy" + range($0["accuracy"]) } ?? "") + "\n"
    }
    return text
  }

  private func table(_ comparison: Comparison, _ width: Int) -> String {
    var text = "\n" + left("compared with OTHER", width) + right("here", 9)
    text += right("OTHER", 11) + right("difference", 12) + (intervals == nil ? "" : "  95 %") + "\n"
    for one in comparison.differences {
      text += left(Scores.title(one.name), width) + right(fixed(one.here), 9) + right(fixed(one.other), 11)
      text += right(fixed(one.value), 12) + range(one.interval) + "\n"
    }
    text += left("records", width) + right("\(comparison.pairs)", 9)
    let out = [
      (comparison.onlyHere, "only here"), (comparison.onlyInOther, "only in OTHER"),
      (comparison.abstained, "abstained"),
    ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    text += (out.isEmpty ? "" : "  left out: " + out) + "\n"
    text += left("right alone", width) + right("\(comparison.onlyRightHere)", 9)
    text += right("\(comparison.onlyRightInOther)", 11)
    return text + "  McNemar's p " + (comparison.p < 5e-5 ? "< 0.0001" : fixed(comparison.p)) + "\n"
  }

  private func range(_ interval: Interval?) -> String {
    interval.map { "  \(fixed($0.low)) to \(fixed($0.high))" } ?? ""
  }

  /// Four decimals.
  private func fixed(_ value: Double) -> String {
    guard value.isFinite else { return "-" }
    let ticks = Int((value * 1e4).rounded())
    let digits = String(abs(ticks))
    let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    return (ticks < 0 ? "-" : "") + padded.dropLast(4) + "." + padded.suffix(4)
  }

  private func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
