import Foundation
import GXCore
import Testing

@testable import GXStream

/// Archives with one odd member between two good ones, which must be read whatever the odd one is.
@Suite struct OddArchiveTests {
  /// What comes of `odd` between the records "first" and "last".
  private func between(_ odd: (inout TarMaker) -> Void, map: Bool = true) throws -> [Record] {
    var maker = TarMaker()
    maker.add("first.txt", [1])
    odd(&maker)
    maker.add("last.txt", [2])
    let records = try Stream.read(maker.finished, map: map)
    #expect(records.first?.id == "first" && records.first?.error == nil)
    #expect(records.last?.id == "last" && records.last?.error == nil && records.last?.files.first?.data.count == 1)
    return Array(records.dropFirst().dropLast())
  }

  private func expectFailure(
    _ word: String, _ odd: (inout TarMaker) -> Void,
    at location: SourceLocation = #_sourceLocation
  ) throws {
    for map in [true, false] {
      let records = try between(odd, map: map)
      #expect(records.map(\.id) == ["odd"], sourceLocation: location)
      #expect(records.first?.error?.contains(word) == true, "\(records.first?.error ?? "")", sourceLocation: location)
    }
  }

  @Test func linksAndDevicesAreNamed() throws {
    for (type, word) in [
      ("1", "hard link to first.txt; archive with 'tar --hard-dereference'"), ("2", "symbolic link to first.txt"),
      ("3", "character device"), ("4", "block device"), ("6", "FIFO"),
    ] as [(Character, String)] {
      try expectFailure(word) { $0.add("odd.jpg", type: type, target: "first.txt") }
      // Some writers tell the size of what it links to, and few add its bytes.
      try expectFailure(word) { $0.add("odd.jpg", type: type, target: "first.txt", size: 700) }
      try expectFailure(word) { $0.add("odd.jpg", [UInt8](repeating: 7, count: 700), type: type, target: "first.txt") }
    }
    try expectFailure("hard link to \(String(repeating: "l", count: 200))") {
      $0.add("././@LongLink", Array(String(repeating: "l", count: 200).utf8) + [0], type: "K")
      $0.add("odd.jpg", type: "1", target: "l")
    }
    try expectFailure("hard link to a/\u{fffd}") {
      $0.pax("linkpath", "a/\u{1b}")
      $0.add("odd.jpg", type: "1")
    }
  }

  @Test(arguments: ["V", "D", "N", "A", "I", "E", "5"] as [Character]) func whatIsNoFileIsPassedOver(_ type: Character)
    throws
  {
    for name in ["survey", "a.b", "folder/"] {
      #expect(try between { $0.add(name, type: type) }.isEmpty)
      #expect(try between { $0.add(name, Array("Ya.jpg\0\0".utf8), type: type) }.isEmpty)
    }
  }

  @Test func sparseFilesAreNamed() throws {
    let data = [UInt8](repeating: 9, count: 1000)
    try expectFailure("sparse") {  // old GNU, with two more blocks of parts
      var header = TarHeader(name: Array("odd.npy".utf8), size: data.count, type: "S").bytes[...]
      header[482] = 1
      TarMaker.seal(&header)
      var more = [UInt8](repeating: 3, count: 512)
      more[504] = 1
      $0.append(Array(header) + more + [UInt8](repeating: 0, count: 512), data)
    }
    for records in [
      [("GNU.sparse.size", "5000"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.offset", "0")],
      [("GNU.sparse.size", "5000"), ("GNU.sparse.name", "odd.npy"), ("GNU.sparse.map", "0,1000")],
      [("GNU.sparse.major", "1"), ("GNU.sparse.name", "odd.npy"), ("GNU.sparse.realsize", "5000")],
    ] {
      try expectFailure("sparse") {
        $0.pax(records.map { ($0, Array($1.utf8)) })
        $0.add(records.count == 3 && records[1].0.hasSuffix("name") ? "GNUSparseFile.0/other.npy" : "odd.npy", data)
      }
    }
  }

  @Test func filesOfOtherVolumesAreNamed() throws {
    try expectFailure("another volume") { $0.add("odd.jpg", [1, 2, 3], type: "M") }
  }

  /// POSIX: a type that is not known counts as that of a file.
  @Test func unknownTypesAreFiles() throws {
    for type in ["7", "8", "Z", "\0"] as [Character] {
      let records = try between { $0.add("odd.jpg", [1, 2, 3], type: type) }
      #expect(records.map(\.id) == ["odd"] && records.first?.files.first?.data.count == 3)
    }
  }

  /// The size of a pax header is that of the next file, not of headers in between.
  @Test func paxSizesAreTheFiles() throws {
    let content = [UInt8](repeating: 5, count: 600)
    for type in ["x", "g", "X"] as [Character] {
      let records = try between {
        if type == "g" { $0.pax("size", "600", type: "g") } else { $0.pax("size", "600", type: type) }
        $0.pax("comment", "nothing", type: "g")
        $0.add("././@LongLink", Array("odd.jpg\0".utf8), type: "L")
        $0.add("././@LongLink", Array("target\0".utf8), type: "K")
        $0.pax("mtime", "1")
        $0.add("cut.jpg", content, size: 0)
        if type == "g" { $0.pax("size", "", type: "g") }
      }
      #expect(records.map(\.id) == ["odd"] && records.first?.files.first?.data.count == 600, "\(type)")
    }
    try expectFailure("no number") {
      $0.pax("size", "many")
      $0.add("odd.jpg", content)
    }
  }

  @Test func emptyPaxValuesTakeBack() throws {
    let records = try between {
      $0.pax([("path", Array("wrong.jpg".utf8)), ("size", Array("9999".utf8)), ("path", []), ("size", [])])
      $0.add("odd.jpg", [1, 2, 3])
    }
    #expect(records.map(\.id) == ["odd"] && records.first?.files.first?.data.count == 3)
  }

  @Test func malformedPaxHeadersAreTheirMembers() throws {
    for text in [
      "x", "8 path=a\n", "99999999 path=a\n", "12 path=odd.jpg\n", "-3 a=b\n", "7 path\n", "10 path=a\u{0}x",
    ] {
      try expectFailure("malformed pax header") {
        $0.add("PaxHeaders/x", Array(text.utf8), type: "x")
        $0.add("odd.jpg", [1])
      }
      try expectFailure("malformed pax header") {  // whose name is where it cannot be read
        $0.add("PaxHeaders/x", Array(text.utf8), type: "x")
        $0.add("odd", [1])
      }
    }
  }

  @Test func namesOverTheLimitAreNamed() throws {
    let long = String(repeating: "n", count: Key.limit + 1)
    for map in [true, false] {
      let records = try between(
        {
          $0.pax("path", long + ".jpg")
          $0.add("cut.jpg", [1])
          $0.pax("path", "odd." + long)
          $0.add("cut.jpg", [1])
        }, map: map)
      #expect(records.map(\.id) == [long, "odd"])
      #expect(records.allSatisfy { $0.error?.contains("limit of") == true })
    }
    // Longer than any header may be: of the name, only a beginning is known.
    let longest = [UInt8](repeating: 0x6e, count: (1 << 20) + 1)
    try expectFailure("extended header of") {
      $0.add("././@LongLink", longest, type: "L")
      $0.add("odd", [1, 2, 3])
    }
    try expectFailure("extended header of") {
      $0.pax([("path", longest)])
      $0.add("odd", [1, 2, 3])
    }
    #expect(
      try between {
        $0.add("././@LongLink", longest, type: "K")
        $0.add("odd.jpg", [1, 2, 3])
      }.map(\.error) == [nil])
  }

  @Test func recordsOfTooManyMembersAreNamed() throws {
    try expectFailure("more than \(Limits.recordMembers) members") {
      for i in 0..<2 * Limits.recordMembers { $0.add("odd.\(i)", [1]) }
    }
  }

  @Test func onlyWhatFailsHereIsTold() throws {
    var maker = TarMaker()
    maker.add("torn.json", Array(#"{"id":"torn","error":"ends too early"}"#.utf8))
    maker.add("odd.jpg", type: "2", target: "x")
    maker.add("good.jpg", [1])
    let file = Stream.file(maker.finished)
    defer { close(file) }
    var told: [String] = []
    let reader = RecordReader(ByteSource(descriptor: file, name: "test")) { told.append("\($0.id): \($0.error!)") }
    while try reader.next() != nil {}
    #expect(told == ["odd: odd.jpg, byte 1024: is a symbolic link to x; archive with 'tar -h'"])
  }

  // MARK: Names

  private static let names: [[UInt8]] =
    KeyNames.odd + [[0xe9], [0xe8], [0xff, 0x2f, 0xfe], Array("a".utf8) + [0xc3]]

  /// No name of a foreign archive is lost or becomes another's, now or behind the next command.
  @Test func namesFromElsewhereKeepTheirRecords() throws {
    var maker = TarMaker()
    var wanted: [String] = []
    for name in Self.names {
      let member = name + Array(".jpg".utf8)
      guard let found = Key.split(member, atLastDot: true) else { continue }
      wanted.append(Key.id(of: found.key))
      maker.pax([("hdrcharset", Array("BINARY".utf8)), ("path", member)])
      maker.add("cut.jpg", [1, 2, 3])
    }
    let read = try Stream.read(maker.finished)
    let again = try Stream.read(try Stream.write(read))
    let third = try Stream.read(try Stream.write(again))
    for records in [read, again, third] {
      #expect(records.map { Array($0.id.utf8) } == wanted.map { Array($0.utf8) })
      #expect(records.map(\.key) == read.map(\.key))
      #expect(records.allSatisfy { $0.error == nil && $0.files.first?.data.count == 3 })
    }
    #expect(Set(read.map { Array($0.key.utf8) }).count == read.count)
  }

  /// One of each, whatever the id: written and read, and told apart from its neighbours of the same name.
  @Test func anyIdIsOneRecord() throws {
    let ids = KeyNames.odd.map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
    let tensor = try Tensor(.u8, [1, 1, 3]) { _ in }
    let records = ids.flatMap { id in
      var failed = Record(id: id)
      failed.fail("torn")
      return [Record(id: id, tensor: tensor), failed, Record(id: id, tensor: tensor)]
    }
    for immediate in [false, true] {
      let again = try Stream.read(try Stream.write(records, immediate: immediate))
      #expect(again.map { Array($0.id.utf8) } == records.map { Array($0.id.utf8) })
      #expect(again.map { Array($0.key.utf8) } == records.map { Array($0.key.utf8) })
      #expect(again.map(\.error) == records.map(\.error) && again.map(\.tensor) == records.map(\.tensor))
    }
  }

  /// A record without a name is called by its key from then on; it is one record all the same.
  @Test func aNamelessRecordIsCalledByItsKey() throws {
    let nameless = Record(id: "", tensor: try Tensor(.u8, [1, 1, 3]) { _ in })
    let read = try Stream.read(try Stream.write([nameless]))
    #expect(read.map(\.id) == ["%"] && read.map(\.tensor) == [nameless.tensor])
    #expect(try Stream.read(try Stream.write(read)).map(\.id) == ["%"])
  }

  private func records(_ names: [String]) throws -> [String] {
    var maker = TarMaker()
    for name in names { maker.add(name, [1]) }
    return try Stream.read(maker.finished).map { "\($0.id):\($0.files.map(\.ext).joined(separator: ","))" }
  }

  /// Galaxies' names hold dots, and folders of pictures are no WebDataset shards.
  @Test func picturesWhoseNamesHoldDotsAreOneEach() throws {
    #expect(
      try records(["J09.5+01.jpg", "J09.7-12.JPG", "J10.1.jpg"]) == ["J09.5+01:jpg", "J09.7-12:jpg", "J10.1:jpg"])
    #expect(try records(["b.5.cls", "b.5.jpg", "b.6.jpg", "M31.jpg"]) == ["b.5:cls,jpg", "b.6:jpg", "M31:jpg"])
    #expect(try records(["./d.1/x.2.jpg", "d.1/x.3.jpg"]) == ["d.1/x.2:jpg", "d.1/x.3:jpg"])
    // A shard's sample, of which one member at least is called by its key alone.
    #expect(
      try records(["1.left.jpg", "1.right.jpg", "1.txt", "2.left.jpg"]) == ["1:left.jpg,right.jpg,txt", "2.left:jpg"])
    #expect(try records(["1.cls", "1.left.jpg", "1.right.jpg"]) == ["1:cls,left.jpg,right.jpg"])
    let many = (0..<1000).map { "J09.\($0).jpg" }
    #expect(try records(many) == (0..<1000).map { "J09.\($0):jpg" })
    #expect(
      try records(many.flatMap { [$0, $0.replacing("jpg", with: "txt")] }).allSatisfy { $0.hasSuffix("jpg,txt") })
  }

  @Test func namesThatDifferInBytesAreTwo() throws {
    var maker = TarMaker()
    for name in ["\u{e9}", "e\u{301}"] {
      maker.pax("path", name + ".jpg")
      maker.add("cut.jpg", [1])
      maker.pax("path", name + ".cls")
      maker.add("cut.cls", [1])
    }
    #expect(try Stream.read(maker.finished).map { $0.files.map(\.ext) } == [["jpg", "cls"], ["jpg", "cls"]])
  }

  @Test func aNameThatNoReaderGetsWholeIsRefused() {
    #expect(throws: GXError.self) { try Stream.write([Record(key: "a\u{0}b")]) }
  }

  // MARK: Passing on at once

  /// A record is there once its last byte is: what follows it may come much later.
  @Test func aRecordDoesNotWaitForTheNext() throws {
    for records in [try Stream.galaxies(8), try Stream.galaxies(8, seed: 3)] {
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      defer { ends.forEach { close($0) } }
      let reader = RecordReader(ByteSource(descriptor: ends[0], name: "pipe"))
      let writer = RecordWriter(ByteSink(descriptor: ends[1], immediate: true))
      for record in records {
        try writer.write(record)
        #expect(try reader.next()?.meta == record.meta)
        #expect(poll([pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)]) == 0, "nothing is left in the pipe")
      }
    }
  }

  private func poll(_ descriptors: [pollfd]) -> Int32 {
    var descriptors = descriptors
    return Glibc.poll(&descriptors, nfds_t(descriptors.count), 0)
  }
}

/// Names that a reader of tar, a shell or WebDataset could take for something else.
enum KeyNames {
  static let odd: [[UInt8]] =
    [
      "", ".", "..", "./a", "/", "/abs", "//", "a/", "a//b", "a/../b", "../../etc", ".hidden", "a/.hidden",
      "._resource",
      "__2", "__index__", "__a__/b", "____/b", "a/__b__/c", "J0946.5+01", "a/b.c/NGC 1.fits", "50%", "%", "%2E", "%/",
      "ü.é", "x@1", "@1", "x\\y", "a\nb", "a\u{0}b", "\u{0}", "e\u{301}", "\u{e9}", "/\u{301}", "-rf", "NGC1.JPG",
    ].map { Array($0.utf8) }
    + [95, 96, 100, 101, 155, 156, 255, 256, Key.limit].map { [UInt8](repeating: 0x6e, count: $0) }
    + [[UInt8](repeating: 0x2e, count: Key.limit)]
}
