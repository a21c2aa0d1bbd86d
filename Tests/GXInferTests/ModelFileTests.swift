import Foundation
import GXCore
import GXImage
import GXGraph
import GXMetrics
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXInfer

@Suite struct ModelFileTests {
  let scratch = Scratch()

  func model(ops: [JSON] = [["op": "normalize", "method": "unit", "dtype": "f32"]]) throws -> Model {
    let graph = try smallGraph([4, 4, 1], classes: 3)
    let network = try Network(graph: graph, batch: 1, training: true, threads: 1)
    var random = Random(seed: 4)
    try network.initialize(random: &random)
    return Model(
      graph: graph, classes: ["x", "é", "z"], input: [4, 4, 1], ops: ops, training: ["seed": 4],
      calibration: Calibration(
        classes: ["x", "é", "z"], scaling: .vector(scale: [1, 2, 0.5], bias: [-1, 0, 1]),
        conformal: ConformalSets(score: .aps, coverage: 0.9, threshold: 0.75),
        abstention: Abstention(precision: 0.95, threshold: 0.6), classifier: ClassifierName("0123456789abcdef/none"),
        others: ["fitted": ["records": 9]]),
      card: ["name": "é"], others: ["later": ["a": 1]], weights: try network.weights())
  }

  @Test func comesBackAsItWas() throws {
    let model = try model()
    try model.write(path: scratch.path("m"))
    let back = try Model(path: scratch.path("m"))
    #expect(back.graph == model.graph && back.classes == model.classes && back.input == [4, 4, 1])
    #expect(back.ops == model.ops && back.training == ["seed": 4])
    #expect(
      back.calibration == model.calibration && back.others == ["later": ["a": 1]] && back.card == ["name": "é"]
        && back.views == .one)
    #expect(back.digest == model.digest)
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

  @Test func theDigestTellsModelsApart() throws {
    let model = try model()
    var other = model
    (other.card, other.views, other.training, other.calibration) = ([:], .dihedral, [:], nil)
    #expect(other.digest == model.digest, "what it computes is the same")
    other.weights.swapAt(0, 1)
    #expect(other.digest == model.digest, "order is no matter")
    other.ops = []
    #expect(other.digest != model.digest)
    other = model
    other.weights[0].tensor = try Tensor(other.weights[0].tensor.shape, other.weights[0].tensor.floats().map { $0 + 1 })
    #expect(other.digest != model.digest && other.digest.utf8.count == 16)
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
      #expect(refusal(field, nil).contains("no \"\(field)\""), "\(field)")
    }
    for (calibration, place) in [
      ([:] as JSON, "no \"classes\""), (["classes": ["x", "é", "z"]], "neither \"temperature\" nor \"scale\""),
      (["classes": ["x", "é", "z"], "temperature": 0], "\"temperature\" is 0"),
      (["classes": ["x", "é", "z"], "scale": [1, 2], "bias": [0, 0]], "\"scale\" is [1,2]"),
      (["classes": ["x", "é", "z"], "temperature": 1, "conformal": ["method": "raps"]], "conformal: \"method\" is"),
      (
        ["classes": ["x", "é", "z"], "temperature": 1, "abstention": ["precision": 0.9]], "abstention: no \"threshold\""
      ),
      (["classes": ["x", "é", "z"], "temperature": 1, "classifier": "x"], "\"classifier\" is"),
    ] { #expect(refusal("calibration", calibration).contains("calibration: \(place)"), "\(calibration)") }
    #expect(refusal("version", 2).contains("version 2"))
    #expect(refusal("version", 0).contains("\"version\" is"))
    #expect(refusal("classes", ["a"]).contains("\"classes\" is"))
    #expect(refusal("classes", ["a", "a", "b"]).contains("\"classes\" is"))
    #expect(refusal("classes", [1, 2, 3]).contains("\"classes\" is"))
    #expect(refusal("classes", ["a", "b"]).contains("not [4, 4, 1] to 2 classes"))
    #expect(refusal("input", [4, 4]).contains("\"input\" is"))
    #expect(refusal("input", [5, 4, 1]).contains("[5, 4, 1]"))
    #expect(refusal("ops", "none").contains("\"ops\" is"))
    #expect(
      refusal("tta", "dihedral") == "" && refusal("tta", "thrice").contains("\"tta\" is \"thrice\", not one of none"))
    #expect(refusal("tta", 8).contains("\"tta\" is") && refusal("card", "ace").contains("\"card\" is"))
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
    let crop = try PixelSteps.step(ops[0])
    let raw = try record("r", ops: [], tensor: bytes)
    #expect(try classifier.steps(for: raw).map(\.json) == ops)
    let cropped = try record("c", ops: [ops[0]], tensor: crop.apply(bytes))
    #expect(try classifier.steps(for: cropped).map(\.json) == [ops[1]])
    let results = try [raw, cropped].map { try classifier.classify($0.tensor!, after: classifier.steps(for: $0)) }
    #expect(results[0].logits == results[1].logits)
    #expect(abs(results[0].probabilities.reduce(0, +) - 1) < 1e-6)
    let highest = results[0].logits.indices.max { results[0].logits[$0] < results[0].logits[$1] }
    #expect(results[0].likeliest == highest)
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

@Suite struct ViewsTests {
  let files = ModelFileTests()
  let picture = try! Tensor([4, 4, 1], (0..<16).map { Float($0 * $0 % 11) / 11 })

  @Test func probabilitiesAreTheMeanOfTheViews() throws {
    let model = try files.model()
    let one = try Classifier(model)
    let all = try Classifier(model, views: .dihedral).classify(picture, after: [])
    let views = try Dihedral.views(of: picture).map { try one.classify($0, after: []) }
    for c in 0..<3 {
      let mean = views.reduce(0) { $0 + $1.probabilities[c] } / 8
      #expect(abs(all.probabilities[c] - mean) < 1e-6 && abs(exp(all.logits[c]) - mean) < 1e-6)
    }
    #expect(all.probabilities != views[0].probabilities, "the views differ, or this tests nothing")
  }

  @Test func aViewIsClassifiedLikeThePicture() throws {
    let classifier = try Classifier(files.model(), views: .dihedral)
    let whole = try classifier.classify(picture, after: [])
    for view in try Dihedral.views(of: picture) {
      let turned = try classifier.classify(view, after: [])
      #expect(zip(turned.logits, whole.logits).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }

  @Test func theModelSaysWhatIsUsedWhereNobodyElseDoes() throws {
    var model = try files.model()
    #expect(try Classifier(model).views == .one)
    model.views = .dihedral
    let back = try Model(model.safetensors())
    #expect(try Classifier(back).views == .dihedral && Classifier(back, views: .one).views == .one)
  }

  /// Certain and contrary views: where f32 probabilities would be 0, their logarithm still tells.
  @Test func logitsStayFinite() {
    let mean = logMeanProbabilities([[500, -500, 0], [500, -400, 0]])
    #expect(mean[0] == 0 && abs(mean[1] - (-900 - log(2))) < 1e-3 && abs(mean[2] - -500) < 1e-3)
  }
}

@Suite struct FeatureTests {
  let files = ModelFileTests()
  let scratch = Scratch()
  let unit: JSON = ["op": "normalize", "method": "unit", "dtype": "f32"]

  func picture(_ seed: Int) throws -> Tensor {
    try Tensor([4, 4, 1], (0..<16).map { Float(($0 * $0 + seed * 5) % 11) / 11 })
  }

  /// The head on the features gives the model's logits.
  @Test func areWhatEntersTheHead() throws {
    let model = try files.model()
    let extractor = try FeatureExtractor(model)
    let weights = Dictionary(uniqueKeysWithValues: model.weights.map { ($0.name, $0.tensor.floats()) })
    let head = try #require(model.graph.nodes.last?.name)
    let (matrix, bias) = (try #require(weights["\(head).weight"]), try #require(weights["\(head).bias"]))
    for seed in 0..<3 {
      let picture = try picture(seed)
      let result = try extractor.features(of: record("r", ops: [unit], tensor: picture))
      let features = try #require(result.tensor)
      let n = features.count
      #expect(features.shape == [1, 1, n] && features.dtype == .f32 && result.ops == [] && result.label == "a")
      #expect(
        result.meta["features"] == ["model": .string(model.digest), "node": .string(try model.graph.headInput())])
      let logits = try Classifier(model).classify(picture, after: []).logits
      for c in 0..<3 {
        let product = (0..<n).reduce(bias[c]) { $0 + matrix[c * n + $1] * features.floats()[$1] }
        #expect(abs(product - logits[c]) < 1e-5)
      }
    }
  }

  @Test func ofAnyNode() throws {
    let model = try files.model()
    let extractor = try FeatureExtractor(model, node: "conv")
    let features = try extractor.features(of: record("r", ops: [unit], tensor: picture(1)))
    #expect(features.tensor?.shape == model.graph.nodes.first { $0.name == "conv" }?.shape)
    #expect(message { _ = try FeatureExtractor(model, node: "no") } == "the network has no node no")
  }

  @Test func faultsAreTheRecordsOrEndTheRun() throws {
    let extractor = try FeatureExtractor(files.model())
    let large = try Tensor([5, 4, 1], [Float](repeating: 0, count: 20))
    let result = try extractor.features(of: record("r", ops: [unit], tensor: large))
    #expect(result.tensor == nil && result.error?.contains("[5, 4, 1], the model takes [4, 4, 1]") == true)
    var failed = try record("f")
    failed.fail("torn")
    #expect(try extractor.features(of: failed).error == "torn")
    #expect(message { _ = try extractor.features(of: record("r", ops: [unit, unit], tensor: picture(0))) } != "")
  }
}
