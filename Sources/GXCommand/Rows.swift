import GXCore
import GXStream
import Glibc

/// Hands the NDJSON rows of a file (`-` is stdin) to `body` one at a time. A row that carries an `error` is passed over;
/// one that is no JSON object, or that `body` throws a `GXError` at, is told of on stderr. Each is counted in `tally`.
/// - Parameter wanted: Rows that it says no to are neither handed over nor counted.
/// - Throws: where the file can't be read or breaks off; `UsageError` where stdin is a terminal.
public func forEachRow(
  of path: String, _ tally: inout Tally, where wanted: (JSONObject) -> Bool = { _ in true },
  _ body: (JSONObject) throws(GXError) -> Void
) throws {
  if path == "-" && isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; NDJSON rows were expected") }
  let source = try ByteSource.open(path)
  let reader = NDJSONReader(source)
  while true {
    do {
      guard let row = try reader.next() else { return }
      guard wanted(row) else { continue }
      var failed = row["error"] != nil
      if !failed {
        do throws(GXError) { try body(row) } catch {
          Log.error("\(error.at("\(source.name), line \(reader.line)"))")
          failed = true
        }
      }
      tally.add(failed: failed)
    } catch let bad as NDJSONReader.BadLine {
      Log.error("\(bad.fault)")
      tally.add(failed: true)
    }
  }
}
