import Foundation
import GXCore
import Testing

@Suite struct EvalTests {
  /// Two right and one wrong of two classes, probabilities and all.
  static let rows = """
    {"id":"a","label":"E","split":"test","prediction":"E","probabilities":{"S":0.2,"E":0.8}}
    {"id":"b","label":"S","split":"test","prediction":"S","probabilities":{"S":0.6,"E":0.4}}
    {"id":"c","label":"S","split":"val","prediction":"E","probabilities":{"S":0.5,"E":0.5}}

    """

  private func eval(_ rows: String, _ options: String = "") throws -> Run.Result {
    try Run.shell("gx-eval \(options)", input: Data(rows.utf8))
  }

  private func scores(_ rows: String, _ options: String = "") throws -> JSONObject {
    let run = try eval(rows, "--json \(options)")
    return try JSON(parsing: run.text).objectValue!
  }

  @Test func jsonHoldsTheScores() throws {
    let all = try scores(Self.rows)
    #expect(all["records"] == 3 && all["failed"] == 0 && all["unlabelled"] == 0)
    #expect(abs(all["accuracy"]!.doubleValue! - 2 / 3.0) < 1e-12)
    #expect(all["balanced_accuracy"] == 0.75)
    let nll = -(log(0.8) + log(0.6) + log(0.5)) / 3
    #expect(abs(all["nll"]!.doubleValue! - nll) < 1e-12)
    #expect(abs(all["brier"]!.doubleValue! - (0.08 + 0.32 + 0.5) / 3) < 1e-12)
    // Bytewise order of classes, whatever order the rows have.
    #expect(all["classes"] == ["E", "S"] && all["confusion"] == [[1, 0], [1, 1]])
    let interval = all["intervals"]!.objectValue!["accuracy"]!.arrayValue!.map { $0.doubleValue! }
    #expect(interval[0] <= 2 / 3.0 && interval[1] >= 2 / 3.0)
  }

  @Test func tableHoldsThemToo() throws {
    let run = try eval(Self.rows)
    #expect(run.status == 0 && run.stderr.isEmpty)
    #expect(run.lines[0].hasPrefix("records "))
    #expect(run.lines.contains { $0.hasPrefix("accuracy") && $0.contains("0.6667") })
    #expect(run.text.contains("label \\ prediction"))
    let plain = try eval(Self.rows, "--bootstrap 0")
    #expect(!plain.text.contains(" to ") && plain.text.contains("0.6667"))
  }

  @Test func tellsWhatTheMostConfidentAreWorth() throws {
    let selective = try #require(try scores(Self.rows)["selective"]?.objectValue)
    // Right, right, wrong in the order of confidence: risks 0, 0, 1/3.
    #expect(abs(selective["aurc"]!.doubleValue! - 1 / 9.0) < 1e-12)
    #expect(selective["curve"]!.arrayValue!.count == 3)
    #expect(try eval(Self.rows).lines.contains { $0.hasPrefix("80 %") && $0.contains("0.6667  0.5000") })
  }

  @Test func groupsByAField() throws {
    let groups = try #require(try scores(Self.rows, "--group split")["groups"]?.objectValue)
    #expect(groups["field"] == "split")
    let each = groups["groups"]!.arrayValue!.map { $0.objectValue! }
    #expect(each.map { $0["group"] } == ["test", "val"] && each.map { $0["accuracy"] } == [1, 0])
    #expect(each[0]["intervals"]!.objectValue!["accuracy"] == [1, 1])
    #expect(try eval(Self.rows, "--group split").lines.contains { $0.hasPrefix("val") && $0.contains("0.0000") })

    let ids = (0..<70).map { #"{"id":"g\#($0)","label":"E","prediction":"E"}"# + "\n" }.joined()
    let many = try eval(ids, "--group id")
    #expect(many.status == 1 && many.stdout.isEmpty && many.stderr.contains("--group id: there are more than 64"))
    let none = try eval(ids, "--group z")
    #expect(none.status == 1 && none.stderr.contains("--group z: no row has such a field"))
  }

  @Test func comparesWithAnotherFile() throws {
    let scratch = try Scratch()
    try Data(Self.rows.replacing(#""prediction":"S""#, with: #""prediction":"E""#).utf8).write(to: scratch / "b")
    let other = (scratch / "b").path
    let comparison = try #require(try scores(Self.rows, "--compare \(other)")["comparison"]?.objectValue)
    #expect(comparison["records"] == 3)
    #expect(comparison["mcnemar"] == ["only_right_here": 1, "only_right_in_other": 0, "p": 1])
    let accuracy = comparison["scores"]!.objectValue!["accuracy"]!.objectValue!
    #expect(abs(accuracy["difference"]!.doubleValue! - 1 / 3.0) < 1e-12 && accuracy["interval"] != nil)
    #expect(try eval(Self.rows, "--compare \(other)").text.contains("McNemar's p 1.0000"))

    try Data(Self.rows.replacing(#""label":"E""#, with: #""label":"S""#).utf8).write(to: scratch / "b")
    let refused = try eval(Self.rows, "--compare \(other)")
    #expect(refused.status == 1 && refused.stdout.isEmpty)
    #expect(refused.stderr.contains("--compare \(other): a: is labelled 'E', but 'S' in OTHER"))
    #expect(try eval(Self.rows, "--compare /nowhere").status == 1)
  }

  @Test func saysPlainlyWhatWasNotAnswered() throws {
    let rows =
      Self.rows + #"{"id":"d","label":"S","prediction":null,"reason":"uncertain","probabilities":{"S":0.5,"E":0.5}}"#
      + "\n"
    let all = try scores(rows)
    #expect(all["records"] == 4 && all["abstained"] == 1 && all["coverage"] == 0.75)
    #expect(all["accuracy"] == (try scores(Self.rows)["accuracy"]))
    #expect(try eval(rows).lines.contains { $0.hasPrefix("abstained") && $0.contains("scores are of the 3 answered") })
  }

  @Test func setsAreScored() throws {
    let rows = Self.rows.replacing(#""probabilities""#, with: #""set":["E"],"probabilities""#)
    let scores = try scores(rows)
    #expect(abs(scores["set_coverage"]!.doubleValue! - 1 / 3.0) < 1e-12 && scores["set_size"] == 1)
  }

  @Test func intervalsFollowTheSeed() throws {
    let many = String(repeating: Self.rows, count: 20)
    #expect(try eval(many, "--seed 4").stdout == eval(many, "--seed 4").stdout)
    #expect(try scores(many, "--seed 4")["intervals"] != scores(many, "--seed 5")["intervals"])
  }

  @Test func selectsBySplitAndField() throws {
    #expect(try scores(Self.rows, "--split test")["accuracy"] == 1)
    #expect(try scores(Self.rows, "--split val,test")["records"] == 3)
    #expect(try scores(Self.rows, "--label prediction")["accuracy"] == 1)
  }

  @Test func likeliestClassStandsInForAPrediction() throws {
    #expect(
      try scores(Self.rows.replacing(#""prediction":"S","#, with: ""))["accuracy"] == scores(Self.rows)["accuracy"])
  }

  @Test func withoutProbabilitiesNoCalibration() throws {
    let scores = try scores(#"{"label":1,"prediction":"1"}"# + "\n" + #"{"label":"2","prediction":1}"# + "\n")
    #expect(scores["accuracy"] == 0.5 && scores["nll"] == nil && scores["ece"] == nil)
    #expect(scores["classes"] == ["1", "2"])
  }

  @Test func failedRowsAreCountedAndEndWithThree() throws {
    let rows = Self.rows + #"{"id":"d","label":"E","error":"gx-decode: d.jpg: not a JPEG"}"# + "\n"
    let run = try eval(rows, "--json")
    #expect(run.status == 3 && run.stderr.contains("1 of 4 records failed"))
    #expect(try JSON(parsing: run.text).objectValue!["failed"] == 1)
    #expect(try eval(rows, "--max-errors 1").status == 0)
    #expect(try eval(rows, "--max-errors 25%").status == 0)
    #expect(try eval(rows, "--max-errors 24%").status == 3)
  }

  @Test(arguments: [
    ("no json", "stdin, line 4: "), ("[1]", "stdin, line 4: not a JSON object"),
    (#"{"label":"E"}"#, "stdin, line 4: neither a prediction nor probabilities nor an error"),
    (#"{"label":"E","prediction":"E","probabilities":{"E":1.5,"S":0}}"#, "probabilities.E: 1.5 is not in [0, 1]"),
    (#"{"label":"E","prediction":"E","probabilities":{"E":"x","S":0}}"#, "line 4: probabilities.E: not a number"),
  ]) func badRowsAreNamedAndCounted(_ row: String, _ message: String) throws {
    let run = try eval(Self.rows + row + "\n", "--json")
    #expect(run.status == 3 && run.stderr.contains(message), "\(run.stderr)")
    #expect(try JSON(parsing: run.text).objectValue!["records"] == 3)
  }

  @Test func unlabelledRowsAreSaid() throws {
    let run = try eval(Self.rows + #"{"id":"d","prediction":"E"}"# + "\n", "--json")
    #expect(run.status == 0 && run.stderr.contains("1 of 4 rows have no label"))
    #expect(try JSON(parsing: run.text).objectValue!["unlabelled"] == 1)
  }

  @Test(arguments: ["", #"{"id":"d","prediction":"E"}"# + "\n"]) func nothingToScoreIsAnError(_ rows: String) throws {
    let run = try eval(rows)
    #expect(run.status == 1 && run.stdout.isEmpty && run.stderr.contains("no row"))
  }

  @Test func truncatedInputWritesNothing() throws {
    let run = try eval(String(Self.rows.dropLast(2)))
    #expect(run.status == 1 && run.stdout.isEmpty && run.stderr.contains("line 3: breaks off"))
  }

  @Test func tooManyClassesAreRefused() throws {
    let rows = (0...1000).map { #"{"label":"c\#($0)","prediction":"c0"}"# + "\n" }.joined()
    let run = try eval(rows, "--bootstrap 0")
    #expect(run.status == 3 && run.stderr.contains("line 1001: 'c1000' is one class more than the limit of 1000"))
  }

  /// Of ten sure "E", one looks like an "S"; of ten sure "S", none.
  static let audited = (0..<20).map { i in
    let (label, p) = i < 10 ? ("E", i == 4 ? 0.05 : 0.9) : ("S", 0.1)
    return
      #"{"id":"g\#(i)","path":"p/\#(i).png","label":"\#(label)","fold":\#(i % 5),"probabilities":{"S":\#(1 - p),"E":\#(p)}}"#
  }

  @Test func suspectsAreRanked() throws {
    let rows = Self.audited + [#"{"id":"none","probabilities":{"S":1,"E":0}}"#]
    let run = try eval(rows.joined(separator: "\n") + "\n", "--suspects")
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.lines == [#"{"id":"g4","path":"p/4.png","label":"E","suggested":"S","score":-0.9}"#])
    #expect(run.stderr.contains("1 of 20 labels are suspect; 5.0 % are estimated to be wrong"), "\(run.stderr)")
    #expect(run.stderr.contains("1 rows have no label"))
    let quiet = try eval(rows.joined(separator: "\n") + "\n", "--suspects -q")
    #expect(quiet.stderr.isEmpty && quiet.lines == run.lines)
  }

  /// Rows are errors one by one, each by its own name; other classes than the first row's are none of it.
  @Test func suspectsNeedProbabilities() throws {
    for (row, message) in [
      (#"{"label":"E","prediction":"E"}"#, "has no probabilities of two or more classes"),
      (#"{"label":"E","probabilities":{"S":0.5,"I":0.5}}"#, "probabilities.I: no such class; there are S, E"),
      (#"{"label":"E","probabilities":{"S":0.5,"E":0.5,"I":0}}"#, "probabilities.I: no such class; there are S, E"),
      (#"{"label":"E","probabilities":{"S":2,"E":-1}}"#, "probabilities.S: 2 is not in [0, 1]"),
    ] {
      let run = try eval((Self.audited + [row]).joined(separator: "\n") + "\n", "--suspects")
      #expect(run.status == 3 && run.stderr.contains("line 21: \(message)"), "\(run.stderr)")
      #expect(run.lines.count == 1)
    }
    let other = try eval(
      (Self.audited + [#"{"label":"E","probabilities":{"E":0.5,"S":0.5}}"#]).joined(separator: "\n") + "\n",
      "--suspects")
    #expect(other.status == 0, "classes may stand in another order")
    let three = #"{"label":"E","probabilities":{"S":0.5,"E":0.5,"I":0}}"#
    let fewer = try eval(([three] + Self.audited.prefix(1)).joined(separator: "\n") + "\n", "--suspects")
    #expect(fewer.status == 3 && fewer.stderr.contains("line 2 (g0): probabilities.I: missing"))
    #expect(try eval("{\"id\":\"a\"}\n", "--suspects").status == 1)
    #expect(try eval(Self.rows, "--suspects --json").status == 2)
  }
}
