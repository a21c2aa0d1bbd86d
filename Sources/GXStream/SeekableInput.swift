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
    guard fstat(input, &info) == 0 else { throw GXError.system(name) }
    if info.st_mode & S_IFMT == S_IFREG {
      descriptor = input
      start = max(0, Int(lseek(input, 0, SEEK_CUR)))
      count = max(0, Int(info.st_size) - start)
      return
    }
    let source = ByteSource(descriptor: input, name: name)
    start = 0
    (descriptor, count) = try Self.spool(folder) { sink in
      let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
      defer { piece.deallocate() }
      while true {
        let n = try source.read(into: piece)
        if n == 0 { break }
        try sink.write(UnsafeRawBufferPointer(rebasing: piece[..<n]))
      }
    }
  }

  /// What `write` puts into an unlinked temporary file.
  public init(name: String, folder: String? = nil, writing write: (ByteSink) throws -> Void) throws {
    self.name = name
    start = 0
    (descriptor, count) = try Self.spool(folder, write)
  }

  /// A file, or whatever else has a path; `-` is stdin.
  public static func open(_ path: String, folder: String? = nil) throws -> SeekableInput {
    if path == "-" { return try SeekableInput(folder: folder) }
    let descriptor = gx_open(path, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw GXError.system(path) }
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
      guard n >= 0 else { throw GXError.system(name) }
      guard n > 0 else { throw GXError("\(name): became shorter while it was read") }
      done += n
    }
  }

  /// A new file that goes with the process, with what `write` puts into it; its descriptor and size.
  private static func spool(
    _ folder: String?, _ write: (ByteSink) throws -> Void
  ) throws -> (descriptor: Int32, count: Int) {
    let folder = folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    var template = Array((folder + "/gx.XXXXXX").utf8CString)
    let file = mkstemp(&template)
    guard file >= 0 else { throw GXError("\(folder): no temporary file: \(systemError())") }
    unlink(template)
    let sink = ByteSink(descriptor: file, name: "\(folder): temporary file")
    try write(sink)
    try sink.flush()
    return (file, Int(lseek(file, 0, SEEK_CUR)))
  }
}
