import CSystem
import GXCore
import Glibc

/// A file that appears whole or not at all: written beside its target, synced, then renamed over it.
///
/// What is no regular file (`/dev/stdout`, a FIFO) is written to directly. A run that fails leaves the
/// old file as it was; `discardAll` removes the temporaries of a run that a signal ends.
public final class AtomicFile {
  public let path: String
  public let descriptor: Int32
  private let target: String
  private let temporary: String?
  private var slot: Int?
  private var done = false

  /// - Throws: where the folder is not there or cannot be written to.
  public init(path: String) throws {
    self.path = path
    var info = stat()
    let exists = stat(path, &info) == 0
    if exists && info.st_mode & S_IFMT != S_IFREG {
      target = path
      temporary = nil
      descriptor = gx_open(path, O_WRONLY | O_CLOEXEC, 0)
      guard descriptor >= 0 else { throw GXError.system(path) }
      return
    }
    // Through a symbolic link, as a plain write would go.
    target = exists ? resolved(path) : path
    var template = Array((target + ".XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw GXError.system(path) }
    let name = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    temporary = name
    slot = Temporaries.remember(name)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    let mask = umask(0)
    umask(mask)
    fchmod(descriptor, exists ? info.st_mode & 0o7777 : 0o666 & ~mask)
  }

  /// Makes the file appear under its name. Everything must have been written to `descriptor`.
  public func commit() throws {
    done = true
    guard let temporary else {
      guard close(descriptor) == 0 else { throw GXError.system(path) }
      return
    }
    var failure: Int32 = fsync(descriptor) == 0 ? 0 : errno
    if close(descriptor) != 0, failure == 0 { failure = errno }
    if failure == 0, rename(temporary, target) != 0 { failure = errno }
    if failure != 0 { unlink(temporary) }
    Temporaries.forget(slot)
    guard failure == 0 else { throw GXError.system(path, failure) }
    syncFolder()
  }

  deinit {
    guard !done else { return }
    close(descriptor)
    if let temporary { unlink(temporary) }
    Temporaries.forget(slot)
  }

  /// The new name itself must survive a power cut. Some file systems refuse; the data is safe either way.
  private func syncFolder() {
    let slash = target.lastIndex(of: "/")
    let folder = slash.map { $0 == target.startIndex ? "/" : String(target[..<$0]) } ?? "."
    let handle = gx_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
    if handle >= 0 {
      fsync(handle)
      close(handle)
    }
  }

  /// Removes every temporary of this process. Safe in a signal handler.
  public static func discardAll() { Temporaries.unlinkAll() }
}

private func resolved(_ path: String) -> String {
  guard let real = realpath(path, nil) else { return path }
  defer { free(real) }
  return String(cString: real)
}

/// The temporaries in being, where a signal handler can find them: plain C strings, in places that are never freed.
private enum Temporaries {
  static let capacity = 16
  /// As long as a path may be, with its end.
  static let length = Int(PATH_MAX)
  nonisolated(unsafe) static let places = UnsafeMutablePointer<CChar>.allocate(capacity: capacity * length)
  nonisolated(unsafe) static let names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = {
    let table = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: capacity)
    table.initialize(repeating: nil, count: capacity)
    return table
  }()

  static func remember(_ name: String) -> Int? {
    guard name.utf8.count < length else { return nil }
    for i in 0..<capacity where names[i] == nil {
      names[i] = strcpy(places + i * length, name)
      return i
    }
    return nil
  }

  static func forget(_ slot: Int?) { if let slot { names[slot] = nil } }

  static func unlinkAll() { for i in 0..<capacity { if let name = names[i] { unlink(name) } } }
}
