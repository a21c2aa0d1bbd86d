import GXCore
import GXImage
import GXStream
import Glibc

/// A picture that was found: its path as the reader of the manifest opens it, and what names it.
struct Picture {
  var path: String
  /// The path below the folder that was given; of a file that was given itself, its path.
  var relative: String
  /// The path with that folder's links resolved, to compare with others.
  var canonical: String
  var error: String?
}

enum Files {
  static let extensions = PictureCodec.suffixes

  static func isPicture(_ name: String) -> Bool { PictureCodec.isPicture(name: name) }

  /// The pictures that the operands name, each once, those of a folder in bytewise order of their paths.
  /// - Throws: where an operand does not exist.
  static func pictures(_ operands: [String]) throws -> [Picture] {
    var seen: Set<[UInt8]> = []  // bytes: strings that differ in Unicode's normal form are equal, their files are not
    var all: [Picture] = []
    for operand in operands {
      var info = stat()
      guard stat(operand, &info) == 0 else { throw GXError.system(operand) }
      var found: [Picture]
      if info.st_mode & S_IFMT == S_IFDIR {
        found = []
        let root = trimmed(operand)
        walk(root == "." ? "" : root == "/" ? root : root + "/", "", canonical(operand) + "/", [], &found)
        found.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
      } else {
        found = [Picture(path: operand, relative: operand, canonical: canonical(operand))]
      }
      all += found.filter { seen.insert(Array($0.canonical.utf8)).inserted }
    }
    return all
  }

  /// Appends what lies in the folder `prefix + below` ("" or ending in "/"), and in the folders in it.
  /// - Parameter above: device and number of each folder on the way here, by which a loop of links is known.
  private static func walk(
    _ prefix: String, _ below: String, _ real: String, _ above: [[UInt64]], _ found: inout [Picture]
  ) {
    let folder = prefix + below
    func fail(_ name: String, _ message: String) {
      found.append(Picture(path: folder + name, relative: below + name, canonical: real + below + name, error: message))
    }
    var info = stat()
    guard let stream = opendir(folder.isEmpty ? "." : folder) else { return fail("", systemError()) }
    defer { closedir(stream) }
    guard fstat(dirfd(stream), &info) == 0 else { return fail("", systemError()) }
    let here = [UInt64(info.st_dev), UInt64(info.st_ino)]
    if above.contains(here) { return }
    while let entry = readdir(stream) {
      let bytes = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: UInt8.self, capacity: 256) {
          Array(UnsafeBufferPointer(start: $0, count: strnlen($0, 256)))
        }
      }
      if bytes.first == UInt8(ascii: ".") { continue }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        let shown = String(decoding: bytes, as: UTF8.self)
        if isPicture(shown) { fail(shown, "the name is not UTF-8; rename it") }
        continue
      }
      guard stat(folder + name, &info) == 0 else {
        if isPicture(name) { fail(name, systemError()) }  // a link to nowhere
        continue
      }
      if info.st_mode & S_IFMT == S_IFDIR {
        walk(prefix, below + name + "/", real, above + [here], &found)
      } else if isPicture(name) {
        found.append(Picture(path: folder + name, relative: below + name, canonical: real + below + name))
      }
    }
  }

  /// Without slashes at the end.
  private static func trimmed(_ path: String) -> String {
    var path = Substring(path)
    while path.count > 1 && path.hasSuffix("/") { path = path.dropLast() }
    return String(path)
  }

  /// The absolute path with links resolved; as it is where it does not exist.
  static func canonical(_ path: String) -> String {
    guard let real = realpath(path.isEmpty ? "." : path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  /// `path`, seen from `folder`, with `.` and `..` taken out by the letter.
  static func join(_ folder: String, _ path: String) -> String {
    var parts: [Substring] = []
    for part in (path.hasPrefix("/") ? path : folder + "/" + path).split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// The folder of a file, "" for the current one.
  static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
  }

  static func lastPart(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
