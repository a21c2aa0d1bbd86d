import Foundation
import FoundationXML
import GXCore
import Testing

/// Rows that no sound program wrote, to all commands that read rows: whatever stands in them, a command ends by itself,
/// says why where it fails, and what it writes is whole.
@Suite struct RowFuzz {
  private enum Document { case text, json, ndjson, xml, png }

  private struct Case {
    let words: String
    let document: Document
    var readsLog = false
  }

  private static let charts = ["svg": Document.xml, "png": .png, "text": .text].sorted { $0.key < $1.key }
  private static let cases: [Case] =
    [
      Case(words: "gx-eval -b 5 --group mag", document: .text), Case(words: "gx-eval -b 5 --json", document: .json),
      Case(words: "gx-eval -b 5 --json --group mag --compare good", document: .json),
      Case(words: "gx-eval --suspects", document: .ndjson),
      Case(words: "gx-calibrate -b 5 --conformal 0.8 --precision 0.5", document: .json),
      Case(words: "gx-calibrate -b 5 --vector --conformal 0.8 --method aps", document: .json),
    ]
    + ["confusion", "reliability", "coverage", "roc", "pr", "classes"].flatMap { kind in
      charts.map { Case(words: "gx-plot \(kind) -f \($0.key)", document: $0.value) }
    }
    + charts.map { Case(words: "gx-plot training -f \($0.key)", document: $0.value, readsLog: true) }
    + [("-p rows", false), ("--out-of-fold rows -p good", false), ("--log rows -p good", true)].map {
      let model = Galaxies.shared.path("model")
      return Case(
        words: "gx-report -b 5 -n 2 -m \(model) \($0.0) < \(Galaxies.shared.path("train.tar"))", document: .xml,
        readsLog: $0.1)
    }

  // MARK: Good rows

  /// Of two classes; every fourth is wrong.
  private static func prediction(_ i: Int) -> JSONObject {
    let p = 0.23 + 0.06 * Double(i * 7 % 10)
    let (name, other) = p > 0.5 ? ("a", "b") : ("b", "a")
    return [
      "id": .string("synth-0-\(i)"), "label": .string(i % 4 == 0 ? other : name),
      "split": .string(["val", "test"][i % 2]), "prediction": .string(name), "confidence": .double(max(p, 1 - p)),
      "probabilities": ["a": .double(p), "b": .double(1 - p)],
      "logits": ["a": .double(log(p)), "b": .double(log(1 - p))], "set": [.string(name)],
      "mag": .double(1.5 * Double(i)), "copy": 0,
    ]
  }

  private static func epoch(_ i: Int) -> JSONObject {
    [
      "phase": .string(i < 3 ? "head" : "all"), "epoch": .int(i + 1), "lr": 0.001,
      "train_loss": .double(1 / Double(i + 1)), "train_accuracy": 0.5, "val_loss": 0.5, "val_macro_f1": 0.6,
      "best": true, "seconds": 1.2,
    ]
  }

  // MARK: Bad ones

  private static let odd: [JSON] =
    [
      "0", "-1", "1", "2", "1e308", "-1e308", "1e-320", "1e999", "-1e999", "0.5", "1e18", "10000000000000000000",
      "-10000000000000000000", "9223372036854775807", "-9223372036854775808", "2147483648", "1.0000001", "-0.0", "NaN",
    ].map(JSON.number) + [
      .null, true, false, "", "a", "c", "\u{0}", "NaN", .string(String(repeating: "é", count: 300)), [], [:], [1],
      ["a": 1], ["a": ["b": []]], [["a", "a"]], ["": 0],
      // Names that are numbers, and such that are equal to Swift, but not to us.
      .number("1.0"), .number("1e0"), .number("587722981741363294"), .number("587722981741363295.0"),
      .string("caf\u{e9}"), .string("cafe\u{301}"), ["caf\u{e9}": 0.5, "cafe\u{301}": 0.5],
    ]

  private static func damage(_ row: inout JSONObject, _ random: inout Random) {
    let keys = row.map(\.key)
    guard !keys.isEmpty else { return }
    let key = keys[random.below(keys.count)]
    if case .object(var inner) = row[key], random.chance(0.7) {
      damage(&inner, &random)
      row[key] = .object(inner)
      return
    }
    let value = odd[random.below(odd.count)]
    switch random.below(10) {
    case 0..<7: row[key] = value
    case 7: row[key] = nil
    case 8:
      let names = ["", "c", "error", "reason", "val_new", "classifier", "ops", "caf\u{e9}", "cafe\u{301}"]
      row[names[random.below(names.count)]] = value
    default: row[key] = row[key]?.doubleValue.map { .double($0 * [1e300, -1, 0][random.below(3)]) } ?? value
    }
  }

  private static func text(_ rows: [JSONObject]) -> Data {
    Data(rows.map { JSON.object($0).text + "\n" }.joined().utf8)
  }

  /// A few rows of which some or all are damaged, and now and then a byte or the end too.
  private static func rows(_ good: (Int) -> JSONObject, _ random: inout Random) -> Data {
    var rows = (0..<[1, 2, 30][random.below(3)]).map(good)
    for _ in 0..<[1, 1, 2, rows.count][random.below(4)] {
      let i = random.below(rows.count)
      for _ in 0...random.below(3) { damage(&rows[i], &random) }
    }
    if random.chance(0.2) { rows = rows.map { _ in rows[0] } }
    var data = text(rows)
    if random.chance(0.2) {
      data = Data(data.split(separator: 0x0a).joined(separator: Array("\r\n \r\n".utf8)) + [0x0a])
    }
    if random.chance(0.2) { data = Data([0xef, 0xbb, 0xbf]) + data }
    if random.chance(0.05) { data[random.below(data.count)] = UInt8(random.below(256)) }
    if random.chance(0.05) { data = data.prefix(random.below(data.count)) }
    return data
  }

  // MARK: What must hold

  @discardableResult private func check(_ one: Case, _ rows: Data, in scratch: Scratch) throws -> Int32 {
    try rows.write(to: scratch / "rows")
    // A command that hangs is killed.
    let words = one.words.contains("<") ? one.words : one.words + " < rows"
    let run = try Run.shell("exec timeout -s KILL 60 \(words)", in: scratch.url)
    let what: Comment =
      "\(one.words): \(run.status)\n\(run.stderr.suffix(500))\n\(String(decoding: rows, as: UTF8.self))"
    #expect([0, 1, 3].contains(run.status), what)
    if run.status == 1 {
      #expect(run.stdout.isEmpty && run.stderr.hasPrefix(one.words.prefix { $0 != " " }), what)
    } else if run.status == 3 {
      #expect(run.stderr.contains("records failed"), what)
    }
    guard [0, 3].contains(run.status) else { return run.status }
    switch one.document {
    case .text: #expect(!run.stdout.isEmpty, what)
    case .json: #expect((try? JSONSerialization.jsonObject(with: run.stdout)) != nil, what)
    case .ndjson:  // of fields as they came: 1e999 is one to us, if not to Foundation
      for line in run.lines { #expect(throws: Never.self, what) { try JSON(parsing: line) } }
    case .xml:
      #expect(XMLParser(data: run.stdout).parse(), what)
      // A number that is none is a dash.
      #expect(!run.text.contains("=\"-\""), what)
    case .png: #expect(run.stdout.starts(with: [0x89, 0x50, 0x4e, 0x47]), what)
    }
    return run.status
  }

  private func scratch() throws -> Scratch {
    let scratch = try Scratch()
    try Self.text((0..<30).map(Self.prediction)).write(to: scratch / "good")
    return scratch
  }

  @Test func oddRowsStopNoCommand() throws {
    let rounds = ProcessInfo.processInfo.environment["GX_FUZZ"].flatMap(Int.init) ?? 90
    let scratch = try scratch()
    var random = Random(seed: 5)
    for one in Self.cases {
      let rows = Self.text((0..<30).map(one.readsLog ? Self.epoch : Self.prediction))
      #expect(try check(one, rows, in: scratch) == 0, "\(one.words): not even good rows")
    }
    for round in 0..<rounds {
      let one = Self.cases[round % Self.cases.count]
      try check(one, Self.rows(one.readsLog ? Self.epoch : Self.prediction, &random), in: scratch)
    }
  }

  /// How a text is broken into lines and marked is nothing to any command: the same comes out.
  @Test func marksAndReturnsChangeNothing() throws {
    let scratch = try scratch()
    for one in Self.cases where !one.words.contains("gx-report") {
      let rows = Self.text((0..<30).map(one.readsLog ? Self.epoch : Self.prediction))
      let text = String(decoding: rows, as: UTF8.self).replacing("\n", with: "\r\n\r\n")
      try Data(rows).write(to: scratch / "rows")
      let plain = try Run.shell("\(one.words) < rows", in: scratch.url)
      try Data(("\u{feff}" + text).utf8).write(to: scratch / "rows")
      let marked = try Run.shell("\(one.words) < rows", in: scratch.url)
      #expect(plain.status == 0 && marked.status == 0, "\(one.words): \(marked.stderr)")
      #expect(marked.stdout == plain.stdout, "\(one.words)")
    }
  }

  /// What once stopped gx-plot.
  @Test(arguments: [
    #"{"epoch":1,"lr":-1,"train_accuracy":0.5}"#, #"{"epoch":1,"lr":-1e19,"val_loss":0.5}"#,
    #"{"epoch":1,"lr":-0.001,"train_loss":1,"train_accuracy":1e999}"#, #"{"epoch":1e18,"lr":1e18,"train_loss":1}"#,
    #"{"epoch":-9223372036854775808,"train_loss":-1}"# + "\n" + #"{"epoch":2,"train_loss":0.5}"#,
    #"{"epoch":1,"train_loss":1e308}"# + "\n" + #"{"epoch":2,"train_loss":-1e308}"#,
    #"{"phase":"a","epoch":5,"val_loss":1}"# + "\n" + #"{"phase":"b","epoch":-3,"val_loss":1}"#,
    #"{"phase":"a","epoch":9e18,"val_loss":1}"# + "\n" + #"{"phase":"b","epoch":9e18,"val_loss":1}"#,
    #"{"epoch":1,"val_loss":1,"val_accuracy":1}"# + "\n" + #"{"epoch":1,"val_accuracy":1}"#,
  ])
  func oddLogsAreDrawnOrRefused(_ log: String) throws {
    let scratch = try scratch()
    for one in Self.cases where one.readsLog { try check(one, Data((log + "\n").utf8), in: scratch) }
  }
}
