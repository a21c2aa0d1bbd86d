import CSystem
import GXCore
import GXStream
import Glibc

/// Messages for the person at the shell, each written to stderr in one piece.
public enum Log {
  // Set once by `Command.main` before any thread starts.
  nonisolated(unsafe) static var name = "gx"
  nonisolated(unsafe) public internal(set) static var quiet = false
  nonisolated(unsafe) fileprivate static var progressShown = false

  public static func error(_ message: String) { write("\(name): \(message)\n") }

  /// Worth knowing, not wrong; `-q` silences it.
  public static func note(_ message: String) { if !quiet { write("\(name): \(message)\n") } }

  /// Perhaps wrong, but no reason to stop: `-q` does not silence it.
  public static func warning(_ message: String) { write("\(name): warning: \(message)\n") }

  /// What another program may wait for: `-q` does not silence it.
  public static func always(_ message: String) { write("\(name): \(message)\n") }

  /// What was asked for, as it is.
  public static func table(_ text: String) { write(text) }

  /// What a library says.
  @Sendable public static func tell(_ notice: Notice) {
    switch notice {
    case .error(let text): error(text)
    case .note(let text): note(text)
    case .always(let text): always(text)
    }
  }

  fileprivate static func write(_ text: String, isProgress: Bool = false) {
    let clear = progressShown ? "\r\u{1b}[K" : ""
    progressShown = isProgress
    var bytes = Array((clear + text).utf8)[...]
    while !bytes.isEmpty {
      let n = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if n < 0 && errno == EINTR { continue }
      if n <= 0 { return }
      bytes = bytes.dropFirst(n)
    }
  }

  static func clearProgress() { if progressShown { write("") } }
}

/// A line with count, rate and time left, on a terminal. In a pipe only the last command shows it: the
/// others would write over each other.
public final class Progress {
  private let unit: String
  private let total: Int?
  private let shown: Bool
  private let start = now()
  private var last = 0.0
  private var count = 0

  public init(_ unit: String = "records", total: Int? = nil) {
    self.unit = unit
    self.total = total
    var info = stat()
    let piped = fstat(STDOUT_FILENO, &info) == 0 && info.st_mode & S_IFMT == S_IFIFO
    shown = !Log.quiet && !piped && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 0
  }

  public func advance(_ n: Int = 1, note: String = "") {
    count += n
    guard shown else { return }
    let time = now()
    guard time - last > 0.2 else { return }
    last = time
    let rate = Double(count) / max(time - start, 1e-9)
    var text = "\(Log.name): \(count)"
    if let total { text += "/\(total)" }
    text += " \(unit), \(rate >= 100 ? String(Int(rate)) : String(Double(Int(rate * 10)) / 10))/s"
    if let total, rate > 0 {
      let left = Int(Double(total - count) / rate)
      text += ", \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
    }
    if !note.isEmpty { text += ", " + note }
    let columns = Int(gx_terminal_columns(STDERR_FILENO))
    Log.write(String(text.prefix(max(20, columns - 1))), isProgress: true)
  }

  public func finish() { Log.clearProgress() }
}
