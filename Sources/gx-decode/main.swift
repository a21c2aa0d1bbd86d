// gx-decode: pictures to a tensor stream.
//
// Operands: paths of JPEG and PNG files. Without operands, stdin: an NDJSON manifest, a tar of pictures, or one
// picture. stdout: a tensor stream of u8 RGB pixels. A picture that can't be decoded is a record with `error`.

import GXCommand
import GXCore
import GXImage
import GXStream
import Glibc

let command = Command(
  "gx-decode", "decode pictures into a tensor stream",
  synopsis: "[PICTURE]... > OUT",
  about: """
    Decodes JPEG and PNG files into records of u8 pixels [height, width, 3], RGB, upright as EXIF says.

    Without operands it reads stdin and tells by the first bytes what comes: an NDJSON manifest (gx-list's; the
    pictures are at 'path', all other fields are kept), a tar of pictures (a WebDataset shard; KEY.cls becomes
    the label where KEY.json has none), or a single picture.

    Grey becomes RGB, transparency shows black, CMYK is converted, of 16 bits the upper 8 stay; colour profiles
    are not applied. A picture that is damaged, cut short or missing becomes a record with 'error'.
    """,
  options: [
    Option(
      "max-pixels", nil, "N", "refuse larger pictures before memory is taken for them [\(Image.pixelLimit)]"),
    Option("root", nil, "DIR", "the folder that a manifest's relative paths start from [.]"),
  ] + Option.filter,
  examples: [
    "gx-decode galaxies/*.jpg > pixels.tar",
    "gx-list images/ --labels labels.csv | gx-decode | gx-resize 96 > train.tar",
    "curl -s https://example.org/m51.jpg | gx-decode | gx-infer -m model.safetensors",
  ])

/// A record to fill, and where its picture is if it is not among the record's files.
struct Item: Sendable {
  var record: Record
  var path: String?
}

command.main { arguments in
  let maxPixels = try arguments.int("max-pixels", in: 1...Int.max) ?? Image.pixelLimit
  let next = arguments.operands.isEmpty ? try standardItems(root: arguments.string("root")) : items(arguments.operands)
  return try RecordPipe(arguments).run(next: next) { item in [decode(item, maxPixels: maxPixels)] }
}

func items(_ paths: [String]) -> () -> Item? {
  var rest = paths[...]
  return {
    rest.popFirst().map { path in
      let id = Key.id(path: path)
      return Item(record: Record(id: id, meta: ["id": .string(id), "path": .string(path)]), path: path)
    }
  }
}

/// What comes on stdin, told apart by its first bytes.
func standardItems(root: String?) throws -> () throws -> Item? {
  if isatty(STDIN_FILENO) == 1 {
    throw UsageError("stdin is a terminal; name PICTUREs, or send a manifest, a tar or a picture")
  }
  let source = ByteSource()
  let start = try source.peek(Image.Format.sniffLength)
  if start.isEmpty { throw GXError("stdin is empty") }
  if Image.Format(sniffing: start.prefix(Image.Format.sniffLength)) != nil {
    var picture: Storage? = try source.takeAll(limit: Limits.tensorBytes)
    return {
      guard let data = picture else { return nil }
      picture = nil
      var record = Record(id: "stdin")
      record.files = [("picture", data)]
      return Item(record: record)
    }
  }
  guard start.first(where: { ![0x20, 0x09, 0x0a, 0x0d].contains($0) }) == UInt8(ascii: "{") else {
    let reader = tensorStream(source)
    return { try reader.next().map { Item(record: $0) } }
  }
  return manifestItems(NDJSONReader(source), root: root)
}

func manifestItems(_ rows: NDJSONReader, root: String?) -> () throws -> Item? {
  {
    do {
      guard let row = try rows.next() else { return nil }
      guard let path = row["path"]?.stringValue else {
        var record = Record(id: Record(key: "line \(rows.line)", meta: row).id, meta: row)
        if record.error == nil { record.fail("the manifest has no \"path\" in line \(rows.line)") }
        return Item(record: record)
      }
      let id = row["id"] == nil ? Key.id(path: path) : Record(key: path, meta: row).id
      let place = path.hasPrefix("/") || root == nil ? path : "\(root!)/\(path)"
      return Item(record: Record(id: id, meta: row), path: place)
    } catch let bad as NDJSONReader.BadLine {
      var record = Record(id: "line \(rows.line)")
      record.fail(bad.fault.message)
      return Item(record: record)
    }
  }
}

@Sendable func decode(_ item: Item, maxPixels: Int) -> Record {
  var record = item.record
  if record.error != nil { return record }
  do {
    if let path = item.path {
      let bytes = try readFile(path)
      do { record.tensor = try bytes.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) } } catch let
        error as GXError
      { throw error.at(path) }
    } else if let place = pictureMember(record) {
      let data = record.files.remove(at: place).data
      let bytes = UnsafeRawBufferPointer(start: data.base, count: data.count)
      record.tensor = try withExtendedLifetime(data) { try Image.decode(bytes, maxPixels: maxPixels) }
      takeClass(&record)
    } else if record.tensor != nil {
      return record  // a shard of arrays: nothing to decode
    } else {
      throw GXError("the record has no picture")
    }
    record.meta["ops"] = []
  } catch {
    Log.error("\(record.id): \(error)")
    record.fail("\(error)")
  }
  return record
}

/// Where a record's picture is: the member that is named like one, or else the first that looks like one.
func pictureMember(_ record: Record) -> Int? {
  record.files.firstIndex { ["jpg", "jpeg", "png", "picture"].contains($0.ext) }
    ?? record.files.firstIndex { file in
      let bytes = UnsafeRawBufferPointer(start: file.data.base, count: file.data.count)
      return withExtendedLifetime(file.data) { Image.Format(sniffing: bytes.prefix(Image.Format.sniffLength)) != nil }
    }
}

/// WebDataset's KEY.cls as the label, where the JSON tells none.
func takeClass(_ record: inout Record) {
  guard record.label == nil, let place = record.files.firstIndex(where: { $0.ext == "cls" }) else { return }
  let data = record.files.remove(at: place).data
  let text = withExtendedLifetime(data) {
    String(decoding: UnsafeRawBufferPointer(start: data.base, count: min(data.count, 1024)), as: UTF8.self)
  }
  let trimmed = text.drop { $0.isWhitespace }.prefix { !$0.isNewline }
  record.meta["label"] = .string(String(trimmed))
}
