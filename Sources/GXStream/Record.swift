import GXCore

extension Limits {
  /// The largest record, all its members together, in bytes.
  public static let recordBytes = tensorBytes + (64 << 20)
  /// The most members of a record.
  public static let recordMembers = 256
}

/// One galaxy of a tensor stream: what is known of it, and its pixels.
public struct Record: Sendable {
  /// The key that its members share; escaped, see `Key`.
  public var key: String
  /// The JSON member.
  public var meta: Row
  /// `KEY.npy`: the pixels, `[height, width, channels]`.
  public var tensor: Tensor?
  /// `KEY.NAME.npy`: what a command adds beside the pixels.
  public var extras: [(name: String, tensor: Tensor)] = []
  /// Members of other kinds, by extension: a WebDataset shard's `jpg`, `txt`…
  public var files: [(ext: String, data: Storage)] = []

  public init(key: String, meta: Row = [:], tensor: Tensor? = nil) {
    self.key = key
    self.meta = meta
    self.tensor = tensor
  }

  /// A new record of this galaxy, keyed by its escaped id.
  public init(id: String, meta: Row = [:], tensor: Tensor? = nil) {
    self.init(key: Key.escape(id), meta: meta, tensor: tensor)
    self.meta.id = id
  }

  /// The galaxy's name; that of the key where the JSON has none.
  public var id: String { meta.id ?? Key.unescape(key) }
  public var label: String? { meta.label }
  public var split: String? { meta.split }
  public var copy: Int { meta.copy }
  /// What was done to the pixels since they were decoded; nil for a foreign stream that does not say.
  public var ops: [JSON]? { meta.ops }
  /// Why the record has no pixels, if it failed.
  public var error: String? { meta.error }

  /// Adds a step to `ops`.
  public mutating func append(op: JSON) { meta.ops = (ops ?? []) + [op] }

  /// The pixels after a step, which `ops` then names. Floats that come without `ops` stay without: their
  /// history is unknown, and a list that begins in its middle would hide that.
  public mutating func step(to result: Tensor, op: JSON) {
    if ops != nil || tensor?.dtype.isFloat != true { append(op: op) }
    tensor = result
  }

  /// Marks the record as failed: it travels on with this message and without pixels.
  public mutating func fail(_ message: String) {
    meta.error = message
    tensor = nil
    extras = []
    files = []
  }
}

/// Reads a tensor stream, or any WebDataset shard, record by record.
///
/// A record is a run of adjacent members that share a key. What is wrong with one member becomes the
/// record's `error`; only what breaks the archive itself throws.
public final class RecordReader {
  private var tar: TarReader
  private var ahead: TarMember?
  /// The bytes of the stream that the record last read stands on: whole members, headers and padding.
  public private(set) var range = 0..<0
  /// Where the pixels of the record last read begin in the stream; nil if it has none.
  public private(set) var pixelOffset: Int?

  private let recordLimit: Int

  /// - Parameter recordLimit: The largest record, all its members together, in bytes.
  public init(_ source: ByteSource, recordLimit: Int = Limits.recordBytes) {
    tar = TarReader(source, memberLimit: recordLimit)
    self.recordLimit = recordLimit
  }

  /// The next record, or nil behind the proven end.
  /// - Throws: where the stream breaks off or is no tar.
  public func next() throws -> Record? {
    while let first = try ahead ?? tar.next() {
      ahead = nil
      guard let (key, ext) = Self.split(first.name) else { continue }
      var builder = RecordBuilder(key: key, limit: recordLimit)
      builder.add(ext, first)
      var end = tar.offset
      while let member = try tar.next() {
        guard let (nextKey, nextExt) = Self.split(member.name) else { continue }
        guard nextKey == key, !builder.has(nextExt) else {
          ahead = member
          break
        }
        builder.add(nextExt, member)
        end = tar.offset
      }
      range = first.offset..<end
      pixelOffset = builder.pixelOffset
      return builder.record()
    }
    return nil
  }

  /// WebDataset's rule: the key is all up to the first dot of the basename. Names without a key
  /// (`.hidden`, `._resource`), without an extension, or like `__this__` belong to no record.
  static func split(_ name: String) -> (key: String, ext: String)? {
    let path = name.hasPrefix("./") ? name.dropFirst(2) : Substring(name)
    let base = path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex
    guard let dot = path[base...].firstIndex(of: "."), dot != base, !path[base...].hasPrefix("__") else { return nil }
    return (String(path[..<dot]), path[path.index(after: dot)...].lowercased())
  }
}

/// Gathers the members of one record.
private struct RecordBuilder {
  var result: Record
  var pixelOffset: Int?
  var seen: Set<String> = []
  var bytes = 0
  var failure: String?

  let limit: Int

  init(key: String, limit: Int) {
    result = Record(key: key)
    self.limit = limit
  }

  func has(_ ext: String) -> Bool { seen.contains(ext) }

  mutating func add(_ ext: String, _ member: TarMember) {
    seen.insert(ext)
    do throws(GXError) {
      let data = try member.content.get()
      bytes += data.count
      guard bytes <= limit else {
        throw GXError("the record is larger than the limit of \(limit) bytes")
      }
      guard seen.count <= Limits.recordMembers else {
        throw GXError("the record has more than \(Limits.recordMembers) members")
      }
      guard result.key.utf8.count <= Key.limit else {
        throw GXError("the name is longer than the limit of \(Key.limit) bytes")
      }
      if ext == "json" {
        try readJSON(data)
      } else if ext == "npy" {
        let tensor = try Npy.decode(data)
        result.tensor = tensor
        pixelOffset = member.dataOffset + data.count - tensor.byteCount
      } else if ext.hasSuffix(".npy") {
        result.extras.append((String(ext.dropLast(4)), try Npy.decode(data)))
      } else {
        result.files.append((ext, data))
      }
    } catch {
      failure = failure ?? "\(member.name), byte \(member.offset): \(error.message)"
    }
  }

  private mutating func readJSON(_ data: Storage) throws(GXError) {
    guard data.count <= Limits.jsonBytes else {
      throw GXError("JSON is larger than the limit of \(Limits.jsonBytes) bytes")
    }
    guard case .object(let object) = try JSON(parsing: UnsafeRawBufferPointer(start: data.base, count: data.count))
    else { throw GXError("the JSON is no object") }
    result.meta = Row(object)
    try result.meta.check()
  }

  func record() -> Record {
    var record = result
    if record.meta.id == nil {
      var meta: Row = [Row.Field.id.rawValue: .null]
      meta.merge(record.meta)
      meta.id = Key.unescape(record.key)
      record.meta = meta
    }
    if let message = record.error ?? failure { record.fail(message) }
    return record
  }
}

/// Writes a tensor stream. The same records give the same bytes.
public final class RecordWriter {
  private let sink: ByteSink
  private let tar: TarWriter

  public init(_ sink: ByteSink) {
    self.sink = sink
    tar = TarWriter(sink: sink)
  }

  public func write(_ record: Record) throws {
    var json: [UInt8] = []
    record.meta.fields.write(to: &json)
    json.append(UInt8(ascii: "\n"))
    try json.withUnsafeBytes { try tar.write(name: record.key + ".json", [$0]) }
    if record.error == nil {
      if let tensor = record.tensor { try write(tensor, name: record.key + ".npy") }
      for (name, tensor) in record.extras { try write(tensor, name: "\(record.key).\(name).npy") }
      for (ext, data) in record.files {
        try withExtendedLifetime(data) {
          try tar.write(name: "\(record.key).\(ext)", [UnsafeRawBufferPointer(start: data.base, count: data.count)])
        }
      }
    }
    try sink.endRecord()
  }

  /// Ends the archive. Call it only when everything went well: it is what readers take as proof.
  public func finish() throws { try tar.finish() }

  private func write(_ tensor: Tensor, name: String) throws {
    try Npy.header(tensor.dtype, tensor.shape).withUnsafeBytes { header in
      try tensor.withBytes { try tar.write(name: name, [header, $0]) }
    }
  }
}
