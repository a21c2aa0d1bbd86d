import CSystem
import GXCore
import Glibc

/// An input that can be read at any place and more than once: a regular file as it is, anything else
/// copied first to an unlinked temporary file, which goes with the process.
public final class SeekableInput: @unchecked Sendable {
  public let name: String
  public let descriptor: Int32
  /// Where the data begins, in bytes from the start of the file.
  public let start: Int
  /// Bytes of data.
  public let count: Int

  /// - Parameter folder: where a pipe is spooled to; `$TMPDIR`, or `/var/tmp`, by default.
  public init(descriptor input: Int32 = STDIN_FILENO, name: String = "stdin", folder: String? = nil) throws {
    self.name = name
    var info = stat()
    guard fstat(input, &info) == 0 else { throw GXError("\(name): \(systemError())") }
    if info.st_mode & S_IFMT == S_IFREG {
      descriptor = input
      start = max(0, Int(lseek(input, 0, SEEK_CUR)))
      count = max(0, Int(info.st_size) - start)
      return
    }
    let folder = folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    var template = Array((folder + "/gx.XXXXXX").utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { throw GXError("\(folder): no temporary file: \(systemError())") }
    unlink(template)
    descriptor = file
    start = 0
    count = try Self.copy(from: input, name: name, to: file, folder: folder)
  }

  /// A file, or whatever else has a path; `-` is stdin.
  public static func open(_ path: String, folder: String? = nil) throws -> SeekableInput {
    if path == "-" { return try SeekableInput(folder: folder) }
    let descriptor = gx_open(path, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw GXError("\(path): \(systemError())") }
    return try SeekableInput(descriptor: descriptor, name: path, folder: folder)
  }

  /// A sequential reader over the data, from its beginning.
  public func source() -> ByteSource {
    lseek(descriptor, off_t(start), SEEK_SET)
    return ByteSource(descriptor: descriptor, name: name)
  }

  /// Reads `out.count` bytes at `offset` from the start of the data. Safe from several threads.
  public func read(at offset: Int, into out: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    while done < out.count {
      let n = pread(descriptor, out.baseAddress! + done, out.count - done, off_t(start + offset + done))
      if n < 0 && errno == EINTR { continue }
      guard n >= 0 else { throw GXError("\(name): \(systemError())") }
      guard n > 0 else { throw GXError("\(name): became shorter while it was read") }
      done += n
    }
  }

  private static func copy(from input: Int32, name: String, to file: Int32, folder: String) throws -> Int {
    let source = ByteSource(descriptor: input, name: name)
    let sink = ByteSink(descriptor: file, name: "\(folder): temporary file")
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    var count = 0
    while true {
      let n = try source.read(into: piece)
      if n == 0 { break }
      try sink.write(UnsafeRawBufferPointer(rebasing: piece[..<n]))
      count += n
    }
    try sink.flush()
    return count
  }
}
