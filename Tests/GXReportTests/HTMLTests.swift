import Testing

@testable import GXReport

@Suite struct HTMLTests {
  @Test func whatIsPutInIsEscaped() {
    let name = "<script>alert('x')</script> & \"M31\"\u{0}\u{1b}[0m"
    let page: HTML = "<p title=\"\(name)\">\(name), \(3)</p>"
    let safe = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;M31&quot;\u{fffd}\u{fffd}[0m"
    #expect(page.text == "<p title=\"\(safe)\">\(safe), 3</p>")
  }

  @Test func markupStaysMarkup() {
    let rows: [HTML] = ["a<b", "c"].map { "<li>\($0)</li>" }
    #expect(("<ul>\(rows)</ul>" as HTML).text == "<ul><li>a&lt;b</li><li>c</li></ul>")
  }
}
