import GXCore
import TestSupport
import Testing

@testable import GXModel

@Suite struct ProvenanceTests {
  let resize: JSON = ["op": "resize", "width": 96]
  let unit: JSON = ["op": "normalize", "method": "unit"]
  let crop: JSON = ["op": "crop", "width": 64]
  let augment: JSON = ["op": "augment", "random": true, "rotate": 180]
  var model: [JSON] { [resize, augment, unit, crop] }

  @Test func whatIsMissingIsTheRest() throws {
    #expect(try Array(Provenance.missing(ops: [], dtype: .u8, model: model)) == [resize, unit, crop])
    #expect(try Array(Provenance.missing(ops: [resize], dtype: .u8, model: model)) == [unit, crop])
    #expect(try Array(Provenance.missing(ops: [resize, unit], dtype: .f32, model: model)) == [crop])
    #expect(try Array(Provenance.missing(ops: [resize, unit, crop], dtype: .f32, model: model)) == [])
  }

  @Test func randomStepsCountForNothing() throws {
    #expect(try Array(Provenance.missing(ops: [augment, resize, augment], dtype: .u8, model: model)) == [unit, crop])
  }

  @Test func orderOfFieldsAndSpellingOfNumbersCountForNothing() throws {
    let same = try JSON(parsing: #"{"width":96.0,"op":"resize"}"#)
    #expect(try Array(Provenance.missing(ops: [same], dtype: .u8, model: model)) == [unit, crop])
  }

  @Test func aConflictSaysBothAndWhereTheyPart() {
    let other: JSON = ["op": "resize", "width": 95]
    var said = message { _ = try Provenance.missing(ops: [other, unit], dtype: .f32, model: model) }
    #expect(said.contains(#"step 1 is {"op":"resize","width":95}"#), "\(said)")
    #expect(said.contains(#"the model wants {"op":"resize","width":96}"#), "\(said)")
    said = message { _ = try Provenance.missing(ops: [resize, unit, crop, crop], dtype: .f32, model: model) }
    #expect(said.contains("step 4") && said.contains("nothing more"), "\(said)")
    said = message { _ = try Provenance.missing(ops: [unit], dtype: .f32, model: model) }
    #expect(said.contains("step 1"), "\(said)")
  }

  @Test func foreignPixelsAreDecodedAndForeignFloatsNeedAWord() throws {
    #expect(try Array(Provenance.missing(ops: nil, dtype: .u8, model: model)) == [resize, unit, crop])
    for dtype in [DType.f32, .f16, .u16] {
      let said = message { _ = try Provenance.missing(ops: nil, dtype: dtype, model: model) }
      #expect(said.contains("\(dtype.name) without 'ops'"), "\(said)")
    }
    #expect(try Provenance.missing(ops: nil, dtype: .f32, model: model, assumed: .all).isEmpty)
    #expect(try Provenance.missing(ops: nil, dtype: .f32, model: model, assumed: Provenance.Assumption.none).count == 3)
  }

  @Test func whatTheRecordSaysIsNotOverruled() {
    #expect(message { _ = try Provenance.missing(ops: [crop], dtype: .f32, model: model, assumed: .all) } != "")
  }
}
