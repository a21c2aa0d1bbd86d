import Foundation
import Testing

/// Files of weights that are none, or not this network's.
@Suite struct Weights {
  let bars = Bars(40)
  let train = "gx-train -j 1 --epochs 1 --batch 8 --hold-out 0"

  /// What came instead is named by every command that reads a model, and by gx-train --weights.
  @Test(arguments: [
    (
      "PK\u{3}\u{4}\u{14}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\u{10}\0\0\0archive/data.pkl\u{80}",
      "PyTorch file: convert it with scripts/convert/pytorch.py"
    ),
    ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer, not the file itself"),
    ("<!DOCTYPE html>\n<html><body>Log in</body></html>\n", "an HTML page"),
    ("\u{1f}\u{8b}\u{8}\0\0\0\0\0\0\u{3}0123456789", "a gzip file (unpack it first: gunzip)"),
    ("\u{89}HDF\r\n\u{1a}\n0123456789", "an HDF5 file"),
    ("\u{8}\u{7}\u{12}\u{7}pytorch\u{1a}\u{5}2.1.0", "an ONNX model"),
    ("\u{80}\u{2}}q\0(X\u{6}\0\0\0", "a Python pickle; if PyTorch wrote it"),
    ("", "an empty file"),
  ]) func whatCameInsteadIsNamed(bytes: String, wanted: String) throws {
    try Data(bytes.unicodeScalars.map { UInt8($0.value) }).write(to: bars.scratch / "file")
    for line in [
      "\(train) --arch gxnet --weights file --head-epochs 1 -o m < train.tar", "gx-infer -m file < train.tar",
      "gx-model show file",
      "gx-report -m file < rows.ndjson > page", "gx-calibrate -m file -o m < rows.ndjson",
      "gx-explain -m file < train.tar",
      "gx-serve -m file --public --listen 127.0.0.1:0",
    ] {
      let run = bars.shell(line)
      #expect(run.status == 1 && run.text.isEmpty && !bars.exists("m"), "\(line): \(run.status)")
      #expect(run.stderr.contains("file: this is") && run.stderr.contains(wanted), "\(line): \(run.stderr)")
    }
  }

  @Test func weightsOfOthersAreNoModel() throws {
    let header: [String: [String: Any]] = [
      "n": ["dtype": "I64", "shape": [Int](), "data_offsets": [0, 8]],
      "w": ["dtype": "F32", "shape": [1], "data_offsets": [8, 12]],
    ]
    try safetensors(header, Data(count: 12)).write(to: bars.scratch / "timm")
    for line in ["gx-infer -m timm < train.tar", "gx-model show timm"] {
      let run = bars.shell(line)
      #expect(run.status == 1 && run.stderr.contains("timm: is no gx model"), "\(run.stderr)")
    }
  }

  /// `first` is a model of one channel; `wide.tar` has three.
  func makeModel() throws {
    let made = bars.shell("set -e; \(train) -q -o first < train.tar > log; mkdir x && cd x && tar xf ../train.tar")
    #expect(made.status == 0, "\(made.stderr)")
    for name in try FileManager.default.contentsOfDirectory(atPath: (bars.scratch / "x").path)
    where name.hasSuffix(".npy") {
      let values = Data(npyValues(try Data(contentsOf: bars.scratch / "x/\(name)")))
      var wide = Data()
      for at in stride(from: 0, to: values.count, by: 4) { for _ in 0..<3 { wide += values[at..<at + 4] } }
      try npy("<f4", "16, 16, 3", wide).write(to: bars.scratch / "x/\(name)")
    }
    #expect(bars.shell("cd x && tar cf ../wide.tar --sort=name *").status == 0)
  }

  @Test func layersThatDoNotLearnNeedTheirWeights() throws {
    try makeModel()
    for what in ["none", "2"] {
      let run = bars.shell(
        "\(train) -q --weights first --head-epochs 1 --unfreeze \(what) -o m < wide.tar; echo $?; ls m")
      #expect(run.lines == ["1"])
      #expect(
        run.stderr.contains(
          "first: has no weights for 1 of 62 tensors, whose layers will not learn (--unfreeze \(what)): "
            + "stem.weight is for pictures of 1 channel, these have 3"), "\(run.stderr)")
    }
    let learns = bars.shell("\(train) -q --weights first --head-epochs 1 -o m < wide.tar > log; echo $?")
    #expect(learns.lines == ["0"])
    #expect(
      learns.stderr
        == "gx-train: warning: first: has no weights for 1 of 62 tensors, which begin at random: "
        + "stem.weight is for pictures of 1 channel, these have 3\n")
    // A head for other classes is what transfer learning expects.
    let head = bars.shell(
      """
      sed 's/"h"/"z"/' rows.ndjson > other.ndjson; gx-cat --meta other.ndjson pixels.npy | gx-normalize > other.tar
      \(train) -q --weights first --head-epochs 1 --unfreeze none -o m < other.tar > log
      """)
    #expect(head.status == 0 && head.stderr == "", "\(head.stderr)")
  }

  /// The first convolution in a type that gx cannot read, or with a value that is not finite.
  @Test func typesAndValuesAreTold() throws {
    try makeModel()
    let (first, bad) = (bars.scratch / "first", bars.scratch / "bad")
    func retype(_ header: inout [String: Any]) {
      var one = header["stem.weight"] as! [String: Any]
      (one["dtype"], one["shape"]) = ("F8_E4M3", [offsets(header, "stem.weight").count])
      header["stem.weight"] = one
    }
    try edit(first, bad) { header, _ in
      retype(&header)
      header["__metadata__"] = nil
    }
    let typed = bars.shell(
      """
      \(train) -q --weights bad --head-epochs 1 --unfreeze none -o m < train.tar; echo $?
      \(train) --weights bad --head-epochs 1 -o m < train.tar > log
      """)
    #expect(typed.lines == ["1"])
    #expect(
      typed.stderr.contains("(--unfreeze none): stem.weight is of type F8_E4M3, which gx cannot read"),
      "\(typed.stderr)")
    #expect(typed.stderr.contains("of a type that gx cannot read: stem.weight (F8_E4M3)"), "\(typed.stderr)")
    try edit(first, bad) { header, _ in retype(&header) }
    let model = bars.shell("gx-infer -m bad < train.tar")
    #expect(
      model.status == 1
        && model.stderr.contains("bad: tensor 'stem.weight': is of type F8_E4M3, which gx cannot read"),
      "\(model.stderr)")

    try edit(first, bad) { header, data in
      let begin = offsets(header, "stem.weight").lowerBound + 4
      data.replaceSubrange(begin..<begin + 4, with: littleEndian(.nan))
    }
    for line in ["gx-infer -m bad < train.tar", "\(train) --weights bad --head-epochs 1 -o m < train.tar"] {
      let run = bars.shell(line)
      #expect(run.status == 1 && run.text.isEmpty)
      #expect(
        run.stderr.contains("bad: tensor 'stem.weight': value [0, 0, 0, 1] is nan, not a finite"), "\(run.stderr)")
    }
  }

  @Test func aCheckpointWithAValueThatIsNotFiniteIsRefused() throws {
    #expect(bars.shell("\(train) -q -c check -o m < train.tar > log").status == 0)
    try edit(bars.scratch / "check", bars.scratch / "check") { header, data in
      let begin = offsets(header, "optimizer/stem.weight.mean").lowerBound
      data.replaceSubrange(begin..<begin + 4, with: littleEndian(.infinity))
    }
    let run = bars.shell("\(train) -q -c check --resume -o m < train.tar")
    #expect(run.status == 1, "\(run.stderr)")
    #expect(run.stderr.contains("check: checkpoint: tensor 'optimizer/stem.weight.mean': value ["), "\(run.stderr)")
  }
}
