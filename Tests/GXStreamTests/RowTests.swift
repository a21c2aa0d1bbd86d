import GXCore
import GXStream
import Testing

@Suite struct RowTests {
  private static func row(_ text: String) throws -> Row {
    guard case .object(let object) = try JSON(parsing: text) else { throw GXError("no object") }
    return try Row(checking: object)
  }

  @Test func fieldsAreKnownByName() throws {
    let row = try Self.row(
      #"{"id":"M31","path":"m31.jpg","label":"spiral","split":"val","copy":2,"ops":[{"op":"x"}],"error":"bad"}"#)
    #expect(row.id == "M31" && row.path == "m31.jpg" && row.label == "spiral" && row.split == "val")
    #expect(row.copy == 2 && row.ops == [["op": "x"]] && row.error == "bad" && row.hasFailed)
  }

  @Test func nullAndEmptyNamesAreAbsent() throws {
    for text in [
      "{}", #"{"id":null,"path":null,"label":null,"split":null,"copy":null,"ops":null,"error":null,"prediction":null}"#,
      #"{"id":"","path":"","label":"","split":""}"#,
    ] {
      let row = try Self.row(text)
      #expect(row.id == nil && row.path == nil && row.label == nil && row.split == nil && row.copy == 0)
      #expect(row.ops == nil && row.error == nil && !row.hasFailed && row.prediction == nil && !row.abstains)
    }
  }

  @Test func numbersAreNames() throws {
    let row = try Self.row(#"{"id":587722981741363294,"label":1.0,"split":0,"copy":1.0,"prediction":1,"hubble":2.50}"#)
    #expect(row.id == "587722981741363294" && row.label == "1" && row.split == "0" && row.copy == 1)
    #expect(row.prediction == "1")
    #expect(try row.name(in: "hubble") == "2.5")
    #expect(JSON.object(row.fields).text.contains(#""id":587722981741363294,"label":1.0"#))
  }

  @Test(arguments: [
    ("id", "true"), ("id", "[]"), ("label", "false"), ("label", #"{"a":1}"#), ("split", "[1]"), ("path", "true"),
    ("copy", "-1"), ("copy", "1.5"), ("copy", #""1""#), ("ops", "{}"), ("ops", #""resize""#),
  ]) func whatIsNoNameIsToldWithItsField(_ field: String, _ value: String) {
    let error = #expect(throws: GXError.self) { try Self.row(#"{"\#(field)":\#(value)}"#) }
    #expect(error?.message.hasPrefix("\(field): \(value) is ") == true)
  }

  @Test func anErrorOfAnyKindIsOne() throws {
    for (value, text) in [("true", "true"), ("7", "7"), (#""""#, ""), (#"{"a":1}"#, #"{"a":1}"#)] {
      let row = try Self.row(#"{"error":\#(value)}"#)
      #expect(row.hasFailed && row.error == text)
    }
  }

  @Test func aPredictionIsKeptBackForAReason() throws {
    #expect(try Self.row(#"{"prediction":null,"reason":"uncertain"}"#).abstains)
    #expect(try Self.row(#"{"reason":"uncertain"}"#).abstains)
    #expect(try !Self.row(#"{"prediction":"a","reason":"uncertain"}"#).abstains)
    #expect(try !Self.row(#"{"prediction":null,"reason":null}"#).abstains)
    var row: Row = [:]
    row.prediction = nil
    #expect(JSON.object(row.fields).text == #"{"prediction":null}"#)
  }

  @Test func whatIsSetKeepsItsPlace() {
    var row: Row = ["id": 7, "note": 1.10]
    row.id = "M31"
    row.split = nil
    row[.fold] = 3
    #expect(JSON.object(row.fields).text == #"{"id":"M31","note":1.1,"fold":3}"#)
    row.merge(["note": "x"])
    #expect(row["note"] == "x")
  }
}
