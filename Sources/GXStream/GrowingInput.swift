import CSystem
import GXCore
import Glibc

/// Lines of a file that may still grow, or of a pipe. A last line without a newline is taken to be still on its way.
public final class GrowingInput {
  public let name: String
  private var descriptor: Int32
  private var isFile = false
  private var offset = 0
  private var buffer: [UInt8] = []

  /// What came since the last time.
  public struct News {
    public var lines: [[UInt8]] = []
    /// The file was emptied or replaced: what came before counts no more.
    public var isAnew = false
    /// Nothing more will come. A file never says so.
    public var isEnd = false
  }

  /// - Parameter path: `-` is stdin. A file need not be there yet.
  /// - Throws: where it can't be opened for another reason.
  public init(_ path: String) throws(GXError) {
    name = path == "-" ? "stdin" : path
    descriptor = path == "-" ? STDIN_FILENO : -1
    if path == "-" { look() } else { try open() }
  }

  deinit { if descriptor > STDIN_FILENO { close(descriptor) } }

  public var isMissing: Bool { descriptor < 0 }

  private func open() throws(GXError) {
    descriptor = gx_open(name, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 || errno == ENOENT else { throw GXError.system(name) }
    look()
  }

  private func look() {
    var info = stat()
    isFile = descriptor >= 0 && fstat(descriptor, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
  }

  /// Returns as soon as lines have come or the end has, and after `seconds`, or a signal, at the latest.
  public func wait(seconds: Double) throws(GXError) -> News {
    var news = News()
    if descriptor < 0 { try open() }
    if isFile {
      let empties = wasReplaced
      if empties {
        (news.isAnew, offset, buffer) = (true, 0, [])
        lseek(descriptor, 0, SEEK_SET)
      }
      if try read(&news) { return news }
    }
    if isFile || descriptor < 0 {
      _ = poll(nil, 0, Int32(seconds * 1000))
      return news
    }
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waited, 1, Int32(seconds * 1000)) > 0 else { return news }
    _ = try read(&news)
    return news
  }

  private var wasReplaced: Bool {
    var info = stat()
    return fstat(descriptor, &info) == 0 && Int(info.st_size) < offset
  }

  /// Takes what is there: all of a file, one piece of a pipe. Returns whether there was something.
  private func read(_ news: inout News) throws(GXError) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var found = false
    while true {
      let n = Glibc.read(descriptor, &chunk, chunk.count)
      if n < 0 {
        if errno == EINTR || errno == EAGAIN { return found }
        throw GXError.system(name)
      }
      if n == 0 {
        news.isEnd = !isFile
        guard isFile || buffer.isEmpty else {
          throw GXError("\(name): breaks off without a newline; whatever wrote it did not finish")
        }
        return found
      }
      found = true
      offset += n
      take(chunk[..<n], &news)
      guard buffer.count <= Limits.jsonBytes else {
        throw GXError("\(name): a line is longer than the limit of \(Limits.jsonBytes) bytes")
      }
      if !isFile { return true }
    }
  }

  private func take(_ bytes: ArraySlice<UInt8>, _ news: inout News) {
    var rest = bytes
    while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = buffer + rest[..<newline]
      buffer = []
      if !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { news.lines.append(line) }
      rest = rest[(newline + 1)...]
    }
    buffer += rest
  }
}
