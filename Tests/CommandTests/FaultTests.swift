import Foundation
import Testing

/// What a crash anywhere in a pipe leaves behind: nothing that looks finished.
@Suite(.serialized) struct Faults {
  let scratch = try! Scratch()

  /// Runs `stages` as one pipe, kills one of them with SIGKILL once all run, and returns every exit status.
  private func statuses(killing victim: Int, of stages: [String]) throws -> [Int] {
    let pipe = stages.enumerated()
      .map { "bash -c 'echo $$ > pid.\($0.offset); exec \($0.element)'" }
      .joined(separator: " | ")
    let all = (0..<stages.count).map { "[ -s pid.\($0) ]" }.joined(separator: " && ")
    let run = try Run.shell(
      """
      rm -f pid.*
      ( until \(all); do sleep 0.01; done; sleep 0.5; kill -KILL $(cat pid.\(victim)) ) &
      \(pipe) > /dev/null
      echo ${PIPESTATUS[@]}
      """, in: scratch.url)
    return run.text.split(whereSeparator: \.isWhitespace).map { Int($0)! }
  }

  private func check(_ stages: [String], output: String) throws {
    try Data("old".utf8).write(to: scratch / output)
    for victim in stages.indices {
      let statuses = try statuses(killing: victim, of: stages)
      #expect(statuses[victim] == 137, "\(stages[victim]) was not running any more")
      for later in statuses.indices where later > victim {
        #expect(
          statuses[later] == 1, "\(stages[later]) ended with \(statuses[later]) when \(stages[victim]) was killed")
      }
      #expect(try Data(contentsOf: scratch / output) == Data("old".utf8), "killed: \(stages[victim])")
    }
  }

  @Test func killingAnyStageOfAnEndlessPipeFailsAllBehindIt() throws {
    let model = try Models.tiny(in: scratch)
    try check(
      [
        "gx-synth -n 100000000 --size 32 -j1", "gx-resize 48 -j1", "gx-shuffle --buffer 10",
        "gx-cat", "gx-normalize -j1", "gx-augment rotate=10 -j1", "gx-infer -m \(model.path) -o out.ndjson",
      ], output: "out.ndjson")
  }

  @Test func killingAnyStageBeforeTheTrainerLeavesNoModel() throws {
    try check(
      ["gx-synth -n 100000000 --size 16 -j1", "gx-normalize -j1", "gx-train --tmp . -o model.safetensors"],
      output: "model.safetensors")
  }

  /// A manifest has no end mark but its last newline; it too must not pass for a whole one.
  @Test func killingTheManifestsWriterIsSeen() throws {
    let synth = try Run.gx("gx-synth", "-n", "4", "--size", "16", "--pictures", "p", in: scratch.url)
    #expect(synth.status == 0, "\(synth.stderr)")
    let picture = try #require(
      FileManager.default.enumerator(atPath: (scratch / "p").path)?.compactMap { $0 as? String }.first {
        $0.hasSuffix("png")
      })
    try FileManager.default.createDirectory(at: scratch / "many", withIntermediateDirectories: true)
    for i in 0..<30_000 {
      link((scratch / "p/\(picture)").path, (scratch / "many/\(String(repeating: "n", count: 80))\(i).png").path)
    }
    try check(["gx-list many", "gx-decode -j1", "gx-cat -o out.tar"], output: "out.tar")
  }

  @Test func aFullFileSystemIsToldOf() throws {
    for command in [
      "gx-synth -n 200 --size 64", "gx-cat s.tar s.tar", "gx-shuffle < s.tar", "gx-resize 64 < s.tar",
      "gx-normalize < s.tar",
      "gx-augment flip=h < s.tar",
    ] {
      _ = try Run.shell("[ -f s.tar ] || gx-synth -n 200 --size 32 > s.tar; echo old > out", in: scratch.url)
      let run = try Run.shell(
        "ulimit -f 100; trap '' XFSZ; \(command.replacing(" <", with: " -o out <")) \(command.contains("<") ? "" : "-o out")",
        in: scratch.url)
      #expect(run.status == 1, "\(command)")
      #expect(run.stderr.contains("out: File too large"), "\(run.stderr)")
      #expect(try String(contentsOf: scratch / "out", encoding: .utf8) == "old\n")
      let full = try Run.shell("\(command) > /dev/full", in: scratch.url)
      #expect(full.status == 1 && full.stderr.contains("No space left on device"), "\(command): \(full.stderr)")
    }
  }

  @Test func oneCorruptPictureAmongAThousandIsOneErrorRow() throws {
    let model = try Models.tiny(in: scratch)
    let run = try Run.shell(
      """
      gx-synth -n 1000 --size 16 --pictures p > drawn.ndjson &&
      victim=$(find p -type f | sort | sed -n 500p) && head -c 100 $victim > cut && cp cut $victim &&
      gx-list p | gx-decode | gx-resize 48 | gx-infer -m \(model.path) > rows.ndjson; echo ${PIPESTATUS[@]}
      grep -c '"prediction"' rows.ndjson; grep -c '"error"' rows.ndjson
      """, in: scratch.url)
    #expect(run.lines == ["0 3 3 3", "999", "1"], "\(run.stderr)")
  }
}

/// Small models for tests that need any model at all.
enum Models {
  static func tiny(in scratch: Scratch) throws -> URL {
    let run = try Run.shell(
      "gx-synth -n 80 --size 48 --shares 80:20:0 | gx-resize 48 | gx-normalize | gx-train --arch seed --epochs 1 --batch 16 -o tiny.safetensors > log",
      in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
    return scratch / "tiny.safetensors"
  }
}

/// The same seed and input give the same bytes, however many threads work.
@Suite struct Determinism {
  let scratch = try! Scratch()

  @Test func predictionsAreTheSameForAnyNumberOfThreads() throws {
    let model = try Models.tiny(in: scratch)
    let rows = try [1, 2, 5].map { jobs in
      try Run.shell("gx-synth -n 60 --size 48 --seed 3 | gx-infer --logits -j\(jobs) -m \(model.path)", in: scratch.url)
        .lines
    }
    #expect(rows[0].count == 60 && Set(rows).count == 1)
  }

  @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
    _ = try Run.shell(
      "gx-synth -n 60 --size 40 --seed 3 -j1 > s.tar; gx-synth -n 40 --size 24 --pictures p", in: scratch.url)
    for command in [
      "gx-synth -n 60 --size 40 --seed 3", "gx-list p | gx-decode", "gx-resize 17x33 --filter lanczos < s.tar",
      "gx-normalize --imagenet < s.tar", "gx-augment rotate=180,flip=hv,noise=0.05 --copies 3 --seed 9 < s.tar",
    ] {
      let sums = try [1, 2, 5].map { jobs in
        let (head, tail) =
          command.contains(" <") ? (command.replacing(" <", with: " -j\(jobs) <"), "") : (command, " -j\(jobs)")
        let run = try Run.shell("\(head)\(tail) | sha256sum", in: scratch.url)
        return run.text
      }
      #expect(Set(sums).count == 1, "\(command)")
      #expect(!sums[0].hasPrefix("e3b0c442"), "\(command) wrote nothing")
    }
  }
}
