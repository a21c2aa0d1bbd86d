import GXBox
import GXCore
import GXInfer
import Testing

@testable import GXModel

@Suite struct ModelInTheBoxTests {
  @Test func isAWorkingModelOfTheFourClasses() throws {
    let model = try Model.inTheBox()
    #expect(model.classes == ["elliptical", "irregular", "lenticular", "spiral"] && model.input.last == 3)
    let picture = try Tensor(model.input, [Float](repeating: 0.5, count: model.input.reduce(1, *)))
    let result = try Classifier(model).classify(picture, after: [])
    #expect(abs(result.probabilities.reduce(0, +) - 1) < 1e-5)
  }

  @Test func isSmall() throws { #expect(try Model.inTheBox().fileSize <= 8 << 20) }
}
