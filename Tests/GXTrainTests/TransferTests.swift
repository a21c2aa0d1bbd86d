import Foundation
import GXCore
import GXGraph
import GXImage
import GXInfer
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXTrain

@Suite struct NodeGroupsTests {
  @Test func gxnetsBlocks() throws {
    let groups = try NodeGroups(Architecture.gxnet.graph(input: [32, 32, 3], classes: 4))
    #expect(groups.groups.count == 6 && groups.blocks == [1, 2, 3, 4])
    #expect(groups.groups[0] == ["stem", "stem.bn", "stem.relu"])
    #expect(groups.groups[2].allSatisfy { $0.hasPrefix("stage2.1.") } && groups.groups[4].last == "pool")
    #expect(groups.groups[5] == ["dropout", "logits"])
    let rates = groups.rates(decay: 0.5)
    #expect(rates["logits"] == 1 && rates["stage4.1.conv2"] == 0.5 && rates["stem.bn"] == 1 / 32.0)
    #expect(try groups.before(lastBlocks: 3) == Set(groups.groups[0] + groups.groups[1]))
    #expect(message { _ = try groups.before(lastBlocks: 5) } == "the network has 4 blocks, not 5")
  }
}

@Suite struct TransferTests {
  let scratch = Scratch()

  /// Two blocks, batch normalisation and dropout.
  func graph(_ size: Int = 12, classes: Int = 2) throws -> Graph {
    var graph = try Graph(input: [size, size, 1])
    for (name, channels) in [("stem", 4), ("blocks.0.0", 8), ("blocks.0.1", 8)] {
      try graph.add("\(name).conv", .convolution(channels: channels, window: Window(3, padding: 1), bias: false))
      try graph.add("\(name).bn", .batchNorm())
      try graph.add("\(name).act", .activation(.relu))
    }
    try graph.add("pool", .globalAveragePool)
    try graph.add("dropout", .dropout(rate: 0.1))
    try graph.add("classifier", .linear(features: classes))
    return graph
  }

  /// A file of weights that were trained a little, with a head for other classes.
  func pretrained(_ data: Dataset) throws -> Pretrained {
    let trainer = try Trainer(
      graph: graph(), training: data, validation: data, plan: smallPlan(epochs: 6), threads: 1)
    _ = try trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    let weights = try trainer.model().weights.filter { !$0.name.hasPrefix("classifier") }
    let path = scratch.path("weights.safetensors")
    try Safetensors(tensors: weights).write(path: path)
    return try Pretrained(path: path)
  }

  func head(_ start: Start, _ transfer: TransferPlan, _ data: Dataset, _ plan: TrainingPlan, _ graph: Graph) throws
    -> HeadPhase
  {
    try HeadPhase(
      transfer, graph: graph, start: start, training: data, validation: data, plan: plan,
      threads: 1, folder: scratch.url.path, advance: {})
  }

  /// What is cached is what the whole network computes: the head's scores are the written model's.
  @Test(arguments: [1, 8]) func theHeadOnCachedFeaturesIsTheWholeNetwork(views: Int) throws {
    let data = try dataset(bars(240), in: scratch)
    var transfer = TransferPlan()
    (transfer.unfreeze, transfer.headViews, transfer.headEpochs, transfer.headRate) = (.none, views, 12, 0.1)
    let start = try Start(graph(), seed: 3, from: pretrained(data), plan: transfer, classes: data.classes)
    let phase = try head(start, transfer, data, smallPlan(), graph())
    #expect(phase.trainer.training.train.count == views * data.train.count)
    #expect(phase.trainer.training.val.count == data.val.count)
    #expect(try phase.trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in }))
    let best = try #require(phase.trainer.best)
    #expect(try #require(best.scores).accuracy > 0.9, "\(best)")

    let model = try phase.model()
    #expect(try model.graph == graph() && model.ops == data.ops && model.weights.map(\.name) == graph().weightNames)
    for (old, new) in zip(start.weights, model.weights) where !old.name.hasPrefix("classifier") {
      #expect(old.tensor == new.tensor, "\(old.name)")
    }
    #expect(model.training["train_records"] == .int(data.train.count))
    #expect(model.training["weights"]?.objectValue?["file"] == "weights.safetensors")
    let classifier = try Classifier(model)
    let right = try data.val.count {
      try classifier.classify(data.pixels(of: $0), after: []).likeliest == Int($0.label)
    }
    #expect(Double(right) / Double(data.val.count) == best.scores?.accuracy)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.url.path).allSatisfy { !$0.hasPrefix("gx.") })
  }

  @Test func aCropIsCachedAsInferenceMakesIt() throws {
    let data = try dataset(bars(80), in: scratch)
    var plan = smallPlan()
    plan.augmentation = try Augmentation(spec: "rotate=180,crop=8")
    let small = try graph(8)
    let phase = try head(Start(small, seed: 1), TransferPlan(), data, plan, small)
    #expect(try phase.model().ops.last == ["op": "crop", "width": 8, "height": 8])
    let sample = try #require(phase.trainer.training.val.first)
    let features = try phase.trainer.training.pixels(of: sample)
    #expect(features.shape == [1, 1, 8])
    // One of the validation pictures, cropped, gives these features.
    let network = try Network(graph: small.prefix(through: "pool"), batch: 1, training: false, threads: 1)
    let names = Set(network.graph.weightNames)
    try network.load(
      Dictionary(
        uniqueKeysWithValues: Start(small, seed: 1).weights.filter { names.contains($0.name) }.map {
          ($0.name, $0.tensor)
        }))
    let distances = try data.val.map { picture in
      try Crop(width: 8, height: 8).apply(data.pixels(of: picture)).copyFloats(to: network.input)
      return try zip(network.forward(), features.floats()).map { abs($0 - $1) }.max()!
    }
    #expect(distances.min()! < 1e-5)
  }

  /// Frozen layers stay as they are, running statistics too; the others learn.
  @Test func whatIsFrozenStays() throws {
    let data = try dataset(bars(80), in: scratch)
    var transfer = TransferPlan()
    transfer.unfreeze = .lastBlocks(1)
    let start = try Start(graph(), seed: 3, from: pretrained(data), plan: transfer, classes: data.classes)
    #expect(start.frozen == Set(["stem", "blocks.0.0"].flatMap { ["\($0).conv", "\($0).bn", "\($0).act"] }))
    var plan = smallPlan(epochs: 1)
    plan.average = 0.9
    let trainer = try Trainer(
      graph: graph(), start: start, training: data, validation: data, plan: plan, threads: 1)
    _ = try trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    let weights = try trainer.model().weights
    #expect(weights.map(\.name) == start.weights.map(\.name))
    for (old, new) in zip(start.weights, weights) {
      #expect((old.tensor == new.tensor) == start.frozen.contains(layer(of: old.name)), "\(old.name)")
    }
  }

  /// With plain SGD and no momentum, a first step is the rate times the gradient: so the steps show the rates.
  @Test func earlierLayersLearnAtLowerRates() throws {
    let data = try dataset(bars(80), in: scratch)
    func steps(decay: Double) throws -> [String: [Float]] {
      var plan = smallPlan(epochs: 1)
      plan.rule = .sgd(momentum: 0, nesterov: false)
      (plan.weightDecay, plan.schedule) = (0, .constant)
      var transfer = TransferPlan()
      transfer.layerDecay = decay
      let start = try Start(graph(), seed: 3, from: pretrained(data), plan: transfer, classes: data.classes)
      let trainer = try Trainer(
        graph: graph(), start: start, training: data, validation: data, plan: plan, threads: 1)
      _ = try trainer.run(shouldStop: { true }, afterStep: {}, afterEpoch: { _ in })
      return try Dictionary(
        uniqueKeysWithValues: zip(start.weights, trainer.model().weights).map { old, new in
          (old.name, zip(old.tensor.floats(), new.tensor.floats()).map { $1 - $0 })
        })
    }
    let (even, decayed) = (try steps(decay: 1), try steps(decay: 0.5))
    for (name, factor) in [
      ("classifier.weight", 1), ("blocks.0.1.conv.weight", 0.5), ("blocks.0.0.bn.bias", 0.25),
      ("stem.conv.weight", 0.125),
    ] as [(String, Float)] {
      let (a, b) = (even[name]!, decayed[name]!)
      #expect(a.contains { abs($0) > 1e-5 })
      for (x, y) in zip(a, b) { #expect(abs(y - factor * x) <= 1e-3 * abs(x) + 3e-7, "\(name)") }
    }
  }

  @Test func bothPhasesResumeToTheSameBytes() throws {
    let data = try dataset(bars(240), in: scratch)
    var transfer = TransferPlan()
    (transfer.headEpochs, transfer.unfreeze) = (3, .lastBlocks(1))
    var plan = smallPlan(epochs: 3)
    plan.average = 0.9
    let file = try pretrained(data)
    func trainer(withHead: Bool) throws -> Trainer {
      var start = try Start(graph(), seed: 3, from: file, plan: transfer, classes: data.classes)
      if withHead {
        let phase = try head(start, transfer, data, plan, graph())
        _ = try phase.trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
        start = try phase.trained()
      }
      return try Trainer(
        graph: graph(), start: start, training: data, validation: data, plan: plan, threads: 1)
    }
    func bytes(_ trainer: Trainer) throws -> [UInt8] {
      var out: [UInt8] = []
      try trainer.model().safetensors().write { out += $0 }
      return out
    }
    let whole = try trainer(withHead: true)
    _ = try whole.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    let first = try trainer(withHead: true)
    var steps = 0
    _ = try first.run(shouldStop: { steps == 17 }, afterStep: { steps += 1 }, afterEpoch: { _ in })
    let checkpoint = try first.checkpoint()
    // What resumes has no need of the first phase.
    let second = try trainer(withHead: false)
    try second.restore(checkpoint)
    _ = try second.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    #expect(try bytes(second) == bytes(whole))
    #expect(try whole.model().training["head"]?.objectValue?["epochs"] == 3)
  }
}
