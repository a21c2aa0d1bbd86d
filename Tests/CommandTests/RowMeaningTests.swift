import Foundation
import GXCore
import Testing

/// What a row's fields mean, and that they mean the same to all commands.
@Suite struct RowMeaningTests {
  let scratch: Scratch
  /// é in one code point, and in two.
  private let composed = "caf\u{e9}"
  private let decomposed = "cafe\u{301}"

  init() throws { scratch = try Scratch() }

  private func write(_ name: String, _ rows: [String]) throws {
    try Data(rows.map { $0 + "\n" }.joined().utf8).write(to: scratch / name)
  }
  private func shell(_ line: String) throws -> Run.Result { try Run.shell(line, in: scratch.url) }

  /// Rows that gx-infer --logits could have written: of four, three are right.
  private func predictions(
    _ count: Int = 40, classes: [String] = ["a", "b"], id: (Int) -> String = { "\"g\($0)\"" },
    label: (String) -> String = { "\"\($0)\"" }, more: String = ""
  ) -> [String] {
    (0..<count).map { i in
      let (name, other) = (classes[i % 2], classes[1 - i % 2])
      let z = 1 + Double(i % 5) / 2
      let p = 1 / (1 + exp(-z))
      return #"{"id":\#(id(i)),"label":\#(label(i % 4 == 3 ? other : name)),"split":"val","prediction":"\#(name)","#
        + #""confidence":\#(p),"probabilities":{"\#(name)":\#(p),"\#(other)":\#(1 - p)},"#
        + #""logits":{"\#(name)":\#(z),"\#(other)":0}\#(more)}"#
    }
  }

  /// All commands that judge rows.
  private static let judges = [
    "gx-eval -b 0", "gx-eval --json -b 0", "gx-eval --suspects", "gx-calibrate -b 0", "gx-plot confusion",
    "gx-plot reliability", "gx-plot coverage", "gx-plot roc", "gx-plot classes",
  ]

  private func report(_ options: String = "-p rows") -> String {
    "gx-report -q -b 5 -n 2 -m \(Galaxies.shared.path("model")) \(options) < \(Galaxies.shared.path("train.tar"))"
  }

  // MARK: Names

  /// As data frames write them: a column of whole numbers with a gap is one of fractions.
  @Test(arguments: ["1", "1.0", "\"1\"", "1e0"]) func numbersAreNamesToAll(_ one: String) throws {
    try write("text", predictions(classes: ["0", "1"]))
    try write("rows", predictions(classes: ["0", "1"], label: { $0 == "1" ? one : "0" }))
    for command in Self.judges {
      let (text, numbers) = (try shell("\(command) < text"), try shell("\(command) < rows"))
      #expect(numbers.status == 0 && text.status == 0, "\(command): \(numbers.stderr)")
      if command.contains("suspects") { continue }  // it gives the label as it came
      #expect(numbers.text == text.text, "\(command)")
    }
    #expect(try shell(report()).status == 0)
  }

  @Test func twoSpellingsOfAnAccentAreTwoClasses() throws {
    try write("rows", predictions(classes: [composed, decomposed]))
    let scores = try JSON(parsing: shell("gx-eval --json -b 0 < rows").text).objectValue!
    #expect(scores["classes"] == [.string(decomposed), .string(composed)])
    #expect(scores["accuracy"] == 0.75)
    for command in Self.judges {
      let run = try shell("\(command) < rows")
      #expect(run.status == 0, "\(command): \(run.stderr)")
    }
    for (file, name) in [("other", composed), ("one", decomposed)] {
      try write(file, predictions(classes: [composed, decomposed], id: { $0 == 0 ? "\"\(name)\"" : "\"g\($0)\"" }))
    }
    let compared = try JSON(parsing: shell("gx-eval --json -b 0 one --compare other").text).objectValue!
    #expect(compared["comparison"]?.objectValue?["records"] == 39)
  }

  @Test(arguments: ["id", "label", "split", "path"])
  func whatIsNoNameIsARowsErrorThatNamesTheField(_ field: String) throws {
    for value in ["true", "[1]", #"{"a":1}"#] {
      var bad = try JSON(parsing: predictions(1)[0]).objectValue!
      bad[field] = try JSON(parsing: value)
      try write("rows", predictions() + [JSON.object(bad).text])
      for command in Self.judges {
        let run = try shell("\(command) < rows")
        let isFatal = command.hasPrefix("gx-calibrate")
        #expect(run.status == (isFatal ? 1 : 3), "\(command): \(run.stderr)")
        #expect(run.stderr.contains(": \(field): \(value) is neither a text nor a number"), "\(command): \(run.stderr)")
        #expect(run.stderr.contains(", line 41"), "\(run.stderr)")
      }
    }
  }

  @Test func nullIsNothing() throws {
    try write("plain", predictions())
    let fields = ["error", "copy", "ops", "set", "classifier", "reason"].map { #","\#($0)":null"# }
    try write("rows", predictions(more: fields.joined()))
    for command in Self.judges {
      let (plain, null) = (try shell("\(command) < plain"), try shell("\(command) < rows"))
      #expect(null.status == 0 && null.text == plain.text, "\(command): \(null.stderr)")
    }
    #expect(try shell(report()).status == 0)
    try write("unlabelled", predictions(label: { _ in "null" }))
    #expect(try shell("gx-eval < unlabelled").stderr.contains("40 of 40 rows have no label"))
  }

  @Test func nullIsNothingInRecordsEither() throws {
    _ = try shell("gx-synth -q -n 1 --size 16 --pictures p")
    let manifest = #"{"id":null,"path":"p/elliptical/x.png","label":null,"split":null,"error":null,"copy":null}"#
    _ = try shell("mv p/*/*.png x.png; mkdir -p p/elliptical; mv x.png p/elliptical/x.png")
    try write("manifest", [manifest])
    let run = try shell("gx-decode < manifest | gx-resize 4 | gx-cat --to ndjson")
    #expect(run.status == 0, "\(run.stderr)")
    let row = try JSON(parsing: run.text).objectValue!
    #expect(row["id"] == "p/elliptical/x" && row["error"] == .null && row["ops"]?.arrayValue?.count == 1)
  }

  @Test func idsThatAreNumbersKeepTheirDigits() throws {
    let ids = ["587722981741363294", "587722981741363295", "7", "1.0", "null"]
    try write("rows", ids.map { #"{"id":\#($0),"label":"a"}"# })
    let made = try shell(
      """
      set -e
      gx-synth -q -n 5 --size 16 | gx-cat --to npy -o pixels.npy
      gx-cat --meta rows pixels.npy > out.tar
      tar tf out.tar | grep json
      gx-cat --to ndjson out.tar
      """)
    #expect(made.status == 0, "\(made.stderr)")
    #expect(
      made.lines == ["587722981741363294", "587722981741363295", "7", "1", "pixels-4"].map { $0 + ".json" } + [
        #"{"id":"587722981741363294","label":"a"}"#, #"{"id":"587722981741363295","label":"a"}"#,
        #"{"id":"7","label":"a"}"#, #"{"id":"1","label":"a"}"#, #"{"id":"pixels-4","label":"a"}"#,
      ])
    #expect(try shell("gx-cat --to ndjson --label a --split '' out.tar").status == 0)
    try write("bad", [#"{"id":true}"#] + ids.map { #"{"id":\#($0)}"# })
    let bad = try shell("gx-cat --meta bad pixels.npy")
    #expect(bad.status == 1 && bad.stderr.contains("bad, line 1: id: true is neither"), "\(bad.stderr)")
  }

  // MARK: Lines

  @Test func marksReturnsAndBlankLinesAreFine() throws {
    let rows = predictions()
    try write("plain", rows)
    let text = "\u{feff}\r\n\r\n" + rows.map { $0 + "\r\n \t\r\n" }.joined()
    try Data(text.utf8).write(to: scratch / "rows")
    try Data(("\u{feff}" + rows.joined(separator: "\n") + "\n").utf8).write(to: scratch / "marked")
    for command in Self.judges {
      let plain = try shell("\(command) < plain")
      for name in ["rows", "marked"] {
        let run = try shell("\(command) < \(name)")
        #expect(run.status == 0 && run.text == plain.text, "\(command) < \(name): \(run.stderr)")
      }
    }
    let log = #"{"epoch":1,"train_loss":1}"# + "\n" + #"{"epoch":2,"train_loss":0.5}"# + "\n"
    for marked in [log, "\u{feff}" + log.replacing("\n", with: "\r\n\r\n")] {
      let run = try Run.shell("cat | gx-plot training --follow --size 60x12 -f text", input: Data(marked.utf8))
      #expect(run.status == 0 && run.stderr.isEmpty, "\(run.stderr)")
    }
  }

  // MARK: Labels that are no class

  @Test func labelsThatAreNoClassAreNamedAndCountedByAll() throws {
    let odd = ["A", "A", "b ", "nan"]
    try write("rows", predictions() + odd.map { name in predictions(1, label: { _ in "\"\(name)\"" })[0] })
    let message =
      "4 rows have a label that is no class: 'A' (2), 'b ' (1), 'nan' (1); there are a, b; "
      + "gx-list --map 'A=a,b =b' renames them"
    for command in Self.judges where !command.contains("classes") {
      let run = try shell("\(command) < rows")
      #expect(run.stderr.contains(message), "\(command): \(run.stderr)")
      #expect(run.status == (command.hasPrefix("gx-calibrate") ? 1 : 3), "\(command)")
    }
    try write("good", predictions())
    let (good, all) = (try shell("gx-eval --json -b 0 < good"), try shell("gx-eval --json -b 0 < rows"))
    #expect(all.text == good.text.replacing(#""failed":0"#, with: #""failed":4"#))
    let page = try shell(report())
    #expect(page.status == 3 && page.stderr.contains(message), "\(page.stderr)")
    let compared = try shell("gx-eval -b 0 --compare rows good")
    #expect(compared.status == 3 && compared.stderr.contains("rows: 4 rows"), "\(compared.stderr)")
  }

  @Test func validationLabelsThatAreNoClassAreNamed() throws {
    let run = try shell(
      """
      gx-synth -q -n 12 --size 16 | gx-normalize > t.tar
      gx-synth -q -n 12 --size 16 --seed 2 | gx-normalize > v.tar
      mkdir v && tar xf v.tar -C v && sed -i 's/"label":"spiral"/"label":"Spiral"/' v/*.json
      tar cf v.tar --sort=name -C v .
      gx-train -q -a linear -e 1 --val v.tar -o model < t.tar
      """)
    #expect(run.status == 1 && run.stderr.contains("'Spiral' (3); there are elliptical, irregular, lenticular, spiral"))
    #expect(run.stderr.contains("gx-list --map 'Spiral=spiral'"), "\(run.stderr)")
  }

  // MARK: Probabilities that are none

  @Test(arguments: [
    (#"{"a":-0.1,"b":1.1}"#, "probabilities.a: -0.1 is not in [0, 1]"),
    (#"{"a":0.5,"b":1.5}"#, "probabilities.b: 1.5 is not in [0, 1]"),
    (#"{"a":0.5,"b":0.4}"#, "probabilities: 0.9 in sum, not 1"), (#"{"a":1,"b":1}"#, "probabilities: 2 in sum, not 1"),
    (#"{"a":"NaN","b":1}"#, "probabilities.a: not a number"), (#"{"a":null,"b":1}"#, "probabilities.a: not a number"),
    (#"{"a":1}"#, "probabilities.b: missing"),
    (#"{"a":0.5,"c":0.5}"#, "probabilities.c: no such class; there are a, b"),
    (#"{"a":0.5,"b":0.5,"c":0}"#, "probabilities.c: no such class"),
    ("[0.5,0.5]", "probabilities: not a number for each"),
  ]) func probabilitiesThatAreNoneAreRefusedByAll(_ probabilities: String, _ message: String) throws {
    let bad = #"{"id":"bad","label":"a","prediction":"a","probabilities":\#(probabilities)}"#
    try write("rows", predictions() + [bad])
    for command in Self.judges where !command.contains("classes") && !command.contains("calibrate") {
      let run = try shell("\(command) < rows")
      #expect(run.status == 3 && run.stderr.contains("stdin, line 41 (bad): \(message)"), "\(command): \(run.stderr)")
      #expect(run.stderr.contains("1 of 41 records failed"), "\(command)")
    }
    let page = try shell(report())
    #expect(page.status == 3 && page.stderr.contains("rows, line 41 (bad): \(message)"), "\(page.stderr)")
  }

  @Test func roundedProbabilitiesAreFine() throws {
    try write("rows", [#"{"label":"a","probabilities":{"a":0.33,"b":0.33,"c":0.33}}"#])
    #expect(try shell("gx-eval < rows").status == 0)
  }

  @Test func aPredictionThatIsNoClassIsRefused() throws {
    for (field, value) in [("prediction", #""A""#), ("set", #"["a","c"]"#), ("set", #""a""#)] {
      let bad = #"{"id":"bad","label":"a","probabilities":{"a":1,"b":0},"\#(field)":\#(value)}"#
      try write("rows", predictions() + [bad])
      let run = try shell("gx-eval -b 0 < rows")
      #expect(run.status == 3 && run.stderr.contains("line 41 (bad): \(field): "), "\(run.stderr)")
    }
  }

  // MARK: Calibrations with nothing to find

  @Test func calibrationsOfDegenerateRowsAreTrue() throws {
    func rows(_ logits: (Int) -> String) -> [String] {
      (0..<40).map { #"{"label":"\#($0 % 2 == 0 ? "a" : "b")","logits":\#(logits($0))}"# }
    }
    for (logits, message) in [
      ({ _ in #"{"a":1,"b":1}"# }, "the logits are all equal in each record"),
      ({ $0 % 2 == 0 ? #"{"a":2,"b":1}"# : #"{"a":1,"b":2}"# }, "every record is classified right"),
      (
        { $0 % 4 == 0 ? #"{"a":1,"b":1}"# : $0 % 2 == 0 ? #"{"a":2,"b":1}"# : #"{"a":1,"b":2}"# }, "(10 are ties)"
      ),
      ({ $0 % 2 == 0 ? #"{"a":1,"b":2}"# : #"{"a":2,"b":1}"# }, "the logits tell nothing of the labels"),
    ] as [((Int) -> String, String)] {
      try write("rows", rows(logits))
      let alone = try shell("gx-calibrate -b 0 < rows")
      #expect(alone.status == 1 && alone.text.isEmpty && alone.stderr.contains(message), "\(alone.stderr)")
      let sets = try shell("gx-calibrate -b 0 --conformal 0.9 < rows")
      #expect(sets.status == 0 && sets.stderr.contains(message) && sets.stderr.contains("the temperature stays 1"))
      let calibration = try JSON(parsing: sets.text).objectValue!
      #expect(calibration["temperature"] == 1 && calibration["conformal"] != nil && calibration["abstention"] == nil)
    }
    try write("rows", rows { $0 % 2 == 0 ? #"{"a":2,"b":1}"# : #"{"a":1,"b":2}"# })
    let both = try shell("gx-calibrate -b 0 --conformal 0.9 --precision 0.9 < rows")
    #expect(both.status == 0, "\(both.stderr)")
    let few = try shell("head -20 rows | gx-calibrate -b 0 --precision 0.9")
    #expect(few.status == 1 && few.stderr.contains("it takes 29 records, all of them right"), "\(few.stderr)")
  }
}
