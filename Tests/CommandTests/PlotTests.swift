import Foundation
import FoundationXML
import GXCore
import GXStream
import Testing

@Suite struct PlotTests {
  /// Rows as gx-infer writes them: of two classes, every third wrong.
  private var predictions: Data {
    var text = ""
    for i in 0..<30 {
      let (label, right) = (i % 2 == 0 ? "spiral" : "elliptical", i % 3 != 0)
      let p = 0.5 + Double(i) / 100
      let predicted = right ? label : label == "spiral" ? "elliptical" : "spiral"
      let other = predicted == "spiral" ? "elliptical" : "spiral"
      text += """
        {"id":"g\(i)","label":"\(label)","split":"test","prediction":"\(predicted)","confidence":\(p),\
        "probabilities":{"\(predicted)":\(p),"\(other)":\(1 - p)}}

        """
    }
    return Data(text.utf8)
  }

  private func epoch(_ n: Int) -> String {
    #"{"epoch":\#(n),"lr":0.001,"train_loss":\#(1.0 / Double(n)),"val_loss":0.5,"val_accuracy":0.7,"best":true}"# + "\n"
  }

  @Test(arguments: ["confusion", "reliability", "coverage", "roc", "pr", "classes"])
  func writesWhatTheNameOfTheFileSays(_ kind: String) throws {
    let scratch = try Scratch()
    for _ in 0..<2 {
      #expect(try Run.gx("gx-plot", kind, "-o", "a.svg", input: predictions, in: scratch.url).status == 0)
      #expect(
        try Run.gx("gx-plot", kind, "--size", "600x400", "-o", "a.png", input: predictions, in: scratch.url).status == 0
      )
    }
    let svg = try Data(contentsOf: scratch / "a.svg")
    #expect(XMLParser(data: svg).parse())
    #expect(String(decoding: svg, as: UTF8.self).contains("spiral") || ["reliability", "coverage"].contains(kind))
    let again = try Run.gx("gx-plot", kind, "--format", "svg", input: predictions)
    #expect(again.stdout == svg)
    let header = try Data(contentsOf: scratch / "a.png").prefix(24)
    #expect(Array(header.suffix(8)) == [0, 0, 2, 88, 0, 0, 1, 144])  // 600x400, in the header of every PNG
  }

  @Test func countsErrorsAndSaysSo() throws {
    let rows =
      predictions
      + Data((#"{"id":"bad","error":"no such file"}"# + "\n" + #"{"id":"u","prediction":"spiral"}"# + "\n").utf8)
    let run = try Run.gx("gx-plot", "confusion", "--format", "text", input: rows)
    #expect(run.status == 3)
    #expect(run.stderr.contains("1 of 32 records failed") && run.stderr.contains("1 of 32 rows have no label"))
    #expect(run.text.contains("30 records"))
    #expect(try Run.gx("gx-plot", "confusion", "--max-errors", "1", "--format", "svg", input: rows).status == 0)
  }

  @Test func abstentionsCountInTheCoverageAlone() throws {
    let row =
      #"{"id":"a","label":"spiral","prediction":null,"reason":"uncertain","probabilities":{"spiral":0.55,"elliptical":0.45}}"#
    let rows = predictions + Data((row + "\n").utf8)
    let confusion = try Run.gx("gx-plot", "confusion", "--format", "text", input: rows)
    #expect(
      confusion.status == 0 && confusion.text.contains("30 records")
        && confusion.stderr.contains("1 of 31 rows abstain"))
    #expect(try Run.gx("gx-plot", "coverage", "--format", "text", input: rows).text.contains("31 predictions"))
  }

  @Test func refusesWhatItCannotDraw() throws {
    for words in [
      [], ["histogram"], ["confusion", "--size", "9x9"], ["confusion", "--size", "16384x16384", "-f", "png"],
      ["confusion", "-o", "a.gif"], ["confusion", "--theme", "pink"], ["roc", "--follow"],
    ] {
      let run = try Run.shell((["gx-plot"] + words).joined(separator: " "), input: predictions)
      #expect(run.status == 2 && run.stdout.isEmpty, "\(words)")
    }
    let empty = try Run.gx("gx-plot", "training", "--format", "svg")
    #expect(empty.status == 1 && empty.stdout.isEmpty && empty.stderr.contains("no row of 0"))
    let wrong = try Run.gx("gx-plot", "training", "--format", "svg", input: predictions)
    #expect(wrong.status == 1 && wrong.stderr.contains("stdin, line 1 ("))
    let ranked = try Run.gx(
      "gx-plot", "roc", "--format", "svg", input: Data("{\"label\":\"a\",\"probabilities\":{\"a\":2}}\n".utf8))
    #expect(ranked.status == 1 && ranked.stderr.contains("probabilities.a"))
  }

  @Test func aPipeIsFollowedToItsEnd() throws {
    let scratch = try Scratch()
    let lines = (1...3).map(epoch).joined()
    try Data(lines.utf8).write(to: scratch / "log")
    let run = try Run.shell(
      "(head -n 1 log; sleep 0.3; tail -n 2 log) | gx-plot training --follow -o live.svg", in: scratch.url)
    #expect(run.status == 0)
    #expect(try String(contentsOf: scratch / "live.svg", encoding: .utf8).contains("3 epochs"))
    let broken = try Run.shell("head -c 150 log | gx-plot training --follow -o live.svg", in: scratch.url)
    #expect(broken.status == 1 && broken.stderr.contains("breaks off"))
  }

  @Test func aFileIsFollowedWhileItGrows() throws {
    let scratch = try Scratch()
    try Data(epoch(1).utf8).write(to: scratch / "one")
    try Data((epoch(2) + epoch(3).dropLast(20)).utf8).write(to: scratch / "two")
    // Waits for what should come, and no longer than it must.
    let run = try Run.shell(
      """
      gx-plot training --follow log -o live.svg 2> messages & watcher=$!
      has() { for i in {1..100}; do grep -q "$1" live.svg 2> /dev/null && return; sleep 0.1; done; return 1; }
      cp one log; has '>1 epoch' || exit 10
      cat two >> log; has '>2 epochs' || exit 11
      kill $watcher; wait $watcher; echo $?
      """, in: scratch.url)
    #expect(run.text == "143\n", "\(run.status) \(run.text)")
  }
}

@Suite struct ViewTests {
  private func records(_ count: Int, in scratch: Scratch) throws {
    let run = try Run.shell("gx-synth -n \(count) --size 32 | gx-normalize --imagenet -o g.tar", in: scratch.url)
    #expect(run.status == 0)
  }

  private func size(_ url: URL) throws -> (Int, Int) {
    let b = Array(try Data(contentsOf: url).prefix(24))
    return (Int(b[18]) << 8 | Int(b[19]), Int(b[22]) << 8 | Int(b[23]))
  }

  @Test func aSheetHasItsColumnsAndRows() throws {
    let scratch = try Scratch()
    try records(8, in: scratch)
    let run = try Run.shell(
      "gx-view -n 6 --columns 3 --cell 48 -o a.png < g.tar && gx-view -n 6 --columns 3 --cell 48 < g.tar | cmp - a.png",
      in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
    let (width, height) = try size(scratch / "a.png")
    #expect(width == 3 * 52 + 4 && height > 2 * (48 + 13) && height < 2 * 100)
  }

  @Test func predictionsAreJoinedById() throws {
    let scratch = try Scratch()
    try records(4, in: scratch)
    let run = try Run.shell(
      """
      gx-cat --to ndjson < g.tar | head -n 3 | sed 's/^{/{"prediction":"spiral","confidence":0.9,/' > p.ndjson
      gx-view --terminal blocks --cell 20 --columns 4 -p p.ndjson < g.tar
      """, in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.text.contains("✗ spiral 90 %") && run.stderr.contains("nothing of 1 of 4 records"))
  }

  @Test func terminalsAreWrittenForAsForced() throws {
    let scratch = try Scratch()
    try records(2, in: scratch)
    #expect(
      try Run.shell("gx-view --terminal kitty < g.tar", in: scratch.url).stdout.starts(
        with: Data("\u{1b}_Ga=T,f=100".utf8)))
    #expect(
      try Run.shell("gx-view --terminal sixel < g.tar", in: scratch.url).stdout.starts(with: Data("\u{1b}P".utf8)))
    let both = try Run.shell("gx-view --terminal sixel -o a < g.tar", in: scratch.url)
    #expect(both.status == 2 && both.stdout.isEmpty)
  }

  @Test func failuresAndLimitsAreTold() throws {
    let scratch = try Scratch()
    try records(2, in: scratch)
    let map = try Run.shell("gx-view --heat-map gradcam -o a.png < g.tar", in: scratch.url)
    #expect(map.status == 3 && map.stderr.contains("has no map gradcam"))
    let large = try Run.shell("gx-view -n 100000 < g.tar", in: scratch.url)
    #expect(large.status == 2 && large.stderr.contains("over the limit") && large.stdout.isEmpty)
    let none = try Run.shell("head -c 1024 /dev/zero | gx-view", in: scratch.url)
    #expect(none.status == 1 && none.stderr.contains("no records"))
  }
}
