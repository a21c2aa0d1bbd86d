/// Keys of records in a tensor stream.
///
/// WebDataset takes as key all of a member's name up to the first dot of its basename. Galaxy names
/// hold dots (`J0946.5+01`), so dots are percent-escaped; so are `%` itself, control characters,
/// `@` (which marks copies), and a leading or doubled slash. `unescape` gives the name back.
public enum Key {
  /// The longest key in bytes.
  public static let limit = 4096

  public static func escape(_ id: String) -> String {
    var out: [UInt8] = []
    out.reserveCapacity(id.utf8.count)
    var previous = UInt8(ascii: "/")
    for byte in id.utf8 {
      let special =
        byte < 0x20 || byte == 0x7f || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "%")
        || byte == UInt8(ascii: "@") || byte == UInt8(ascii: "\\")
        || (byte == UInt8(ascii: "/") && previous == byte)
      if special {
        out.append(UInt8(ascii: "%"))
        out.append(hexDigits[Int(byte >> 4)])
        out.append(hexDigits[Int(byte & 15)])
      } else {
        out.append(byte)
      }
      previous = byte
    }
    return String(decoding: out, as: UTF8.self)
  }

  public static func unescape(_ key: String) -> String {
    let bytes = Array(key.utf8)
    var out: [UInt8] = []
    var i = 0
    while i < bytes.count {
      if bytes[i] == UInt8(ascii: "%"), i + 2 < bytes.count, let high = hexValue(bytes[i + 1]),
        let low = hexValue(bytes[i + 2])
      {
        out.append(high << 4 | low)
        i += 3
      } else {
        out.append(bytes[i])
        i += 1
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// The key of a galaxy's `copy`-th copy. Never the key of another galaxy, for escaped keys hold no `@`.
  public static func copy(_ key: String, _ copy: Int) -> String { "\(key)@\(copy)" }

  /// A key as a relative path that stays within any folder, without an extension. The keys that gx makes are such paths
  /// themselves; others are escaped.
  public static func path(_ key: String) -> String {
    let base = key.lastIndex(of: "@").map { key[..<$0] } ?? key[...]
    let isOurs =
      escape(unescape(String(base))) == base && !base.isEmpty
      && key[base.endIndex...].dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    return isOurs ? key : escape(key)
  }

  /// The name of a picture: its path without the extension, and without a leading `./`.
  public static func id(path: String) -> String {
    var id = name(path)
    let start = id.lastIndex(of: "/").map(id.index(after:)) ?? id.startIndex
    if let dot = id[start...].lastIndex(of: "."), dot != start { id = id[..<dot] }
    return String(id)
  }

  private static func name(_ path: String) -> Substring {
    var name = Substring(path)
    while name.hasPrefix("./") { name = name.dropFirst(2) }
    return name
  }

  /// The names of pictures that are known together: `id(path:)`, but where that is not enough to tell two of them
  /// apart, with the extension. Paths are compared by their bytes.
  public static func ids(paths: [String]) -> [String] {
    let names = paths.map { String(name($0)) }
    var ids = paths.map(id(path:))
    // An id that was lengthened may be the short one of yet another.
    while true {
      var owners: [[UInt8]: Int] = [:]
      var shared: Set<[UInt8]> = []
      for i in ids.indices {
        let id = Array(ids[i].utf8)
        let owner = owners[id] ?? i
        owners[id] = owner
        if !names[owner].utf8.elementsEqual(names[i].utf8) { shared.insert(id) }
      }
      if shared.isEmpty { return ids }
      for i in ids.indices where shared.contains(Array(ids[i].utf8)) { ids[i] = names[i] }
    }
  }
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
