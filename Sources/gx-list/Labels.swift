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
  /// What was taken for what, for people.
  private(set) var notes: [String] = []

  private static let nameColumns = [
    "path", "filepath", "file_path", "file_loc", "png_loc", "file", "filename", "file_name", "image", "image_path",
    "image_name", "img", "galaxyid", "galaxy_id", "image_id", "asset_id", "id_str", "subject_id", "iauname", "iau_name",
    "dr7objid", "dr7_id", "dr8objid", "dr8_id", "objid", "obj_id", "object_id", "objectid", "specobjid", "source_id",
    "sourceid", "targetid", "target_id", "objname", "object", "galaxy", "name", "id",
  ]
  private static let labelColumns = ["label", "class", "category", "morphology", "target", "type"]
  private static let splitColumns = ["split", "subset", "set"]

  /// - Throws: `UsageError` where a column that was asked for is not there, or which is meant can't be told; `GXError`
  ///   where the file is no CSV.
  init(path: String, _ arguments: Arguments, map: LabelMap) throws {
    self.path = path
    let reader = CSVReader(try ByteSource.open(path))
    guard let first = try reader.next() else { throw GXError("\(path): no rows") }
    let lower = first.map { Cell.trimmed($0).lowercased() }
    let asked = ["path-column", "label-column", "split-column"].compactMap { arguments.string($0)?.lowercased() }
    let known = Self.nameColumns + Self.labelColumns + asked.filter { Int($0) == nil }
    let hasHeader =
      arguments.has("header") || (!arguments.has("no-header") && lower.contains { known.contains(name: $0) })
    let header = first.enumerated().map { i, text in
      let name = Cell.trimmed(text)
      return hasHeader && !name.isEmpty ? name : "column\(i + 1)"
    }

    /// The only column of this name, of any case where none is exactly so.
    func place(_ name: String, _ option: String) throws -> Int? {
      let exact = header.indices.filter { header[$0].hasSameBytes(as: name) }
      let found = exact.isEmpty ? lower.indices.filter { lower[$0].hasSameBytes(as: name.lowercased()) } : exact
      guard found.count <= 1 else {
        let places = found.map { String($0 + 1) }.joined(separator: " and ")
        throw UsageError("\(path): columns \(places) are both called '\(header[found[0]])'; --\(option) N says which")
      }
      return found.first
    }
    func column(_ option: String, _ candidates: [String], otherwise: Int?) throws -> Int? {
      guard let text = arguments.string(option) else {
        guard hasHeader else { return otherwise }
        for name in candidates { if let found = try place(name, option) { return found } }
        return otherwise
      }
      if hasHeader, let found = try place(text, option) { return found }
      if let number = Int(text), first.indices.contains(number - 1) { return number - 1 }
      throw UsageError("--\(option): \(path) has no column '\(text)'; it has \(header.joined(separator: ", "))")
    }
    let nameColumn = try column("path-column", Self.nameColumns, otherwise: 0)!
    let scored = try map.columns(in: header, path)
    let second = header.indices.contains(1) && nameColumn == 0 && !(hasHeader && header.count > 2) ? 1 : nil
    let labelColumn = try column("label-column", Self.labelColumns, otherwise: scored.isEmpty ? second : nil)
    guard labelColumn != nil || !scored.isEmpty else {
      throw UsageError("--labels: which column of \(path) holds the label? Name it with --label-column")
    }
    let splitColumn = try column("split-column", Self.splitColumns, otherwise: nil)
    let special = [nameColumn, labelColumn, splitColumn]
    let labels = labelColumn.map { "'\(header[$0])'" } ?? "the highest of \(scored.map(\.name).joined(separator: ", "))"
    notes.append(
      "\(path): pictures by '\(header[nameColumn])', labels by \(labels)"
        + (splitColumn.map { ", splits by '\(header[$0])'" } ?? "") + (hasHeader ? "" : "; no row of names"))
    var others: [(place: Int, field: String)] = []
    for i in header.indices where !special.contains(i) {
      let isReserved = GXStream.Row.Field.ofEveryRow.contains { $0.rawValue.hasSameBytes(as: header[i]) }
      let field = isReserved ? "csv_" + header[i] : header[i]
      if others.contains(where: { $0.field.hasSameBytes(as: field) }) {
        notes.append("\(path): there are several columns '\(header[i])'; the first is taken")
      } else {
        others.append((i, field))
      }
    }

    var missing: [Name: Int] = [:]
    func labelled(_ text: String) -> String? {
      let name = Cell.name(text)
      guard Cell.isMissing(name), !map.names(name) else { return name }
      if !name.isEmpty { missing[Name(name), default: 0] += 1 }
      return nil
    }
    var fields = hasHeader ? try reader.next() : first
    while let row = fields {
      guard row.count == header.count else {
        throw GXError("\(path), line \(reader.line): \(row.count) fields, line 1 has \(header.count)")
      }
      var extra = JSONObject()
      for (i, field) in others { extra[field] = Cell.json(row[i]) }
      let label = try labelColumn.map { labelled(row[$0]) } ?? map.highest(of: scored, in: row, reader.line, path)
      let split = splitColumn.map { Cell.name(row[$0]) }
      rows.append(
        Row(
          line: reader.line, name: Cell.trimmed(row[nameColumn]), label: label,
          split: split.flatMap { Cell.isMissing($0) ? nil : $0 }, extra: extra))
      fields = try reader.next()
    }
    if !missing.isEmpty {
      let words = missing.sorted { $0.key < $1.key }.map { "'\($0.key)' (\($0.value))" }.joined(separator: ", ")
      let count = missing.count == 1 ? "counts" : "count"
      notes.append("\(path): \(words) \(count) as no label; --classes or --map makes a class of such a word")
    }
    guard let labelColumn, !arguments.has("label-column") else { return }
    let allowed: Cell.Classes =
      !hasHeader ? .small : Self.labelColumns.contains(name: lower[labelColumn]) ? .whole : .none
    if let odd = Cell.oddNumber(among: rows.map(\.label), allowed) {
      throw UsageError(
        "--labels: column '\(header[labelColumn])' of \(path) holds numbers such as \(odd): votes, measurements or ids? "
          + "--label-column \(labelColumn + 1) takes them for labels, --map COLUMN=LABEL,… takes columns of votes"
          + (hasHeader ? "" : ", --header takes the first row for names"))
    }
  }
}
