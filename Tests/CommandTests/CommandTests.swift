import Foundation
import Testing

/// What holds for every command, whatever it does.
@Suite struct EveryCommand {
  static let names = [
    "gx-list", "gx-decode", "gx-resize", "gx-normalize", "gx-augment", "gx-shuffle", "gx-cat", "gx-synth", "gx-train",
    "gx-infer", "gx-explain", "gx-model", "gx-eval", "gx-report", "gx-serve",
  ]

  @Test(arguments: names) func helpAndVersionGoToStdout(_ name: String) throws {
    for option in ["--help", "--version", "--man", "--completion"] {
      let run = try Run.gx(name, option)
      #expect(run.status == 0)
      #expect(run.text.contains(name) || run.text.contains(name.uppercased()))
      #expect(run.stderr.isEmpty)
    }
    let help = try Run.gx(name, "--help").text
    #expect(help.hasPrefix("Usage: \(name) "))
    #expect(help.contains("--quiet") && help.contains("Exit status"))
  }

  @Test(arguments: names) func badUsageLeavesStdoutEmpty(_ name: String) throws {
    let run = try Run.gx(name, "--no-such-option")
    #expect(run.status == 2)
    #expect(run.stdout.isEmpty)
    #expect(run.stderr.contains("--no-such-option") && run.stderr.contains("--help"))
  }

  @Test(arguments: names) func fullDiskIsToldOf(_ name: String) throws {
    let run = try Run.shell("\(name) --help > /dev/full")
    #expect(run.status == 1)
    #expect(run.stderr.contains("No space left on device"))
  }
}
