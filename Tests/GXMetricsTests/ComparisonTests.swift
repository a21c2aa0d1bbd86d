import Foundation
import GXCore
import GXStream
import Testing

@testable import GXMetrics

/// Two classifiers, and what scikit-learn, SciPy and statsmodels say of them; see make_comparison.py.
private let others = try! JSON(
  parsing: String(
    contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/comparison.json"),
    encoding: .utf8)
).objectValue!

private func golden(_ side: String) throws -> Scoreboard {
  let classes = others["classes"]!.arrayValue!.map { $0.stringValue! }
  var board = Scoreboard(compares: true)
  for (i, truth) in others["truth"]!.arrayValue!.enumerated() {
    var probabilities = JSONObject()
    for (name, p) in zip(classes, others[side]!.arrayValue![i].arrayValue!) { probabilities[name] = p }
    try board.add([
      "id": .string("g\(i)"), "label": .string(classes[truth.intValue!]), "probabilities": .object(probabilities),
    ])
  }
  return board
}

private func row(_ text: String) throws -> Row { Row(try JSON(parsing: text).objectValue!) }

private func board(_ rows: String...) throws -> Scoreboard {
  var board = Scoreboard(compares: true)
  for text in rows { try board.add(row(text)) }
  return board
}

@Suite struct ComparisonTests {
  @Test func equalsSciPyAndStatsmodels() throws {
    let comparison = try Comparison(golden("here"), golden("other"), replicates: 4000, seed: 2)
    #expect(comparison.pairs == 300 && comparison.onlyHere == 0 && comparison.onlyInOther == 0)
    #expect(abs(comparison.p / others["mcnemar"]!.doubleValue! - 1) < 1e-9)
    for (name, expected) in others["differences"]!.objectValue! {
      let expected = expected.objectValue!
      let difference = try #require(comparison.differences.first { $0.name == name })
      #expect(abs(difference.value - expected["difference"]!.doubleValue!) < 1e-12, "\(name)")
      // Two bootstraps of 4000 replicates: the ends of the intervals are random themselves.
      let interval = try #require(difference.interval)
      let ends = expected["interval"]!.arrayValue!.map { $0.doubleValue! }
      let width = ends[1] - ends[0]
      #expect(abs(interval.low - ends[0]) < 0.05 * width && abs(interval.high - ends[1]) < 0.05 * width, "\(name)")
    }
  }

  @Test func areaIsTheMeanOverOrdersOfTies() throws {
    let curve = try #require(try golden("here").evaluation.riskCoverage)
    #expect(curve.points(atMost: 300).count < 100, "there are ties")
    #expect(abs(curve.aurc - others["aurc"]!.doubleValue!) < 5e-4)
  }

  @Test(arguments: others["pairs"]!.arrayValue!.map { $0.arrayValue!.map { $0.doubleValue! } })
  func mcNemarEqualsStatsmodels(_ pair: [Double]) {
    let p = mcNemar(Int(pair[0]), Int(pair[1]))
    #expect(abs(p / pair[2] - 1) < 1e-9, "\(pair)")
  }

  @Test func aClassifierEqualsItself() throws {
    let comparison = try Comparison(golden("here"), golden("here"), replicates: 20, seed: 2)
    #expect(comparison.p == 1 && comparison.differences.count == 6)
    #expect(comparison.differences.allSatisfy { $0.value == 0 && $0.interval == Interval([0], level: 0.95) })
  }

  @Test func joinsByIdAndCopyInAnyOrder() throws {
    let comparison = try Comparison(
      board(
        #"{"id":"a","label":"E","prediction":"E"}"#, #"{"id":"a","copy":1,"label":"E","prediction":"S"}"#,
        #"{"id":"b","label":"S","prediction":"E"}"#, #"{"id":"c","label":"S","prediction":"S"}"#,
        #"{"id":"d","label":"S","prediction":"S"}"#),
      board(
        #"{"id":"d","label":"S","prediction":null,"reason":"uncertain"}"#,
        #"{"id":"b","label":"S","prediction":"S"}"#, #"{"id":"a","copy":1,"label":"E","prediction":"S"}"#,
        #"{"id":"a","label":"E","prediction":"S"}"#, #"{"id":"e","label":"S","prediction":"S"}"#),
      replicates: 0, seed: 0)
    #expect(comparison.pairs == 3 && comparison.abstained == 1)
    #expect(comparison.onlyHere == 1 && comparison.onlyInOther == 1)
    #expect(comparison.onlyRightHere == 1 && comparison.onlyRightInOther == 1)
    #expect(comparison.differences.map(\.name) == ["accuracy", "balanced_accuracy", "macro_f1"])
    #expect(comparison.differences[0].value == 0 && comparison.differences[0].interval == nil)
  }

  @Test func refusesWhatDoesNotBelongTogether() throws {
    let one = try board(#"{"id":"a","label":"E","prediction":"E"}"#)
    func compare(_ rows: String...) throws {
      var other = Scoreboard(compares: true)
      for text in rows { try other.add(row(text)) }
      _ = try Comparison(one, other, replicates: 0, seed: 0)
    }
    #expect(throws: GXError("a: is labelled 'E', but 'S' in OTHER")) {
      try compare(#"{"id":"a","label":"S","prediction":"E"}"#)
    }
    #expect(throws: GXError("a: stands twice in OTHER")) {
      try compare(#"{"id":"a","label":"E","prediction":"E"}"#, #"{"id":"a","label":"E","prediction":"E"}"#)
    }
    #expect(throws: GXError("no record was answered both here and in OTHER")) {
      try compare(#"{"id":"b","label":"E","prediction":"E"}"#)
    }
    #expect(throws: GXError("has no id to be compared by")) { try compare(#"{"label":"E","prediction":"E"}"#) }
  }
}

@Suite struct ScoreboardTests {
  @Test func abstentionsCountInTheCoverageAlone() throws {
    let board = try board(
      #"{"id":"a","label":"E","prediction":"E","probabilities":{"E":0.9,"S":0.1}}"#,
      #"{"id":"b","label":"S","prediction":"E","probabilities":{"E":0.8,"S":0.2}}"#,
      #"{"id":"c","label":"S","prediction":null,"reason":"uncertain","probabilities":{"E":0.4,"S":0.6}}"#,
      #"{"id":"d","label":"S","prediction":null,"reason":"uncertain","probabilities":{"E":0.5,"S":0.5}}"#)
    let scores = board.evaluation.scores
    #expect(scores.coverage == 0.5 && scores.abstained == 2 && scores.records == 4 && scores.accuracy == 0.5)
    #expect(abs(scores.nll! - -(log(0.9) + log(0.2)) / 2) < 1e-15)
    // What it leans to: E, E, S, and of equals the first, E.
    #expect(board.evaluation.riskCoverage?.accuracy(atCoverage: 0.75) == 2.0 / 3)
    #expect(board.evaluation.riskCoverage?.accuracy(atCoverage: 1) == 0.5)
    #expect(scores.named[0].name == "coverage" && scores.json(classes: board.classes)["abstained"] == 2)
  }

  @Test func likeliestClassStandsInForANullWithoutAReason() throws {
    let board = try board(#"{"id":"a","label":"E","prediction":null,"probabilities":{"E":0.9,"S":0.1}}"#)
    #expect(board.evaluation.scores.accuracy == 1 && board.evaluation.scores.abstained == 0)
  }

  @Test func everyRowAbstains() throws {
    let board = try board(#"{"id":"a","label":"E","prediction":null,"reason":"uncertain"}"#)
    #expect(board.evaluation.scores.coverage == 0 && board.evaluation.scores.accuracy.isNaN)
    let sheet = ScoreSheet(board, failed: 0, replicates: 10, seed: 0)
    #expect(sheet.json["accuracy"] == .null && sheet.text.contains("coverage"))
  }

  @Test func setsOfEveryRow() throws {
    let rows = [
      #"{"id":"a","label":"E","prediction":"E","set":["E"]}"#, #"{"id":"b","label":"S","prediction":"E","set":["E"]}"#,
      #"{"id":"c","label":"S","prediction":null,"reason":"uncertain","set":["E","S","S0"]}"#,
      #"{"id":"d","label":"S","prediction":"S","set":[]}"#,
    ]
    var board = Scoreboard()
    for text in rows { try board.add(row(text)) }
    #expect(board.evaluation.scores.setCoverage == 0.5 && board.evaluation.scores.setSize == 1.25)
    let interval = try #require(board.evaluation.intervals(replicates: 50, seed: 0)["set_size"])
    #expect(interval.low < 1.25 && interval.high > 1.25)
    // One row without: no marginal coverage can be told.
    try board.add(row(#"{"id":"e","label":"S","prediction":"S"}"#))
    #expect(board.evaluation.scores.setCoverage == nil && board.evaluation.scores.setSize == nil)
  }

  @Test(arguments: [
    (#"{"label":"E","prediction":"E","set":"E"}"#, "set: not a list of classes"),
    (#"{"label":"E","prediction":"E","set":["E","E"]}"#, "the set [0, 0] is not one of 1 classes"),
    (#"{"label":"E","prediction":null}"#, "neither a prediction nor probabilities nor an error"),
    (#"{"label":"E","prediction":"new","probabilities":{"newer":1.5}}"#, "probabilities.newer: 1.5 is not in [0, 1]"),
    (#"{"label":"E","prediction":"new","z":[1]}"#, "z: neither a text nor a number to group by"),
  ]) func ofABadRowNothingIsKept(_ text: String, _ message: String) throws {
    var board = Scoreboard(group: "z")
    try board.add(row(#"{"label":"E","prediction":"E"}"#))
    #expect(throws: GXError(message)) { try board.add(row(text)) }
    #expect(board.classes == ["E"] && board.evaluation.records == 1)
    #expect(board.groups?.groups.map(\.places) == [[0]])
    try board.add(row(#"{"label":"S","prediction":"S"}"#))
    #expect(ScoreSheet(board, failed: 1, replicates: 0, seed: 0).json["accuracy"] == 1)
  }
}

@Suite struct GroupsTests {
  private func groups(_ values: [String]) throws -> Groups {
    var board = Scoreboard(group: "z")
    for value in values { try board.add(row(#"{"label":"E","prediction":"E","z":\#(value)}"#)) }
    return try #require(board.groups)
  }

  @Test func textsBytewiseFewNumbersAsTheyAreAndTheRestLast() throws {
    let groups = try groups([#""b""#, "10", "null", #""B""#, "9", "10.0", "true", #""b""#]).groups
    #expect(groups.map(\.name) == ["9", "10", "B", "b", "true", "(none)"])
    #expect(groups.map(\.places) == [[4], [1, 5], [3], [0, 7], [6], [2]])
    #expect(groups[1].range == 10...10 && groups[2].range == nil)
  }

  @Test func manyNumbersAreBinnedEvenly() throws {
    let numbers = (0..<100).map { "\(Double(($0 * 37) % 100) / 10)" }
    let groups = try groups(numbers + ["null"]).groups
    #expect(groups.map(\.name) == ["0 to 1.9", "2 to 3.9", "4 to 5.9", "6 to 7.9", "8 to 9.9", "(none)"])
    #expect(groups.map(\.places.count) == [20, 20, 20, 20, 20, 1])
    #expect(groups.flatMap(\.places).sorted() == Array(0...100))
  }

  /// Equal numbers are never parted, however many.
  @Test func equalNumbersStayTogether() throws {
    let numbers = [String](repeating: "0", count: 90) + (1...13).map { "\($0)" }
    let groups = try groups(numbers).groups
    #expect(groups[0].name == "0" && groups[0].places.count == 90)
    #expect(groups.map(\.places.count).reduce(0, +) == 103 && groups.count == 2)
  }

  @Test func tooManyTextsAndNoneAreSaid() throws {
    let many = try groups((0...64).map { #""t\#($0)""# })
    #expect(many.areTooMany && !many.areMissing)
    #expect(try !groups((0..<64).map { #""t\#($0)""# }).areTooMany)
    #expect(try groups(["null", "null"]).areMissing)
  }

  /// Each group's scores are what the same rows alone would get.
  @Test func scoresAreThoseOfTheRowsAlone() throws {
    var (all, alone) = (Scoreboard(group: "z"), Scoreboard())
    for i in 0..<60 {
      let p = 0.5 + Double(i % 7) / 20
      let text =
        #"{"label":"\#(i % 3 == 0 ? "S" : "E")","z":"\#(i % 2)","probabilities":{"E":\#(p),"S":\#(1 - p)}}"#
      try all.add(row(text))
      if i % 2 == 1 { try alone.add(row(text)) }
    }
    let places = try #require(all.groups?.groups.first { $0.name == "1" }).places
    let (some, others) = (all.evaluation.subset(places), alone.evaluation)
    #expect(some.scores.named.map(\.value) == others.scores.named.map(\.value))
    #expect(
      some.intervals(replicates: 30, seed: 1)["nll"] == others.intervals(replicates: 30, seed: 1)["nll"])
  }
}
