import GXCore
import GXStream
import Glibc

/// Which rows of NDJSON a command takes, and where their truth stands: what `--label` and `--split` say.
public struct RowSelection {
  /// The field that holds the truth.
  public let label: String
  /// nil is all.
  private let splits: Set<Name>?

  /// - Throws: `UsageError`.
  public init(_ arguments: Arguments) throws {
    label = try arguments[Option.truth] ?? Row.Field.label.rawValue
    splits = try arguments.splits()
  }

  /// All rows, with their `label`.
  public init() { (label, splits) = (Row.Field.label.rawValue, nil) }

  func takes(_ row: Row) -> Bool { splits?.contains(Name(row.split ?? "")) ?? true }
}

/// What a row that is none means to a command.
public enum BadRows {
  /// It is told of, counted and passed over: for scores, charts and lists.
  case passedOver
  /// It ends the command: for what is made of all rows together, such as a calibration.
  case fatal
}

/// Hands the rows of a file of NDJSON (`-` is stdin) to `body` one at a time, and counts them in `tally`. A row that
/// carries an error counts as failed and is handed to nobody.
/// - Parameter body: returns whether the row is good; where it is not, it counts as failed, and the caller tells why.
/// - Throws: where the file can't be read or breaks off, and, naming the row, where bad ones are fatal; `UsageError`
///   where stdin is a terminal.
public func forEachRow(
  of path: String, _ tally: inout Tally, selected selection: RowSelection = RowSelection(), bad: BadRows = .passedOver,
  _ body: (Row) throws(GXError) -> Bool
) throws {
  if path == "-" && isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; NDJSON rows were expected") }
  let reader = NDJSONReader(try ByteSource.open(path))
  while true {
    do {
      guard let row = try reader.next() else { return }
      guard selection.takes(row) else { continue }
      do throws(GXError) {
        let isGood = try row.hasFailed ? false : body(row)
        tally.add(failed: !isGood)
      } catch {
        throw NDJSONReader.BadLine(fault: error.at(reader.place))
      }
    } catch let line as NDJSONReader.BadLine {
      if case .fatal = bad { throw line.fault }
      Log.error("\(line.fault)")
      tally.add(failed: true)
    }
  }
}
