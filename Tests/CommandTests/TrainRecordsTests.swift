import Foundation
import Testing

/// What becomes of records that gx-train cannot learn from, and of classes that are too small.
@Suite struct TrainRecords {
  let bars = Bars(60)

  /// `odd.tar`: one record carries an error, one is float64, one has no label, one is not normalised, one is not finite.
  init() throws {
    #expect(bars.shell("mkdir x && cd x && tar xf ../train.tar").status == 0)
    func file(_ i: Int, _ ext: String) -> URL { bars.scratch / "x/bar%2E\(i).\(ext)" }
    func editJSON(_ i: Int, _ edit: (inout [String: Any]) -> Void) throws {
      var meta = try JSONSerialization.jsonObject(with: Data(contentsOf: file(i, "json"))) as! [String: Any]
      edit(&meta)
      try JSONSerialization.data(withJSONObject: meta).write(to: file(i, "json"))
    }
    try npy("<f8", "16, 16, 1", Data(count: 2048)).write(to: file(1, "npy"))
    try editJSON(2) { $0["label"] = nil }
    try npy("|u1", "16, 16, 1", Data(count: 256)).write(to: file(3, "npy"))
    var values = Data(npyValues(try Data(contentsOf: file(4, "npy"))))
    values.replaceSubrange(4 * 35..<4 * 36, with: littleEndian(.nan))
    try npy("<f4", "16, 16, 1", values).write(to: file(4, "npy"))
    try editJSON(5) { $0["error"] = "torn" }
    #expect(bars.shell("cd x && tar cf ../odd.tar --sort=name *").status == 0)
  }

  static let told = [
    "gx-train: bar.1: ", "'<f8'", "gx-train: bar.2: has no label", "gx-train: bar.3: pixels are u8, not floats",
    "gx-train: bar.4: pixel x=3 y=2, channel 0 is nan, not a finite number", "gx-train: bar.5: torn",
  ]

  @Test func areNamedCountedAndLeftOut() {
    let run = bars.shell(
      """
      train="gx-train -q -j 1 --epochs 1 --batch 16"
      $train -o m < odd.tar > log; echo $?
      $train --max-errors 5 -o n < odd.tar > log 2> said; echo $?
      $train --max-errors 8% -o n < odd.tar > log 2> said; echo $?
      cmp m n
      """)
    #expect(run.lines == ["3", "0", "3"], "\(run.text)\(run.stderr)")
    for words in Self.told { #expect(run.stderr.components(separatedBy: words).count == 2, "\(words): \(run.stderr)") }
    let loud = bars.shell("gx-train -j 1 --epochs 1 --batch 16 -o m < odd.tar > log")
    #expect(loud.stderr.hasSuffix("5 of 60 records failed\n"), "\(loud.stderr)")
  }

  @Test func foldsHaveARowForEach() {
    let run = bars.shell("gx-train -q -j 1 --epochs 1 --batch 16 --folds 2 < odd.tar > rows; echo $?; cat rows")
    #expect(run.lines.first == "3", "\(run.stderr)")
    for words in Self.told { #expect(run.stderr.contains(words), "\(run.stderr)") }
    let rows = bars.objects(run.lines.dropFirst().joined(separator: "\n"))
    #expect(rows.count == 36 && Set(rows.map { $0["id"] as! String }).count == 36)
    let failed = rows.filter { $0["error"] != nil }
    #expect(failed.map { $0["id"] as! String } == (1...5).map { "bar.\($0)" })
    #expect(failed.allSatisfy { $0["prediction"] == nil && $0["fold"] == nil && $0["ops"] == nil })
  }

  @Test func ofAnotherFileToValidateOnAreNamedToo() {
    let run = bars.shell(
      """
      gx-cat --split train train.tar > a.tar
      sed 's/"split":"train"/"split":"val"/; s/"bar/"foo/; 1s/"z"/"error":"torn","z"/' rows.ndjson > b.ndjson
      gx-cat --meta b.ndjson --max-errors 1 pixels.npy | gx-normalize --max-errors 1 > b.tar
      gx-train -q -j 1 --epochs 1 --batch 16 --val b.tar -o m < a.tar > log; echo $?
      """)
    #expect(run.lines == ["3"] && run.stderr.contains("gx-train: foo.0: torn"), "\(run.stderr)")
  }

  @Test func manyAreNotAllNamedAndTheirReasonsAreToldWhereNoneIsLeft() {
    let run = bars.shell(
      "gx-train -j 1 -o m < raw.tar; echo $?; ls m; sed 's/\"z\"/\"error\":\"torn\",\"z\"/' rows.ndjson > torn.ndjson")
    #expect(run.lines == ["1"])
    #expect(run.stderr.components(separatedBy: "put gx-normalize before\n").count == 21, "\(run.stderr)")
    #expect(run.stderr.contains("gx-train: more records failed, which are not named here"), "\(run.stderr)")
    #expect(
      run.stderr.contains(
        "no record can be learnt from; 48 records failed: pixels are u8, not floats: put gx-normalize before (48)"),
      "\(run.stderr)")
    let torn = bars.shell(
      "gx-cat --meta torn.ndjson --max-errors 100% pixels.npy | gx-train --arch linear -o m; echo $?")
    #expect(torn.lines == ["1"] && torn.stderr.contains("60 records failed: torn (60)"), "\(torn.stderr)")
  }

  @Test func shufflingCountsThemAndLetsThemPass() {
    let run = bars.shell(
      """
      for how in "" "--buffer 7"; do
        gx-shuffle $how < odd.tar > shuffled.tar; echo $?
        gx-shuffle $how --max-errors 2 < odd.tar | cmp - shuffled.tar; echo ${PIPESTATUS[0]}
        tar tf shuffled.tar | grep -c json
      done
      """)
    #expect(run.lines == ["3", "0", "60", "3", "0", "60"], "\(run.text)\(run.stderr)")
    #expect(run.stderr.contains("2 of 60 records failed"), "\(run.stderr)")
  }

  /// Whatever share is held out, no class is left without a train record; one without records to validate on is told.
  @Test func smallClassesAreKeptAndTold() {
    let run = bars.shell(
      """
      set -o pipefail
      sed -E 's/,"split":"[a-z]*"//; 1s/"label":"h"/"label":"lonely"/' rows.ndjson > small.ndjson
      gx-cat --meta small.ndjson pixels.npy | gx-normalize > small.tar
      train="gx-train -q -j 1 --epochs 1 --batch 4"
      $train --hold-out 0.9 -o m < small.tar > log; echo $?
      $train --hold-out 0 -o m < small.tar 2>&1 > log; echo $?
      sed -E '1,2s/"label":"[a-z]*"/"label":"pair"/' small.ndjson > pair.ndjson
      gx-cat --meta pair.ndjson pixels.npy | gx-normalize | $train --folds 3 > rows; echo $?
      gx-train --folds 3 < small.tar; echo $?
      """)
    #expect(run.lines == ["0", "0", "0", "1"], "\(run.text)\(run.stderr)")
    let warnings = run.stderr.split(separator: "\n").filter { $0.contains("warning: ") }
    #expect(
      warnings == [
        "gx-train: warning: no record of 'lonely' to validate on: the validation scores leave it out",
        "gx-train: warning: fewer galaxies than the 3 folds, so that some have none: 'pair'",
      ], "\(run.stderr)")
    #expect(run.stderr.contains("label 'lonely' has fewer than two galaxies, too few for folds"))
  }
}
