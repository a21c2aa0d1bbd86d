import GXCore
import Testing

@testable import GXCommand

@Suite(.serialized) struct CommandTests {
  // getopt keeps its place in globals; each parse starts anew because glibc resets where optind is 0.
  private let command = Command(
    "gx-test", "tests", synopsis: "FILE", about: "About.",
    options: [
      .jobs, .seed, Option("mode", "m", "NAME", "how"), Option("flag", "f", nil, "a flag"), Self.rate, Self.limit,
      Option("deep", nil, nil, "a flag of flags", needs: "mode"),
    ])
  private static let rate = ValueOption(
    "rate", nil, "RATE", .optional(.number(in: 0...1)), "a number", formerly: ["speed", "v"])
  private static let limit = ValueOption("limit", nil, "N", .zeroForNone(.whole(in: 0...9)), "a count")

  enum Mode: String, CaseIterable { case one, two }

  private func parse(_ words: String...) throws -> Arguments { try command.parse(["gx-test"] + words) }

  @Test func allSpellingsAreRead() throws {
    let arguments = try parse("-fm", "one", "a", "--jobs=3", "--see", "7", "--", "-b")
    #expect(arguments.has("flag"))
    #expect(try arguments.choice("mode", Mode.self) == .one)
    #expect(try arguments.jobs() == 3)
    #expect(try arguments.seed() == 7)
    #expect(arguments.operands == ["a", "-b"])
  }

  @Test(arguments: [
    (["--nope"], "--nope"), (["-x"], "-x"), (["--mode"], "--mode"), (["-m"], "-m"), (["--flag=1"], "--flag"),
  ]) func badUsageNamesTheOption(_ words: [String], _ named: String) {
    let error = #expect(throws: UsageError.self) { try command.parse(["gx-test"] + words) }
    #expect(error?.message.contains(named) == true)
  }

  @Test func valuesAreChecked() throws {
    #expect(throws: UsageError.self) { try parse("-j", "0").jobs() }
    #expect(throws: UsageError.self) { try parse("-j", "two").jobs() }
    #expect(throws: UsageError.self) { try parse("-s", "-1").seed() }
    #expect(throws: UsageError.self) { try parse("-m", "three").choice("mode", Mode.self) }
    #expect(throws: UsageError.self) { try parse("-m", "nan").double("mode") }
    #expect(throws: UsageError.self) { try parse("-m", "1.5").double("mode", in: 0...1) }
  }

  @Test func valuesAreOfTheirRowsType() throws {
    let arguments = try parse("--limit", "0", "--rate=0.25")
    #expect(try arguments[Self.limit] == .some(nil) && arguments[Self.rate] == 0.25)
    #expect(try parse()[Self.limit] == nil)
    #expect(Self.limit.type.told(nil) == 0 && Self.limit.type.told(3) == 3)
    #expect(Self.rate.type.told(nil) == nil && Self.rate.type.told(0.25) == 0.25)
    #expect(OptionType<Bool>.flag.told(true) == true && OptionType<Bool>.flag.told(false) == nil)
    #expect(OptionType<UInt64>.seed.told(.max)?.text == "18446744073709551615")
    #expect(OptionType<Mode>.choice.words == ["one", "two"])
  }

  @Test(arguments: [
    (["--limit", "10"], "--limit: '10' is not a whole number from 0 to 9"),
    (["--speed", "2"], "--rate: '2' is not a number from 0.0 to 1.0"), (["--deep"], "--deep needs --mode NAME"),
  ]) func everyValueIsChecked(_ words: [String], _ said: String) throws {
    let arguments = try command.parse(["gx-test"] + words)
    #expect(throws: UsageError.self) { try command.check(arguments) }
    do { try command.check(arguments) } catch let error as UsageError { #expect(error.message == said) }
  }

  @Test func formerNamesAreTakenAndNotTold() throws {
    #expect(try parse("--speed", "0.5")[Self.rate] == 0.5)
    #expect(try parse("-v0.5")[Self.rate] == 0.5 && parse("-v", "0.25")[Self.rate] == 0.25)
    for text in [command.help, command.manual, command.completion] {
      #expect(!text.contains("speed") && !text.contains("-v,"))
    }
  }

  @Test func tallyDecidesTheExitStatus() throws {
    func status(_ limit: String?, failed: Int, of count: Int) throws -> GXCommand.ExitStatus {
      var tally = try Tally(Arguments(values: limit.map { ["max-errors": [$0]] } ?? [:], operands: []))
      for i in 0..<count { tally.add(failed: i < failed) }
      return tally.status
    }
    #expect(try status(nil, failed: 0, of: 5) == .done)
    #expect(try status(nil, failed: 1, of: 5) == .someFailed)
    #expect(try status("1", failed: 1, of: 5) == .done)
    #expect(try status("20%", failed: 1, of: 5) == .done)
    #expect(try status("19%", failed: 1, of: 5) == .someFailed)
    #expect(throws: UsageError.self) { try status("many", failed: 0, of: 1) }
  }
}

@Suite struct OrderedMapTests {
  @Test(arguments: [1, 2, 7]) func orderIsKept(jobs: Int) throws {
    var at = 0
    var seen: [Int] = []
    try orderedMap(
      jobs: jobs,
      next: {
        at += 1
        return at <= 500 ? at : nil
      },
      work: { n -> Int in
        var random = Random(seed: UInt64(n))
        var sum = 0
        for _ in 0..<random.below(3000) { sum &+= Int(truncatingIfNeeded: random.next()) }
        return sum == 1 ? -1 : n
      },
      emit: { seen.append($0) })
    #expect(seen == Array(1...500))
  }

  @Test(arguments: [1, 3]) func whatWasReadBeforeAFaultIsEmitted(jobs: Int) {
    var at = 0
    var seen: [Int] = []
    #expect(throws: GXError("broken")) {
      try orderedMap(
        jobs: jobs,
        next: {
          at += 1
          if at > 20 { throw GXError("broken") }
          return at
        }, work: { $0 }, emit: { seen.append($0) })
    }
    #expect(seen == Array(1...20))
  }

  @Test(arguments: [1, 3]) func aFaultOfTheOutputEndsIt(jobs: Int) {
    var at = 0
    #expect(throws: GXError("full")) {
      try orderedMap(
        jobs: jobs,
        next: {
          at += 1
          return at <= 1000 ? at : nil
        }, work: { $0 }, emit: { if $0 == 10 { throw GXError("full") } })
    }
  }
}
