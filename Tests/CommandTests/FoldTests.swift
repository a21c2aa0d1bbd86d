import Foundation
import Testing

@Suite struct CrossValidation {
  let bars = Bars()
  let train = "gx-train -q -j 1 --epochs 3 --batch 16 --augment flip=hv"

  /// A fold's rows are those of a model that was trained on the others alone.
  @Test func foldsArePredictedByNetworksThatHaveNotSeenThem() throws {
    let run = bars.shell("\(train) --folds 3 --log log < train.tar")
    #expect(run.status == 0 && run.stderr.isEmpty, "\(run.stderr)")
    let rows = bars.objects(run.text)
    let folds = rows.map { $0["fold"] as! Int }
    #expect(folds == folds.sorted() && Set(folds) == [0, 1, 2] && folds.count { $0 == 0 } == 24)
    #expect(rows.allSatisfy { $0["split"] as? String == "train" && $0["z"] as? Double == 0.1 && $0["ops"] == nil })
    let logged = bars.objects(bars.shell("cat log").text)
    #expect(logged.map { $0["fold"] as? Int } == [0, 0, 0, 1, 1, 1, 2, 2, 2])
    #expect(logged.map { $0["epoch"] as? Int } == [1, 2, 3, 1, 2, 3, 1, 2, 3])

    let second = run.lines.filter { $0.hasSuffix(#","fold":1}"#) }
    let held = Set(rows.filter { $0["fold"] as? Int == 1 }.map { $0["id"] as! String })
    let manifest = bars.shell("cat rows.ndjson").lines.map { line in
      held.contains { line.contains("\"\($0)\"") }
        ? line.replacing(#""split":"train""#, with: #""split":"test""#)
        : line.replacing(#""split":"test""#, with: #""split":"val""#)
    }
    try Data(manifest.joined(separator: "\n").appending("\n").utf8).write(to: bars.scratch / "other.ndjson")
    let alone = bars.shell(
      """
      set -e -o pipefail
      gx-cat --meta other.ndjson pixels.npy | gx-normalize > other.tar
      gx-cat --split train other.tar | \(train) --hold-out 0 -o m > /dev/null
      gx-cat --split test other.tar | gx-infer --logits -m m | sed -E 's/,"classifier":"[^"]*"//'
      """)
    #expect(alone.stderr == "" && second.count == 24)
    #expect(
      alone.lines.map { $0.replacing(#""split":"test""#, with: #""split":"train""#).dropLast() + #","fold":1}"# }
        == second)
  }

  @Test func foldsDependOnNoOrderAndTakeValOnlyIfTold() {
    let run = bars.shell(
      """
      set -e -o pipefail
      \(train) --epochs 1 --folds 2 -j 2 < train.tar > a
      gx-shuffle < train.tar | \(train) --epochs 1 --folds 2 -j 2 --tmp . | sort > b
      sort a | cmp - b
      \(train) --epochs 1 --folds 2 --tta dihedral < train.tar | wc -l
      gx-train -j 1 --epochs 1 --batch 16 --folds 2 --fold-val < train.tar | grep -c '"split":"val".*"fold":1}'
      \(train) --epochs 1 --folds 2 < train.tar | true || echo ${PIPESTATUS[0]}
      """)
    #expect(run.lines == ["72", "12", "141"], "\(run.text)\(run.stderr)")
    #expect(run.stderr.contains("all folds: 96 records, accuracy "), "\(run.stderr)")
  }

  /// The labels say that most of the standing bars lie; the teachers know better, and with them the student.
  @Test func studentsLearnFromTheirTeachersBesideTheLabels() throws {
    let run = bars.shell(
      """
      set -e -o pipefail
      \(train) --epochs 8 --batch 8 -o teacher < train.tar > /dev/null
      gx-infer -m teacher < train.tar | sed '/"bar.0"/d' > taught
      sed -E 's/("bar.[0-9]*[13]","label":)"v"/\\1"h"/' rows.ndjson > wrong.ndjson
      gx-cat --meta wrong.ndjson pixels.npy | gx-normalize > wrong.tar
      for w in 0 1; do
        gx-train -j 1 --epochs 8 --batch 8 --augment flip=hv --distill taught --distill-weight $w -o m$w < wrong.tar > log
        gx-infer -m m$w < train.tar | gx-eval --json --bootstrap 0 --split test
      done
      \(train) --epochs 8 --batch 8 -o plain < wrong.tar > log
      gx-infer -m plain < train.tar > a; gx-infer -m m0 < train.tar | cmp - a
      gx-model show --json m1 | tr -d "\\n" | grep -o '"distill":{"digest":"[0-9a-f]*"},"distill-weight":1'
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.stderr.contains("taught: 1 of 72 records have no row, and their label alone"), "\(run.stderr)")
    try #require(run.lines.count == 3, "\(run.text)\(run.stderr)")
    let accuracies = run.lines.prefix(2).map { bars.objects($0)[0]["accuracy"] as! Double }
    #expect(accuracies[0] < 0.9 && accuracies[1] > 0.9, "\(run.text)")
  }

  @Test func foreignTeachersAreRefused() {
    let run = bars.shell(
      """
      teach() { printf '%s\\n' "$1" > taught; \(train) --distill taught -o m < train.tar; echo $?; }
      teach '{"id":"bar.0","probabilities":{"h":0.5,"x":0.5}}'
      teach '{"id":"bar.0","probabilities":{"h":1}}'
      teach '{"id":"bar.0","probabilities":{"h":0.2,"v":0.2}}'
      teach '{"id":"bar.0","prediction":"h"}'
      teach '{"id":"stranger","probabilities":{"h":0.5,"v":0.5}}'
      teach 'h'
      \(train) --distill nowhere -o m < train.tar; echo $?
      """)
    #expect(run.lines == Array(repeating: "1", count: 7) && !bars.exists("m"))
    for fault in [
      "taught, line 1 (bar.0): probabilities.x: no such class; there are h, v",
      "taught, line 1 (bar.0): probabilities.v: missing", "taught, line 1 (bar.0): probabilities: 0.4 in sum, not 1",
      "taught, line 1 (bar.0): has no probabilities",
      "taught: no row is of a picture to train on", "taught, line 1: ", "nowhere: No such file",
    ] {
      #expect(run.stderr.contains(fault), "\(fault): \(run.stderr)")
    }
  }
}
