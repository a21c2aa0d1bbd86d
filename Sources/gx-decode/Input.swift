import GXCommand
import GXCore
import GXImage
import GXStream
import Glibc

func items(_ paths: [String]) -> () -> Item? {
  var rest = zip(Key.ids(paths: paths), paths).makeIterator()
  return {
    rest.next().map { id, path in
      Item(record: Record(id: id, meta: Row(id: id, path: path)), path: path)
    }
  }
}

/// What comes on stdin, told apart by its first bytes.
func standardItems(root: String?) throws -> () throws -> Item? {
  if isatty(STDIN_FILENO) == 1 {
    throw UsageError("stdin is a terminal; name PICTUREs, or send a manifest, a tar or a picture")
  }
  let source = ByteSource()
  if try source.peek(1).isEmpty { throw GXError("stdin is empty") }
  // No more is waited for than a live manifest's first row has.
  if try isManifest(source) { return manifestItems(NDJSONReader(source), root: root) }
  if PictureCodec(sniffing: try source.peek(PictureCodec.sniffLength)) != nil {
    var picture: Storage? = try source.takeAll(limit: Limits.tensorBytes)
    return {
      guard let data = picture else { return nil }
      picture = nil
      var record = Record(id: "stdin")
      record.files = [("picture", data)]
      return Item(record: record)
    }
  }
  let start = try source.peek(ForeignKind.sniffLength)
  if let kind = ForeignKind(sniffing: start), kind != .tar { throw unexpected(kind, start) }
  let reader = tensorStream(source)
  return { try reader.next().map { Item(record: $0) } }
}

/// Whether stdin's first character is a brace.
/// - Throws: where a line ends behind it: no row of a manifest does.
func isManifest(_ source: ByteSource) throws -> Bool {
  var hasBrace = false
  for count in 1...ForeignKind.sniffLength {
    let start = try source.peek(count)
    guard start.count >= count else { break }
    switch start[count - 1] {
    case UInt8(ascii: "\n") where hasBrace: throw unexpected(.json, start)
    case 0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf: continue  // blanks, and the bytes of a byte order mark
    case UInt8(ascii: "{") where !hasBrace: hasBrace = true
    default: return hasBrace
    }
  }
  return hasBrace
}

/// What came on stdin instead of what is read, and what may help.
func unexpected(_ kind: ForeignKind, _ start: UnsafeRawBufferPointer) -> GXError {
  let firstLine = String(decoding: start.prefix { $0 != 0x0a && $0 != 0x0d }, as: UTF8.self)
  let (what, help): (String, String) =
    switch kind {
    case .json: ("JSON spread over several lines", "a manifest has one object a line: jq -c .")
    case .jsonArray: ("a JSON array", "a manifest has one object a line: jq -c '.[]'")
    case .text where PictureCodec.isPicture(name: firstLine): ("a list of paths", "name them: xargs -d '\\n' gx-decode")
    case .table: (kind.description, "gx-list --labels FILE makes a manifest of it")
    default: (kind.description, "expected are a manifest, a tar of pictures, or a \(PictureCodec.names("or"))")
    }
  return GXError("stdin: \(what); \(help)")
}

func manifestItems(_ rows: NDJSONReader, root: String?) -> () throws -> Item? {
  var given = GivenIDs()
  return {
    do {
      guard let row = try rows.next() else { return nil }
      guard let path = row.path else {
        var record = Record(id: row.id ?? "line \(rows.line)", meta: row)
        if record.error == nil { record.fail("the manifest has no \"path\" in line \(rows.line)") }
        return Item(record: record)
      }
      guard row.id != nil || given.isFree(Key.id(path: path), for: path) else {
        var record = Record(id: path, meta: row)
        record.fail("another row's path gives the same id, \(Key.id(path: path)); let rows have ids, as gx-list's do")
        return Item(record: record)
      }
      let id = row.id ?? Key.id(path: path)
      let place = path.hasPrefix("/") || root == nil ? path : "\(root!)/\(path)"
      return Item(record: Record(id: id, meta: row), path: place)
    } catch let bad as NDJSONReader.BadLine {
      var record = Record(id: bad.row?.id ?? "line \(rows.line)", meta: bad.row ?? [:])
      record.fail(bad.fault.message)
      return Item(record: record)
    }
  }
}

/// The ids that paths gave to rows without one: of the last 32768 rows at least, for what is held must not grow.
struct GivenIDs {
  private var (recent, older): ([[UInt8]: [UInt8]], [[UInt8]: [UInt8]]) = ([:], [:])

  /// Whether no other path has the id; then it is this path's.
  mutating func isFree(_ id: String, for path: String) -> Bool {
    let (id, path) = (Array(id.utf8), Array(path.utf8))
    if let owner = recent[id] ?? older[id], owner != path { return false }
    if recent.count == 1 << 15 { (older, recent) = (recent, [:]) }
    recent[id] = path
    return true
  }
}
