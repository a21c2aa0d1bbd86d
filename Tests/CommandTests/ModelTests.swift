import Foundation
import Testing

/// gx-model, and the model in the box.
@Suite struct ModelCommand {
  let scratch = try! Scratch()

  func shell(_ line: String) -> Run.Result { try! Run.shell(line, in: scratch.url) }
  func object(_ text: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func theModelInTheBoxClassifies() throws {
    let run = shell(
      """
      set -e -o pipefail
      gx-synth -q -n 3 --size 80 | gx-infer
      """)
    #expect(run.status == 0 && run.lines.count == 3, "\(run.stderr)")
    #expect(run.stderr == "gx-infer: no -m MODEL: the model in the box classifies\n")
    let probabilities = try object(run.lines[0])["probabilities"] as? [String: Double]
    #expect(probabilities.map { Set($0.keys) } == ["elliptical", "irregular", "lenticular", "spiral"])
    let quiet = shell("gx-synth -q -n 1 --size 80 | gx-infer -q")
    #expect(quiet.status == 0 && quiet.stderr.isEmpty && quiet.lines.count == 1)
  }

  @Test func theBoxTakenOutIsTheSameModel() {
    let run = shell(
      """
      set -e -o pipefail
      gx-model set -o m
      gx-model set -o again m
      cmp m again
      gx-synth -q -n 4 --size 80 > g.tar
      gx-infer -q < g.tar > inside
      gx-infer -m m < g.tar | cmp - inside
      gx-model show > a
      gx-model show m | cmp - a
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
  }

  @Test func whatIsSetIsShown() throws {
    let run = shell(
      """
      set -e -o pipefail
      echo '{"accuracy":0.75,"macro_f1":0.5}' > scores.json
      gx-model set --name 'é "x"' --about a --limits l --attribution w --scores scores.json --tta dihedral -o m
      gx-model set --limits '' --half -o n m
      gx-model show --json m
      gx-model show --json n
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let (first, second) = (try object(run.lines[0]), try object(run.lines[1]))
    #expect(
      first["name"] as? String == "é \"x\"" && first["about"] as? String == "a" && first["limits"] as? String == "l")
    #expect(first["attribution"] as? String == "w" && first["tta"] as? String == "dihedral")
    #expect((first["scores"] as? [String: Double])?["accuracy"] == 0.75)
    #expect(second["limits"] == nil && second["dtype"] as? String == "f16" && second["about"] as? String == "a")
    let nodes = try #require(first["nodes"] as? [[String: Any]])
    #expect(nodes.reduce(0) { $0 + ($1["parameters"] as! Int) } == first["parameters"] as? Int)
    let size = try FileManager.default.attributesOfItem(atPath: (scratch / "m").path)[.size] as? Int
    #expect(first["bytes"] as? Int == size)

    let text = shell("gx-model show m").text
    for part in ["é \"x\"", "scores.accuracy", "elliptical, irregular", "node", "parameters"] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test func textsPlayNoTricksOnTheTerminal() {
    let run = shell(#"gx-model set --about "$(printf 'a\033[2Jb')" -o m && gx-model show m"#)
    #expect(run.status == 0 && !run.stdout.contains(0x1b) && run.text.contains("a\u{fffd}[2Jb"))
  }

  /// Whatever is broken in a model, it is shown or refused, in words.
  @Test func brokenModelsAreRefused() throws {
    #expect(shell("gx-model set -o m").status == 0)
    let good = try Data(contentsOf: scratch / "m")
    var state: UInt64 = 3
    func random(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    var refused = 0
    for round in 0..<24 {
      var bytes = good
      if round % 4 == 0 {
        bytes = bytes.prefix(random(good.count))
      } else {
        for _ in 0...random(3) { bytes[random(12_000)] = UInt8(random(95) + 32) }
      }
      try bytes.write(to: scratch / "broken")
      let run = shell("gx-model show broken")
      #expect(run.status == 0 || run.status == 1, "\(run.status)")
      if run.status == 1 {
        refused += 1
        #expect(run.text.isEmpty && run.stderr.hasPrefix("gx-model: broken: "), "\(run.stderr)")
      }
    }
    #expect(refused >= 6)
  }

  @Test(arguments: [
    "", "list", "show a b", "show --half", "show -o x", "set", "set --json -o x", "set --tta all -o x",
  ]) func badUsage(words: String) {
    let run = shell("gx-model \(words); echo $?; ls")
    #expect(run.lines == ["2"], "\(words): \(run.text)\(run.stderr)")
  }

  @Test func failuresLeaveNoFile() {
    let run = shell(
      """
      echo '[1]' > list; echo 1 > m
      gx-model set --scores list -o out; echo $?
      gx-model set --scores nothing -o out; echo $?
      gx-model set -o out m; echo $?
      ls
      """)
    #expect(run.lines == ["1", "1", "1", "list", "m"])
    #expect(run.stderr.contains("list: is no JSON object") && run.stderr.contains("nothing: "))
  }
}
