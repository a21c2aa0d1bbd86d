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
///
/// WebDataset ends the key at the first dot, and `0001.left.jpg` belongs to `0001.txt`. In an archive of pictures that
/// are called `J0946.5+01.jpg` and `J0946.7-12.jpg` that would make one record of two galaxies. So where no member of a
/// run has an extension without a dot, the key ends at the last dot.
public final class RecordReader {
  /// A member that belongs to a record.
  private struct Part {
    var member: TarMember
    var key: [UInt8]
    var ext: String
    /// Where its padding ends in the stream.
    var end: Int
    /// Whether it is settled at which dot its key ends.
    var isSettled: Bool

    /// The same with a key that ends at the last dot.
    var partedAtLastDot: Part {
      guard let (key, ext) = Key.split(member.name, atLastDot: true) else { return self }
      return Part(member: member, key: key, ext: ext, end: end, isSettled: true)
    }
  }

  private var tar: TarReader
  /// Read, and not yet part of a record.
  private var ahead: ArraySlice<Part> = []
  /// The key of a run that is parted at last dots.
  private var dottedKey: [UInt8]?
  /// The bytes of the stream that the record last read stands on: whole members, headers and padding.
  public private(set) var range = 0..<0
  /// Where the pixels of the record last read begin in the stream; nil if it has none.
  public private(set) var pixelOffset: Int?

  private let recordLimit: Int
  private let tell: (Record) -> Void

  /// - Parameters:
  ///   - recordLimit: The largest record, all its members together, in bytes.
  ///   - tell: Called with each record that fails here, before `next` returns it: those that came with their error
  ///     were told of where they failed.
  public init(
    _ source: ByteSource, recordLimit: Int = Limits.recordBytes, failed tell: @escaping (Record) -> Void = { _ in }
  ) {
    tar = TarReader(source, memberLimit: recordLimit)
    self.recordLimit = recordLimit
    self.tell = tell
  }

  /// The next record, or nil behind the proven end. It is returned as soon as the stream says that it is whole, and
  /// where the stream does not, once the next record's first member has come.
  /// - Throws: where the stream breaks off or is no tar.
  public func next() throws -> Record? {
    if ahead.isEmpty, let part = try nextPart() { ahead = [part] }
    if let first = ahead.first, !first.isSettled { try settle() }
    guard let first = ahead.popFirst() else { return nil }
    var builder = RecordBuilder(name: first.key, limit: recordLimit)
    builder.add(first.ext, first.member)
    var last = first
    while !last.member.endsRecord, let part = try ahead.popFirst() ?? nextPart() {
      guard part.key == first.key, !builder.has(part.ext) else {
        ahead = [part] + ahead
        break
      }
      builder.add(part.ext, part.member)
      last = part
    }
    range = first.member.offset..<last.end
    pixelOffset = builder.pixelOffset
    let record = builder.record()
    if builder.failure != nil && record.error == builder.failure { tell(record) }
    return record
  }

  /// The next member that belongs to a record.
  private func nextPart() throws -> Part? {
    while let member = try tar.next() {
      // One whose name is not known in full belongs to one in any case, so that it does not get lost.
      guard let (key, ext) = Key.split(member.name) ?? (member.nameIsCut ? (member.name, "") : nil) else { continue }
      let part = Part(
        member: member, key: key, ext: ext, end: tar.offset, isSettled: !ext.utf8.contains(UInt8(ascii: ".")))
      return dottedKey == key ? part.partedAtLastDot : part
    }
    return nil
  }

  /// Looks ahead whether the run that begins with the first part has an extension without a dot, as far as a record
  /// may go.
  private func settle() throws {
    let key = ahead.first!.key
    var run = Array(ahead)
    var bytes = 0
    while run.count < Limits.recordMembers, bytes <= recordLimit, let part = try nextPart() {
      run.append(part)
      if part.key != key || part.isSettled { break }
      bytes += (try? part.member.content.get().count) ?? 0
    }
    let isDotted = !run.contains { $0.key == key && $0.isSettled }
    dottedKey = isDotted ? key : nil
    for i in run.indices where run[i].key == key {
      if isDotted { run[i] = run[i].partedAtLastDot } else { run[i].isSettled = true }
    }
    ahead = run[...]
  }
}

/// Gathers the members of one record.
private struct RecordBuilder {
  private var result: Record
  private(set) var pixelOffset: Int?
  private var seen: Set<[UInt8]> = []
  private var bytes = 0
  private(set) var failure: String?

  private let name: [UInt8]
  private let limit: Int

  init(name: [UInt8], limit: Int) {
    self.name = name
    result = Record(key: Key.canonical(name))
    self.limit = limit
    if Key.isTooLong(result.key) { failure = "the name is longer than the limit of \(Key.limit) bytes" }
  }

  func has(_ ext: String) -> Bool { seen.contains(Array(ext.utf8)) }

  mutating func add(_ ext: String, _ member: TarMember) {
    do throws(GXError) {
      guard ext.utf8.count <= Key.extensionLimit else {
        throw GXError("the extension is longer than the limit of \(Key.extensionLimit) bytes")
      }
      guard seen.count < Limits.recordMembers else {
        throw GXError("the record has more than \(Limits.recordMembers) members")
      }
      seen.insert(Array(ext.utf8))
      let data = try member.content.get()
      bytes += data.count
      guard bytes <= limit else {
        throw GXError("the record is larger than the limit of \(limit) bytes")
      }
      if ext == "json" {
        try readJSON(data)
      } else if failure != nil {
        return  // only what the record is called counts now
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
      let place = printable(String(decoding: member.name.prefix(Key.limit), as: UTF8.self))
      failure = failure ?? "\(place), byte \(member.offset): \(error.message)"
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

  /// - Returns: the record. One that does not say its id is from elsewhere, and is called what its members are.
  func record() -> Record {
    var record = result
    if record.meta.id == nil {
      record.key = Key.escape(name)
      var meta: Row = [Row.Field.id.rawValue: .null]
      meta.merge(record.meta)
      meta.id = Key.id(of: name)
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
    let hasFailed = record.error != nil
    var left = hasFailed ? 1 : 1 + (record.tensor == nil ? 0 : 1) + record.extras.count + record.files.count
    /// Whoever waits for each record should not have to wait for the next to know that it has it all.
    func write(_ ext: String, _ parts: UnsafeRawBufferPointer...) throws {
      left -= 1
      try tar.write(name: Key.member(record.key, ext), parts, endsRecord: sink.isImmediate && left == 0)
    }
    func write(_ ext: String, _ tensor: Tensor) throws {
      try Npy.header(tensor.dtype, tensor.shape).withUnsafeBytes { header in
        try tensor.withBytes { try write(ext, header, $0) }
      }
    }
    try json.withUnsafeBytes { try write("json", $0) }
    if !hasFailed {
      if let tensor = record.tensor { try write("npy", tensor) }
      for (name, tensor) in record.extras { try write("\(name).npy", tensor) }
      for (ext, data) in record.files {
        try withExtendedLifetime(data) {
          try write(ext, UnsafeRawBufferPointer(start: data.base, count: data.count))
        }
      }
    }
    try sink.endRecord()
  }

  /// Ends the archive. Call it only when everything went well: it is what readers take as proof.
  public func finish() throws { try tar.finish() }
}
