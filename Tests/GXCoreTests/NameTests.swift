import GXCore
import Testing

@Suite struct NameTests {
  static let composed = "caf\u{e9}"
  static let decomposed = "cafe\u{301}"

  @Test func namesAreComparedByBytes() {
    #expect(Self.composed == Self.decomposed)  // to Swift
    #expect(Name(Self.composed) != Name(Self.decomposed))
    #expect(Set([Name(Self.composed), Name(Self.decomposed)]).count == 2)
    #expect([Self.composed].firstIndex(ofName: Self.decomposed) == nil)
    #expect([Self.composed].contains(name: Self.composed))
    // Marks in two orders: of equal length, and equal to Swift.
    #expect("q\u{307}\u{323}" == "q\u{323}\u{307}")
    #expect(!"q\u{307}\u{323}".hasSameBytes(as: "q\u{323}\u{307}"))
    #expect("".hasSameBytes(as: "") && !"".hasSameBytes(as: "a"))
    #expect(Name("Z") < Name("a") && Name("a") < Name(Self.composed))
  }

  @Test func fieldsOfObjectsAreComparedByBytes() throws {
    let text = #"{"\#(Self.composed)":1,"\#(Self.decomposed)":2}"#
    guard case .object(var object) = try JSON(parsing: text) else { throw GXError("no object") }
    #expect(JSON.object(object).text == text)
    #expect(object[Self.composed] == 1 && object[Self.decomposed] == 2)
    object[Self.decomposed] = nil
    #expect(object[Self.composed] == 1 && object.count == 1)
    #expect(JSON.string(Self.composed) != .string(Self.decomposed))
    #expect(([Self.composed: 1] as JSONObject) != ([Self.decomposed: 1] as JSONObject))
  }

  @Test(arguments: [
    ("0", "0"), ("1", "1"), ("1.0", "1"), ("1.50", "1.5"), ("-0", "0"), ("-0.0", "0"), ("-1.0", "-1"), ("1e0", "1"),
    ("12e1", "120"), ("1.2E+1", "12"), ("120e-1", "12"), ("5e-1", "0.5"), ("0.05", "0.05"), ("5.00e-2", "0.05"),
    ("587722981741363294", "587722981741363294"), ("587722981741363294.0", "587722981741363294"),
    ("5.87722981741363294e17", "587722981741363294"), ("1237648720693755918", "1237648720693755918"),
    ("123456789012345678901234567890.000", "123456789012345678901234567890"), ("100", "100"), ("-100.00", "-100"),
    ("1e999", "1e999"), ("1e99999999999999999999", "1e99999999999999999999"), ("10.10", "10.1"),
  ]) func numbersAreNamesByTheirDigits(_ number: String, _ name: String) {
    #expect(JSON.name(ofNumber: number) == name)
    #expect(JSON.number(number).nameValue == name)
  }

  @Test func otherThingsAreNoNames() {
    for json: JSON in [.null, true, [], [:]] { #expect(json.nameValue == nil) }
  }
}
