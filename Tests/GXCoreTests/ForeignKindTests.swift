import GXCore
import Testing

@Suite struct ForeignKindTests {
  static let cases: [(ForeignKind?, [UInt8])] = [
    (.empty, []), (.gzip, [0x1f, 0x8b, 8, 0]), (.bzip2, Array("BZh91AY&SY".utf8)),
    (.xz, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), (.zstd, [0x28, 0xb5, 0x2f, 0xfd, 4]), (.gif, Array("GIF89a".utf8)),
    (.fits, Array("SIMPLE  =                    T".utf8)), (.pdf, Array("%PDF-1.7\n".utf8)),
    (.npy, [0x93] + Array("NUMPY\u{1}\0".utf8)), (.hdf5, [0x89] + Array("HDF\r\n\u{1a}\n".utf8)),
    (.safetensors, [0x40, 0, 0, 0, 0, 0, 0, 0] + Array(#"{"a":{}}"#.utf8)), (.onnx, [8, 7, 0x12, 7, 0x70]),
    (.pytorch, zip("archive/data.pkl")), (.pytorch, zip("galaxy/data.pkl")), (.npz, zip("arr_0.npy")),
    (.zip, zip("a.txt")), (.tar, [UInt8](repeating: 0x61, count: 257) + Array("ustar\0".utf8)),
    (.lfsPointer, Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\n".utf8)),
    (.html, Array("\n <!DOCTYPE html>\n<html>".utf8)), (.html, Array("<HTML><body>404".utf8)),
    (.html, Array("<?xml version=\"1.0\"?>\n<!DOCTYPE html>".utf8)),
    (.xml, Array("<?xml version=\"1.0\"?><VOTABLE>".utf8)),
    (.svg, Array("<svg xmlns=\"http://www.w3.org/2000/svg\">".utf8)), (.jsonArray, Array("\n[{}]".utf8)),
    (.json, Array("\u{feff}{\"a\": 1}".utf8)), (.utf16, [0xff, 0xfe, 0x7b, 0]),
    (.table, Array("filename,label\na.jpg,spiral\n".utf8)), (.table, Array("a\tb\n".utf8)),
    (.text, Array("a.jpg\nb.jpg\n".utf8)), (.text, Array("a,b.jpg\nc.jpg\n".utf8)), (.text, Array("\n\n".utf8)),
    (.text, Array("MZ\nBM\n".utf8)), (nil, [0, 1, 2, 3]), (nil, [0xff]), (.text, Array("Größe\n".utf8)),
    // A long second line that is cut is not compared.
    (.table, Array(("a,b,c\n" + String(repeating: "x", count: 600) + ",1,2\n").utf8)),
  ]

  static func zip(_ name: String) -> [UInt8] {
    [0x50, 0x4b, 3, 4] + [UInt8](repeating: 0, count: 22) + [UInt8(name.utf8.count), 0, 0, 0] + Array(name.utf8)
  }

  @Test func kindsAreKnownByTheirFirstBytes() {
    for (kind, bytes) in Self.cases { #expect(ForeignKind(sniffing: bytes) == kind, "\(bytes.prefix(40))") }
    // Any beginning of any of them is known or not; it never traps.
    for (_, bytes) in Self.cases {
      for count in 0..<min(bytes.count, 300) { _ = ForeignKind(sniffing: bytes[..<count]) }
    }
  }

  @Test func aRemedyStandsInTheDescription() {
    #expect(ForeignKind.gzip.description == "a gzip file (unpack it first: gunzip)")
    #expect(ForeignKind.gif.description == "a GIF")
  }
}
