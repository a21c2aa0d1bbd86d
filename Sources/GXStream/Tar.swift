import GXCore

/// One member of an archive: its name and, for a regular file, its bytes.
struct TarMember {
  var name: String
  /// Where its first header begins, in bytes from the start of the stream.
  var offset: Int
  /// Where its content begins.
  var dataOffset: Int
  var content: Result<Storage, GXError>
}

/// Reads POSIX tar (IEEE 1003.1 pax and ustar) and GNU tar: long names, base-256 sizes, joined archives.
///
/// The end of the input is accepted only behind an archive's two zero blocks.
struct TarReader {
  private static let block = 512
  private static let headerLimit = 1 << 20

  let source: ByteSource
  private let memberLimit: Int
  private var ended = false

  /// - Parameter memberLimit: The most bytes of a member that are taken into memory.
  init(_ source: ByteSource, memberLimit: Int = Limits.recordBytes) {
    self.source = source
    self.memberLimit = memberLimit
  }

  /// Bytes read so far: behind a member, the end of its padding.
  var offset: Int { source.offset }

  /// The next member, or nil behind the last archive's end. Folders are passed over.
  /// - Throws: where the stream breaks off or is no tar; nothing after that can be read.
  mutating func next() throws -> TarMember? {
    var longName: String?
    var longSize: Int?
    var start: Int?  // of an extended header that belongs to the member
    while true {
      let offset = source.offset
      guard let header = try block() else {
        guard ended else {
          throw GXError(
            offset == 0
              ? "\(source.name): empty; a tensor stream was expected"
              : "\(source.name): ends at byte \(offset) without the end of the archive; whatever wrote it did not finish"
          )
        }
        return nil
      }
      if header.isZero {
        if ended { continue }  // padding behind the end
        guard let second = try block() else { throw fault(offset, "ends between the two zero blocks of the end") }
        guard second.isZero else { throw fault(offset, "a lone zero block inside the archive") }
        ended = true
        continue
      }
      ended = false
      guard header.checksumHolds else {
        throw offset == 0 ? noArchive(header.bytes) : fault(offset, "the header's checksum is wrong")
      }
      guard let size = longSize ?? header.size, size >= 0 else { throw fault(offset, "the header's size is no number") }
      switch header.type {
      case UInt8(ascii: "x"), UInt8(ascii: "g"):
        let records = try pax(extra(size, at: offset), at: offset)
        guard header.type == UInt8(ascii: "x") else { continue }
        start = start ?? offset
        if records.keys.contains(where: { $0.hasPrefix("GNU.sparse.") }) {
          throw fault(offset, "sparse members are not read; archive with 'tar --hole-detection=raw' or without -S")
        }
        if let path = records["path"] { longName = path }
        if let text = records["size"] {
          guard let value = Int(text), value >= 0 else { throw fault(offset, "the pax size '\(text)' is no number") }
          longSize = value
        }
      case UInt8(ascii: "L"):
        start = start ?? offset
        longName = String(decoding: try extra(size, at: offset).prefix { $0 != 0 }, as: UTF8.self)
      case UInt8(ascii: "K"):
        start = start ?? offset
        _ = try extra(size, at: offset)
      case UInt8(ascii: "5"):
        try skip(size)
        (longName, longSize, start) = (nil, nil, nil)
      case UInt8(ascii: "0"), 0, UInt8(ascii: "7"):
        let name = longName ?? header.name
        if name.hasSuffix("/") {  // a folder, as the oldest tars write it
          try skip(size)
          (longName, longSize, start) = (nil, nil, nil)
          continue
        }
        return TarMember(name: name, offset: start ?? offset, dataOffset: source.offset, content: try content(size))
      case UInt8(ascii: "1"), UInt8(ascii: "2"), UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"):
        let kind = header.type <= UInt8(ascii: "2") ? "a link" : "a device or FIFO"
        return TarMember(
          name: longName ?? header.name, offset: start ?? offset, dataOffset: source.offset,
          content: .failure(GXError("is \(kind), not a file (archive with 'tar -h' to follow links)")))
      default: throw fault(offset, "member type '\(Character(Unicode.Scalar(header.type)))' is not read")
      }
    }
  }

  private func fault(_ offset: Int, _ what: String) -> GXError { GXError("\(source.name), byte \(offset): \(what)") }

  /// What came instead of an archive, where that is known.
  private func noArchive(_ start: some Collection<UInt8>) -> GXError {
    let kind = ForeignKind(sniffing: start)
    if kind == .tar { return fault(start.count, "the first block is damaged or breaks off") }
    return fault(0, "not a tar archive" + (kind.map { ", but \($0.description)" } ?? ""))
  }

  private func block() throws -> TarHeader? {
    var header = TarHeader()
    let got = try header.bytes.withUnsafeMutableBytes { try source.read(into: $0) }
    if got == 0 { return nil }
    guard got == Self.block else {
      let isFirst = source.offset == got
      throw isFirst ? noArchive(header.bytes.prefix(got)) : fault(source.offset, "breaks off within a block")
    }
    return header
  }

  private func padding(_ size: Int) -> Int { (Self.block - size % Self.block) % Self.block }

  private func skip(_ size: Int) throws {
    guard size <= Int.max - Self.block else { throw fault(source.offset, "a size of \(size) bytes") }
    try source.skip(size + padding(size))
  }

  private func content(_ size: Int) throws -> Result<Storage, GXError> {
    guard size <= memberLimit else {
      try skip(size)
      return .failure(GXError("\(size) bytes is larger than the limit of \(memberLimit) bytes"))
    }
    guard let storage = try source.take(size) else { throw fault(source.offset, "ends where \(size) bytes should be") }
    try source.skip(padding(size))
    return .success(storage)
  }

  private func extra(_ size: Int, at offset: Int) throws -> [UInt8] {
    guard size <= Self.headerLimit else {
      throw fault(offset, "an extended header of \(size) bytes; the limit is \(Self.headerLimit)")
    }
    guard case .success(let storage) = try content(size) else { return [] }
    return Array(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
  }

  /// Records of a pax header: `LENGTH KEY=VALUE\n`, the length counting itself.
  private func pax(_ bytes: [UInt8], at offset: Int) throws -> [String: String] {
    var records: [String: String] = [:]
    var at = 0
    while at < bytes.count, bytes[at] != 0 {
      guard let space = bytes[at...].firstIndex(of: UInt8(ascii: " ")), space - at <= 7,
        let length = Int(String(decoding: bytes[at..<space], as: UTF8.self)), length > space - at + 1,
        length <= bytes.count - at, bytes[at + length - 1] == UInt8(ascii: "\n"),
        let equals = bytes[space..<at + length].firstIndex(of: UInt8(ascii: "="))
      else { throw fault(offset, "a malformed pax header") }
      let key = String(decoding: bytes[space + 1..<equals], as: UTF8.self)
      records[key] = String(decoding: bytes[equals + 1..<at + length - 1], as: UTF8.self)
      at += length
    }
    return records
  }
}

/// A 512-byte header block.
struct TarHeader {
  var bytes = [UInt8](repeating: 0, count: 512)

  var isZero: Bool { bytes.allSatisfy { $0 == 0 } }
  var type: UInt8 { bytes[156] }

  /// The sum of all bytes with the checksum field itself as blanks; old tars summed signed bytes.
  var checksumHolds: Bool {
    guard let wanted = octal(148..<156) else { return false }
    var unsigned = 0
    var signed = 0
    for (i, byte) in bytes.enumerated() {
      let value = (148..<156).contains(i) ? 0x20 : byte
      unsigned += Int(value)
      signed += Int(Int8(bitPattern: value))
    }
    return wanted == unsigned || wanted == signed
  }

  /// Octal, or GNU's base 256 for what octal can't hold.
  var size: Int? {
    guard bytes[124] & 0x80 != 0 else { return octal(124..<136) }
    guard bytes[124] == 0x80, bytes[125..<129].allSatisfy({ $0 == 0 }), bytes[129] < 0x80 else { return nil }
    return bytes[129..<136].reduce(0) { $0 << 8 | Int($1) }
  }

  var name: String {
    let short = field(0..<100)
    // GNU's variant of the magic has times where POSIX has the prefix.
    guard bytes[257..<263].elementsEqual(Array("ustar\0".utf8)), bytes[345] != 0 else { return short }
    return field(345..<500) + "/" + short
  }

  private func field(_ range: Range<Int>) -> String {
    String(decoding: bytes[range].prefix { $0 != 0 }, as: UTF8.self)
  }

  private func octal(_ range: Range<Int>) -> Int? {
    var value = 0
    var digits = 0
    for byte in bytes[range] {
      if byte == 0x20 || byte == 0 {
        if digits > 0 { break }
        continue
      }
      guard byte >= 0x30, byte <= 0x37 else { return nil }
      value = value << 3 | Int(byte - 0x30)
      digits += 1
    }
    return digits > 0 ? value : (range.lowerBound == 124 ? 0 : nil)
  }

  /// A header for a regular file (type `0`) or pax records (type `x`), with nothing in it that differs from run to run.
  init(name: [UInt8], size: Int, type: Character) {
    put(Array(name.prefix(100)), at: 0)
    put("0000644\0", at: 100)
    put("0000000\0", at: 108)
    put("0000000\0", at: 116)
    put(Self.octal(size, width: 11) + "\0", at: 124)
    put("00000000000\0", at: 136)
    bytes[156] = type.asciiValue!
    put("ustar\u{0}00", at: 257)
    put("        ", at: 148)
    put(Self.octal(bytes.reduce(0) { $0 + Int($1) }, width: 6) + "\0 ", at: 148)
  }

  init() {}

  private mutating func put(_ text: String, at place: Int) { put(Array(text.utf8), at: place) }
  private mutating func put(_ text: [UInt8], at place: Int) { for (i, b) in text.enumerated() { bytes[place + i] = b } }

  private static func octal(_ value: Int, width: Int) -> String {
    let digits = String(value, radix: 8)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

/// Writes POSIX tar: ustar headers, a pax header where a name is long or not ASCII.
struct TarWriter {
  let sink: ByteSink
  private static let zeros = [UInt8](repeating: 0, count: 1024)

  /// Writes one member of `parts` laid end to end.
  func write(name: String, _ parts: [UnsafeRawBufferPointer]) throws {
    let bytes = Array(name.utf8)
    if bytes.count > 100 || bytes.contains(where: { $0 >= 0x80 }) {
      let record = paxRecord("path", bytes)
      // Readers without pax see a cut, plain name; nothing else depends on it.
      let plain = bytes.suffix(80).map { $0 >= 0x80 ? UInt8(ascii: "_") : $0 }
      try sink.write(TarHeader(name: Array("PaxHeaders/".utf8) + plain, size: record.count, type: "x").bytes)
      try sink.write(record)
      try pad(record.count)
      try sink.write(TarHeader(name: plain, size: size(parts), type: "0").bytes)
    } else {
      try sink.write(TarHeader(name: bytes, size: size(parts), type: "0").bytes)
    }
    for part in parts { try sink.write(part) }
    try pad(size(parts))
  }

  /// Two zero blocks: the proof that everything before them is whole.
  func finish() throws {
    try sink.write(Self.zeros)
    try sink.flush()
  }

  private func size(_ parts: [UnsafeRawBufferPointer]) -> Int { parts.reduce(0) { $0 + $1.count } }

  private func pad(_ size: Int) throws {
    let count = (512 - size % 512) % 512
    if count > 0 { try sink.write(Array(Self.zeros[..<count])) }
  }

  private func paxRecord(_ key: String, _ value: [UInt8]) -> [UInt8] {
    let rest = [UInt8(ascii: " ")] + Array(key.utf8) + [UInt8(ascii: "=")] + value + [UInt8(ascii: "\n")]
    var length = rest.count
    while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
    return Array(String(length).utf8) + rest
  }
}
