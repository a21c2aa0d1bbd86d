import CSystem
import GXCore
import GXStream
import Glibc

/// The log of a run, a row an epoch, each written at once. Training goes on without it where it cannot be written.
public final class EpochLog {
  private let writer: NDJSONWriter
  private let tell: Tell
  private var lost = false
  /// Whether rows were lost for another reason than a reader that had enough.
  public private(set) var failed = false
  /// Told in every row, before its own.
  public var fields: JSONObject = [:]

  /// - Parameters:
  ///   - path: nil is stdout.
  ///   - appending: Whether rows that are in the file stay.
  ///   - tell: Gets the reason why the log ends, where it does.
  /// - Throws: `GXError` where the file cannot be opened.
  public init(path: String?, appending: Bool, tell: @escaping Tell) throws(GXError) {
    self.tell = tell
    var descriptor = STDOUT_FILENO
    if let path {
      descriptor = gx_open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (appending ? O_APPEND : O_TRUNC), 0o666)
      guard descriptor >= 0 else { throw GXError.system(path) }
    }
    writer = NDJSONWriter(ByteSink(descriptor: descriptor, name: path ?? "stdout", immediate: true))
  }

  public func write(_ row: JSONObject) {
    guard !lost else { return }
    var all = fields
    all.merge(row)
    do { try writer.write(Row(all)) } catch {
      lost = true
      failed = (error as? GXError)?.code != .system(EPIPE)
      if failed { tell(.error("\(error); training goes on without a log")) }
    }
  }
}
