/// `text` without control characters, which could play tricks on a terminal: each is replaced by U+FFFD.
public func printable(_ text: String) -> String {
  var out = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    out.append(isControl ? "\u{fffd}" : scalar)
  }
  return String(out)
}

/// `text` as character data or an attribute's value of HTML or XML. Characters that these cannot hold become U+FFFD.
public func escapedMarkup(_ text: String) -> String {
  var out = ""
  for c in text.unicodeScalars {
    switch c {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    case "\n", "\t": out.unicodeScalars.append(c)
    case "\u{0}"..<" ", "\u{7f}"..."\u{9f}", "\u{fffe}", "\u{ffff}": out += "\u{fffd}"
    default: out.unicodeScalars.append(c)
    }
  }
  return out
}

/// RFC 4648, section 4, with padding.
public func base64(_ bytes: [UInt8]) -> [UInt8] {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var out: [UInt8] = []
  out.reserveCapacity((bytes.count + 2) / 3 * 4)
  for i in stride(from: 0, to: bytes.count, by: 3) {
    func byte(_ k: Int) -> Int { i + k < bytes.count ? Int(bytes[i + k]) : 0 }
    let group = byte(0) << 16 | byte(1) << 8 | byte(2)
    for k in 0..<4 {
      out.append(i + k <= bytes.count ? digits[group >> (18 - 6 * k) & 63] : UInt8(ascii: "="))
    }
  }
  return out
}

/// A word as a shell reads it back.
public func shellWord(_ word: String) -> String {
  let plain = word.unicodeScalars.allSatisfy { c in
    c.isASCII && (c.properties.isAlphabetic || ("0"..."9").contains(c) || "-_./,:=+@%".unicodeScalars.contains(c))
  }
  return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
}
