// gx-cat: joins tensor streams, selects records, and converts to and from one .npy.
//
// stdin or FILEs: tensor streams, or .npy arrays [N, height, width, channels]. stdout: a tensor stream, the
// records' JSON as NDJSON, or one .npy. Failed records pass; in a .npy they can't, and are counted.

import GXCommand
import GXCore
import GXStream
import Glibc

let classes = ValueOption(
  "classes", nil, "A,B", .list, "only records of these classes", formerly: "label")

let command = Command(
  "gx-cat", "join tensor streams, select records, convert to and from one .npy",
  synopsis: "[FILE]... > OUT",
  about: """
    Writes the records of all FILEs (or stdin, also as -) one after the other. A FILE that is a .npy array becomes
    one record a row.

    Labels, splits and ids are compared as text; several selections must all hold.
    """,
  options: [
    classes, .splits,
    Option("number", "n", "N", "stop behind so many records", formerly: "limit"),
    Option("drop-failed", nil, nil, "leave out records that carry an error"),
    Option("to", "t", "FORMAT", "tar, npy (one array; needs a file, all tensors alike) or ndjson (no tensors) [tar]"),
    Option("meta", nil, "FILE", "NDJSON with the fields of a .npy's rows, in order"),
    .output, .maxErrors, .unbuffered,
  ],
  examples: [
    "gx-cat a.tar b.tar --split train > train.tar",
    "gx-cat --to npy -o pixels.npy < train.tar && gx-cat --to ndjson < train.tar > rows.ndjson",
    "gx-cat --meta rows.ndjson pixels.npy > train.tar",
  ])

enum Format: String, CaseIterable { case tar, npy, ndjson }

command.main { arguments in
  let labels = try arguments[classes].map { Set($0.map(Name.init)) }
  let splits = try arguments.splits()
  let dropFailed = arguments.has("drop-failed")
  let limit = try arguments.int("number", in: 0...Int.max) ?? Int.max
  let format = try arguments.choice("to", Format.self) ?? .tar
  return try arguments.run(binary: format != .ndjson) { output, tally in
    let write = try writer(format, to: output)
    reading: for path in arguments.operands.isEmpty ? ["-"] : arguments.operands {
      let next = try records(of: path, meta: arguments.string("meta"))
      while tally.records < limit {
        guard let record = try next() else { continue reading }
        if let labels, !labels.contains(Name(record.label ?? "")) { continue }
        if let splits, !splits.contains(Name(record.split ?? "")) { continue }
        if dropFailed && record.error != nil { continue }
        tally.add(failed: record.error != nil)
        try write(record)
      }
      break
    }
  }
}

/// The records of a tensor stream or of a .npy array, told apart by the first bytes.
func records(of path: String, meta: String?) throws -> () throws -> Record? {
  if path == "-" && isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; name a FILE or send a stream") }
  let source = try ByteSource.open(path)
  guard try source.peek(6).prefix(6).elementsEqual([0x93] + Array("NUMPY".utf8)) else {
    if meta != nil { throw UsageError("--meta goes with a .npy; \(path) is none") }
    return tensorStream(source).next
  }
  let rows = try NpyRows(source)
  let fields = try meta.map { NDJSONReader(try ByteSource.open($0)) }
  let base = Key.id(path: path == "-" ? "row" : path)
  return {
    let number = rows.taken
    guard let tensor = try rows.next() else { return nil }
    guard let fields else { return Record(id: "\(base)-\(number)", tensor: tensor) }
    guard let row = try fields.nextOrFail() else { throw GXError("\(meta!): fewer lines than \(path) has rows") }
    var record = Record(id: row.id ?? "\(base)-\(number)", meta: row, tensor: tensor)
    if record.copy > 0 { record.key = Key.copy(record.key, record.copy) }
    return record
  }
}

/// What writes records in one of the formats.
func writer(_ format: Format, to output: Output) throws -> (Record) throws -> Void {
  switch format {
  case .tar: return output.records().write
  case .ndjson:
    let writer = output.rows()
    return { try writer.write($0.meta) }
  case .npy:
    let writer = try NpyRowWriter(output.sink)
    output.atEnd(writer.finish)
    return { record in
      guard record.error == nil else { return Log.error("\(record.id): left out of the .npy: \(record.error!)") }
      guard let tensor = record.tensor else { throw GXError("\(record.id): has no tensor for the .npy") }
      do { try writer.write(tensor) } catch let error as GXError { throw error.at(record.id) }
    }
  }
}
