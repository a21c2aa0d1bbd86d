import GXCore
import GXStream

/// One row of the manifest.
struct Entry {
  var id: String
  var path: String
  var label: String?
  var split: String?
  var extra: JSONObject = [:]
  var error: String?

  var row: Row {
    var row = Row(id: id, path: path)
    (row.label, row.split) = (label, split)
    row.merge(Row(extra))
    row.error = error
    return row
  }

  mutating func take(_ row: LabelTable.Row) { (label, split, extra) = (row.label, row.split, row.extra) }

  mutating func setLabelFromFolder() {
    let folder = Files.lastPart(Files.folder(of: path))
    label = folder.isEmpty || folder == ".." ? Files.lastPart(Files.canonical(Files.folder(of: path))) : folder
  }

  mutating func rename(with map: LabelMap, required: Bool) {
    guard error == nil, label != nil || required else { return }
    do throws(GXError) { label = try map.label(label) } catch { self.error = error.message }
  }
}

extension Entry {
  /// The picture of a row of the label file, which stands in `folder`.
  init(_ row: LabelTable.Row, in folder: String) {
    let base = folder.isEmpty || row.name.hasPrefix("/") ? row.name : folder + (folder == "/" ? "" : "/") + row.name
    let found = ([""] + Files.extensions.map { "." + $0 }).first { Files.exists(base + $0) }
    id = found == "" || (found == nil && Files.isPicture(row.name)) ? Key.id(path: row.name) : row.name
    path = base + (found ?? "")
    take(row)
    if row.name.isEmpty { error = "line \(row.line) of the label file names no picture" }
    if found == nil { error = error ?? "line \(row.line) of the label file: no such file" }
  }
}
