import GXCore
import Glibc
import Synchronization

/// A C library that is loaded when it is first needed; see CCodecs/library.h.
///
/// `Functions` is a struct of nothing but pointers to its functions, none of which is null once it is given out.
public final class Library<Functions>: Sendable {
  private let file, package, names: String
  /// Where they stand, for good; 0 as long as they do not.
  private let address = Mutex<UInt>(0)

  /// - Parameters:
  ///   - file: as the dynamic linker finds it, such as "libpng16.so.16".
  ///   - package: Debian's, which brings it.
  ///   - names: of the functions, in the order of the struct, each with a blank behind it.
  public init(file: UnsafePointer<CChar>, package: UnsafePointer<CChar>, names: UnsafePointer<CChar>) {
    (self.file, self.package, self.names) = (String(cString: file), String(cString: package), String(cString: names))
  }

  /// Its functions.
  /// - Throws: where it cannot be loaded. The next call tries again: what was missing may have been memory.
  public func functions() throws(GXError) -> UnsafePointer<Functions> {
    let found = try address.withLock { (address) throws(GXError) -> UInt in
      if address == 0 { address = UInt(bitPattern: try load()) }
      return address
    }
    return UnsafePointer(bitPattern: found)!
  }

  private func load() throws(GXError) -> UnsafePointer<Functions> {
    guard let library = dlopen(file, RTLD_NOW | RTLD_LOCAL) else { throw fault() }
    var pointers: [UnsafeMutableRawPointer] = []
    for name in names.split(separator: " ") {
      guard let pointer = dlsym(library, String(name)) else { throw fault() }
      pointers.append(pointer)
    }
    let functions = UnsafeMutablePointer<Functions>.allocate(capacity: 1)
    let size = MemoryLayout<Functions>.size
    precondition(size == pointers.count * MemoryLayout<UnsafeRawPointer>.size)
    pointers.withUnsafeBytes { UnsafeMutableRawPointer(functions).copyMemory(from: $0.baseAddress!, byteCount: size) }
    return UnsafePointer(functions)
  }

  private func fault() -> GXError {
    GXError("\(file) cannot be loaded (Debian's package \(package)): \(dlerror().map { String(cString: $0) } ?? "")")
  }
}
