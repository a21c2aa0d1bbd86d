import CSystem
import GXCore
import GXStream
import Glibc

/// One line of NDJSON for each request, written by a thread of its own: a slow disk or a reader that stopped reading
/// holds up no request. What does not fit into the buffer meanwhile is dropped, and counted.
final class AccessLog: @unchecked Sendable {
  private static let limit = 1 << 20

  private let path: String?
  private let tell: Tell
  private let monitor = Monitor()
  private var buffer: [UInt8] = []
  private var descriptor: Int32
  private var isWriting = false
  private var mustReopen = false
  private var lost = 0

  /// - Parameter path: nil is stderr.
  /// - Throws: `GXError` where the file cannot be opened.
  init(path: String?, tell: @escaping Tell) throws(GXError) {
    (self.path, self.tell) = (path, tell)
    descriptor = try Self.open(path)
    detachThread { self.write() }
  }

  private static func open(_ path: String?) throws(GXError) -> Int32 {
    guard let path else { return STDERR_FILENO }
    let descriptor = gx_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw GXError.system(path) }
    return descriptor
  }

  func add(_ row: JSONObject) {
    var line: [UInt8] = []
    row.write(to: &line)
    line.append(UInt8(ascii: "\n"))
    monitor.locked {
      if buffer.count + line.count > Self.limit {
        lost += 1
      } else {
        buffer += line
        monitor.signalAll()
      }
    }
  }

  /// Lines that were dropped so far.
  var dropped: Int { monitor.locked { lost } }

  /// Goes on in a new file where the old one was moved away (logrotate).
  func reopen() {
    monitor.locked {
      mustReopen = path != nil
      monitor.signalAll()
    }
  }

  /// Waits until all is written, but no longer than a second.
  func flush() {
    let end = now() + 1
    while now() < end, monitor.locked({ isWriting || !buffer.isEmpty }) { usleep(2000) }
  }

  private func write() {
    while true {
      let (piece, wantsReopening) = monitor.locked {
        isWriting = false
        while buffer.isEmpty && !mustReopen { monitor.wait() }
        isWriting = true
        defer { (buffer, mustReopen) = ([], false) }
        return (buffer, mustReopen)
      }
      if wantsReopening {
        do {
          let new = try Self.open(path)
          close(descriptor)
          descriptor = new
        } catch {
          tell(.error("access log: \(error)"))
        }
      }
      var rest = piece[...]
      while !rest.isEmpty {
        let n = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if n < 0 && errno == EINTR { continue }
        if n <= 0 { break }
        rest = rest.dropFirst(n)
      }
    }
  }
}
