/// Keys of records in a tensor stream, and the names of the members that share them.
///
/// WebDataset takes as key all of a member's name up to the first dot of its basename. Galaxy names
/// hold dots (`J0946.5+01`), so dots are percent-escaped; so is whatever else a reader of tar would take for
/// something other than a name: `%` itself, control characters, `\`, `@` (which marks copies), a slash at either end
/// or behind another, the first underscore of a folder like `__this__` (metadata, for WebDataset), and bytes that are
/// no UTF-8. The key of the empty name is a lone `%`. `unescape` gives the name back; other Unicode stays as it is, and
/// what differs in its bytes is another name. `member` and `split` are inverse likewise.
public enum Key {
  /// The longest name in bytes, before any of them are escaped.
  public static let limit = 4096
  /// The longest extension in bytes.
  public static let extensionLimit = 255

  public static func escape(_ id: String) -> String { escape(Array(id.utf8)) }

  /// The key of a name of any bytes. Different names have different keys.
  public static func escape(_ name: [UInt8]) -> String {
    if name.isEmpty { return "%" }
    var previous = slash
    let last = name.count - 1
    let isReserved = name.contains(slash) && isMetadata(name)
    return percentEscaped(name) { i, byte in
      defer { previous = byte }
      return byte == dot || byte == percent || byte == at || byte == UInt8(ascii: "\\")
        || (byte == slash && (previous == slash || i == last)) || (i == 0 && isReserved)
    }
  }

  /// The name of a key, as `id(of:)` tells it.
  public static func unescape(_ key: String) -> String { id(of: name(of: key.utf8)) }

  /// The name of these bytes as text: its key where they are not UTF-8.
  public static func id(of name: [UInt8]) -> String { String(validating: name, as: UTF8.self) ?? escape(name) }

  /// The bytes that a key stands for.
  private static func name(of key: some Collection<UInt8>) -> [UInt8] {
    let bytes = Array(key)
    if bytes == [percent] { return [] }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      if bytes[i] == percent, i + 2 < bytes.count, let high = hexValue(bytes[i + 1]), let low = hexValue(bytes[i + 2]) {
        out.append(high << 4 | low)
        i += 3
      } else {
        out.append(bytes[i])
        i += 1
      }
    }
    return out
  }

  /// The key of a galaxy's `copy`-th copy. Never the key of another galaxy, for escaped keys hold no `@`.
  public static func copy(_ key: String, _ copy: Int) -> String { "\(key)@\(copy)" }

  /// What stands before a key's mark of a copy: all of it, where there is none.
  private static func base(_ key: some Collection<UInt8>) -> ArraySlice<UInt8> {
    let key = Array(key)
    guard let mark = key.lastIndex(of: at), mark + 1 < key.count,
      key[(mark + 1)...].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return key[...] }
    return key[..<mark]
  }

  /// The key of a record whose members' names begin with these bytes: they themselves where gx makes such keys, or
  /// escaped. It is a relative path that stays within any folder.
  public static func canonical(_ found: [UInt8]) -> String {
    let base = base(found)
    let isOurs = escape(name(of: base)).utf8.elementsEqual(base)
    return isOurs ? String(decoding: found, as: UTF8.self) : escape(found)
  }

  /// True where the name that a key stands for is longer than the limit.
  public static func isTooLong(_ key: String) -> Bool { name(of: base(key.utf8)).count > limit }

  // MARK: Names of members

  /// The name of the member of a record that holds what `ext` says.
  public static func member(_ key: String, _ ext: String) -> String { "\(key).\(ext)" }

  /// A member's name, parted by WebDataset's rule: up to the first dot of the basename is what becomes the key, the
  /// rest the extension (in lower case; control characters, and bytes that are no UTF-8, percent-escaped). Leading
  /// `./` are no part of the name. nil where the member belongs to no record: hidden files (`.hidden`, `._resource`),
  /// names without a dot, and WebDataset's metadata (`__this__`, and what is in a folder of such a name).
  /// - Parameter atLastDot: the key goes on up to the last dot.
  public static func split(_ name: [UInt8], atLastDot: Bool = false) -> (key: [UInt8], ext: String)? {
    var path = name[...]
    while path.starts(with: [dot, slash]) { path = path.dropFirst(2) }
    let base = path.lastIndex(of: slash).map { $0 + 1 } ?? path.startIndex
    guard let first = path[base...].firstIndex(of: dot), first != base, !isMetadata(path) else { return nil }
    let end = atLastDot ? path.lastIndex(of: dot)! : first
    let ext = path[(end + 1)...].map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    return (Array(path[..<end]), percentEscaped(ext) { _, _ in false })
  }

  /// True where the first part of a path begins and ends with two underscores.
  private static func isMetadata(_ path: some Collection<UInt8>) -> Bool {
    let first = path.prefix { $0 != slash }
    return first.count >= 4 && first.starts(with: "__".utf8) && first.suffix(2).elementsEqual("__".utf8)
  }

  /// `bytes` with `%XX` in place of control characters, of what is no UTF-8, and of what `isSpecial` says of a place and
  /// its byte.
  private static func percentEscaped(_ bytes: [UInt8], where isSpecial: (Int, UInt8) -> Bool) -> String {
    let stray = strayBytes(bytes)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    for (i, byte) in bytes.enumerated() {
      if isSpecial(i, byte) || byte < 0x20 || byte == 0x7f || stray.contains(i) {
        out.append(percent)
        out.append(hexDigits[Int(byte >> 4)])
        out.append(hexDigits[Int(byte & 15)])
      } else {
        out.append(byte)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Where bytes stand that are no UTF-8.
  private static func strayBytes(_ bytes: [UInt8]) -> Set<Int> {
    if String(validating: bytes, as: UTF8.self) != nil { return [] }
    var stray: Set<Int> = []
    var parser = Unicode.UTF8.ForwardParser()
    var rest = bytes.makeIterator()
    var place = 0
    while true {
      switch parser.parseScalar(from: &rest) {
      case .valid(let scalar): place += scalar.count
      case .error(let length):
        stray.formUnion(place..<place + length)
        place += length
      case .emptyInput: return stray
      }
    }
  }

  /// The name of a picture: its path without the extension, and without a leading `./`.
  public static func id(path: String) -> String {
    var id = name(path)
    let start = id.lastIndex(of: slash).map { $0 + 1 } ?? id.startIndex
    if let end = id[start...].lastIndex(of: dot), end != start { id = id[..<end] }
    return String(decoding: id, as: UTF8.self)
  }

  private static func name(_ path: String) -> ArraySlice<UInt8> {
    var name = Array(path.utf8)[...]
    while name.starts(with: [dot, slash]) { name = name.dropFirst(2) }
    return name
  }

  /// The names of pictures that are known together: `id(path:)`, but where that is not enough to tell two of them
  /// apart, with the extension. Paths are compared by their bytes: in two normal forms of Unicode it is two names.
  public static func ids(paths: [String]) -> [String] {
    let names = paths.map(name)
    var ids = paths.map { Array(id(path: $0).utf8)[...] }
    // An id that was lengthened may be the short one of yet another.
    while true {
      var owners: [ArraySlice<UInt8>: Int] = [:]
      var shared: Set<ArraySlice<UInt8>> = []
      for i in ids.indices {
        let owner = owners[ids[i]] ?? i
        owners[ids[i]] = owner
        if names[owner] != names[i] { shared.insert(ids[i]) }
      }
      if shared.isEmpty { return ids.map { String(decoding: $0, as: UTF8.self) } }
      for i in ids.indices where shared.contains(ids[i]) { ids[i] = names[i] }
    }
  }

  private static let slash = UInt8(ascii: "/")
  private static let dot = UInt8(ascii: ".")
  private static let percent = UInt8(ascii: "%")
  private static let at = UInt8(ascii: "@")
}

let hexDigits = Array("0123456789ABCDEF".utf8)

func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  default: nil
  }
}
