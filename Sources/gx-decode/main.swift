// gx-decode: pictures to a tensor stream.
//
// Operands: paths of picture files. Without operands, stdin: an NDJSON manifest, a tar of pictures, or one picture.
// stdout: a tensor stream of RGB pixels. A picture that can't be decoded is a record with `error`.

import GXCommand
import GXCore
import GXImage
import GXStream
import Glibc

let command = Command(
  "gx-decode", "decode pictures into a tensor stream",
  synopsis: "[PICTURE]... > OUT",
  about: """
    Decodes \(PictureCodec.names("and")) files into records of pixels [height, width, 3], RGB, upright as EXIF says.

    Without operands it reads stdin and tells by the first bytes what comes: an NDJSON manifest (gx-list's; the
    pictures are at 'path', all other fields are kept), a tar of pictures (a WebDataset shard; KEY.cls becomes
    the label where KEY.json has none), or a single picture.

    Pixels are u8, grey becomes RGB, transparency shows black; colour profiles are not applied. A picture that is
    damaged, cut short or missing becomes a record with 'error'.

    \(PictureCodec.all.map { "\($0.name): \($0.about)" }.joined(separator: "\n"))
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
    record.meta.ops = []
  } catch {
    Log.error("\(record.id): \(error)")
    record.fail("\(error)")
  }
  return record
}

/// Where a record's picture is: the member that is named like one, or else the first that looks like one.
func pictureMember(_ record: Record) -> Int? {
  record.files.firstIndex { ($0.ext == "picture" || PictureCodec.suffixes.contains($0.ext)) }
    ?? record.files.firstIndex { file in
      let bytes = UnsafeRawBufferPointer(start: file.data.base, count: file.data.count)
      return withExtendedLifetime(file.data) { PictureCodec(sniffing: bytes.prefix(PictureCodec.sniffLength)) != nil }
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
  record.meta.label = String(trimmed)
}
