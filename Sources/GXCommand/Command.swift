import CSystem
import GXCore
import GXStream
import Glibc

/// How a command ends. The numbers stand here and nowhere else.
public enum ExitStatus: Int32, Sendable {
  case done = 0
  case failed = 1
  case usage = 2
  /// Finished, but some records carry an error.
  case someFailed = 3
}

/// Bad usage: the message and a hint go to stderr, nothing to stdout.
public struct UsageError: Error {
  public let message: String
  public init(_ message: String) { self.message = message }
}

/// A command's table: what it is called, what it does, its options. Drives parser, help, man page and completion.
public struct Command: Sendable {
  public let name: String
  let summary: String
  let synopsis: String
  let about: String
  let options: [Option]
  let examples: [String]

  /// - Parameters:
  ///   - synopsis: operands and redirections as the usage line shows them, such as `SIZE < IN > OUT`.
  ///   - about: paragraphs that say what goes in and what comes out.
  public init(
    _ name: String, _ summary: String, synopsis: String, about: String, options: [Option], examples: [String] = []
  ) {
    self.name = name
    self.summary = summary
    self.synopsis = synopsis
    self.about = about
    self.options = options + Option.common
    self.examples = examples
  }

  /// Parses the command line, runs `body`, and exits with what it returns; the one place where errors become exit codes.
  public func main(_ body: (Arguments) throws -> ExitStatus) -> Never {
    Log.name = name
    Signals.install()
    gx_keep_freed_memory()
    do {
      let arguments = try parse(CommandLine.arguments)
      if arguments.has("help") { finish(printing: help) }
      if arguments.has("version") { finish(printing: "\(name) (gx) \(gxVersion)\n") }
      if arguments.has("man") { finish(printing: manual) }
      if arguments.has("completion") { finish(printing: completion) }
      Log.quiet = arguments.has("quiet")
      try check(arguments)
      exit(try body(arguments).rawValue)
    } catch let error as UsageError {
      Log.error("\(error.message)\nTry '\(name) --help'.")
      exit(ExitStatus.usage.rawValue)
    } catch {
      Log.error("\(error)")
      exit(ExitStatus.failed.rawValue)
    }
  }

  private func finish(printing text: String) -> Never {
    let sink = ByteSink()
    do {
      try sink.write(Array(text.utf8))
      try sink.flush()
    } catch {
      Log.error("\(error)")
      exit(ExitStatus.failed.rawValue)
    }
    exit(ExitStatus.done.rawValue)
  }

  /// GNU getopt_long does the parsing: bundled short options, `--long=value`, abbreviations, `--`.
  func parse(_ line: [String]) throws -> Arguments {
    let spellings = options.flatMap { row in
      ([row.long] + row.former.filter { $0.count > 1 }).map { (name: $0, row: row) }
    }
    var letters: [Character: Option] = [:]
    for row in options { for former in row.former where former.count == 1 { letters[Character(former)] = row } }
    for row in options { if let short = row.short { letters[short] = row } }
    let shorts = letters.map { letter, row in String(letter) + (row.argument == nil ? "" : ":") }.joined()
    var longs: [option] = []
    let names = spellings.map { strdup($0.name)! }
    defer { names.forEach { free($0) } }
    for (i, spelling) in spellings.enumerated() {
      let takesValue = spelling.row.argument != nil
      longs.append(option(name: names[i], has_arg: takesValue ? 1 : 0, flag: nil, val: Int32(1000 + i)))
    }
    longs.append(option())
    var argv: [UnsafeMutablePointer<CChar>?] = line.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    gx_getopt_begin()

    var (values, former): ([String: [String]], [String: String]) = ([:], [:])
    while true {
      let code = gx_getopt_long(Int32(line.count), &argv, ":" + shorts, &longs, nil)
      if code == -1 { break }
      if code == UInt8(ascii: "?") || code == UInt8(ascii: ":") {
        let word = argv[max(1, Int(gx_optind()) - 1)].map { String(cString: $0) } ?? ""
        let letter = gx_optopt()
        let named =
          letter >= 1000
          ? "--" + spellings[Int(letter) - 1000].name
          : letter > 0 ? "-" + String(UnicodeScalar(UInt8(truncatingIfNeeded: letter))) : word
        if code == UInt8(ascii: ":") { throw UsageError("option \(named) needs a value") }
        throw UsageError(
          letter >= 1000 ? "option \(named) takes no value" : "unknown or ambiguous option \(named)")
      }
      let row: Option
      if code >= 1000 {
        let spelling = spellings[Int(code) - 1000]
        row = spelling.row
        if spelling.name != row.long { former[row.long] = spelling.name }
      } else {
        let letter = Character(UnicodeScalar(UInt8(code)))
        row = letters[letter]!
        if letter != row.short { former[row.long] = String(letter) }
      }
      values[row.long, default: []].append(row.argument == nil ? "" : String(cString: gx_optarg()))
    }
    let operands = argv[Int(gx_optind())..<line.count].map { String(cString: $0!) }
    return Arguments(values: values, operands: operands, former: former)
  }

  /// Whether every value is one, and what an option needs is there; a note for each former name.
  /// - Throws: `UsageError` that names the option.
  func check(_ arguments: Arguments) throws {
    for row in options where arguments.has(row.long) {
      if let name = arguments.former[row.long] {
        Log.note("\(name.count == 1 ? "-" : "--")\(name) is called --\(row.long) now")
      }
      for text in arguments.strings(row.long) { try row.check(text) }
      if let needed = row.needed, !arguments.has(needed) {
        let argument = options.first { $0.long == needed }?.argument
        throw UsageError("--\(row.long) needs --\(needed)\(argument.map { " " + $0 } ?? "")")
      }
    }
  }
}

// MARK: What the table prints

extension Command {
  public var help: String {
    var text = "Usage: \(name) [OPTION]... \(synopsis)\n\(summary)\n\n\(about)\n\nOptions:\n"
    let columns = options.map { row in
      (row.short.map { "-\($0), " } ?? "    ") + "--" + row.long + (row.argument.map { " " + $0 } ?? "")
    }
    let width = min(28, columns.map(\.count).max() ?? 0)
    for (column, row) in zip(columns, options) {
      let gap = column.count <= width ? String(repeating: " ", count: width - column.count) : "\n" + pad(width + 2)
      text += "  \(column)\(gap)  " + wrap(row.help, indent: width + 4) + "\n"
    }
    if !examples.isEmpty { text += "\nExamples:\n" + examples.map { "  \($0)\n" }.joined() }
    return text + "\n" + Self.exitText + "\n"
  }

  private static let exitText =
    "Exit status: 0 done; 1 failed; 2 bad usage; 3 finished, but some records carry an error."

  private func pad(_ n: Int) -> String { String(repeating: " ", count: n) }

  private func wrap(_ text: String, indent: Int) -> String {
    var lines = [""]
    for word in text.split(separator: " ") {
      if lines.last!.count + word.count + 1 + indent > 100 { lines.append("") }
      lines[lines.count - 1] += (lines.last!.isEmpty ? "" : " ") + word
    }
    return lines.joined(separator: "\n" + pad(indent))
  }

  /// The manual page in man(7) macros.
  public var manual: String {
    func escaped(_ text: String) -> String {
      var out = ""
      for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
        var body = ""
        for c in line { body += c == "\\" ? "\\e" : c == "-" ? "\\-" : String(c) }
        out += (body.hasPrefix(".") || body.hasPrefix("'") ? "\\&" : "") + body + "\n"
      }
      return out
    }
    var text = ".TH \(name.uppercased()) 1 \"\" \"gx \(gxVersion)\" \"gx manual\"\n"
    text += ".SH NAME\n" + escaped("\(name) - \(summary)")
    text += ".SH SYNOPSIS\n.B " + escaped("\(name)") + escaped("[OPTION]... \(synopsis)")
    text += ".SH DESCRIPTION\n" + escaped(about).replacing("\n\n", with: "\n.PP\n") + ".SH OPTIONS\n"
    for row in options {
      let flag = (row.short.map { "-\($0), " } ?? "") + "--\(row.long)" + (row.argument.map { " \($0)" } ?? "")
      text += ".TP\n.B " + escaped(flag) + escaped(row.help)
    }
    if !examples.isEmpty {
      text += ".SH EXAMPLES\n.nf\n" + examples.map { escaped($0) }.joined() + ".fi\n"
    }
    return text + ".SH EXIT STATUS\n" + escaped(Self.exitText)
  }

  /// bash's completion: the options, and behind one that has them its values.
  var completion: String {
    let words = options.flatMap { row in ["--" + row.long] + (row.short.map { ["-\($0)"] } ?? []) }
    let cases = options.filter { !$0.words.isEmpty }.map { row in
      let spellings = ["--" + row.long] + (row.short.map { ["-\($0)"] } ?? [])
      return "    \(spellings.joined(separator: "|"))) words='\(row.words.joined(separator: " "))' ;;\n"
    }
    let function = "_\(name.replacing("-", with: "_"))"
    return """
      \(function)() {
        local words='\(words.joined(separator: " "))'
        case $3 in
      \(cases.joined())  esac
        COMPREPLY=($(compgen -W "$words" -- "$2"))
      }
      complete -o default -F \(function) \(name)

      """
  }
}
