import GXCommand
import GXCore
import GXStream

/// The rows of a label file, with the columns' meanings worked out.
struct LabelTable {
  struct Row {
    let line: Int
    /// What names the picture: a path, a file name, or an id.
    let name: String
    let label: String?
    let split: String?
    let extra: JSONObject
  }

  let path: String
  private(set) var rows: [Row] = []

  private static let nameColumns = [
    "path", "filepath", "file_path", "file", "filename", "file_name", "image", "image_path", "image_name", "img",
    "galaxyid", "galaxy_id", "image_id", "asset_id", "dr7objid", "objid", "objname", "name", "id",
  ]
  private static let labelColumns = ["label", "class", "category", "morphology", "target", "type"]
  private static let splitColumns = ["split", "subset", "set"]
  /// Fields of a record that mean something of their own; a column of such a name becomes `csv_NAME`.
  private static let reserved: Set = ["id", "path", "label", "split", "ops", "copy", "error"]

  /// - Throws: `UsageError` where a column that was asked for is not there, `GXError` where the file is no CSV.
  init(path: String, _ arguments: Arguments, map: LabelMap) throws {
    self.path = path
    let reader = CSVReader(try ByteSource.open(path))
    guard let first = try reader.next() else { throw GXError("\(path): no rows") }
    let lower = first.map { $0.trimmingSpace.lowercased() }
    let asked = ["path-column", "label-column", "split-column"].compactMap { arguments.string($0)?.lowercased() }
    let known = Self.nameColumns + Self.labelColumns + asked.filter { Int($0) == nil }
    let hasHeader =
      arguments.has("header") || (!arguments.has("no-header") && lower.contains { known.contains($0) })
    let header = first.enumerated().map { i, text in
      hasHeader && !text.trimmingSpace.isEmpty ? text.trimmingSpace : "column\(i + 1)"
    }

    func column(_ option: String, _ candidates: [String], otherwise: Int?) throws -> Int? {
      guard let text = arguments.string(option) else {
        let named = candidates.lazy.compactMap { lower.firstIndex(of: $0) }.first
        return hasHeader ? named ?? otherwise : otherwise
      }
      if hasHeader, let found = header.firstIndex(of: text) ?? lower.firstIndex(of: text.lowercased()) { return found }
      if let number = Int(text), first.indices.contains(number - 1) { return number - 1 }
      throw UsageError("--\(option): \(path) has no column '\(text)'; it has \(header.joined(separator: ", "))")
    }
    let nameColumn = try column("path-column", Self.nameColumns, otherwise: 0)!
    let scored = map.columns(in: header)
    let second = header.indices.contains(1) && nameColumn == 0 && !(hasHeader && header.count > 2) ? 1 : nil
    let labelColumn = try column("label-column", Self.labelColumns, otherwise: scored.isEmpty ? second : nil)
    guard labelColumn != nil || !scored.isEmpty else {
      throw UsageError("--labels: which column of \(path) holds the label? Name it with --label-column")
    }
    let splitColumn = try column("split-column", Self.splitColumns, otherwise: nil)
    let special = [nameColumn, labelColumn, splitColumn]

    var fields = hasHeader ? try reader.next() : first
    while let row = fields {
      guard row.count == header.count else {
        throw GXError("\(path), line \(reader.line): \(row.count) fields, line 1 has \(header.count)")
      }
      var extra = JSONObject()
      for (i, text) in row.enumerated() where !special.contains(i) {
        extra[Self.reserved.contains(header[i]) ? "csv_" + header[i] : header[i]] = .parsed(text)
      }
      let label = try labelColumn.map { row[$0].trimmingSpace } ?? map.highest(of: scored, in: row, reader.line, path)
      rows.append(
        Row(
          line: reader.line, name: row[nameColumn].trimmingSpace, label: label?.isEmpty == false ? label : nil,
          split: splitColumn.flatMap { row[$0].trimmingSpace.isEmpty ? nil : row[$0].trimmingSpace }, extra: extra))
      fields = try reader.next()
    }
  }
}

/// `--map FROM=TO,…` and `--classes`: which labels there are, and what they are called.
struct LabelMap {
  private var names: [String: String] = [:]
  private var known: [String]?

  /// - Throws: `UsageError` where a part of `map` is not like FROM=TO.
  init(map: String?, classes: String?) throws {
    for part in map?.split(separator: ",") ?? [] {
      guard let equals = part.firstIndex(of: "="), equals != part.startIndex, part.last != "=" else {
        throw UsageError("--map: '\(part)' is not like FROM=TO")
      }
      names[String(part[..<equals])] = String(part[part.index(after: equals)...])
    }
    known = classes?.split(separator: ",").map(String.init)
  }

  /// The label that `text` stands for.
  /// - Throws: where classes are known and it is none of them.
  func label(_ text: String?) throws(GXError) -> String? {
    let label = text.map { names[$0] ?? $0 }
    guard let known else { return label }
    guard let label else { throw GXError("has no label") }
    guard known.contains(label) else {
      throw GXError("label '\(label)' is none of \(known.joined(separator: ", "))")
    }
    return label
  }

  /// Columns that the map names: votes or probabilities of a class each.
  func columns(in header: [String]) -> [(place: Int, name: String)] {
    header.enumerated().filter { names[$0.element] != nil }.map { ($0.offset, $0.element) }
  }

  /// The name of the column with the highest number.
  func highest(of columns: [(place: Int, name: String)], in row: [String], _ line: Int, _ path: String) throws
    -> String?
  {
    var best: (name: String, value: Double)?
    for (place, name) in columns {
      guard let value = Double(row[place].trimmingSpace), value.isFinite else {
        throw GXError("\(path), line \(line): \(name): '\(row[place])' is not a number")
      }
      if value > best?.value ?? 0 { best = (name, value) }
    }
    return best?.name
  }
}

/// Finds the picture that a row means: by path from the label file's folder or a folder that was given,
/// else by file name, with or without extension, if only one picture has it.
struct PictureIndex {
  private var byPath: [String: Int] = [:]
  private var byName: [String: [Int]] = [:]
  private let folders: [String]

  init(_ pictures: [Picture], folders: [String]) {
    self.folders = folders
    for (i, picture) in pictures.enumerated() {
      byPath[picture.canonical] = i
      let file = Files.lastPart(picture.relative)
      for name in Set([picture.relative, Key.id(path: picture.relative), file, Key.id(path: file)]) {
        byName[name, default: []].append(i)
      }
    }
  }

  /// The places of the pictures that `name` may mean: none, one, or too many.
  func places(of name: String) -> [Int] {
    for folder in folders { if let found = byPath[Files.join(folder, name)] { return [found] } }
    return byName[name] ?? byName[Files.lastPart(name)] ?? []
  }

  /// Whether `name` is that of a file which exists, though it was not asked for.
  func existsElsewhere(_ name: String) -> Bool {
    folders.contains { folder in
      ([""] + Files.extensions.map { "." + $0 }).contains { Files.exists(Files.join(folder, name) + $0) }
    }
  }
}

extension JSON {
  /// A number where the text is one as JSON writes it, so that nothing of it is lost; else the text.
  fileprivate static func parsed(_ text: String) -> JSON {
    guard text.utf8.first.map({ $0 == UInt8(ascii: "-") || ($0 >= 0x30 && $0 <= 0x39) }) == true,
      let value = try? JSON(parsing: text), case .number(let digits) = value, digits == text
    else { return .string(text) }
    return value
  }
}

extension String {
  fileprivate var trimmingSpace: String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    let front = drop(while: isSpace)
    return String(front.reversed().drop(while: isSpace).reversed())
  }
}
