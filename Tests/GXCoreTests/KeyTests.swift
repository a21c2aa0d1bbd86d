import Foundation
import GXCore
import Testing

@Suite struct KeyTests {
  /// Names that a reader of tar, a shell or WebDataset could take for something else.
  static let odd = [
    "", ".", "..", "./a", "/", "/abs", "//", "a/", "a//", "a//b", "a/./b", "a/../b", "../../etc", ".hidden",
    "a/.hidden",
    "._resource", "__2", "__index__", "__a__/b", "____/b", "___/b", "a/__b__/c", "__a.b__/c", "__a__@1/b", "M31",
    "J0946.5+01", "a/b.c/NGC 1.fits", "50%", "%", "%2E", "%2e", "%/", "ü.é", "x@1", "@1", "x\\y", "a\nb", "a\u{0}b",
    "\u{0}", "\u{7f}", "\u{85}", "-rf", "~", "*", "NGC1.JPG", "e\u{301}", "\u{e9}", "a.\u{301}b", "@\u{301}",
    "/\u{301}",
    "\u{1F30C}", "\r\n", String(repeating: "n", count: 255), String(repeating: "n.", count: 2048),
  ]

  /// Made of pieces that matter to some rule.
  private static func random(_ random: inout Random) -> String {
    let pieces = [
      "/", ".", "_", "__", "%", "@", "2", "E", "\\", "\u{0}", "a", "ü", "u\u{308}", "\u{301}", "\n", "json", "-",
    ]
    return (0..<random.below(9)).map { _ in pieces[random.below(pieces.count)] }.joined()
  }

  static let names: [String] = {
    var generator = Random(seed: 1)
    return odd + (0..<3000).map { _ in random(&generator) }
  }()

  @Test func escapeIsReversible() {
    var keys: [[UInt8]: [UInt8]] = [:]
    for id in Self.names {
      let key = Key.escape(id)
      #expect(Key.unescape(key).utf8.elementsEqual(id.utf8), "\(key)")
      #expect(!key.contains(".") && !key.utf8.contains { $0 < 0x20 || $0 == 0x7f })
      let parts = key.split(separator: "/", omittingEmptySubsequences: false)
      #expect(!parts.contains { $0.isEmpty }, "\(key) is no relative path of a file")
      #expect(keys.updateValue(Array(id.utf8), forKey: Array(key.utf8)).map { $0 == Array(id.utf8) } ?? true)
    }
  }

  /// What the writer calls a member, the reader and WebDataset part into the same key and extension.
  @Test func membersAreReadAsTheyWereNamed() throws {
    let rule = try NSRegularExpression(pattern: "^((?:.*/|)[^.]+)[.]([^/]*)$")
    let metadata = try NSRegularExpression(pattern: "^__[^/]*__($|/)")
    for key in Self.names.map(Key.escape) + Self.names.map({ Key.copy(Key.escape($0), 12) }) {
      for ext in ["json", "npy", "cam.npy"] {
        let name = Key.member(key, ext)
        let parts = try #require(Key.split(Array(name.utf8)), "\(name) is passed over")
        #expect(parts.key == Array(key.utf8) && parts.ext == ext)
        #expect(Key.canonical(parts.key).utf8.elementsEqual(key.utf8))
        let all = NSRange(name.startIndex..., in: name)
        let match = try #require(rule.firstMatch(in: name, range: all), "WebDataset passes over \(name)")
        #expect((name as NSString).substring(with: match.range(at: 1)).utf8.elementsEqual(key.utf8))
        #expect((name as NSString).substring(with: match.range(at: 2)) == ext)
        #expect(metadata.firstMatch(in: name, range: all) == nil, "WebDataset takes \(name) for metadata")
      }
    }
  }

  @Test(arguments: [
    ("M31.jpg", "M31", "jpg"), ("./M31.jpg", "M31", "jpg"), ("././a/M31.JPG", "a/M31", "jpg"),
    ("__2.jpg", "__2", "jpg"),
    ("a/__b__.jpg", "a/__b__", "jpg"), ("__b__.jpg", "__b__", "jpg"), ("../x.png", "../x", "png"),
    ("/x.png", "/x", "png"),
    ("J0946.5+01.jpg", "J0946", "5+01.jpg"), ("a.", "a", ""), ("a.j\u{0}pg", "a", "j%00pg"), ("é.É", "é", "É"),
  ]) func namesFromElsewhereArePartedAsWebDatasetDoes(_ name: String, _ key: String, _ ext: String) throws {
    let parts = try #require(Key.split(Array(name.utf8)))
    #expect(parts.key == Array(key.utf8) && parts.ext == ext)
  }

  @Test(arguments: [
    "README", ".hidden", "a/._M31.jpg", "._M31.jpg", "__index__", "__a.b__", "__meta__/x.json", "./__meta__/x.json",
    "a.b/c", ".", "..", "", "/",
  ]) func whatIsNoRecordIsPassedOver(_ name: String) { #expect(Key.split(Array(name.utf8)) == nil) }

  @Test func bytesThatAreNoTextStayApart() {
    let names: [[UInt8]] = [
      [0xe9], [0xe8], [0xc3], [0xc3, 0xa9], [0xff, 0xfe], Array("M31\u{fffd}".utf8), Array("M31".utf8) + [0xe9],
      [0xed, 0xa0, 0x80], [0xf0, 0x9f], Array("%E9".utf8), [0xe9] + Array("/.".utf8),
    ]
    let keys = names.map { Key.escape($0) }
    #expect(keys[0] == "%E9" && Key.id(of: names[0]) == "%E9" && keys[3] == "é" && keys[9] == "%25E9")
    #expect(Set(keys.map { Array($0.utf8) }).count == names.count)
    for key in keys {
      #expect(Key.canonical(Array(key.utf8)) == key)
      #expect(Key.split(Array(Key.member(key, "npy").utf8))?.key == Array(key.utf8))
    }
  }

  @Test func idIsThePathWithoutExtension() {
    #expect(Key.id(path: "./img/M31.jpg") == "img/M31")
    #expect(Key.id(path: "J0946.5+01.png") == "J0946.5+01")
    #expect(Key.id(path: "a.b/c") == "a.b/c")
    #expect(Key.id(path: ".hidden") == ".hidden")
    #expect(Key.id(path: "a/\u{301}x.\u{301}jpg").utf8.elementsEqual("a/\u{301}x".utf8))
  }

  /// The keys that gx makes stay as they are; no key leaves the folder, and none takes another's place.
  @Test func keysFromElsewhereStayInside() {
    for key in ["M31", "a/b", "%", Key.escape("J0946.5+01"), Key.copy(Key.escape("/x/M31@1.0"), 12)] {
      #expect(Key.canonical(Array(key.utf8)) == key)
    }
    let foreign = [
      "../x", "/etc/x", "a/../../b", "a//b", "d.1/x", "50%", "a@b", "M31@1@2", "@1", "M31@", "x\\y", "\u{0}", "a/", "",
      "__a__/b",
    ]
    for key in foreign {
      let path = Key.canonical(Array(key.utf8))
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      #expect(
        !parts.contains { ["", ".", ".."].contains($0) } && !path.contains("\\") && !path.contains("\u{0}"), "\(path)")
      #expect(Key.unescape(path) == key && Key.canonical(Array(path.utf8)) == path)
    }
    #expect(Set(foreign.map { Key.canonical(Array($0.utf8)) }).count == foreign.count)
  }

  @Test func limitsCountTheNameAndNotItsEscapes() {
    #expect(!Key.isTooLong(Key.copy(Key.escape(String(repeating: ".", count: Key.limit)), 12)))
    #expect(Key.isTooLong(Key.escape(String(repeating: ".", count: Key.limit + 1))))
  }
}
