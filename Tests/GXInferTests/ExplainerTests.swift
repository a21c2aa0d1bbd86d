import Foundation
import GXCore
import GXGraph
import GXImage
import GXMetrics
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXInfer

@Suite struct ExplainerTests {
  static let ops: [JSON] = [
    ["op": "crop", "width": 12, "height": 12],
    ["op": "normalize", "method": "standard", "mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.3], "dtype": "f32"],
  ]
  static let labels = ["x", "y", "z"]

  func model(_ graph: Graph? = nil, ops: [JSON] = ops) throws -> Model {
    let graph = try graph ?? smallGraph([12, 12, 3], classes: 3)
    var random = Random(seed: 4)
    return Model(
      graph: graph, classes: Self.labels, input: graph.input, ops: ops, training: [:],
      weights: try graph.initialWeights(random: &random))
  }

  func picture(_ seed: Int = 1, channels: Int = 3) throws -> Tensor {
    try Tensor(.u8, [14, 16, channels]) { out in for i in 0..<out.count { out[i] = UInt8((i * i + seed * i) % 251) } }
  }

  @Test func explainsAsTheClassifierClassifies() throws {
    let model = try model()
    let (explainer, classifier) = (try Explainer([model]), try Classifier(model))
    let steps = try explainer.steps(for: record("r", tensor: picture()))[0]
    #expect(steps.map(\.json) == Self.ops && explainer.node == "relu")
    let result = try explainer.explain(picture(), after: [steps])
    let expected = try classifier.classify(picture(), after: steps)
    #expect(result.prediction.logits == expected.logits && result.prediction.ranking == expected.ranking)
    #expect(result.explained == expected.name)
    #expect(result.map.shape == [12, 12, 1] && result.map.dtype == .f32)
  }

  /// One pass for both: the prediction is what it is without an explanation, bit for bit, and the map what it is without
  /// further views, models and a calibration.
  @Test(arguments: Architecture.allCases.filter { $0 != .linear }) func predictsAsTheEnsemble(
    _ architecture: Architecture
  )
    throws
  {
    let models = try (0..<2).map { seed in
      var model = try model(architecture.graph(input: [64, 64, 3], classes: 3), ops: [Self.ops[1]])
      var random = Random(seed: UInt64(seed))
      model.weights = try model.graph.initialWeights(random: &random)
      return model
    }
    let picture = try Tensor(.u8, [64, 64, 3]) { out in for i in 0..<out.count { out[i] = UInt8((i * i + i) % 251) } }
    let calibration = Calibration(
      classes: Self.labels, scaling: .vector(scale: [1, 0.5, 2], bias: [-0.5, 1, -0.5]),
      conformal: ConformalSets(score: .aps, coverage: 0.9, threshold: 0.8),
      abstention: Abstention(precision: 0.9, threshold: 0.99))
    for (models, views) in [
      (models, Views.one), ([models[0]], .dihedral), (models, .rotations(3)), ([models[1]], .one),
    ] {
      let explainer = try Explainer(models, views: views, calibration: .given(calibration))
      let ensemble = try Ensemble(models, views: views, calibration: .given(calibration))
      let steps = try ensemble.steps(for: record("r", tensor: picture))
      let explanation = try explainer.explain(picture, after: steps)
      let (mine, expected) = (explanation.prediction, try ensemble.classify(picture, after: steps))
      var rows: (Row, Row) = ([:], [:])
      mine.write(to: &rows.0, logitsOf: "x")
      expected.write(to: &rows.1, logitsOf: "x")
      #expect(rows.0 == rows.1 && explanation.explained == expected.name)
      let plain = try Explainer([models[0]], views: .one, calibration: .none)
        .explain(picture, after: [steps[0]], class: expected.name)
      #expect(plain.map == explanation.map && plain.peak == explanation.peak)
      #expect(try explainer.ensemble.classify(picture, after: steps).logits == expected.logits)
    }
  }

  /// CAM's definition (Zhou et al. 2016), which Grad-CAM must meet with the class's row of the last layer.
  @Test func theClassAskedForIsExplained() throws {
    let model = try model()
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    var finished = try picture()
    for step in steps { finished = try step.apply(finished) }
    let features = try FeatureExtractor(model, node: "relu", assuming: .all)
    let value = try #require(try features.features(of: record("f", ops: nil, tensor: finished)).tensor).floats()
    let head = model.weights.first { $0.name == "logits.weight" }!.tensor.floats()
    for method in CAM.allCases {
      let explainer = try Explainer([model], method: .cam(method))
      for (label, name) in Self.labels.enumerated() {
        let sums = (0..<144).map { p in (0..<8).reduce(0) { $0 + head[label * 8 + $1] * value[p * 8 + $1] } }
        let expected = sums.map { max($0, 0) / max(sums.max()!, 1e-30) }
        let result = try explainer.explain(picture(), after: [steps], class: name)
        #expect(result.explained == name)
        for (a, b) in zip(result.map.floats(), expected) { #expect(abs(a - b) < 1e-5) }
      }
    }
  }

  @Test func whatCannotBeExplainedIsRefused() throws {
    let model = try model()
    let explainer = try Explainer([model])
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    #expect(
      message { _ = try explainer.explain(picture(), after: [steps], class: "w") }
        == "the model has no class 'w'; it has x, y, z")
    #expect(message { _ = try explainer.explain(picture(), after: [[]]) }.contains("the model takes [12, 12, 3]"))
    #expect(message { _ = try Explainer([model], node: "nothing") } == "the network has no node nothing")
    #expect(
      message { _ = try Explainer([model], node: "pool") }
        == "node pool: gives a vector [8], not a picture to explain by")
    let linear = try self.model(Architecture.linear.graph(input: [12, 12, 3], classes: 3))
    #expect(message { _ = try Explainer([linear]) }.contains("no picture before its head"))
    var wrong = model
    wrong.classes = ["x", "y"]
    #expect(message { _ = try Explainer([wrong]) }.contains("2 classes"))
  }

  @Test func otherNodesCanBeLookedAt() throws {
    let graph = try Architecture.gxnet.graph(input: [12, 12, 3], classes: 3)
    for (node, size) in [("stem.relu", 6), ("stage2.1.relu1", 3), ("stage1.1.conv2", 6)] {
      let explainer = try Explainer([model(graph)], node: node)
      let result = try explainer.explain(picture(), after: [Self.ops.map { try PixelSteps.step($0) }])
      #expect(explainer.node == node && result.map.shape == [size, size, 1])
    }
  }

  /// Over the whole picture, of which a crop takes the middle, a map has its largest value 1 again.
  @Test func mapsOfWholePictures() throws {
    let model = try model(Architecture.gxnet.graph(input: [12, 12, 3], classes: 3))
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    let result = try #require(
      try Self.labels.lazy.map {
        try Explainer([model], node: "stem.relu").explain(picture(), after: [steps], class: $0)
      }
      .first { $0.peak > 0 })
    let whole = try result.spread(over: picture(), after: [steps])
    #expect(whole.map.shape == [14, 16, 1])
    let extent = Extent(width: 0.75, height: 12.0 / 14)
    let unscaled = try Image.spread(result.map, over: [14, 16, 3], extent: extent).floats()
    for (a, b) in zip(whole.map.floats(), unscaled) { #expect(abs(a * whole.peak - b * result.peak) < 1e-5) }
    #expect(whole.map.floats().max() == 1 && whole.peak > 0 && whole.peak <= result.peak)
    for (place, value) in whole.map.floats().enumerated() where !(2..<14).contains(place % 16) { #expect(value == 0) }

    let empty = Explanation(
      prediction: result.prediction, explained: "x", map: try Tensor([2, 2, 1], [0, 0, 0, 0]), peak: 0)
    let nothing = try empty.spread(over: picture(), after: [steps])
    #expect(nothing.peak == 0 && nothing.map.floats() == [Float](repeating: 0, count: 14 * 16))
  }

  /// Covering is done on what the network takes, and so the map is of that size.
  @Test func occlusionNeedsNoNode() throws {
    let model = try model()
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    let occlusion = try Occlusion(input: model.input, patch: 3, stride: 2)
    let explainer = try Explainer([model], method: .occlusion(occlusion))
    let results = try Self.labels.map { try explainer.explain(picture(), after: [steps], class: $0) }
    for (label, result) in results.enumerated() {
      #expect(result.explained == Self.labels[label] && result.map.shape == [12, 12, 1])
      #expect(
        result.prediction.logits == results[0].prediction.logits, "the picture's own, not a covered one's")
      #expect(result.map.floats().max() == (result.peak > 0 ? 1 : 0))
    }
    #expect(explainer.node == "input" && explainer.method.name == "occlusion" && results.contains { $0.peak > 0 })
    let linear = try self.model(Architecture.linear.graph(input: [12, 12, 3], classes: 3))
    #expect(try Explainer([linear], method: .occlusion(occlusion)).explain(picture(), after: [steps]).map.count == 144)
  }

  /// Networks are not shared between threads at work: each picture's result is what it is alone.
  @Test func threadsDoNotMix() async throws {
    let explainer = try Explainer([model(Architecture.gxnet.graph(input: [12, 12, 3], classes: 3))], node: "stem.relu")
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    let pictures = try (0..<8).map { try picture($0 + 1) }
    let alone = try pictures.map { try explainer.explain($0, after: [steps]) }
    #expect(Set(alone.map { $0.map.floats() }).count > 4)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for (picture, expected) in zip(pictures, alone) {
            let result = try explainer.explain(picture, after: [steps])
            #expect(result.map == expected.map && result.prediction.logits == expected.prediction.logits)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  /// The picture as the network sees it is the same, however much of its preparation was done before.
  @Test func thePictureToLookAt() throws {
    let explainer = try Explainer([model()])
    let steps = try Self.ops.map { try PixelSteps.step($0) }
    let (raw, cropped) = (try picture(), try steps[0].apply(picture()))
    let finished = try steps[1].apply(cropped)
    #expect(try explainer.seen(raw, after: [steps]) == cropped)
    #expect(try explainer.seen(cropped, after: [Array(steps[1...])]) == cropped)
    #expect(try explainer.seen(finished, after: [[]]) == cropped)

    // The whole of it.
    #expect(try explainer.shown(raw, before: [steps]) == raw)
    #expect(try explainer.shown(cropped, before: [Array(steps[1...])]) == cropped)
    #expect(try explainer.shown(finished, before: [[]]) == cropped)

    let grey = try Explainer([model(smallGraph([12, 12, 1], classes: 3))])
    let seen = try grey.seen(picture(channels: 1), after: [[steps[0]]])
    #expect(seen.shape == [12, 12, 3] && seen.dtype == .u8)
    let pair = try Explainer([model(smallGraph([12, 12, 2], classes: 3))])
    #expect(message { _ = try pair.seen(picture(channels: 2), after: [[steps[0]]]) }.contains("no colours to show"))
  }
}
