import GXCore
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    #"{"id":12345678901234567890,"a":1.10,"e":-1E+5,"b":[true,false,null,{}],"":[]}"#,
    #""tab\tquote\"back\\slash""#, "[]", "0", "-0.0", #"{"ü":"é😀"}"#,
  ]) func comesOutAsItWentIn(_ text: String) throws {
    #expect(try JSON(parsing: text).text == text)
  }

  @Test func escapesAreRead() throws {
    #expect(try JSON(parsing: #""\u00e9\ud83d\ude00\/\b\f""#) == .string("é😀/\u{8}\u{c}"))
    #expect(JSON.string("\u{1}\u{1f}").text == #""\u0001\u001F""#)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "-", "nul",
    "truex", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\u{1}\"", "1 2", "[1 2]",
    "NaN", "Infinity", "'a'", "{\"a\":1 \"b\":2}", "\u{feff}1",
  ]) func badTextIsRefusedWithItsPlace(_ text: String) {
    let error = #expect(throws: GXError.self) { try JSON(parsing: text) }
    #expect(error?.message.contains("byte") == true)
  }

  @Test func invalidUTF8IsRefused() {
    for bytes: [UInt8] in [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]] {
      let text = [UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")]
      #expect(throws: GXError.self) { try text.withUnsafeBytes { try JSON(parsing: $0) } }
    }
  }

  @Test func depthIsLimitedBeforeTheStackIs() throws {
    func nested(_ n: Int) -> String { String(repeating: "[", count: n) + String(repeating: "]", count: n) }
    #expect(throws: Never.self) { try JSON(parsing: nested(JSON.depthLimit)) }
    let error = #expect(throws: GXError.self) { try JSON(parsing: nested(1_000_000)) }
    #expect(error?.message.contains("\(JSON.depthLimit)") == true)
  }

  @Test func theLastOfEqualNamesCounts() throws {
    #expect(try JSON(parsing: #"{"a":1,"b":2,"a":3}"#).text == #"{"a":3,"b":2}"#)
  }

  @Test func fieldsKeepTheirOrder() {
    var object: JSONObject = ["b": 1, "a": 2, "c": 3]
    object["a"] = "x"
    object["b"] = nil
    object["d"] = 4.5
    #expect(JSON.object(object).text == #"{"a":"x","c":3,"d":4.5}"#)
  }

  @Test func numbersAreShortestAndNeverNaN() {
    #expect(JSON.double(0.1).text == "0.1")
    #expect(JSON.double(3).text == "3")
    #expect(JSON.float(0.1).text == "0.1")
    #expect(JSON.double(.nan).text == "null")
    #expect(JSON.number("3.0").intValue == 3)
    #expect(JSON.number("3.5").intValue == nil)
    #expect(JSON.number("99999999999999999999").intValue == nil)
  }

  /// Any change of bytes gives a value or an error, and what is a value survives its own text.
  @Test func mutatedTextNeverBreaksTheReader() throws {
    let seed = Array(#"{"id":"a\u00e9b","n":[-1.5e3,0,true,null],"o":{"x":"\\\"","y":[[[]]]}}"#.utf8)
    var random = Random(seed: 7)
    for _ in 0..<20_000 {
      var bytes = seed
      for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
      if random.chance(0.3) { bytes.removeLast(random.below(bytes.count)) }
      guard let value = try? bytes.withUnsafeBytes({ try JSON(parsing: $0) }) else { continue }
      #expect(try JSON(parsing: value.text) == value)
    }
  }
}
