import Foundation
import Testing

/// Pictures that are learnt in seconds: noise with a bright bar that lies (`h`) or stands (`v`).
struct Bars {
  let scratch = try! Scratch()

  /// `raw.tar`, u8 of 16 x 16 x 1, and `train.tar`, the same after gx-normalize.
  init(_ count: Int = 120) {
    var state: UInt64 = 9
    func random(_ below: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % below
    }
    var pixels = [UInt8]()
    var rows = ""
    for i in 0..<count {
      var picture = (0..<256).map { _ in UInt8(random(70)) }
      let at = 2 + random(12)
      for k in 0..<16 { picture[i % 2 == 0 ? at * 16 + k : k * 16 + at] += 150 }
      pixels += picture
      let split = ["train", "train", "train", "val", "test"][i / 2 % 5]
      rows += #"{"id":"bar.\#(i)","label":"\#(i % 2 == 0 ? "h" : "v")","split":"\#(split)","z":0.10}"# + "\n"
    }
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(count), 16, 16, 1), }"
    var npy = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0])
    npy += Data((header + String(repeating: " ", count: 117 - header.utf8.count) + "\n").utf8)
    try! (npy + Data(pixels)).write(to: scratch / "pixels.npy")
    try! Data(rows.utf8).write(to: scratch / "rows.ndjson")
    let made = shell(
      "set -e; gx-cat --meta rows.ndjson pixels.npy -o raw.tar; gx-normalize < raw.tar > train.tar")
    #expect(made.status == 0, "\(made.stderr)")
  }

  func shell(_ line: String) -> Run.Result { try! Run.shell(line, in: scratch.url) }
  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: (scratch / name).path) }
  func objects(_ text: String) -> [[String: Any]] {
    text.split(separator: "\n").map { try! JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any] }
  }
}

@Suite struct Training {
  let bars = Bars()
  /// A run of a few seconds, even unoptimised.
  let train = "gx-train -q -j 1 --epochs 3 --batch 16 --augment flip=hv"

  /// The profile is for people: it stands on stderr, whole, and stdout is what it is without.
  @Test func profileTellsLayers() throws {
    let untimed = "cut -d, -f 1-8"  // the log without seconds and images_per_s
    let run = bars.shell(
      """
      set -e
      \(train) --epochs 1 -o m < train.tar | \(untimed) > plain
      \(train) --epochs 1 --profile -o m < train.tar 2> trained | \(untimed) | cmp - plain
      gx-infer -m m < train.tar > rows
      gx-infer --profile -m m < train.tar 2> inferred | cmp - rows
      grep -c '^stem .* convolution by weights ' trained
      grep -c '^total .* optimizer ' trained
      grep -c '^stem .* convolution ' inferred
      """)
    #expect(run.lines == ["1", "1", "1"], "\(run.text)\(run.stderr)")
  }

  @Test func learnsLogsAndClassifies() throws {
    let run = bars.shell("\(train) --epochs 8 --batch 8 -o m.safetensors < train.tar")
    #expect(run.status == 0 && run.stderr.isEmpty, "\(run.stderr)")
    let rows = bars.objects(run.text)
    #expect(rows.map { $0["epoch"] as? Int } == Array(1...8))
    let fields = ["lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_macro_f1", "images_per_s"]
    for row in rows { for field in fields { #expect(row[field] is Double, "\(field)") } }

    let scored = bars.shell("set -o pipefail; gx-infer -m m.safetensors < train.tar | gx-eval --json --split test")
    #expect(scored.status == 0, "\(scored.stderr)")
    let scores = try #require(bars.objects(scored.text).first)
    #expect(try #require(scores["accuracy"] as? Double) > 0.9, "\(scored.text)")
  }

  @Test func withNothingHeldOutTheLastEpochIsKept() throws {
    let run = bars.shell(
      """
      set -e -o pipefail
      gx-cat --split train train.tar > all.tar
      \(train) --epochs 3 --hold-out 0 -c check -o m < all.tar
      \(train) --epochs 3 --hold-out 0 -c check --resume -o again < all.tar
      cmp m again
      gx-model show --json m | tr -d "\n"
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let rows = bars.objects(run.text)
    #expect(rows.prefix(3).allSatisfy { $0["best"] as? Bool == true && $0["val_loss"] == nil }, "\(run.text)")
    let training = try #require(rows.last?["training"] as? [String: Any])
    #expect(training["best_epoch"] as? Int == 3 && training["val_records"] as? Int == 0 && training["val_loss"] == nil)
  }

  @Test func aFileAPipeAndAnotherOrderGiveTheSameModel() {
    let run = bars.shell(
      """
      set -e -o pipefail
      \(train) -o a < train.tar > /dev/null
      cat train.tar | \(train) --tmp . -o b > /dev/null
      gx-shuffle < train.tar | \(train) -o c > /dev/null
      cmp a b; cmp a c; ls
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(!run.lines.contains { $0.hasPrefix("gx.") }, "the spool has no name")
  }

  @Test func resumesToTheSameBytes() {
    let run = bars.shell(
      """
      set -e
      \(train) --epochs 20 -o whole < train.tar > /dev/null
      # Its log's first line says that the first epoch is done; one of the nineteen after it is then cut off.
      set -m
      mkfifo log
      \(train) --epochs 20 -c check -o part < train.tar > log 2> said &
      exec 3< log; read -r line <&3
      kill -TERM $!
      wait $! || echo "status $?"
      \(train) --epochs 20 -c check --resume -o part < train.tar > /dev/null
      cmp whole part
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.text == "status 143\n")
  }

  /// Killed again and again, at any moment and mid-write too, and gone on with each time.
  @Test func killedAnywhereItResumesToTheSameBytes() {
    let run = bars.shell(killing("\(train) --epochs 4 --checkpoint-every 0.01s", kills: 6))
    #expect(run.status == 0 && run.lines.contains("same"), "\(run.text)\(run.stderr)")
    #expect(run.lines.contains { $0.hasPrefix("killed ") && $0 != "killed 0" }, "\(run.text)")
  }

  /// As above, through both phases of transfer learning.
  @Test func killedAnywhereInTransferLearningItResumesToTheSameBytes() {
    let line = "\(train) --weights first --head-epochs 2 --epochs 2 --unfreeze 2 --tmp . --checkpoint-every 0.01s"
    let run = bars.shell(
      """
      \(train) --epochs 1 -o first < train.tar > log
      \(killing(line, kills: 6))
      ls
      """)
    #expect(run.status == 0 && run.lines.contains("same"), "\(run.text)\(run.stderr)")
    #expect(run.lines.contains { $0.hasPrefix("killed ") && $0 != "killed 0" }, "\(run.text)")
    #expect(!run.lines.contains { $0.hasPrefix("gx.") }, "what is cached has no name: \(run.text)")
  }

  /// A script that runs `line` whole, and again with a SIGKILL after shares of its time that are spread over it.
  func killing(_ line: String, kills: Int) -> String {
    """
    begin=$(date +%s%N)
    \(line) -c once -o whole < train.tar > log || exit 9
    took=$(( $(date +%s%N) - begin ))
    killed=0
    for i in $(seq \(kills)); do
      \(line) -c check --resume -o part < train.tar > log 2> said &
      sleep $(awk "BEGIN { print $took * (($i * 0.61803) % 1) * 0.8 / 1e9 }")
      kill -KILL $! 2> /dev/null && killed=$((killed + 1))
      wait $! 2> /dev/null
    done
    echo "killed $killed"
    \(line) -c check --resume -o part < train.tar > log || exit 9
    cmp whole part && echo same
    """
  }

  @Test func transferLearningTellsItsPhasesAndWhereItsWeightsCameFrom() throws {
    let run = bars.shell(
      """
      set -e
      \(train) -o first < train.tar > /dev/null
      gx-train -j 1 --batch 16 --epochs 2 --head-epochs 3 --backbone gxnet --weights first -o second < train.tar
      gx-infer -m second < train.tar | gx-eval --json --split test > scores
      head -c 100000 second | grep -aqF '\\"weights\\":{\\"file\\":\\"first\\"'
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let rows = bars.objects(run.text)
    #expect(rows.map { $0["phase"] as? String } == ["head", "head", "head", "all", "all"])
    #expect(rows.map { $0["epoch"] as? Int } == [1, 2, 3, 1, 2])
    #expect(run.stderr.contains("first: 62 of 62 tensors"), "\(run.stderr)")
  }

  @Test func finerClassesAreLearntFromAFieldAndSeenByNobodyElse() {
    let run = bars.shell(
      """
      set -e
      sed -E 's/(bar.[0-9]*([0-4])",)/\\1"half":"low-\\2",/; t; s/(bar.[0-9]*([5-9])",)/\\1"half":"high-\\2",/' rows.ndjson > finer.ndjson
      gx-cat --meta finer.ndjson pixels.npy | gx-normalize > finer.tar
      \(train) --finer half -o first < finer.tar > /dev/null
      gx-train -j 1 --batch 16 --epochs 2 --head-epochs 3 --weights first --finer half -o second < finer.tar > /dev/null
      gx-infer --logits -m second < finer.tar | tee rows | gx-eval --json --split test > scores
      grep -c '"logits":{"h":[^,]*,"v":[^,]*}' rows
      \(train) --finer nothing -o third < finer.tar || echo $?
      """)
    #expect(run.lines == ["120", "1"], "\(run.stderr)")
    #expect(run.stderr.contains("2 classes of 6 parts"), "\(run.stderr)")
    #expect(run.stderr.contains("first: 62 of 62 tensors"), "\(run.stderr)")
    #expect(run.stderr.contains("bar.0: has no text or number in 'nothing'"), "\(run.stderr)")
  }

  @Test func theHeadAloneLeavesTheRestAsItWas() {
    let run = bars.shell(
      """
      set -e
      \(train) -o first < train.tar > /dev/null
      \(train) --weights first --unfreeze none --head-epochs 2 -o second < train.tar
      \(train) --weights first --unfreeze none --head-epochs 2 -o third < train.tar > /dev/null
      cmp second third
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(bars.objects(run.text).allSatisfy { $0["phase"] as? String == "head" })
  }

  @Test func weightsOfAnotherNetworkAreRefused() {
    let run = bars.shell(
      "\(train) -o first < train.tar > log; \(train) --arch resnet18 --weights first -o m < train.tar; echo $?; ls m")
    #expect(run.lines == ["1"])
    #expect(run.stderr.contains("first: has 0 of the 100 tensors before the network's head"), "\(run.stderr)")
  }

  @Test(arguments: [("INT", 130), ("TERM", 143)]) func aSignalLeavesTheBestModel(signal: String, status: Int) {
    let run = bars.shell(
      """
      set -m
      mkfifo log
      gx-train -j 1 --epochs 100000 --batch 16 -o m < train.tar > log 2> said &
      exec 3< log; read -r line <&3
      kill -\(signal) $!
      wait $!; echo $?
      gx-infer -m m < train.tar | wc -l
      """)
    #expect(run.lines == ["\(status)", "120"], "\(run.stderr)")
    #expect(bars.shell("grep -c 'best model so far' said").text == "1\n")
  }

  @Test func aModelAppearsWholeOrNotAtAll() {
    let run = bars.shell(
      """
      echo old > m
      head -c 20000 train.tar | \(train) -o m; echo $?
      \(train) -o m < raw.tar; echo $?
      \(train) -o no/such/m < train.tar; echo $?
      set -m
      \(train) --epochs 100000 -o m < train.tar > log &
      while [ ! -s log ]; do sleep 0.05; done
      kill -KILL $!; wait $!; echo $?
      cat m; ls
      """)
    #expect(run.lines.prefix(5) == ["1", "1", "1", "137", "old"], "\(run.text)\(run.stderr)")
    #expect(run.lines.dropFirst(5) == ["log", "m", "pixels.npy", "raw.tar", "rows.ndjson", "train.tar"])
    #expect(run.stderr.contains("pixels are u8, not floats: put gx-normalize before"))
    #expect(run.stderr.contains("no/such/m"))
  }

  @Test func survivesTheLossOfTheLogsReader() {
    let run = bars.shell("\(train) -o m < train.tar | head -n 1 | wc -l; echo ${PIPESTATUS[0]}; ls m")
    #expect(run.lines == ["1", "0", "m"] && run.stderr.isEmpty, "\(run.stderr)")
    let full = bars.shell("\(train) -o full < train.tar > /dev/full; echo $?; ls full")
    #expect(full.lines == ["1", "full"])
    #expect(full.stderr.contains("No space left on device; training goes on without a log"), "\(full.stderr)")
  }

  @Test func holdsOutWhatNobodySetAside() {
    let run = bars.shell(
      "gx-cat --split train train.tar | gx-train -j 1 --epochs 1 --batch 16 -o m")
    #expect(run.status == 0)
    #expect(run.stderr.contains("no records of split val: 10 records are held out"), "\(run.stderr)")
    #expect(run.stderr.contains("62 pictures to train on, 10 to validate on, 2 classes"), "\(run.stderr)")
  }

  @Test func validatesOnAnotherFile() {
    let run = bars.shell(
      """
      set -e
      gx-cat --split train -o a.tar train.tar
      gx-cat --split val -o b.tar train.tar
      \(train) -o two --val b.tar < a.tar | sed 's/,"seconds.*//' > two.log
      \(train) -o one < train.tar | sed 's/,"seconds.*//' > one.log
      cmp one.log two.log
      sed 's/"split":"train"/"split":"val"/' rows.ndjson > leak.ndjson
      gx-cat --meta leak.ndjson pixels.npy | gx-normalize > leak.tar
      ! \(train) -o three --val leak.tar < a.tar
      """)
    #expect(run.status == 0, "\(run.text)\(run.stderr)")
    #expect(run.stderr.contains("leak.tar: record 'bar.0': the galaxy is among those to train on"), "\(run.stderr)")
  }

  @Test func refusesAGalaxyInTwoSplits() {
    let run = bars.shell(
      """
      sed 's/"bar.7"/"bar.1"/' rows.ndjson > leak.ndjson
      gx-cat --meta leak.ndjson pixels.npy | gx-normalize | \(train) -o m
      """)
    #expect(run.status == 1 && run.text.isEmpty && !bars.exists("m"))
    #expect(run.stderr.contains("record 'bar.1': the galaxy is in two splits, train and val"), "\(run.stderr)")
  }

  @Test(arguments: [
    "", "-o m --arch resnet", "-o m --epochs 0", "-o m --augment rotate", "-o m --class-weights x", "-o m --resume",
    "-o m --checkpoint-every 0", "-o m --optimizer adagrad", "-o m --schedule linear", "-o m --best accuracy",
    "-o m --lr -1", "-o m --ema 2", "-o m operand", "-o m --hold-out 1", "-o m --seed -1",
    "-o m --backbone gxnet", "-o m --unfreeze all", "-o m --weights m --unfreeze some",
    "-o m --weights m --arch gxnet --backbone gxnet", "-o m --weights m --unfreeze none --head-epochs 0",
    "-o m --weights m --head-views 9", "-o m --weights m --layer-decay 2", "--folds 1", "-o m --folds 3",
    "--folds 3 --resume -c c", "--folds 3 --best val_loss", "-o m --fold-val", "-o m --tta dihedral",
    "-o m --distill-weight 0.5", "-o m --distill rows --distill-weight 2",
  ]) func badUsage(options: String) {
    let run = bars.shell("gx-train \(options) < train.tar")
    #expect(run.status == 2 && run.text.isEmpty && !run.stderr.isEmpty, "\(options): \(run.stderr)")
    #expect(!bars.exists("m"))
  }
}
