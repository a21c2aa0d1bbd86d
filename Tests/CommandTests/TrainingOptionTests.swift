import Foundation
import Testing

/// Whoever knows a model can make it again: each of gx-train's options that can change the result goes into the model,
/// is printed as a command by gx-model and gx-report, and gives the same bytes.
@Suite struct TrainingOptionTests {
  /// A value that is not the option's default, and what else is on the command line.
  struct Sample {
    let value: String
    var context: [String] = []
    /// What the model tells in its place.
    var told: String?
  }

  private static let weighted = ["--arch", "gxnet", "--weights", "gxnet.safetensors"]
  private static let samples: [String: Sample] = [
    "arch": Sample(value: "gxnet"), "dropout": Sample(value: "0.3"), "val": Sample(value: "val.tar"),
    "hold-out": Sample(value: "0.35"), "distill": Sample(value: "teachers.ndjson"),
    "distill-weight": Sample(value: "0.3", context: ["--distill", "teachers.ndjson"]),
    "weights": Sample(value: "gxnet.safetensors", context: ["--arch", "gxnet"]),
    "backbone": Sample(value: "gxnet", context: ["--weights", "gxnet.safetensors"], told: "--arch gxnet"),
    "head-epochs": Sample(value: "2", context: weighted), "head-lr": Sample(value: "0.01", context: weighted),
    "head-views": Sample(value: "2", context: weighted),
    "unfreeze": Sample(value: "1", context: weighted),
    "layer-decay": Sample(value: "0.5", context: weighted), "epochs": Sample(value: "2"),
    "batch": Sample(value: "7"), "augment": Sample(value: "rotate=30,flip=h,fill=0.25,crop=12x14"),
    "seed": Sample(value: "18446744073709551615"), "lr": Sample(value: "0.0123"), "optimizer": Sample(value: "adam"),
    "momentum": Sample(value: "0.5", context: ["--optimizer", "sgd"]),
    "nesterov": Sample(value: "", context: ["--optimizer", "sgd"]), "schedule": Sample(value: "step"),
    "warmup": Sample(value: "0.5"), "weight-decay": Sample(value: "0.2"), "clip": Sample(value: "0.001"),
    "ema": Sample(value: "0.9"), "label-smoothing": Sample(value: "0.25"), "mixup": Sample(value: "0.4"),
    "sam": Sample(value: "0.05"), "finer": Sample(value: "label"),
    "class-weights": Sample(value: "elliptical=0.5,spiral=3"), "best": Sample(value: "val_loss"),
    "patience": Sample(value: "3"), "compute": Sample(value: "bf16"), "half": Sample(value: ""),
    "jobs": Sample(value: "2"),
  ]
  /// What says where data comes from and goes to, and what is told meanwhile; and what makes no model.
  private static let others: Set = [
    "output", "folds", "fold-val", "tta", "log", "checkpoint", "checkpoint-every", "resume", "profile", "tmp",
    "max-errors", "quiet", "help", "version", "man", "completion",
  ]

  private static let listed = ((try? Commands.options(of: "gx-train")) ?? []).filter { !others.contains($0.long) }

  private static let scratch: Scratch? = {
    guard let scratch = try? Scratch() else { return nil }
    let run = try? Run.shell(
      """
      set -euo pipefail
      gx-synth -q -n 48 --size 16 --seed 3 | gx-normalize > train.tar
      gx-synth -q -n 16 --size 16 --seed 4 | gx-normalize > val.tar
      gx-train -q --arch linear -e 1 -j 1 --folds 2 < train.tar > teachers.ndjson
      gx-train -q --arch gxnet -e 1 -j 1 -o gxnet.safetensors < train.tar > /dev/null
      """, in: scratch.url)
    return run?.status == 0 ? scratch : nil
  }()

  @Test func theHelpListsThem() { #expect(Self.listed.count >= 36) }

  /// The command that made it, by each of the two that tell it.
  private func told(_ model: String, in folder: URL) throws -> String {
    let card =
      try JSONSerialization.jsonObject(
        with: Run.gx("gx-model", "show", "--json", model, in: folder).stdout) as? [String: Any]
    let command = try #require(card?["command"] as? String)
    let page = try Run.shell("gx-report -q -b 0 -m \(model) < train.tar", in: folder).text
    let escaped = command.replacing("<", with: "&lt;").replacing("'", with: "&#39;")
    #expect(page.contains(escaped), "\(command)")
    return command
  }

  @Test(arguments: listed.map(\.long)) func aModelTellsIt(_ long: String) throws {
    let scratch = try #require(Self.scratch)
    let option = try #require(Self.listed.first { $0.long == long })
    let sample = try #require(
      Self.samples[long], "--\(long) has no sample here: how does it change the result, and does the model tell it?")
    let model = "\(long).model"
    let words = ["--\(long)"] + (option.argument == nil ? [] : [sample.value])
    let hasArch = (sample.context + words).contains { $0 == "--arch" || $0 == "--backbone" }
    let base = ["gx-train", "-q", "-e", "1", "-j", "1"] + (hasArch ? [] : ["--arch", "linear"]) + sample.context
    func train(_ words: [String]) throws -> Run.Result {
      try Run.shell(words.map(Run.quoted).joined(separator: " ") + " < train.tar > /dev/null", in: scratch.url)
    }
    let first = try train(base + words + ["-o", model])
    if long == "compute", first.stderr.contains("processor") { return }
    #expect(first.status == 0, "\(first.stderr)")

    var command = try told(model, in: scratch.url)
    let isFile = option.argument == "FILE"
    let wanted =
      sample.told ?? "--\(long)" + (isFile ? " FILE-OF-DIGEST-" : option.argument == nil ? "" : " \(sample.value)")
    let spec = long == "augment" ? "--augment rotate=30,flip=h,zoom=1:1,shift=0x0" : wanted
    #expect("\(command) ".contains(isFile || long == "augment" ? spec : "\(spec) "), "\(command)")
    for (file, path) in [("val", "val.tar"), ("distill", "teachers.ndjson")] + files(base + words) {
      command = command.replacing(try Regex("--\(file) FILE-OF-DIGEST-[0-9a-f]{16} "), with: "--\(file) \(path) ")
    }
    command = command.replacing(" MODEL ", with: " again.\(model) ").replacing(" STREAM", with: " train.tar")
    let again = try Run.shell("\(command) > /dev/null && cmp \(model) again.\(model)", in: scratch.url)
    #expect(again.status == 0, "\(command)\n\(again.stderr)\(again.text)")

    // A checkpoint of a run without it is another run's.
    let started = long == "backbone" ? base + ["--arch", "linear"] : base
    let before = started.filter { long != "backbone" || $0 != "gxnet.safetensors" && $0 != "--weights" }
    #expect(
      try train(before + (long == "arch" ? ["--arch", "linear"] : []) + ["-c", "\(long).check", "-o", "x.\(long)"])
        .status == 0)
    let resumed = try train(base + words + ["-c", "\(long).check", "--resume", "-o", "x.\(long)"])
    let named = sample.told.map { String($0.prefix { $0 != " " }) } ?? "--\(long)"
    #expect(resumed.status == 1 && resumed.stderr.contains(named), "\(resumed.stderr)")
    #expect(resumed.stderr.contains("\(long).check: was started with"), "\(resumed.stderr)")
  }

  private func files(_ words: [String]) -> [(String, String)] {
    words.firstIndex(of: "--weights").map { [("weights", words[$0 + 1])] } ?? []
  }

  /// Models that were written before the table told them still print a command that gx-train takes.
  @Test func theModelInTheBoxTellsItsCommand() throws {
    let card = try JSONSerialization.jsonObject(with: Run.gx("gx-model", "show", "--json").stdout) as? [String: Any]
    let command = try #require(card?["command"] as? String)
    #expect(
      command == """
        gx-train --arch tf-efficientnet-lite0 --epochs 16 --batch 32 --seed 0 --lr 0.004 --optimizer adamw --schedule \
        one-cycle --warmup 0 --weight-decay 0.05 --ema 0.99 --label-smoothing 0.1 --mixup 0 --class-weights none \
        --augment rotate=180,flip=hv,zoom=0.85:1.15,shift=0.04x0.04,shear=0,brightness=0.05,contrast=0.1,noise=0,\
        fill=reflect --hold-out 0 --patience 0 --compute f32 --head-epochs 20 --head-lr 0.003 --head-views 1 --unfreeze \
        all --layer-decay 1 --weights FILE-OF-DIGEST-38bc8b9eeba81cc0 --output MODEL < STREAM
        """)
    let scratch = try Scratch()
    let run = try Run.shell(command.replacing("STREAM", with: "/dev/null"), in: scratch.url)
    #expect(run.status == 1 && !run.stderr.contains("--help"), "\(run.stderr)")
  }

  /// The training in whose middle the held-out share is changed is another one.
  @Test func aCheckpointOfAnOlderGxIsNamed() throws {
    let scratch = try Scratch()
    let run = try Run.shell(
      """
      gx-synth -q -n 24 --size 16 | gx-normalize > g.tar
      line="gx-train -q --arch linear -e 1 -j 1 -c check -o m"
      $line < g.tar > log
      LC_ALL=C sed -i 's/\\\\"version\\\\":2/\\\\"version\\\\":1/' check
      $line --resume < g.tar > log
      """, in: scratch.url)
    #expect(
      run.status == 1 && run.stderr.contains("check: was written by another gx (checkpoint version 1,"), "\(run.stderr)"
    )
  }
}
