import GXCore
import GXImage
import GXNet
import GXStream
import Testing

@testable import GXTrain

@Suite struct ModelFileTests {
  let scratch = Scratch()

  func model(ops: [JSON] = [["op": "normalize", "method": "unit", "dtype": "f32"]]) throws -> Model {
    let graph = try smallGraph([4, 4, 1], classes: 3)
    let network = try Network(graph: graph, batch: 1, training: true, threads: 1)
    var random = Random(seed: 4)
    try network.initialize(random: &random)
    return Model(
      graph: graph, classes: ["x", "é", "z"], input: [4, 4, 1], ops: ops, training: ["seed": 4],
      others: ["calibration": ["temperature": 1.5]], weights: try network.weights())
  }

  @Test func comesBackAsItWas() throws {
    let model = try model()
    try model.write(path: scratch.path("m"))
    let back = try Model(path: scratch.path("m"))
    #expect(back.graph == model.graph && back.classes == model.classes && back.input == [4, 4, 1])
    #expect(back.ops == model.ops && back.training == ["seed": 4])
    #expect(back.others == ["calibration": ["temperature": 1.5]])
    let weights = Dictionary(uniqueKeysWithValues: back.weights.map { ($0.name, $0.tensor) })
    #expect(weights.count == model.weights.count)
    for (name, tensor) in model.weights { #expect(weights[name] == tensor) }
  }

  @Test func halvesRoundTheWeights() throws {
    let model = try model()
    try model.write(path: scratch.path("h"), .f16)
    let back = try Model(path: scratch.path("h"))
    #expect(back.weights.allSatisfy { $0.tensor.dtype == .f16 })
    let picture = try Tensor([4, 4, 1], (0..<16).map { Float($0) / 16 })
    let whole = try Classifier(model).classify(picture, after: [])
    let half = try Classifier(back).classify(picture, after: [])
    #expect(zip(whole.probabilities, half.probabilities).allSatisfy { abs($0 - $1) < 2e-3 })
  }

  @Test func refusesWhatIsNoModel() throws {
    let good = try model().safetensors()
    #expect(message { _ = try Model(Safetensors(tensors: good.tensors)) }.contains("no gx model"))
    let fields = try #require(JSON(parsing: good.metadata("gx")!).objectValue)
    func refusal(_ field: String, _ value: JSON?) -> String {
      var fields = fields
      fields[field] = value
      let file = Safetensors(tensors: good.tensors, metadata: [("gx", JSON.object(fields).text)])
      return message { _ = try Classifier(Model(file)) }
    }
    #expect(refusal("training", [:]) == "")
    for field in ["version", "graph", "classes", "input", "ops", "training"] {
      #expect(refusal(field, nil).contains("'\(field)'"), "\(field)")
    }
    #expect(refusal("version", 2).contains("version 2"))
    #expect(refusal("version", 0).contains("'version'"))
    #expect(refusal("classes", ["a"]).contains("'classes'"))
    #expect(refusal("classes", ["a", "a", "b"]).contains("'classes'"))
    #expect(refusal("classes", [1, 2, 3]).contains("'classes'"))
    #expect(refusal("classes", ["a", "b"]).contains("not [4, 4, 1] to 2 classes"))
    #expect(refusal("input", [4, 4]).contains("'input'"))
    #expect(refusal("input", [5, 4, 1]).contains("[5, 4, 1]"))
    #expect(refusal("ops", "none").contains("'ops'"))
    #expect(refusal("graph", [:]).contains("graph"))
    var lacking = good
    lacking.tensors.removeAll { $0.name == "conv.weight" }
    #expect(message { _ = try Classifier(Model(lacking)) }.contains("conv.weight"))
    let text = Safetensors(tensors: [], metadata: [("gx", "{")])
    #expect(message { _ = try Model(text) }.contains("'gx'"))
  }
}

@Suite struct ClassifierTests {
  let files = ModelFileTests()

  @Test func finishesAPicturesPreparation() throws {
    let ops: [JSON] = [
      ["op": "crop", "width": 4, "height": 4], ["op": "normalize", "method": "unit", "dtype": "f32"],
    ]
    let classifier = try Classifier(files.model(ops: ops))
    let bytes = try Tensor(.u8, [6, 6, 1]) { out in for i in 0..<36 { out[i] = UInt8(i * 7) } }
    let crop = try PixelOp(json: ops[0])
    let unit = try PixelOp(json: ops[1])
    let raw = try record("r", ops: [], tensor: bytes)
    #expect(try classifier.steps(for: raw) == [crop, unit])
    let cropped = try record("c", ops: [ops[0]], tensor: crop.apply(bytes))
    #expect(try classifier.steps(for: cropped) == [unit])
    let results = try [raw, cropped].map { try classifier.classify($0.tensor!, after: classifier.steps(for: $0)) }
    #expect(results[0].logits == results[1].logits)
    #expect(abs(results[0].probabilities.reduce(0, +) - 1) < 1e-6)
    let highest = results[0].logits.indices.max { results[0].logits[$0] < results[0].logits[$1] }
    #expect(results[0].prediction == highest)
  }

  @Test func refusesPicturesThatDoNotFit() throws {
    let classifier = try Classifier(files.model())
    let large = try Tensor([5, 4, 1], [Float](repeating: 0, count: 20))
    #expect(message { _ = try classifier.classify(large, after: []) }.contains("[5, 4, 1], the model takes [4, 4, 1]"))
    let bytes = try Tensor(.u8, [4, 4, 1]) { $0.initializeMemory(as: UInt8.self, repeating: 1) }
    #expect(message { _ = try classifier.classify(bytes, after: []) }.contains("u8, not floats"))
  }

  @Test func aModelOfUnknownPreparationNeedsAWord() throws {
    let model = try files.model(ops: [Provenance.foreign])
    let floats = try record("f", ops: nil, tensor: Tensor([4, 4, 1], [Float](repeating: 0, count: 16)))
    #expect(message { _ = try Classifier(model).steps(for: floats) }.contains("nothing says how"))
    #expect(try Classifier(model, assuming: .all).steps(for: floats).isEmpty)
    let decoded = try record("d", ops: [])
    #expect(message { _ = try Classifier(model).steps(for: decoded) }.contains("did not say how it was prepared"))
  }
}
