import GXCore
import Glibc

/// One row of a command's option table.
public class Option: @unchecked Sendable {  // nothing of it can change
  public let long: String
  let short: Character?
  /// What the help calls its argument; nil for a flag.
  let argument: String?
  let help: String
  /// The option without which this one says nothing.
  public let needed: String?
  /// Names, or letters, that scripts may still use: they are taken, with a note, and documented nowhere.
  let former: [String]

  /// `--long ARGUMENT`, or a flag where there is no argument.
  /// - Parameters:
  ///   - needs: The long name of the option that this one is refused without.
  ///   - formerly: What its long name, or its letter, was before.
  public init(
    _ long: String, _ short: Character? = nil, _ argument: String? = nil, _ help: String, needs needed: String? = nil,
    formerly former: [String] = []
  ) {
    (self.long, self.short, self.argument, self.help) = (long, short, argument, help)
    (self.needed, self.former) = (needed, former)
  }

  /// All values there are, where they are few.
  var words: [String] { [] }

  /// - Throws: `UsageError` where `text` is no value of it.
  func check(_ text: String) throws {}
}

/// A row whose argument is read as a `Value`: `arguments[row]`.
public final class ValueOption<Value: Sendable>: Option, @unchecked Sendable {
  public let type: OptionType<Value>

  /// - Parameter argument: nil for a flag.
  public init(
    _ long: String, _ short: Character? = nil, _ argument: String?, _ type: OptionType<Value>, _ help: String,
    needs needed: String? = nil, formerly former: [String] = []
  ) {
    self.type = type
    super.init(long, short, argument, help, needs: needed, formerly: former)
  }

  /// The same in other words.
  public func saying(_ help: String, argument: String? = nil, formerly more: [String] = []) -> ValueOption {
    ValueOption(long, short, argument ?? self.argument, type, help, needs: needed, formerly: former + more)
  }

  override var words: [String] { type.words }

  override func check(_ text: String) throws { _ = try type.value(text, of: long) }
}

extension Option {
  public static let output = ValueOption(
    "output", "o", "FILE", .text, "write to FILE, which appears only when all went well, instead of stdout")
  public static let jobs = ValueOption(
    "jobs", "j", "N", .whole(in: 1...256), "worker threads; the output is the same for any N [all cores]")
  public static let seed = ValueOption("seed", "s", "N", .seed, "seed of all random numbers [0]")
  public static let splits = ValueOption("split", nil, "A,B", .list, "only records of these splits")
  /// Of commands that share out.
  public static let shares = ValueOption(
    "shares", nil, "A:B:C", .splitShares, "share out to train, val and test, such as 70:15:15", formerly: ["split"])
  /// Of commands that judge rows with labels.
  public static let truth = ValueOption(
    "label", nil, "FIELD", .text, "the field that holds the truth [label]", formerly: ["l"])
  public static let rowSplits = splits.saying("only rows of these splits")
  public static let bootstrap = ValueOption(
    "bootstrap", "b", "N", .whole(in: 0...1_000_000), "replicates that the intervals are taken from; 0 for none [1000]")
  public static let maxErrors = ValueOption(
    "max-errors", nil, "N|P%", .allowance, "exit 0, not 3, with up to N (or P percent) failed records [0]")
  public static let profile = Option(
    "profile", nil, nil, "tell on stderr where the network's time went, layer by layer")
  public static let unbuffered = Option("unbuffered", nil, nil, "pass on each record at once")

  /// What every filter of records understands.
  public static let filter = [output, jobs, maxErrors, unbuffered]

  static let common = [
    Option("quiet", "q", nil, "no progress and no messages but errors"),
    Option("help", "h", nil, "print this help"),
    Option("version", nil, nil, "print the version"),
    Option("man", nil, nil, "print the manual page, for 'man -l -'"),
    Option("completion", nil, nil, "print the completion, for bash's 'eval'"),
  ]
}

extension Arguments {
  /// The seed, as any 64-bit number.
  public func seed() throws -> UInt64 { try self[Option.seed] ?? 0 }

  /// How many replicates intervals are taken from.
  public func bootstrap() throws -> Int { try self[Option.bootstrap] ?? 1000 }

  /// `-j`: threads to work with.
  public func jobs() throws -> Int { try self[Option.jobs] ?? min(256, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// The splits that are wanted; nil: all.
  public func splits() throws -> Set<Name>? { try self[Option.splits].map { Set($0.map(Name.init)) } }
}
