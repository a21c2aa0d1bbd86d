import GXCore

/// What the cells of a label file say.
enum Cell {
  /// What programs write where a value is missing, in any case: R's NA, NumPy's nan, None and null of Python and
  /// databases, a spreadsheet's #N/A, a dash.
  private static let missing: Set = [
    "", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none", "nil", "-", "--", "–", "—",
  ]

  static func isMissing(_ text: String) -> Bool { missing.contains(text.lowercased()) }

  /// Without white space of any kind at its ends.
  static func trimmed(_ text: String) -> String {
    let isSpace: (Character) -> Bool = { $0.isWhitespace || $0 == "\u{feff}" }
    let front = text.drop(while: isSpace)
    return String(front.reversed().drop(while: isSpace).reversed())
  }

  /// The name of a class or split: on one line, and numbers by their digits, as everywhere (1.0 is 1).
  static func name(_ text: String) -> String {
    let trimmed = trimmed(text)
    let line =
      trimmed.contains(where: \.isNewline)
      ? trimmed.split(whereSeparator: \.isWhitespace).joined(separator: " ") : trimmed
    return number(line).map(JSON.name(ofNumber:)) ?? line
  }

  /// A number where the text is one as JSON writes it, and whatever reads JSON gets all of it; else the text. Readers
  /// that take numbers for doubles lose digits of whole numbers from 2^53 on (RFC 8259, section 6).
  static func json(_ text: String) -> JSON {
    guard let number = number(text) else { return .string(text) }
    if let value = Double(number), abs(value) >= 0x1p53, value.rounded() == value, !number.contains(where: \.isLetter) {
      return .string(text)
    }
    return .number(number)
  }

  /// The text, if it is a number as JSON writes it.
  private static func number(_ text: String) -> String? {
    guard text.utf8.first.map({ $0 == UInt8(ascii: "-") || ($0 >= 0x30 && $0 <= 0x39) }) == true,
      let value = try? JSON(parsing: text), case .number(let digits) = value, digits.hasSameBytes(as: text)
    else { return nil }
    return digits
  }

  /// Which numbers may be classes.
  enum Classes {
    /// Whole ones: the column is called like one of labels.
    case whole
    /// Few and small ones: the file does not say what its columns are.
    case small
    /// None: the column is called something else.
    case none
  }

  /// Why these can't be the names of classes: a number among nothing but numbers that looks like a vote, a measurement or
  /// an id; nil if they can. A first row of names is left out.
  static func oddNumber(among cells: [String?], _ allowed: Classes) -> String? {
    var values = cells.compactMap { $0 }
    if values.count > 1 && Double(values[0]) == nil { values.removeFirst() }
    let numbers = values.compactMap { Double($0) }
    guard !values.isEmpty, numbers.count == values.count else { return nil }
    if let place = numbers.firstIndex(where: { $0 != $0.rounded() }) { return values[place] }
    switch allowed {
    case .whole: return nil
    case .small:
      if let place = numbers.firstIndex(where: { abs($0) >= 10_000 }) { return values[place] }
      return Set(numbers).count > 64 ? values[0] : nil
    case .none: return values[0]
    }
  }
}
