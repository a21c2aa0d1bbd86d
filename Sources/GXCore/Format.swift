/// `value` with `digits` decimals, rounded to nearest; a dash where it is not finite or too large to spell out.
public func fixed(_ value: Double, _ digits: Int) -> String {
  var power = 1.0
  for _ in 0..<digits { power *= 10 }
  let scaled = (value * power).rounded()
  guard scaled.magnitude < 9e15 else { return "-" }
  let text = String(Int(scaled.magnitude))
  let sign = scaled < 0 ? "-" : ""
  guard digits > 0 else { return sign + text }
  let padded = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
  return sign + padded.dropLast(digits) + "." + padded.suffix(digits)
}

/// Decimals of 0 at the end of `number`, and the point if none is left, taken off.
public func trimmed(_ number: String) -> String {
  guard number.contains(".") else { return number }
  var text = Substring(number)
  while text.last == "0" { text.removeLast() }
  if text.last == "." { text.removeLast() }
  return String(text)
}
