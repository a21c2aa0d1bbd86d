/// `text` without control characters, which could play tricks on a terminal: each is replaced by U+FFFD.
public func printable(_ text: String) -> String {
  var out = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
    out.append(isControl ? "\u{fffd}" : scalar)
  }
  return String(out)
}
