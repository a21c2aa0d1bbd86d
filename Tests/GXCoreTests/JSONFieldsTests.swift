import GXCore
import Testing

@Suite struct JSONFieldsTests {
  enum Colour: String, CaseIterable { case red, green }

  func fields(_ text: String) throws -> JSONFields { try JSONFields(JSON(parsing: text), "thing") }

  @Test func fieldsAreReadByTheirKind() throws {
    var fields = try fields(
      #"{"n":3,"x":0.5,"s":"é","b":false,"c":"green","l":[1,2.0],"o":{"n":1e0},"null":null,"more":[]}"#)
    #expect(try fields.required("n", .int(in: 1...3)) == 3)
    #expect(try fields.required("x", .number(in: 0...1)) == 0.5)
    #expect(try fields.required("s", .string) == "é" && fields.required("b", .bool) == false)
    #expect(try fields.required("c", .choice(Colour.self)) == .green)
    #expect(try fields.required("l", .list(.int, count: 2...2)) == [1, 2])
    var inner = try #require(try fields.optionalFields("o"))
    #expect(try inner.required("n", .count) == 1)
    try inner.finish()
    #expect(try fields.optional("null", .int) == nil && fields.optional("none", .int) == nil)
    #expect(fields.has("more") && !fields.has("null") && fields.rest == ["more": []])
    #expect(throws: GXError(#"thing: unknown field "more""#)) { try fields.finish() }
  }

  @Test func faultsNameObjectAndField() throws {
    func fault(_ text: String, _ read: (inout JSONFields) throws -> Void) -> String {
      do {
        var fields = try fields(text)
        try read(&fields)
        try fields.finish()
        return ""
      } catch { return "\(error)" }
    }
    #expect(fault("[1]") { _ in } == "thing: [1] is no JSON object")
    #expect(fault("{}") { _ = try $0.required("n", .int) } == #"thing: no "n""#)
    #expect(fault(#"{"n":null}"#) { _ = try $0.required("n", .int) } == #"thing: no "n""#)
    #expect(fault(#"{"n":1.5}"#) { _ = try $0.optional("n", .int) } == #"thing: "n" is 1.5, not a whole number"#)
    #expect(
      fault(#"{"n":9}"#) { _ = try $0.optional("n", .int(in: 1...8)) }
        == #"thing: "n" is 9, not a whole number in 1...8"#)
    #expect(fault(#"{"n":-1}"#) { _ = try $0.optional("n", .count) } == #"thing: "n" is -1, not a count"#)
    #expect(fault(#"{"n":1e999}"#) { _ = try $0.optional("n", .number) } == #"thing: "n" is 1e999, not a number"#)
    #expect(
      fault(#"{"c":"blue"}"#) { _ = try $0.optional("c", .choice(Colour.self)) }
        == #"thing: "c" is "blue", not one of red, green"#)
    #expect(
      fault(#"{"l":[1,"2"]}"#) { _ = try $0.optional("l", .list(.number)) }
        == #"thing: "l" is [1,"2"], not a list, each a number"#)
    #expect(
      fault(#"{"o":{"k":1}}"#) { try $0.optionalFields("o")?.finish() } == #"thing: o: unknown field "k""#)
    #expect(fault(#"{"a":1,"n":1,"a":2}"#) { _ in } == #"thing: field "a" stands twice"#)
  }

  /// Readers that pass on what they do not know keep the last, and know of it no more once it is gone.
  @Test func fieldsThatStandTwice() throws {
    var object = try JSON(parsing: #"{"x":0,"a":1,"a":2,"b":3}"#).objectValue!
    #expect(object.repeatedField == "a" && object["a"] == 2 && JSON.object(object).text == #"{"x":0,"a":2,"b":3}"#)
    object["x"] = nil
    #expect(object.repeatedField == "a")
    object["b"] = nil
    #expect(object.repeatedField == "a")
    object["a"] = nil
    #expect(object.repeatedField == nil && object == [:])
    #expect(try JSON(parsing: #"{"a":1}"#).objectValue!.repeatedField == nil)
  }
}
