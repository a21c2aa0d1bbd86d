import GXCore
import Testing

@Suite struct TextTests {
  /// RFC 4648, section 10.
  @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
  func base64OfTheStandard(_ text: String, _ expected: String) { #expect(encoded(Array(text.utf8)) == expected) }

  @Test func base64OfHighBytes() { #expect(encoded([0xff, 0xef, 0xbe, 0xfb]) == "/+++" + "+w==") }

  private func encoded(_ bytes: [UInt8]) -> String { String(decoding: base64(bytes), as: UTF8.self) }

  @Test func markupIsEscaped() {
    #expect(
      escapedMarkup("<a href='x'>&\"\u{0}\u{9b}\nÄ") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}\nÄ")
  }

  @Test func controlsAreReplaced() { #expect(printable("M31\u{1b}[2J\n\u{9b}é") == "M31\u{fffd}[2J\u{fffd}\u{fffd}é") }

  @Test func wordsAreQuotedAsAShellReadsThem() {
    #expect(shellWord("rotate=180,flip=hv") == "rotate=180,flip=hv")
    #expect(shellWord("it's $HOME") == "'it'\\''s $HOME'" && shellWord("") == "''")
  }
}
