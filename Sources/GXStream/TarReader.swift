import GXCore

/// One member of an archive: its name and, for a regular file, its bytes.
struct TarMember {
  /// As the archive has it: any bytes.
  var name: [UInt8]
  /// The header that may hold the name could not be read; `name` may be only its beginning.
  var nameIsCut = false
  /// Where its first header begins, in bytes from the start of the stream.
  var offset: Int
  /// Where its content begins.
  var dataOffset: Int
  /// Its writer says that no more members of the same record follow.
  var endsRecord = false
  var content: Result<Storage, GXError>
}

/// Reads POSIX tar (IEEE 1003.1 pax and ustar) and GNU tar: long names, base-256 sizes, joined archives.
///
/// The end of the input is accepted only behind an archive's two zero blocks. What is wrong with one member, or is no
/// file, is that member's failure; only where it cannot be told where the next one begins does the reading end.
struct TarReader {
  private static let block = 512
  private static let headerLimit = 1 << 20

  let source: ByteSource
  private let memberLimit: Int
  private var ended = false
  /// What pax headers of type `g` say of all members behind them.
  private var global = Extended()

  /// - Parameter memberLimit: The most bytes of a member that are taken into memory.
  init(_ source: ByteSource, memberLimit: Int = Limits.recordBytes) {
    self.source = source
    self.memberLimit = memberLimit
  }

  /// Bytes read so far: behind a member, the end of its padding.
  var offset: Int { source.offset }

  /// What the headers before a member's own say about it.
  private struct Extended {
    var name: [UInt8]?
    /// The name that a sparse file has when it is unpacked.
    var sparseName: [UInt8]?
    var target: [UInt8]?
    var size: Int?
    var endsRecord = false
    /// Why the member cannot be read.
    var flaw: GXError?
    var nameIsCut = false
    /// Where the first of these headers begins.
    var start: Int?
  }

  /// The next member, or nil behind the last archive's end. Folders, and what archives hold beside files, are passed over.
  /// - Throws: where the stream breaks off or is no tar; nothing after that can be read.
  mutating func next() throws -> TarMember? {
    var extended = Extended()
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
        (ended, extended, global) = (true, Extended(), Extended())
        continue
      }
      ended = false
      guard header.checksumHolds else {
        throw offset == 0 ? noArchive(header.bytes) : fault(offset, "the header's checksum is wrong")
      }
      guard let size = header.size else { throw fault(offset, "the header's size is no number") }
      switch header.type {
      case "g":
        guard let bytes = try extra(size) else { throw fault(offset, Self.tooLong(size)) }
        read(pax: bytes, into: &global)
      case "x", "X", "L", "K":  // POSIX; Solaris; GNU's long name, and long target of a link
        extended.start = extended.start ?? offset
        try read(header.type, size, into: &extended)
      default:
        extended.start = extended.start ?? offset
        if let member = try member(header, extended) { return member }
        extended = Extended()
      }
    }
  }

  /// The member that `header` begins; nil where it is none that holds a file or should.
  private func member(_ header: TarHeader, _ extended: Extended) throws -> TarMember? {
    var size = extended.size ?? global.size ?? header.size!
    let name = extended.sparseName ?? extended.name ?? global.name ?? header.name
    var flaw = extended.flaw ?? global.flaw
    switch header.type {
    case "5":
      try skipBodyOfNoFile(size)
      return nil
    // A volume's label, a folder's list, an old long name of GNU tar; access lists, inodes, attributes of Solaris.
    case "V", "D", "N", "A", "I", "E":
      try skip(size)
      return nil
    case "1", "2", "3", "4", "6":
      flaw = flaw ?? GXError(Self.kind(header.type, target: extended.target ?? header.target))
      try skipBodyOfNoFile(size)
      size = 0
    case "S":
      var more = header.bytes[482] != 0
      while more {
        guard let list = try block() else {
          throw fault(source.offset, "ends within the list of a sparse file's parts")
        }
        more = list.bytes[504] != 0
      }
      flaw = flaw ?? Self.sparse
    case "M": flaw = flaw ?? GXError("is the rest of a file that begins in another volume")
    default:  // POSIX: what is not known counts as a file
      if name.last == UInt8(ascii: "/") && !extended.nameIsCut {  // a folder, as the oldest tars write it
        try skip(size)
        return nil
      }
    }
    let dataOffset = source.offset
    if flaw != nil { try skip(size) }
    return TarMember(
      name: name, nameIsCut: extended.nameIsCut, offset: extended.start!, dataOffset: dataOffset,
      endsRecord: extended.endsRecord, content: try flaw.map { .failure($0) } ?? content(size))
  }

  private static let sparse = GXError("is a sparse file; archive without tar's -S (bsdtar: with --no-read-sparse)")

  private static func kind(_ type: Character, target: [UInt8]) -> String {
    let target = printable(String(decoding: target, as: UTF8.self))
    return switch type {
    case "1": "is a hard link to \(target); archive with 'tar --hard-dereference'"
    case "2": "is a symbolic link to \(target); archive with 'tar -h'"
    case "3": "is a character device"
    case "4": "is a block device"
    default: "is a FIFO"
    }
  }

  private static func tooLong(_ size: Int) -> String {
    "an extended header of \(size) bytes; the limit is \(headerLimit)"
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

  /// Links, devices and folders hold nothing, whatever their size says; but some pax archives do give a hard link the
  /// file's bytes. Whether they did shows in what follows: a header, or the end, or else a body.
  private func skipBodyOfNoFile(_ size: Int) throws {
    guard size > 0 else { return }
    let following = try source.peek(Self.block)
    guard following.count >= Self.block else { return }
    let header = TarHeader(following.prefix(Self.block))
    if !header.isZero && !header.checksumHolds { try skip(size) }
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

  // MARK: Extended headers

  /// The content of an extended header; nil, passed over, where it is larger than the limit.
  private func extra(_ size: Int) throws -> [UInt8]? {
    guard size <= Self.headerLimit, size <= memberLimit else {
      try skip(size)
      return nil
    }
    guard case .success(let storage) = try content(size) else { return nil }
    return withExtendedLifetime(storage) { Array(UnsafeRawBufferPointer(start: storage.base, count: storage.count)) }
  }

  private func read(_ type: Character, _ size: Int, into extended: inout Extended) throws {
    guard let bytes = try extra(size) else {
      if type == "K" { return }
      extended.flaw = GXError(Self.tooLong(size))
      extended.nameIsCut = true
      return
    }
    switch type {
    case "L": extended.name = Array(bytes.prefix { $0 != 0 })
    case "K": extended.target = Array(bytes.prefix { $0 != 0 })
    default: read(pax: bytes, into: &extended)
    }
  }

  /// Records of a pax header: `LENGTH KEY=VALUE\n`, the length counting itself. An empty value takes back what an
  /// earlier one said.
  private func read(pax bytes: [UInt8], into extended: inout Extended) {
    var at = 0
    while at < bytes.count, bytes[at] != 0 {
      guard let space = bytes[at...].firstIndex(of: UInt8(ascii: " ")), space - at <= 7,
        let length = Int(String(decoding: bytes[at..<space], as: UTF8.self)), length > space - at + 1,
        length <= bytes.count - at, bytes[at + length - 1] == UInt8(ascii: "\n"),
        let equals = bytes[space..<at + length].firstIndex(of: UInt8(ascii: "="))
      else {
        extended.flaw = GXError("has a malformed pax header")
        extended.nameIsCut = true
        return
      }
      let key = String(decoding: bytes[space + 1..<equals], as: UTF8.self)
      let value = Array(bytes[equals + 1..<at + length - 1])
      at += length
      switch key {
      case "path": extended.name = value.isEmpty ? nil : value
      case "linkpath": extended.target = value.isEmpty ? nil : value
      case "comment": extended.endsRecord = value == TarWriter.endOfRecord
      case "size":
        extended.size = value.isEmpty ? nil : Self.number(value)
        if extended.size == nil && !value.isEmpty { extended.flaw = GXError("has a pax size that is no number") }
      case "GNU.sparse.name":
        (extended.sparseName, extended.flaw) = (value, Self.sparse)
      default: if key.hasPrefix("GNU.sparse.") { extended.flaw = Self.sparse }
      }
    }
  }

  private static func number(_ digits: [UInt8]) -> Int? {
    guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
    return Int(String(decoding: digits, as: UTF8.self))
  }
}
