import Foundation
import Testing

@Suite struct Inference {
  let bars = Bars()

  init() {
    let run = bars.shell("gx-train -q -j 1 --epochs 2 --batch 16 --augment crop=12,flip=h -o m < train.tar > log")
    #expect(run.status == 0, "\(run.stderr)")
  }

  @Test func aRowForEachRecordInOrder() throws {
    let run = bars.shell("gx-infer -m m --logits < train.tar")
    #expect(run.status == 0 && run.stderr.isEmpty, "\(run.stderr)")
    let rows = bars.objects(run.text)
    #expect(rows.map { $0["id"] as? String } == (0..<120).map { "bar.\($0)" })
    #expect(run.lines[0].hasPrefix(#"{"id":"bar.0","label":"h","split":"train","z":0.10,"prediction":"#))
    for row in rows {
      #expect(row["ops"] == nil)
      let probabilities = try #require(row["probabilities"] as? [String: Double])
      let logits = try #require(row["logits"] as? [String: Double])
      let prediction = try #require(row["prediction"] as? String)
      #expect(Set(probabilities.keys) == ["h", "v"] && abs(probabilities.values.reduce(0, +) - 1) < 1e-5)
      #expect(probabilities[prediction] == probabilities.values.max() && logits[prediction] == logits.values.max())
      #expect(row["confidence"] as? Double == probabilities[prediction])
      let odds = exp(logits["h"]! - logits["v"]!)
      #expect(abs(probabilities["h"]! / probabilities["v"]! - odds) < 1e-3 * odds)
    }
  }

  @Test func finishesThePreparationAndAnyNumberOfThreadsIsTheSame() {
    let run = bars.shell(
      """
      set -e -o pipefail
      gx-infer -m m -j 1 < train.tar > one
      gx-infer -m m -j 3 < train.tar | cmp - one
      gx-infer -m m -o two < raw.tar; cmp one two
      cat raw.tar | gx-infer -m m --unbuffered | cmp - one
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
  }

  @Test func refusesOtherPreparation() {
    let run = bars.shell("gx-resize 14 < raw.tar | gx-normalize | gx-infer -m m")
    #expect(run.status == 1 && run.text.isEmpty)
    #expect(run.stderr.contains("bar.0: was prepared otherwise than the model's training data: step 1 is"))
    let again = bars.shell("gx-normalize < train.tar | gx-infer -m m -o rows; echo $?; ls rows")
    #expect(again.text.hasPrefix("1\n") && !bars.exists("rows"))
  }

  @Test func foreignFloatsNeedAWord() {
    let made = bars.shell(
      """
      mkdir x && cd x && tar xf ../train.tar
      for f in *.json; do sed -i 's/"ops":[^]]*]/"foreign":true/' "$f"; done
      tar cf ../foreign.tar --sort=name *
      """)
    #expect(made.status == 0, "\(made.stderr)")
    let refused = bars.shell("gx-infer -m m < foreign.tar")
    #expect(refused.status == 1 && refused.stderr.contains("f32 without 'ops'"), "\(refused.stderr)")
    // They lack the crop, so they are not what the model takes; each row says so.
    let assumed = bars.shell("gx-infer -m m --assume-ops all < foreign.tar 2> /dev/null")
    #expect(assumed.status == 3 && assumed.lines.count == 120)
    #expect(assumed.lines.allSatisfy { $0.contains("the picture is [16, 16, 1], the model takes [12, 12, 1]") })
  }

  @Test func aFailedRecordIsARowWithItsError() {
    let run = bars.shell(
      """
      sed '7s/"z"/"error":"torn","z"/' rows.ndjson > torn.ndjson
      gx-cat --meta torn.ndjson pixels.npy -o torn.tar
      gx-infer -m m < torn.tar > rows; echo $?
      gx-infer -m m --max-errors 1 < torn.tar | cmp - rows; echo ${PIPESTATUS[0]}
      """)
    #expect(run.lines == ["3", "0"], "\(run.stderr)")
    let rows = bars.objects(bars.shell("cat rows").text)
    #expect(rows.count == 120 && rows.count { $0["prediction"] != nil } == 119)
    #expect(rows[6]["error"] as? String == "torn" && rows[6]["prediction"] == nil)
    #expect(run.stderr.contains("1 of 120 records failed"))
  }

  @Test func aTruncatedStreamNeverLooksWhole() {
    let run = bars.shell(
      """
      head -c 30000 train.tar | gx-infer -m m > rows; echo $?
      tail -c 1 rows | od -An -c
      head -c 30000 train.tar | gx-infer -m m -o file; echo $?
      """)
    #expect(run.lines.first == "1" && run.lines.last == "1" && !bars.exists("file"))
    #expect(!run.text.contains("\\n"), "the last row is left open: \(run.text)")
  }

  /// Turned by a quarter, and mirrored, the pictures get the same probabilities.
  @Test func dihedralViewsMakeItBlindToTurns() throws {
    let npy = try Data(contentsOf: bars.scratch / "pixels.npy")
    var turned = npy
    for i in 0..<120 {
      for y in 0..<16 {
        for x in 0..<16 { turned[128 + i * 256 + x * 16 + (i % 3 == 0 ? y : 15 - y)] = npy[128 + i * 256 + y * 16 + x] }
      }
    }
    try turned.write(to: bars.scratch / "turned.npy")
    let run = bars.shell(
      """
      set -e -o pipefail
      gx-cat --meta rows.ndjson turned.npy -o turned.tar
      gx-infer -m m --tta dihedral --logits -j 1 < raw.tar > one
      gx-infer -m m --tta dihedral --logits -j 3 < train.tar | cmp - one
      gx-infer -m m --tta dihedral --logits < turned.tar > two
      gx-infer -m m --logits < raw.tar > plain
      gx-infer -m m --logits < turned.tar > plainly
      gx-infer -m m --tta none --logits < raw.tar | cmp - plain
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
    func rows(_ name: String) -> [[Double]] {
      bars.objects(bars.shell("cat \(name)").text).map { row in
        let (p, l) = (row["probabilities"] as! [String: Double], row["logits"] as! [String: Double])
        #expect(abs(p.values.reduce(0, +) - 1) < 1e-5)
        if name == "one" { #expect(abs(exp(l["h"]!) - p["h"]!) < 1e-5, "logits are the logarithm of the mean") }
        return [p["h"]!, p["v"]!, l["h"]!, l["v"]!]
      }
    }
    func distance(_ a: String, _ b: String) -> Double {
      zip(rows(a), rows(b)).map { zip($0, $1).map { abs($0 - $1) }.max()! }.max()!
    }
    #expect(rows("one").count == 120 && distance("one", "two") < 1e-4)
    #expect(distance("plain", "plainly") > 1e-3, "without, it is not")
  }

  @Test func aHeadIsLearntOnFeatures() throws {
    let run = bars.shell(
      """
      set -e -o pipefail
      sed '7s/"z"/"error":"torn","z"/' rows.ndjson > torn.ndjson
      gx-cat --meta torn.ndjson --max-errors 1 pixels.npy -o torn.tar
      gx-infer --features -m m -j 1 --max-errors 1 < torn.tar > features.tar
      gx-infer --features -m m -j 3 --max-errors 1 < torn.tar | cmp - features.tar
      gx-infer --features --node stem.relu -m m < raw.tar > stem.tar
      gx-train -q -j 1 --max-errors 1 --arch linear --epochs 5 -o head < features.tar > log
      gx-infer -m head --max-errors 1 < features.tar > rows
      ! gx-infer -m head < raw.tar
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
    #expect(run.stderr.contains("put gx-infer --features before"), "\(run.stderr)")
    let rows = bars.objects(bars.shell("cat rows").text)
    #expect(rows.count == 120 && rows.count { $0["prediction"] != nil } == 119 && rows[6]["error"] as? String == "torn")
    for (file, shape) in [("features", "(1, 1, 192)"), ("stem", "(6, 6, 32)")] {
      let header = bars.shell("tar xOf \(file).tar bar%2E1.npy | head -c 128 | tail -c +11").text
      #expect(header.contains("'<f4'") && header.contains(shape), "\(header)")
    }
  }

  @Test func badModelsAndUsage() {
    // One channel, where the model in the box takes three: each row says so.
    let boxed = bars.shell("gx-infer -q < raw.tar 2> /dev/null")
    #expect(boxed.status == 3 && boxed.lines.allSatisfy { $0.contains("the model takes") })
    for options in ["--tta all", "--features --tta none", "--features -l", "--node pool"] {
      #expect(bars.shell("gx-infer -m m \(options) < train.tar").status == 2, "\(options)")
    }
    let node = bars.shell("gx-infer -m m --features --node no < train.tar")
    #expect(node.status == 1 && node.text.isEmpty && node.stderr.contains("m: the network has no node no"))
    #expect(bars.shell("gx-infer -m m --assume-ops some < train.tar").status == 2)
    let missing = bars.shell("gx-infer -m nothing < train.tar")
    #expect(missing.status == 1 && missing.stderr.contains("nothing: No such file"))
    let other = bars.shell("gx-infer -m raw.tar < train.tar")
    #expect(
      other.status == 1 && other.stderr.contains("raw.tar: this is a tar archive, not a safetensors"), "\(other.stderr)"
    )
    let cut = bars.shell("head -c 100000 m > cut; gx-infer -m cut < train.tar")
    #expect(cut.status == 1 && cut.text.isEmpty && cut.stderr.contains("cut: "), "\(cut.stderr)")
  }
}
