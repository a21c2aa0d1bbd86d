import Foundation
import GXCore
import Testing

@testable import GXStream

/// Archives that were whole, changed at random where it hurts: headers whose checksums are then made right, blocks that
/// are lost, doubled or swapped. Whatever comes, the reader ends, and what it gives can be written and read again.
@Suite struct TarFuzzTests {
  /// One of each kind of member.
  private static func seedArchive() throws -> [UInt8] {
    var maker = TarMaker()
    maker.add("survey", type: "V")
    maker.pax("comment", "0123456789abcdef", type: "g")
    maker.bytes += try Stream.write(Stream.galaxies(6), immediate: true).dropLast(1024)
    maker.pax([("path", Array("Größe/M31.JPG".utf8)), ("size", Array("700".utf8)), ("mtime", Array("1.5".utf8))])
    maker.add("M31.jpg", [UInt8](repeating: 1, count: 700))
    maker.add("././@LongLink", Array(String(repeating: "long/", count: 50).utf8) + Array("a.jpg\0".utf8), type: "L")
    maker.add("././@LongLink", Array(String(repeating: "t", count: 200).utf8) + [0], type: "K")
    maker.add("long/", type: "1", target: "t")
    maker.add("folder/", type: "5")
    maker.pax([("GNU.sparse.major", Array("1".utf8)), ("GNU.sparse.name", Array("s.npy".utf8))])
    maker.add("GNUSparseFile.0/s.npy", [UInt8](repeating: 2, count: 1024))
    maker.add("b.jpg", [UInt8](repeating: 3, count: 10), type: "S")
    maker.add("c.json", Array(#"{"label":"spiral","id":null}"#.utf8))
    return maker.finished
  }

  private static let types = Array("0123456789xgXLKVDNAIEMSZ\0".utf8)

  private static func mutate(_ bytes: inout [UInt8], _ random: inout Random) {
    let blocks = bytes.count / 512
    let place = random.below(blocks) * 512
    switch random.below(8) {
    case 0: bytes.removeSubrange(place..<place + 512)
    case 1: bytes.insert(contentsOf: bytes[place..<place + 512], at: random.below(blocks) * 512)
    case 2:
      let other = random.below(blocks) * 512
      for i in 0..<512 { bytes.swapAt(place + i, other + i) }
    case 3: bytes[random.below(bytes.count)] = UInt8(random.below(256))
    case 4: bytes.removeLast(random.below(bytes.count / 2))
    default:  // a header that is one still
      var header = bytes[place..<place + 512]
      let field = [0..<100, 124..<136, 156..<157, 157..<257, 345..<500, 482..<483][random.below(6)]
      for _ in 0...random.below(3) {
        let at = place + field.lowerBound + random.below(field.count)
        header[at] = field.count == 1 ? types[random.below(types.count)] : UInt8(random.below(256))
        if field.lowerBound == 124 { header[at] = UInt8(ascii: "0") + UInt8(random.below(8)) }
      }
      TarMaker.seal(&header)
      bytes.replaceSubrange(place..<place + 512, with: header)
    }
  }

  @Test func noArchiveBreaksTheReader() throws {
    let seed = try Self.seedArchive()
    #expect(try Stream.read(seed).count == 11)
    var random = Random(seed: 12)
    let rounds = ProcessInfo.processInfo.environment["GX_FUZZ_ROUNDS"].flatMap(Int.init) ?? 1000
    var whole = 0
    for round in 0..<rounds {
      var bytes = seed
      for _ in 0...random.below(3) where bytes.count > 1024 { Self.mutate(&bytes, &random) }
      guard let records = try? Stream.read(bytes, map: round % 2 == 0) else { continue }
      whole += 1
      #expect(records.count <= bytes.count / 512)
      let again = try Stream.read(try Stream.write(records))
      #expect(again.map(\.meta) == records.map(\.meta) && again.map(\.key) == records.map(\.key), "round \(round)")
    }
    #expect(whole > rounds / 20, "most mutants are refused at once; they try nothing")
  }
}
