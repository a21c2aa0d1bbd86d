import Foundation
import GXCore
import GXImage
import GXInfer
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXTrain

/// Noise of 12 x 12 with a bright bar that lies or stands: class `h` or `v`.
func bars(_ count: Int, valEvery: Int = 5, seed: UInt64 = 1) throws -> [Record] {
  try (0..<count).map { i in
    var random = Random(seed: seed, id: "bar\(i)")
    var pixels = (0..<144).map { _ in Float(0.3 * random.uniform()) }
    let at = 2 + random.below(8)
    for k in 0..<12 { pixels[i % 2 == 0 ? at * 12 + k : k * 12 + at] += 0.6 }
    return try record(
      "bar\(i)", label: i % 2 == 0 ? "h" : "v", split: i / 2 % valEvery == 0 ? "val" : "train",
      ops: [["op": "normalize", "method": "unit", "dtype": "f32"]], tensor: Tensor([12, 12, 1], pixels))
  }
}

func smallPlan(epochs: Int = 4) -> TrainingPlan {
  var plan = TrainingPlan(for: .gxnet)
  plan.epochs = epochs
  plan.batch = 16
  plan.learningRate = 0.03
  plan.schedule = Schedule(named: "one-cycle", epochs: epochs)!
  plan.augmentation = try! Augmentation(spec: "flip=hv,noise=0.02")
  (plan.average, plan.labelSmoothing) = (nil, 0)  // tests that want them say so
  return plan
}

@Suite struct TrainerTests {
  let scratch = Scratch()

  @Test func finerClassesAreLearntAndMergedIntoTheLabels() throws {
    let records = try bars(120).enumerated().map { i, bar in
      var bar = bar
      if bar.split == "train" { bar.meta["side"] = .string("\(bar.label!)\(i % 3)") }
      return bar
    }
    let data = try dataset(records, in: scratch, finer: "side")
    let graph = try {
      var graph = try smallGraph(classes: data.headClasses.count)
      try graph.add("labels", .merge(groups: data.finer!.groups))
      return graph
    }()
    let trainer = try Trainer(
      graph: graph, training: data, validation: data, plan: smallPlan(epochs: 12), threads: 1)
    _ = try trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    let model = try trainer.model()
    #expect(model.classes == ["h", "v"] && model.graph == graph && model.headClasses == data.finer!.names)
    #expect(trainer.best!.scores!.accuracy > 0.9)

    // What was validated is what the model tells.
    let classifier = try Classifier(model, assuming: .all)
    let right = try data.val.count { sample in
      try classifier.classify(data.pixels(of: sample), after: []).likeliest == Int(sample.label)
    }
    #expect(Double(right) / Double(data.val.count) == trainer.best!.scores!.accuracy)

    // Its head is another one's start only where the finer classes are the same.
    let path = scratch.path("finer.safetensors")
    try model.write(path: path)
    let pretrained = try Pretrained(path: path)
    let fresh = try Start(graph, seed: 5).weights
    #expect(try pretrained.fit(graph, fresh: fresh, classes: data.headClasses).fresh.isEmpty)
    #expect(
      try pretrained.fit(graph, fresh: fresh, classes: ["a", "b", "c", "d", "e", "f"]).fresh.map(\.name)
        == ["logits.weight", "logits.bias"])
  }

  func trainer(_ plan: TrainingPlan, _ data: Dataset) throws -> Trainer {
    try data.checkTrainable(validation: data)
    let crop = plan.augmentation?.outputCrop
    let graph = try smallGraph([crop?.height ?? 12, crop?.width ?? 12, 1], classes: data.classes.count)
    return try Trainer(
      graph: graph, settings: ["lr": .double(plan.learningRate)], training: data, validation: data, plan: plan,
      threads: 1)
  }

  /// Runs to the end, or for so many steps, and gives the log.
  @discardableResult func run(_ trainer: Trainer, steps: Int = .max) throws -> [JSONObject] {
    var rows: [JSONObject] = []
    var done = 0
    _ = try trainer.run(shouldStop: { done >= steps }, afterStep: { done += 1 }, afterEpoch: { rows.append($0) })
    return rows
  }

  func bytes(_ file: Safetensors) throws -> [UInt8] {
    var out: [UInt8] = []
    try file.write { out += $0 }
    return out
  }

  @Test func learns() throws {
    let trainer = try trainer(smallPlan(epochs: 8), dataset(bars(240), in: scratch))
    let rows = try run(trainer)
    #expect(rows.count == 8)
    let best = try #require(trainer.best)
    #expect(try #require(best.scores).accuracy > 0.95, "\(best)")
    #expect(rows.map { $0["epoch"]!.intValue! } == Array(1...8))
    #expect(rows.last!["train_loss"]!.doubleValue! < rows[0]["train_loss"]!.doubleValue! / 2)

    // The scores are those of the model that is written.
    let classifier = try Classifier(trainer.model())
    let data = trainer.validation
    let right = try data.val.count {
      try classifier.classify(data.pixels(of: $0), after: []).likeliest == Int($0.label)
    }
    #expect(Double(right) / Double(data.val.count) == best.scores?.accuracy)
  }

  /// All that has memory is in play: moments, average, plateau, batch statistics, dropout, mixup, partial epochs.
  @Test(arguments: ["sgd", "adam", "adamw"], [3, 11, 12, 29]) func resumesToTheSameBytes(rule: String, steps: Int)
    throws
  {
    var plan = smallPlan(epochs: 4)
    plan.rule = UpdateRule(named: rule)!
    plan.schedule = .plateau
    plan.plateau = Plateau(factor: 0.5, patience: 1)
    plan.average = 0.9
    plan.mixup = 0.2
    plan.clip = 1
    plan.sharpness = rule == "adam" ? 0.05 : nil
    plan.criterion = .valAccuracy
    let data = try dataset(bars(240), in: scratch)  // 192 to train on: 12 steps an epoch
    let whole = try trainer(plan, data)
    let rows = try run(whole)

    let first = try trainer(plan, data)
    let firstRows = try run(first, steps: steps)
    #expect(!first.isFinished)
    try first.checkpoint().write(path: scratch.path("checkpoint"))
    let second = try trainer(plan, dataset(bars(240).reversed(), in: scratch))
    try second.restore(Safetensors(path: scratch.path("checkpoint")))
    let secondRows = try run(second)

    #expect(try bytes(second.model().safetensors()) == bytes(whole.model().safetensors()))
    func withoutTimes(_ rows: [JSONObject]) -> [JSONObject] {
      rows.map { row in
        var row = row
        row["seconds"] = nil
        row["images_per_s"] = nil
        return row
      }
    }
    #expect(withoutTimes(firstRows + secondRows) == withoutTimes(rows))
  }

  @Test func theSeedDecides() throws {
    let data = try dataset(bars(80), in: scratch)
    func model(seed: UInt64) throws -> [UInt8] {
      var plan = smallPlan(epochs: 1)
      plan.seed = seed
      let trainer = try trainer(plan, data)
      try run(trainer)
      return try bytes(Safetensors(tensors: trainer.model().weights))
    }
    #expect(try model(seed: 1) == model(seed: 1))
    #expect(try model(seed: 1) != model(seed: 2))
  }

  @Test func aCheckpointOfAnotherRunIsRefused() throws {
    let data = try dataset(bars(80), in: scratch)
    let one = try trainer(smallPlan(), data)
    try run(one, steps: 2)
    let file = try one.checkpoint()
    var plan = smallPlan()
    plan.learningRate = 0.01
    #expect(message { try trainer(plan, data).restore(file) }.contains("started with --lr 0.03, not with --lr 0.01"))
    let other = try dataset(bars(82), in: scratch)
    #expect(message { try trainer(smallPlan(), other).restore(file) }.contains("other records"))
    let model = try one.model().safetensors()
    #expect(message { try one.restore(model) }.contains("no checkpoint"))
    var broken = file
    broken.tensors.removeAll { $0.name == "optimizer/logits.weight.mean" }
    #expect(
      message { try trainer(smallPlan(), data).restore(broken) }.contains("'optimizer/logits.weight.mean' is missing"))
  }

  @Test func checkpointsAreWrittenAtTheirInterval() throws {
    let data = try dataset(bars(80), in: scratch)
    func epochs(_ interval: Checkpoints.Interval) throws -> [Int] {
      let trainer = try trainer(smallPlan(epochs: 5), data)
      let path = scratch.path("interval")
      try? FileManager.default.removeItem(atPath: path)
      let checkpoints = Checkpoints(of: trainer, path: path, every: interval)
      #expect(try !checkpoints.resume())
      var seen: [Int] = []
      _ = try trainer.run(shouldStop: { false }, afterStep: { try checkpoints.afterStep() }) { _ in
        try checkpoints.afterEpoch()
        guard FileManager.default.fileExists(atPath: path) else { return }
        let text = try #require(try Safetensors(path: path).metadata("gx-checkpoint"))
        seen.append(try JSON(parsing: text).objectValue!["epoch"]!.intValue!)
      }
      return seen
    }
    #expect(try epochs(.epochs(1)) == [1, 2, 3, 4, 5])
    #expect(try epochs(.epochs(2)) == [2, 2, 4, 5])
    #expect(try epochs(.seconds(0)) == [0, 1, 2, 3, 4], "after the epoch's last step")
    #expect(try epochs(.seconds(1e6)) == [])
    #expect(Checkpoints.Interval("3") == .epochs(3) && Checkpoints.Interval("90s") == .seconds(90))
    #expect(Checkpoints.Interval("0") == nil && Checkpoints.Interval("x") == nil && Checkpoints.Interval("-1s") == nil)
  }

  @Test func stopsEarlyAndKeepsTheBestWeights() throws {
    var plan = smallPlan(epochs: 30)
    plan.schedule = .constant
    plan.learningRate = 0  // nothing ever gets better than the first epoch
    plan.patience = 3
    plan.criterion = .valAccuracy
    let still = try trainer(plan, dataset(bars(80), in: scratch))
    #expect(try run(still).count == 4 && still.best?.epoch == 1 && still.isFinished)

    plan.learningRate = 0.1
    plan.patience = nil
    plan.epochs = 12
    let long = try trainer(plan, dataset(bars(80), in: scratch))
    var weights: [[Float]] = []
    var scores: [Double] = []
    _ = try long.run(shouldStop: { false }, afterStep: {}) { row in
      scores.append(row["val_accuracy"]!.doubleValue!)
      weights.append(try long.network.weights().flatMap { $0.tensor.floats() })
    }
    let best = scores.firstIndex(of: scores.max()!)!
    #expect(best < 11, "the test wants a run whose last epoch is not its best: \(scores)")
    #expect(long.best?.epoch == best + 1)
    #expect(try long.model().weights.flatMap { $0.tensor.floats() } == weights[best])
  }

  @Test func aStopBeforeTheFirstEpochKeepsTheCurrentWeights() throws {
    let trainer = try trainer(smallPlan(), dataset(bars(80), in: scratch))
    try run(trainer, steps: 2)
    #expect(trainer.best == nil && trainer.epoch == 0)
    let model = try trainer.model()
    #expect(
      try model.weights.flatMap { $0.tensor.floats() } == trainer.network.weights().flatMap { $0.tensor.floats() })
    #expect(model.training["finished"] == false)
  }

  @Test func aRandomCropIsAFixedOneInTheModel() throws {
    var plan = smallPlan(epochs: 1)
    plan.augmentation = try Augmentation(spec: "rotate=180,crop=8")
    let trainer = try trainer(plan, dataset(bars(80), in: scratch))
    try run(trainer)
    let model = try trainer.model()
    #expect(model.input == [8, 8, 1])
    #expect(
      model.ops == [["op": "normalize", "method": "unit", "dtype": "f32"], ["op": "crop", "width": 8, "height": 8]])
  }

  @Test func aLossThatIsNotFiniteEndsTheRun() throws {
    var plan = smallPlan()
    plan.rule = UpdateRule(named: "sgd")!
    plan.learningRate = 1e30
    plan.schedule = .constant
    let trainer = try trainer(plan, dataset(bars(80), in: scratch))
    #expect(message { try run(trainer) }.contains("epoch 1: the loss is not finite"))
  }

  @Test func refusesDataThatCannotTeach() throws {
    let refusal = { (records: [Record]) in
      message { _ = try trainer(smallPlan(), dataset(records, in: scratch)) }
    }
    let two = try bars(40)
    #expect(refusal(two.filter { $0.label == "h" }).contains(#"two or more labels are needed; the records have ["h"]"#))
    #expect(refusal([]).contains("two or more labels are needed; the records have []"))
    #expect(refusal(two.filter { $0.split == "train" }).contains("no record to validate on"))
    #expect(refusal(two.filter { $0.split == "val" || $0.label == "h" }).contains("no train record has the label 'v'"))
  }

  @Test func aBatchIsNeverLargerThanTheData() throws {
    var plan = smallPlan(epochs: 1)
    plan.batch = 1000
    let trainer = try trainer(plan, dataset(bars(40), in: scratch))
    #expect(trainer.plan.batch == 32)
    #expect(try run(trainer).count == 1)
  }

  @Test func classWeights() throws {
    let data = try dataset(bars(40).filter { $0.label == "h" || $0.id.hasSuffix("3") }, in: scratch)
    let counts = (0..<2).map { label in data.train.count { Int($0.label) == label } }
    let total = Float(data.train.count)
    let balanced = try #require(try ClassWeights("balanced").values(classes: data.classes, samples: data.train))
    #expect(balanced == [total / Float(2 * counts[0]), total / Float(2 * counts[1])])
    #expect(try ClassWeights("v=3").values(classes: data.classes, samples: data.train) == [1, 3])
    #expect(try ClassWeights("none").values(classes: data.classes, samples: data.train) == nil)
    #expect(message { _ = try ClassWeights("x=3").values(classes: ["h", "v"], samples: []) }.contains("'x'"))
    for bad in ["", "v", "v=", "v=-1", "v=1,v=2", "v=nan", "v=1,"] {
      #expect(message { _ = try ClassWeights(bad) } != "", "\(bad)")
    }
  }
}

@Suite struct BatchTests {
  let scratch = Scratch()

  func maker(_ data: Dataset) -> BatchMaker {
    BatchMaker(dataset: data, targets: TargetMaker(for: data), size: 8, picture: data.shape)
  }

  @Test func fillsPicturesAndTargetsAndPadsTheRest() throws {
    let data = try dataset(bars(20), in: scratch)
    var maker = maker(data)
    maker.targets.smoothing = 0.1
    maker.targets.weights = [2, 3]
    let batch = Batch(size: 8, picture: data.shape, width: 2)
    batch.pixels.update(repeating: 7)
    try maker.fill(batch, data.train[..<5], epoch: 0, number: 0)
    #expect(batch.count == 5)
    for (i, sample) in data.train[..<5].enumerated() {
      #expect(try Array(batch.pixels[i * 144..<(i + 1) * 144]) == data.pixels(of: sample).floats())
      let label = Int(sample.label)
      #expect(abs(batch.targets[i * 2 + label] - 0.95) < 1e-6 && abs(batch.targets[i * 2 + 1 - label] - 0.05) < 1e-6)
      #expect(batch.weights[i] == [2, 3][label])
    }
    #expect(batch.pixels[720...].allSatisfy { $0 == 0 } && batch.weights[5...].allSatisfy { $0 == 0 })
  }

  @Test func mixupBlendsPixelsAndTargetsAlike() throws {
    let data = try dataset(bars(20), in: scratch)
    var maker = maker(data)
    let plain = Batch(size: 8, picture: data.shape, width: 2)
    try maker.fill(plain, data.train[..<8], epoch: 3, number: 1)
    maker.mixup = 1
    let mixed = Batch(size: 8, picture: data.shape, width: 2)
    try maker.fill(mixed, data.train[..<8], epoch: 3, number: 1)
    var random = Random(seed: 0, epoch: 3, id: "mixup", copy: 1)
    let share = Float(random.beta(1))
    for i in 0..<8 {
      for (values, before, length) in [(mixed.pixels, plain.pixels, 144), (mixed.targets, plain.targets, 2)] {
        for k in 0..<length {
          let wanted = share * before[i * length + k] + (1 - share) * before[(7 - i) * length + k]
          #expect(abs(values[i * length + k] - wanted) < 1e-6)
        }
      }
    }
  }

  /// Mean 1/2, variance 1 / (4 (2 alpha + 1)).
  @Test(arguments: [0.2, 1, 4]) func betaHasItsMoments(alpha: Double) {
    var random = Random(seed: 5)
    let values = (0..<40_000).map { _ in random.beta(alpha) }
    let mean = values.reduce(0, +) / 40_000
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 40_000
    #expect(abs(mean - 0.5) < 0.01 && abs(variance - 1 / (4 * (2 * alpha + 1))) < 0.003)
    #expect(values.allSatisfy { (0...1).contains($0) })
  }

  @Test func augmentationIsTheSameForAPictureWhereverItStands() throws {
    let data = try dataset(bars(20), in: scratch)
    var maker = maker(data)
    maker.augmentation = try Augmentation(spec: "rotate=180,noise=0.1")
    let (one, other) = (
      Batch(size: 8, picture: data.shape, width: 2), Batch(size: 8, picture: data.shape, width: 2)
    )
    try maker.fill(one, data.train[0..<8], epoch: 1, number: 0)
    try maker.fill(other, data.train[3..<9], epoch: 1, number: 5)
    #expect(one.pixels[3 * 144..<4 * 144].elementsEqual(other.pixels[..<144]))
    try maker.fill(other, data.train[3..<9], epoch: 2, number: 5)
    #expect(!one.pixels[3 * 144..<4 * 144].elementsEqual(other.pixels[..<144]))
  }

  @Test func prefetchingKeepsOrderTellsErrorsAndStops() throws {
    let data = try dataset(bars(20), in: scratch)
    func batches() -> (Batch, Batch) {
      (Batch(size: 1, picture: data.shape, width: 2), Batch(size: 1, picture: data.shape, width: 2))
    }
    let all = Prefetcher(batches(), 2..<50) { number, batch in batch.labels = [number] }
    var seen: [Int] = []
    while let batch = try all.next() { seen += batch.labels }
    #expect(seen == Array(2..<50))

    let failing = Prefetcher(batches(), 0..<10) { number, batch in
      if number == 3 { throw GXError("torn") }
      batch.labels = [number]
    }
    seen = []
    #expect(message { while let batch = try failing.next() { seen += batch.labels } } == "torn")
    #expect(seen == [0, 1, 2])

    let stopped = Prefetcher(batches(), 0..<1_000_000) { number, batch in batch.labels = [number] }
    _ = try stopped.next()
    stopped.stop()  // comes back
  }
}
