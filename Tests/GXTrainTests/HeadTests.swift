import GXCore
import GXGraph
import GXInfer
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXTrain

@Suite struct HeadTests {
  let scratch = Scratch()
  let unit: JSON = ["op": "normalize", "method": "unit", "dtype": "f32"]

  func picture(_ seed: Int) throws -> Tensor {
    try Tensor([4, 4, 1], (0..<16).map { Float(($0 * $0 + seed * 5) % 11) / 11 })
  }

  func model() throws -> Model {
    let graph = try smallGraph([4, 4, 1], classes: 3)
    var random = Random(seed: 4)
    return Model(
      graph: graph, classes: ["x", "y", "z"], input: [4, 4, 1], ops: [unit], training: [:],
      weights: try graph.initialWeights(random: &random))
  }

  /// A head knows whose features it was trained on, and refuses others, and pixels.
  @Test func aHeadsModelRefusesOtherFeatures() throws {
    let model = try model()
    let extractor = try FeatureExtractor(model)
    let records = try (0..<8).map { i in
      try extractor.features(
        of: record(
          "\(i)", label: i % 2 == 0 ? "a" : "b", split: i < 6 ? "train" : "val", ops: [unit], tensor: picture(i)))
    }
    let data = try dataset(records, in: scratch)
    let step: JSON = ["op": "features", "model": .string(model.digest), "node": .string(extractor.node)]
    #expect(data.ops == [step] && data.shape == records[0].tensor?.shape)
    var plan = TrainingPlan(for: .linear)
    (plan.epochs, plan.batch) = (1, 2)
    let graph = try Architecture.linear.graph(input: data.shape, classes: 2)
    let trainer = try Trainer(
      graph: graph, training: data, validation: data, plan: plan, threads: 1)
    #expect(try trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in }))
    let head = try Classifier(trainer.model())
    #expect(try head.steps(for: records[0]).isEmpty)

    var other = records[0]
    other.meta["features"] = ["model": "0123456789abcdef", "node": .string(extractor.node)]
    #expect(message { _ = try head.steps(for: other) }.contains("0123456789abcdef"))
    #expect(message { _ = try dataset(records + [other], in: scratch) }.contains("was prepared by"))
    let pixels = try record("p", ops: [])
    #expect(message { _ = try head.steps(for: pixels) }.contains("put gx-infer --features before"))
  }
}
