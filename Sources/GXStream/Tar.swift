import GXCore

/// A 512-byte header block.
struct TarHeader {
  var bytes = [UInt8](repeating: 0, count: 512)

  var isZero: Bool { bytes.allSatisfy { $0 == 0 } }
  var type: Character { Character(Unicode.Scalar(bytes[156])) }

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

  var name: [UInt8] {
    let short = field(0..<100)
    // GNU's variant of the magic has times where POSIX has the prefix.
    guard bytes[257..<263].elementsEqual(Array("ustar\0".utf8)), bytes[345] != 0 else { return short }
    return field(345..<500) + [UInt8(ascii: "/")] + short
  }

  /// What a link points to.
  var target: [UInt8] { field(157..<257) }

  private func field(_ range: Range<Int>) -> [UInt8] { Array(bytes[range].prefix { $0 != 0 }) }

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

  /// - Parameter block: 512 bytes.
  init(_ block: UnsafeRawBufferPointer.SubSequence) { bytes = Array(block) }

  private mutating func put(_ text: String, at place: Int) { put(Array(text.utf8), at: place) }
  private mutating func put(_ text: [UInt8], at place: Int) { for (i, b) in text.enumerated() { bytes[place + i] = b } }

  private static func octal(_ value: Int, width: Int) -> String {
    let digits = String(value, radix: 8)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

/// Writes POSIX tar: ustar headers, a pax header where a name is long or not ASCII.
struct TarWriter {
  /// A pax comment by which `TarReader` knows, without waiting for the next member, that a record is whole.
  static let endOfRecord = Array("gx: end of record".utf8)

  let sink: ByteSink
  private static let zeros = [UInt8](repeating: 0, count: 1024)

  /// Writes one member of `parts` laid end to end.
  /// - Parameter endsRecord: say in the archive that the record's last member is this.
  func write(name: String, _ parts: [UnsafeRawBufferPointer], endsRecord: Bool = false) throws {
    let bytes = Array(name.utf8)
    guard !bytes.contains(0) else { throw GXError("\(sink.name): no member's name can hold a NUL") }
    let isPlain = bytes.count <= 100 && bytes.allSatisfy { $0 < 0x80 }
    // Readers without pax see a cut, plain name; nothing else depends on it.
    let plain = isPlain ? bytes : bytes.suffix(80).map { $0 >= 0x80 ? UInt8(ascii: "_") : $0 }
    if !isPlain || endsRecord {
      let records =
        (isPlain ? [] : paxRecord("path", bytes)) + (endsRecord ? paxRecord("comment", Self.endOfRecord) : [])
      let header = Array("PaxHeaders/".utf8) + plain.suffix(80)
      try sink.write(TarHeader(name: header, size: records.count, type: "x").bytes)
      try sink.write(records)
      try pad(records.count)
    }
    try sink.write(TarHeader(name: plain, size: size(parts), type: "0").bytes)
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
