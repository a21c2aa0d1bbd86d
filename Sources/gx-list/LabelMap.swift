import GXCommand
import GXCore

/// `--map FROM=TO,…` and `--classes`: which labels there are, and what they are called.
struct LabelMap {
  private var renamed: [Name: String] = [:]
  private var known: [String]?

  /// - Throws: `UsageError` where a part of `map` is not like FROM=TO.
  init(map: String?, classes: String?) throws {
    for part in map?.split(separator: ",") ?? [] {
      guard let equals = part.firstIndex(of: "="), equals != part.startIndex, part.last != "=" else {
        throw UsageError("--map: '\(part)' is not like FROM=TO")
      }
      renamed[Name(part[..<equals])] = String(part[part.index(after: equals)...])
    }
    known = classes?.split(separator: ",").map(String.init)
  }

  /// The label that `text` stands for.
  /// - Throws: where classes are known and it is none of them.
  func label(_ text: String?) throws(GXError) -> String? {
    let label = text.map { renamed[Name($0)] ?? $0 }
    guard let known else { return label }
    guard let label else { throw GXError("has no label") }
    guard known.contains(name: label) else {
      throw GXError("label '\(label)' is none of \(known.joined(separator: ", "))")
    }
    return label
  }

  /// Whether `text` is a label, whatever it looks like.
  func names(_ text: String) -> Bool { renamed[Name(text)] != nil || known?.contains(name: text) == true }

  /// Columns that the map names: votes or probabilities of a class each.
  /// - Throws: `UsageError` where two are called the same.
  func columns(in header: [String], _ path: String) throws -> [(place: Int, name: String)] {
    let found = header.enumerated().filter { renamed[Name($0.element)] != nil }.map { ($0.offset, $0.element) }
    for (i, one) in found.enumerated() where found[..<i].contains(where: { $0.1.hasSameBytes(as: one.1) }) {
      throw UsageError("\(path): several columns are called '\(one.1)', which --map names")
    }
    return found
  }

  /// The name of the column with the highest number.
  func highest(of columns: [(place: Int, name: String)], in row: [String], _ line: Int, _ path: String) throws
    -> String?
  {
    var best: (name: String, value: Double)?
    for (place, name) in columns {
      guard let value = Double(Cell.trimmed(row[place])), value.isFinite else {
        throw GXError("\(path), line \(line): \(name): '\(row[place])' is not a number")
      }
      if value > best?.value ?? 0 { best = (name, value) }
    }
    return best?.name
  }
}
