import Foundation
import Testing

/// The commands there are, and what their help says of their options.
enum Commands {
  static let sources = URL(filePath: #filePath).appending(path: "../../../Sources").standardized

  static let names: [String] = {
    let folders = (try? FileManager.default.contentsOfDirectory(atPath: sources.path)) ?? []
    return folders.filter { $0.hasPrefix("gx-") }.sorted()
  }()

  struct Option: Equatable {
    let letter: String?
    let long: String
    /// nil for a flag.
    let argument: String?
  }

  static func options(of name: String) throws -> [Option] {
    let line = /^  (?:-(.), |    )--([a-z0-9-]+)(?: (\S+))?(?:  .*)?$/
    return try Run.gx(name, "--help").lines.compactMap { try? line.wholeMatch(in: $0)?.output }.map {
      Option(letter: $0.1.map(String.init), long: String($0.2), argument: $0.3.map(String.init))
    }
  }
}

/// What holds for every command, whatever it does.
@Suite struct EveryCommand {
  @Test func thereAreSome() { #expect(Commands.names.count >= 18) }

  @Test(arguments: Commands.names) func helpAndVersionGoToStdout(_ name: String) throws {
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

  @Test(arguments: Commands.names) func badUsageLeavesStdoutEmpty(_ name: String) throws {
    let bad = try Commands.options(of: name).filter { $0.argument != nil }.map { "--\($0.long)" }
    for option in ["--no-such-option", "-Z", "--quiet=1"] + bad {
      let run = try Run.gx(name, option)
      #expect(run.status == 2, "\(option)")
      #expect(run.stdout.isEmpty)
      #expect(run.stderr.contains(option.prefix { $0 != "=" }) && run.stderr.contains("--help"), "\(run.stderr)")
    }
  }

  @Test(arguments: Commands.names) func fullDiskIsToldOf(_ name: String) throws {
    let run = try Run.shell("\(name) --help > /dev/full")
    #expect(run.status == 1)
    #expect(run.stderr.contains("No space left on device"))
  }

  /// A letter is short for the same option in all commands, and an option has the same argument in all.
  @Test func oneLetterAndOneNameMeanOneThing() throws {
    var (letters, arguments): ([String: [String: [String]]], [String: [String: [String]]]) = ([:], [:])
    for name in Commands.names {
      for option in try Commands.options(of: name) {
        if let letter = option.letter { letters[letter, default: [:]][option.long, default: []].append(name) }
        arguments[option.long, default: [:]][option.argument ?? "none", default: []].append(name)
      }
    }
    for (letter, meanings) in letters { #expect(meanings.count == 1, "-\(letter): \(meanings)") }
    for (long, words) in arguments { #expect(words.count == 1, "--\(long): \(words)") }
    #expect(letters.count > 10 && arguments.count > 100)
  }

  @Test(arguments: Commands.names) func completionOffersEveryOption(_ name: String) throws {
    for option in try Commands.options(of: name) {
      let line = """
        eval "$(\(name) --completion)"; \
        COMP_WORDS=(\(name) --\(option.long)); COMP_CWORD=1; _\(name.replacing("-", with: "_")) \(name) --\(option.long) \
        \(name); printf '%s\\n' "${COMPREPLY[@]}"
        """
      #expect(try Run.shell(line).lines.contains("--\(option.long)"), "\(option.long)")
    }
  }

  @Test func completionOffersTheValuesThereAre() throws {
    let run = try Run.shell(
      #"eval "$(gx-train --completion)"; _gx_train gx-train a --optimizer; echo "${COMPREPLY[@]}""#)
    #expect(run.text == "adam adamw\n")
  }

  @Test func formerNamesAreTaken() throws {
    let (old, new) = (
      try Run.gx("gx-synth", "-n8", "--size", "16", "--split", "1:1"),
      try Run.gx("gx-synth", "-n8", "--size", "16", "--shares", "1:1")
    )
    #expect(old.status == 0 && old.stdout == new.stdout && new.stderr.isEmpty)
    #expect(old.stderr == "gx-synth: --split is called --shares now\n")
    #expect(try !Run.gx("gx-synth", "--help").text.contains("--split"))
    // What it was for elsewhere, it still is.
    let rows = try Run.shell("gx-synth -n8 --size 16 --shares 1:1 | gx-cat --split val --to ndjson")
    #expect(rows.lines.count == 4 && rows.stderr.isEmpty)
  }

  /// A value is checked before anything is done, and help is given whatever else is there.
  @Test func valuesAreCheckedFirst() throws {
    #expect(try Run.gx("gx-train", "--jobs", "0", "--help").status == 0)
    for words in [["--max-errors", "x"], ["--jobs", "0"]] {
      let run = try Run.gx("gx-resize", words[0], words[1])
      #expect(run.status == 2 && run.stderr.contains("\(words[0]): '\(words[1])' is n"))
    }
  }
}
