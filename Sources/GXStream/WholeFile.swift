import CSystem
import GXCore
import Glibc

/// A whole file's bytes. Reads, does not map: a file that shrinks meanwhile is then an end, not a fault.
/// - Throws: `GXError` naming the path where it can't be read or holds more than `limit` bytes.
public func readFile(_ path: String, limit: Int = Limits.tensorBytes) throws(GXError) -> [UInt8] {
  let descriptor = gx_open(path, O_RDONLY | O_CLOEXEC, 0)
  guard descriptor >= 0 else { throw GXError.system(path) }
  defer { close(descriptor) }
  var info = stat()
  guard fstat(descriptor, &info) == 0 else { throw GXError.system(path) }
  let large = GXError("\(path): larger than the limit of \(limit) bytes")
  guard info.st_size <= limit else { throw large }
  // One byte more than a file's size, so that its end shows without another growth; pipes tell no size.
  var bytes = [UInt8](repeating: 0, count: max(Int(info.st_size) + 1, 4096))
  var filled = 0
  while true {
    if filled == bytes.count {
      guard filled <= limit else { throw large }
      bytes.append(contentsOf: repeatElement(0, count: filled))
    }
    let n = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + filled, $0.count - filled) }
    if n < 0 && errno == EINTR { continue }
    guard n >= 0 else { throw GXError.system(path) }
    if n == 0 { break }
    filled += n
  }
  guard filled <= limit else { throw large }
  bytes.removeLast(bytes.count - filled)
  return bytes
}

/// Writes a whole file; it appears with all of its bytes or not at all.
/// - Parameter makingFolders: Whether to make the folders that it is to be in, where they are not there.
/// - Throws: `GXError` naming the path.
public func writeFile(_ path: String, _ bytes: UnsafeRawBufferPointer, makingFolders: Bool = false) throws {
  if makingFolders, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
    try makeFolder(String(path[..<slash]))
  }
  let file = try AtomicFile(path: path)
  let sink = ByteSink(descriptor: file.descriptor, name: path)
  try sink.write(bytes)
  try sink.flush()
  try file.commit()
}

/// Makes a folder and those above it, where they are not there.
public func makeFolder(_ path: String) throws {
  if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
  guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
    throw GXError.system(path)
  }
  try makeFolder(String(path[..<slash]))
  guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw GXError.system(path) }
}
