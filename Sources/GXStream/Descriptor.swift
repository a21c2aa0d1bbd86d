import CSystem
import GXCore
import Glibc

/// The size that gx asks for pipes and uses for buffers, in bytes.
let bufferSize = 1 << 20

/// How many bytes of a mapping may lie behind the reader before their pages go back to the kernel.
private let releaseStep = 1 << 18

/// The most bytes that a pipe takes in one piece, whatever happens to the writer (POSIX).
private let pipeAtom = 4096

/// A buffered writer on a descriptor. Not thread-safe: one thread writes.
public final class ByteSink {
  public let name: String
  private let descriptor: Int32
  private let immediate: Bool
  private var buffer: [UInt8] = []

  /// - Parameter immediate: pass on each record at once (a terminal, or `--unbuffered`).
  public init(descriptor: Int32 = STDOUT_FILENO, name: String = "stdout", immediate: Bool = false) {
    self.descriptor = descriptor
    self.name = name
    self.immediate = immediate || isatty(descriptor) == 1
    _ = gx_set_pipe_size(descriptor, Int32(bufferSize))
    buffer.reserveCapacity(bufferSize + 4096)
  }

  public var isImmediate: Bool { immediate }

  public func write(_ bytes: [UInt8]) throws {
    buffer.append(contentsOf: bytes)
    if buffer.count >= bufferSize { try flush() }
  }

  /// Large pieces go out straight from where they lie, together with what was buffered before them.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if bytes.count < 1 << 16 {
      buffer.append(contentsOf: bytes)
      if buffer.count >= bufferSize { try flush() }
      return
    }
    try flush()
    try send(bytes)
  }

  /// Ends a record: passes it on where the reader should see it at once.
  public func endRecord() throws { if immediate { try flush() } }

  public func flush() throws {
    guard !buffer.isEmpty else { return }
    try buffer.withUnsafeBytes { try send($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Writes what is buffered but for its last byte, in pieces that a pipe takes whole. See `NDJSONWriter`.
  func flushHoldingLast() throws {
    guard buffer.count > 1 else { return }
    try buffer.withUnsafeBytes { bytes in
      var start = 0
      let end = bytes.count - 1
      while start < end {
        var stop = min(start + pipeAtom, end)
        // A piece must not end as a finished text would, in case it is the last.
        if stop < end, bytes[stop - 1] == UInt8(ascii: "\n") { stop -= 1 }
        try send(UnsafeRawBufferPointer(rebasing: bytes[start..<stop]))
        start = stop
      }
    }
    buffer.removeFirst(buffer.count - 1)
  }

  var pending: Int { buffer.count }

  /// True where what was written can be written again: a regular file.
  var canRewrite: Bool {
    var info = stat()
    return fstat(descriptor, &info) == 0 && info.st_mode & S_IFMT == S_IFREG && lseek(descriptor, 0, SEEK_CUR) == 0
  }

  /// Writes `bytes` over the beginning of the file. Flush first.
  func rewrite(_ bytes: [UInt8]) throws {
    let n = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    guard n == bytes.count else { throw GXError.system(name) }
  }

  private func send(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while rest.count > 0 {
      let n = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if n < 0 {
        if errno == EINTR { continue }
        throw GXError.system(name)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[n...])
    }
  }
}

/// A sequential reader on a descriptor (memory-mapped where it is a regular file, else through a buffer), or on
/// whatever else gives bytes.
///
/// What it gives out of a mapping are views, not copies. Pages that lie behind are handed back to the
/// kernel, so that what is resident does not grow with the file.
public final class ByteSource {
  public let name: String
  /// Bytes taken so far, from where the descriptor stood at first.
  public private(set) var offset = 0

  private let descriptor: Int32
  private var owned = false
  /// Where there is no descriptor: copies up to so many bytes, and returns how many; 0 at the end.
  private let reading: ((UnsafeMutableRawBufferPointer) throws -> Int)?
  private let mapping: Mapping?
  private var position = 0  // in the mapping, or in the buffer
  private var released = 0
  private var buffer: UnsafeMutableRawBufferPointer
  private var filled = 0

  /// - Parameter map: false reads a file through the buffer as well.
  public init(descriptor: Int32 = STDIN_FILENO, name: String = "stdin", map: Bool = true) {
    self.descriptor = descriptor
    self.name = name
    reading = nil
    mapping = map ? Mapping(descriptor: descriptor) : nil
    if mapping != nil {
      position = max(0, Int(lseek(descriptor, 0, SEEK_CUR)))
      released = position / pageSize * pageSize
      buffer = .init(start: nil, count: 0)
    } else {
      _ = gx_set_pipe_size(descriptor, Int32(bufferSize))
      buffer = .allocate(byteCount: bufferSize, alignment: 64)
    }
  }

  /// What `reading` gives: it copies one or more bytes, as many as it likes, and returns how many; 0 at the end.
  public init(name: String, reading: @escaping (UnsafeMutableRawBufferPointer) throws -> Int) {
    descriptor = -1
    self.name = name
    self.reading = reading
    mapping = nil
    buffer = .allocate(byteCount: bufferSize, alignment: 64)
  }

  /// Opens `path`, or stdin for `-`.
  public static func open(_ path: String) throws -> ByteSource {
    if path == "-" { return ByteSource() }
    let descriptor = gx_open(path, O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { throw GXError.system(path) }
    let source = ByteSource(descriptor: descriptor, name: path)
    source.owned = true
    return source
  }

  deinit {
    buffer.deallocate()
    if owned { close(descriptor) }
  }

  /// The next bytes, at least `count` of them unless the end comes first, without taking them.
  /// `count` is at most 64 KiB. Valid until the next call.
  public func peek(_ count: Int) throws -> UnsafeRawBufferPointer {
    if let mapping {
      let end = min(mapping.bytes.count, max(position, position + count))
      return UnsafeRawBufferPointer(rebasing: mapping.bytes[min(position, end)..<end])
    }
    if filled - position < count { try refill(atLeast: count) }
    return UnsafeRawBufferPointer(rebasing: buffer[position..<filled])
  }

  /// What is at hand, without taking it: at least one byte unless the end has come. Waits for no more than that.
  func atHand() throws -> UnsafeRawBufferPointer { try peek(mapping == nil ? 1 : 1 << 16) }

  /// Takes exactly `count` bytes; nil at the end of the file if none is left.
  /// - Throws: where the file ends within them.
  public func take(_ count: Int) throws -> Storage? {
    if let mapping {
      let left = mapping.bytes.count - position
      if left <= 0 && count > 0 { return nil }
      guard left >= count else { throw ended(at: offset + left, missing: count - left) }
      let view = UnsafeRawBufferPointer(rebasing: mapping.bytes[position..<position + count])
      advance(count)
      return count == 0 ? Storage(count: 0) : Storage(viewing: view, of: mapping)
    }
    let storage = Storage(count: count)
    let got = try read(into: UnsafeMutableRawBufferPointer(start: storage.base, count: count))
    if got == 0 && count > 0 { return nil }
    guard got == count else { throw ended(at: offset, missing: count - got) }
    return storage
  }

  /// Takes all bytes up to the end.
  /// - Throws: where there are more than `limit`.
  public func takeAll(limit: Int) throws -> Storage {
    var bytes: [UInt8] = []
    while true {
      let chunk = try atHand()
      if chunk.isEmpty { break }
      guard bytes.count + chunk.count <= limit else { throw GXError("\(name): more than the limit of \(limit) bytes") }
      bytes.append(contentsOf: chunk)
      advance(chunk.count)
    }
    let storage = Storage(count: bytes.count)
    UnsafeMutableRawBufferPointer(start: storage.base, count: storage.count).copyBytes(from: bytes)
    return storage
  }

  /// Copies up to `out.count` bytes into `out` and returns how many there were: fewer only at the end.
  public func read(into out: UnsafeMutableRawBufferPointer) throws -> Int {
    if let mapping {
      let n = max(0, min(out.count, mapping.bytes.count - position))
      out.copyMemory(from: UnsafeRawBufferPointer(rebasing: mapping.bytes[position..<position + n]))
      advance(n)
      return n
    }
    var done = min(out.count, filled - position)
    out.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[position..<position + done]))
    advance(done)
    while done < out.count {
      if out.count - done >= bufferSize {  // too large for the buffer to help
        let n = try readSome(UnsafeMutableRawBufferPointer(rebasing: out[done...]))
        if n == 0 { break }
        offset += n
        done += n
      } else {
        try refill(atLeast: 1)
        let n = min(out.count - done, filled - position)
        if n == 0 { break }
        UnsafeMutableRawBufferPointer(rebasing: out[done...])
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[position..<position + n]))
        advance(n)
        done += n
      }
    }
    return done
  }

  /// Passes over `count` bytes.
  /// - Throws: where the file ends within them.
  public func skip(_ count: Int) throws {
    var left = count
    while left > 0 {
      let n = min(left, try mapping.map { $0.bytes.count - position } ?? atHand().count)
      if n <= 0 { throw ended(at: offset, missing: left) }
      advance(n)
      left -= n
    }
  }

  /// A line that was passed over; what follows it can be read.
  struct LineTooLong: Error, CustomStringConvertible {
    let limit: Int
    var description: String { "line is longer than the limit of \(limit) bytes" }
  }

  /// Reads up to the next newline, which `out` does not get. Returns whether there was one; nil at the end.
  /// - Throws: `LineTooLong` where a line is longer than `limit` bytes.
  func line(limit: Int, into out: inout [UInt8]) throws -> Bool? {
    out.removeAll(keepingCapacity: true)
    var length = 0
    while true {
      let chunk = try atHand()
      if chunk.isEmpty {
        if length == 0 { return nil }
        if length > limit { throw LineTooLong(limit: limit) }
        return false
      }
      let found = memchr(chunk.baseAddress!, 10, chunk.count)
      let n = found.map { chunk.baseAddress!.distance(to: UnsafeRawPointer($0)) } ?? chunk.count
      length += n
      if length <= limit { out.append(contentsOf: chunk[..<n]) }
      advance(found == nil ? n : n + 1)
      if found != nil {
        if length > limit { throw LineTooLong(limit: limit) }
        return true
      }
    }
  }

  private func ended(at place: Int, missing: Int) -> GXError {
    GXError("\(name): ends at byte \(place), \(missing) bytes too early")
  }

  private func advance(_ count: Int) {
    position += count
    offset += count
    guard let mapping else { return }
    let behind = position / pageSize * pageSize - releaseStep
    if behind - released >= releaseStep {
      // From further back than was released last: records still at work may have called pages back.
      let start = max(0, released - 64 * releaseStep)
      madvise(mapping.base + start, behind - start, MADV_DONTNEED)
      released = behind
    }
  }

  private func refill(atLeast count: Int) throws {
    if position > 0 {
      let left = filled - position
      if left > 0 { memmove(buffer.baseAddress!, buffer.baseAddress! + position, left) }
      filled = left
      position = 0
    }
    while filled < count {
      let n = try readSome(UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
      if n == 0 { return }
      filled += n
    }
  }

  private func readSome(_ out: UnsafeMutableRawBufferPointer) throws -> Int {
    if let reading { return try reading(out) }
    while true {
      let n = Glibc.read(descriptor, out.baseAddress, out.count)
      if n >= 0 { return n }
      if errno != EINTR { throw GXError.system(name) }
    }
  }
}

private let pageSize = Int(sysconf(Int32(_SC_PAGESIZE)))

/// A regular file mapped whole, read-only.
final class Mapping {
  let base: UnsafeMutableRawPointer
  let bytes: UnsafeRawBufferPointer

  /// nil where the descriptor is no regular file, is empty, or the kernel does not map it.
  init?(descriptor: Int32) {
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size > 0 else { return nil }
    let size = Int(info.st_size)
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else { return nil }
    madvise(base, size, MADV_SEQUENTIAL)
    self.base = base
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit { munmap(base, bytes.count) }
}
