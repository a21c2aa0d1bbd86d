import Foundation
import Testing

/// gx-calibrate, what gx-infer and gx-serve make of it, and ensembles.
@Suite struct Calibrating {
  let scratch = try! Scratch()

  func shell(_ line: String) -> Run.Result { try! Run.shell(line, in: scratch.url) }
  func rows(_ text: String) -> [[String: Any]] {
    text.split(separator: "\n").map { try! JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any] }
  }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: (scratch / name).path) }

  /// Rows as gx-infer writes them, of two classes: `sure` logits apart, of each ten rows seven are right.
  func predictions(_ count: Int, sure: Double, split: String = "val", more: String = "") -> String {
    (0..<count).map { i in
      let apart = sure * Double(1 + i % 5) / 3
      let label = i * 7 % 10 < 7 ? "a" : "b"
      return #"{"id":"r\#(i)","label":"\#(label)","split":"\#(split)","logits":{"a":\#(apart),"b":0}\#(more)}"# + "\n"
    }.joined()
  }

  /// `g.tar`, 40 rendered galaxies; two small models, `m1` and `m2`; and `rows`, the first's predictions.
  func galaxies() {
    let folder = Galaxies.shared.scratch.url.path
    let made = shell(
      """
      set -e
      ln -s \(folder)/train.tar g.tar
      ln -s \(folder)/model m1
      ln -s \(folder)/other m2
      gx-infer -m m1 --logits < g.tar > rows
      """)
    #expect(made.status == 0, "\(made.stderr)")
  }

  @Test func findsATemperatureAndTellsScores() throws {
    try Data(predictions(200, sure: 4).utf8).write(to: scratch / "rows")
    let run = shell("gx-calibrate --conformal 0.8 --precision 0.5 -b 50 rows")
    #expect(run.status == 0, "\(run.stderr)")
    for word in [
      "200 records, temperature", "before", "after", "NLL", "ECE, equal mass", "classwise ECE", "by lac",
    ] {
      #expect(run.stderr.contains(word), "\(word)")
    }
    let calibration = try #require(rows(run.text).first)
    #expect(try #require(calibration["temperature"] as? Double) > 1.5)
    #expect(calibration["classes"] as? [String] == ["a", "b"] && calibration["classifier"] == nil)
    let fitted = try #require(calibration["fitted"] as? [String: Any])
    #expect(fitted["records"] as? Int == 200 && fitted["splits"] as? [String] == ["val"])
    let sides = ["before", "after"].map { fitted[$0] as! [String: Any] }
    let names = ["nll", "brier", "ece", "ece_equal_mass", "classwise_ece"]
    for side in sides { for name in names { #expect(side[name] is Double, "\(name)") } }
    let losses = sides.map { $0["nll"] as! Double }
    #expect(losses[1] < losses[0])
    #expect((sides[0]["intervals"] as? [String: Any])?["ece"] is [Double])
    // Twice as far apart, twice the temperature; and the same by another way in.
    try Data(predictions(200, sure: 8).utf8).write(to: scratch / "wider")
    let wider = rows(shell("gx-calibrate -b 0 < wider").text)[0]["temperature"] as! Double
    #expect(abs(wider - 2 * (calibration["temperature"] as! Double)) < 1e-6)
  }

  @Test func refusesWhatSaysNothing() throws {
    let good = predictions(20, sure: 4)
    for (line, message) in [
      (#"{"id":"t1","split":"train","label":"a","logits":{"a":1,"b":0}}"#, "line 21 (t1): is of split train"),
      (#"{"id":"t2","split":"val","label":"a"}"#, "line 21 (t2): has no logits"),
      (#"{"id":"t3","split":"val","logits":{"a":1,"b":0}}"#, "line 21 (t3): has no label"),
      (
        #"{"id":"t4","split":"val","label":"c","logits":{"a":1,"b":0}}"#,
        "1 row has a label that is no class: 'c' (1); there are a, b"
      ),
      (
        #"{"id":"t5","split":"val","label":"a","logits":{"a":1,"c":0}}"#,
        "line 21 (t5): logits.c: no such class; there are a, b"
      ),
      (
        #"{"id":"t6","label":"a","logits":{"a":1,"b":0,"c":0}}"#,
        "line 21 (t6): logits.c: no such class; there are a, b"
      ),
      (#"{"id":"t7","label":"a","logits":{"a":1,"b":0},"calibrated":true}"#, "line 21 (t7): is calibrated already"),
      (#"{"id":"t8","label":"a","logits":{"a":1,"b":0},"classifier":1}"#, "line 21 (t8): classifier 1 is not like"),
      (#"{"id":"t9","label":"a","logits":{"a":1e300,"b":0}}"#, "line 21 (t9): logits.a: 1e+300 is out of range"),
      ("{", "line 21: "),
    ] {
      try Data((good + line + "\n").utf8).write(to: scratch / "rows")
      let run = shell("gx-calibrate -o out < rows")
      #expect(run.status == 1 && run.stderr.contains(message) && !exists("out"), "\(run.stderr)")
    }
    try Data((good + #"{"id":"t10","split":"train","label":"a"}"# + "\n").utf8).write(to: scratch / "rows")
    #expect(shell("gx-calibrate --split val < rows").status == 0, "rows that do not count may be anything")
    try Data((good + #"{"id":"t11","error":"torn"}"# + "\n").utf8).write(to: scratch / "rows")
    #expect(shell("gx-calibrate < rows").status == 3)
    #expect(shell("gx-calibrate --max-errors 1 < rows").status == 0)

    let many = (0...1000).map { "\"\($0)\":0" }.joined(separator: ",")
    try Data(("{\"label\":\"1\",\"logits\":{\(many)}}\n").utf8).write(to: scratch / "wide")
    #expect(shell("gx-calibrate < wide").stderr.contains("logits: 1001 classes are more than the limit of 1000"))

    let few = shell("head -n 8 rows | gx-calibrate --conformal 0.9")
    #expect(few.status == 1 && few.stderr.contains("8 records are too few to promise a coverage of 0.9: it takes 9"))
    #expect(shell("head -n 20 rows | gx-calibrate --precision 0.99").stderr.contains("no confidence is high enough"))
    let vector = shell(#"grep '"label":"a"' rows | gx-calibrate --vector"#)
    #expect(vector.status == 1 && vector.stderr.contains("no record is of class 'b'"), "\(vector.stderr)")
    #expect(shell("gx-calibrate < /dev/null").stderr.contains("no rows to fit"))
    for options in [
      "--conformal 1", "--conformal 0", "--precision 2", "--method aps", "-m m", "--method raps --conformal 0.5",
    ] {
      #expect(shell("gx-calibrate \(options) < rows").status == 2, "\(options)")
    }
  }

  @Test func isStoredAppliedAndShown() throws {
    galaxies()
    let run = shell(
      """
      set -e -o pipefail
      gx-model set --name mine -o named m1
      gx-calibrate -q -b 0 --conformal 0.9 --method aps -m named -o c1 < rows 2> table
      gx-infer -m m1 --logits < g.tar > raw
      gx-infer -m c1 --logits -j 3 < g.tar > calibrated
      gx-infer -m c1 --logits --calibration none < g.tar | cmp - raw
      gx-calibrate -q -b 0 --conformal 0.9 --method aps < rows 2> table > file.json
      gx-infer -m m1 --logits --calibration file.json < g.tar | cmp - calibrated
      gx-model show --json c1
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
    let card = try #require(rows(run.text).first)
    let calibration = try #require(card["calibration"] as? [String: Any])
    #expect(
      card["name"] as? String == "mine"
        && card["digest"] as? String == rows(shell("gx-model show --json m1").text)[0]["digest"] as? String)
    let temperature = try #require(calibration["temperature"] as? Double)
    let (raw, after) = (rows(shell("cat raw").text), rows(shell("cat calibrated").text))
    for (a, b) in zip(raw, after) {
      let (p, q) = (a["logits"] as! [String: Double], b["probabilities"] as! [String: Double])
      #expect(b["logits"] as? [String: Double] == p && b["calibrated"] as? Bool == true && a["calibrated"] == nil)
      #expect(a["prediction"] as? String == b["prediction"] as? String)
      let sum = p.values.reduce(0) { $0 + exp($1 / temperature) }
      for (name, value) in q { #expect(abs(value - exp(p[name]! / temperature) / sum) < 1e-6) }
      let set = try #require(b["set"] as? [String])
      #expect(set.first == b["prediction"] as? String && a["set"] == nil)
    }
    #expect(raw.count == 40 && raw[0]["classifier"] as? String == calibration["classifier"] as? String)
    let held = zip(rows(shell("cat rows").text), after).count {
      ($1["set"] as! [String]).contains($0["label"] as! String)
    }
    #expect(held >= 36, "of those it was fitted to at least the share that is promised")

    // What it was not made for.
    for (line, message) in [
      ("gx-infer -m c1 --tta dihedral < g.tar", "calibrated for --tta none, not dihedral"),
      ("gx-infer -m m2 --calibration file.json < g.tar", "the calibration was made for the classifier"),
      ("gx-calibrate -m m2 -o no < rows", "was classified by"),
      ("gx-calibrate -m c1 -o no calibrated", "is calibrated already"),
      ("gx-infer -m m1 --calibration rows < g.tar", "rows: JSON"),
      ("gx-infer -m m1 --calibration nothing < g.tar", "nothing: "),
    ] {
      let refused = shell(line)
      #expect(refused.status == 1 && refused.text.isEmpty && refused.stderr.contains(message), "\(refused.stderr)")
    }
    #expect(!exists("no"))
    let changed = shell("gx-model set --tta dihedral -o d1 c1 && gx-infer -m d1 < g.tar | head -n 1")
    #expect(changed.stderr.contains("is taken out") && rows(changed.text)[0]["calibrated"] == nil)
  }

  @Test func saysWhatItDoesNotKnow() throws {
    galaxies()
    // By hand: the confidence of the fifth of the rows must do.
    let run = shell(
      """
      set -e -o pipefail
      gx-infer -m m1 < g.tar > raw
      threshold=$(sed -n '5s/.*"confidence":\\([0-9.e-]*\\).*/\\1/p' raw)
      classes=$(gx-model show --json m1 | sed 's/.*"classes":\\(\\[[^]]*\\]\\).*/\\1/')
      echo "{\\"classes\\":$classes,\\"temperature\\":1,\\"abstention\\":{\\"precision\\":0.9,\\"threshold\\":$threshold}}" > c
      gx-infer -m m1 --calibration c < g.tar
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let (raw, kept) = (rows(shell("cat raw").text), rows(run.text))
    for (a, b) in zip(raw, kept) where abs((a["confidence"] as! Double) - (raw[4]["confidence"] as! Double)) > 1e-6 {
      let isSure = a["confidence"] as! Double > raw[4]["confidence"] as! Double
      #expect(b["prediction"] is NSNull == !isSure && b["reason"] as? String == (isSure ? nil : "uncertain"))
      #expect(b["confidence"] as? Double == a["confidence"] as? Double)
    }
    #expect(kept.contains { $0["prediction"] is NSNull } && kept.contains { $0["prediction"] is String })

    // The server: the class stays, fields are added.
    let server = try ServeProcess(
      "-m", (scratch / "m1").path, "--calibration", (scratch / "c").path, "--public", model: nil)
    let answer = try server.classify(Galaxies.shared.pictures[0]).json
    #expect(answer["uncertain"] is Bool && answer["galaxy_type"] is String && answer["set"] == nil)
  }

  @Test func modelsTogether() throws {
    galaxies()
    let run = shell(
      """
      set -e -o pipefail
      gx-infer -m m1 --logits < g.tar > one
      gx-infer -m m2 --logits < g.tar > two
      gx-infer -m m1 -m m2 --logits < g.tar > both
      gx-infer -m m2 -m m1 --logits -j 3 < g.tar | cmp - both
      gx-calibrate -q -b 0 -o mean.json both 2> table
      gx-infer -m m2 -m m1 --calibration mean.json < g.tar > calibrated
      gx-infer -m m1 --tta rotations:3 < g.tar > turned
      ! gx-infer -m m1 --calibration mean.json < g.tar > no
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
    let (one, two, both) = (rows(shell("cat one").text), rows(shell("cat two").text), rows(shell("cat both").text))
    for ((a, b), mean) in zip(zip(one, two), both) {
      let (p, q) = (a["probabilities"] as! [String: Double], b["probabilities"] as! [String: Double])
      for (name, value) in mean["probabilities"] as! [String: Double] {
        #expect(abs(value - (p[name]! + q[name]!) / 2) < 1e-6)
      }
      let (entropy, information) = (mean["entropy"] as! Double, mean["mutual_information"] as! Double)
      #expect(information >= 0 && information <= entropy && entropy <= log(4) + 1e-9)
      #expect(a["entropy"] == nil)
    }
    #expect(both.count == 40 && both.contains { $0["mutual_information"] as! Double > 1e-6 })
    #expect(rows(shell("cat calibrated").text).allSatisfy { $0["calibrated"] as? Bool == true })
    #expect(rows(shell("cat turned").text)[0]["confidence"] as? Double != one[0]["confidence"] as? Double)

    #expect(shell("gx-infer -m m1 -m m2 --features < g.tar").status == 2)
    let classes = shell(
      """
      set -e
      gx-synth -q -n 9 --size 16 --classes spiral,irregular,elliptical | gx-normalize |
        gx-train -q -j 1 -a linear -e 1 --hold-out 0 -o three > log
      gx-infer -m m1 -m three < g.tar
      """)
    #expect(
      classes.status == 1 && classes.text.isEmpty
        && classes.stderr.contains("m1, three: models of an ensemble must have"),
      "\(classes.stderr)")
  }
}
