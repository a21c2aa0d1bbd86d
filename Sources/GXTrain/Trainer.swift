import GXCore
import GXGraph
import GXImage
import GXMetrics
import GXModel
import GXNet
import GXStream
import Glibc

/// Trains a network, validates it after each epoch, and remembers the best weights.
///
/// The result follows from the graph, the pictures (in whatever order they came), the plan and the
/// seed: a run that was interrupted and resumed gives the same weights as one that was not.
public final class Trainer {
  public let graph: Graph
  public let plan: TrainingPlan
  public let training: Dataset
  public let validation: Dataset
  /// What the run was started with, as it is written to model and checkpoint.
  public let settings: JSONObject

  /// Epochs that are done, and steps of the one in work.
  public internal(set) var epoch = 0
  var step = 0
  var tally = EpochTally()
  /// The weights to keep, and how they scored.
  public internal(set) var best: Best?
  var plateau: Plateau

  /// The best epoch so far.
  public struct Best {
    /// From 1.
    public var epoch: Int
    /// nil where there is nothing to validate on: the last epoch counts as the best.
    public var scores: ValidationScores?
    public var weights: [(name: String, tensor: Tensor)]
  }

  /// What is known of how the weights came to be before this run; it goes into the model.
  var origin: JSONObject

  let network: Network
  private let judge: Network
  private let threads: Int
  let optimizer: Optimizer
  let average: WeightAverage?
  private let sharpness: Sharpness?
  private let maker: BatchMaker
  private let judgeMaker: BatchMaker
  private let batches: (Batch, Batch)
  /// The loss's derivative by the logits, `[batch, classes]`.
  private let errors: UnsafeMutableBufferPointer<Float>
  /// With finer classes: what the network's logits are merged into, `[batch, classes]`.
  private var merged: [Float] = []
  /// With teachers of finer classes: the targets, theirs among them, `[batch, finer classes]`.
  private let taughtTargets: UnsafeMutableBufferPointer<Float>

  /// Steps an epoch. What is left of the pictures is less than a batch, and sits out this epoch.
  private let stepsPerEpoch: Int

  /// - Parameters:
  ///   - validation: Where the `val` pictures are; `training` itself as a rule.
  ///   - architecture: The graph's name, for the record.
  ///   - start: The weights to begin with, and what of them learns; nil is new weights that the seed draws.
  ///   - threads: For oneDNN; nil is all cores.
  /// - Throws: as `Dataset.checkTrainable`, and where a weighted class is not in the data.
  public init(
    graph: Graph, architecture: String, start: Start? = nil, training: Dataset, validation: Dataset,
    plan: TrainingPlan, threads: Int?
  ) throws {
    let start = try start ?? Start(graph, seed: plan.seed)
    try training.checkTrainable(validation: plan.validates ? validation : nil)
    let classes = training.classes
    self.graph = graph
    self.training = training
    self.validation = validation
    var plan = plan
    plan.batch = min(plan.batch, training.train.count)
    self.plan = plan
    var settings: JSONObject = ["arch": .string(architecture)]
    settings.merge(plan.json)
    settings.merge(training.teacher?.settings ?? [:])
    settings.merge(start.settings)
    self.settings = settings
    origin = start.origin
    plateau = plan.plateau
    stepsPerEpoch = training.train.count / plan.batch

    let crop = try plan.augmentation?.centreCrop
    maker = BatchMaker(
      dataset: training, isFiner: training.finer != nil, teacher: training.teacher, size: plan.batch,
      picture: graph.input,
      augmentation: plan.augmentation, crop: crop,
      labelSmoothing: Float(plan.labelSmoothing), mixup: plan.mixup,
      classWeights: try plan.classWeights.values(classes: classes, samples: training.train), seed: plan.seed)
    judgeMaker = BatchMaker(dataset: validation, size: plan.batch, picture: graph.input, crop: crop)
    // The finer classes are learnt before they are merged.
    let learner = try training.finer == nil ? graph : graph.throughHead()
    let targets = learner.output[0]
    let taught = training.finer != nil && training.teacher != nil ? classes.count : 0
    batches = (
      Batch(size: plan.batch, picture: graph.input, classes: targets, taught: taught),
      Batch(size: plan.batch, picture: graph.input, classes: targets, taught: taught)
    )
    taughtTargets = .allocate(capacity: taught > 0 ? plan.batch * targets : 0)
    errors = .allocate(capacity: plan.batch * targets)
    if training.finer != nil { merged = Array(repeating: 0, count: plan.batch * classes.count) }

    let network = try Network(
      graph: learner, batch: plan.batch, training: true, precision: plan.precision, frozen: start.frozen,
      threads: threads
    )
    judge = try Network(graph: graph, batch: plan.batch, training: false, threads: threads)
    try network.load(Dictionary(uniqueKeysWithValues: start.weights.map { ($0.name, $0.tensor) }))
    self.network = network
    self.threads = Network.threads
    optimizer = Optimizer(
      plan.rule, weightDecay: plan.weightDecay, clip: plan.clip, parameters: network.parameters,
      rate: start.rate)
    sharpness = plan.sharpness.map { Sharpness(radius: $0, of: network) }
    average = plan.average.map { WeightAverage(decay: $0, of: network.parameters + network.state) }
  }

  deinit {
    errors.deallocate()
    taughtTargets.deallocate()
  }

  /// Begins to measure what the steps of training take, without validation.
  public func startProfile() { network.startProfile() }

  /// Where the time goes, as a table for people; nil where it is not measured.
  public var profileTable: String? { network.profile?.table() }

  /// A fingerprint of all train and val records, as 16 hex digits.
  public var dataDigest: String { digest(training, validation) }

  /// Trains on, from where it stands, until the last epoch, early stopping, or `shouldStop`.
  ///
  /// - Parameters:
  ///   - shouldStop: Asked after every step; where it says yes, `run` returns with all as it is.
  ///   - afterStep: Told after every step.
  ///   - afterEpoch: Told after every epoch: its row of the log.
  /// - Returns: Whether training came to its end.
  /// - Throws: `GXError` where the loss is not finite any more.
  public func run(
    shouldStop: () -> Bool, afterStep: () throws -> Void, afterEpoch: (JSONObject) throws -> Void
  ) throws -> Bool {
    let callers = Network.threads
    Network.setThreads(threads)
    defer { Network.setThreads(callers) }
    while !isFinished {
      guard try trainEpoch(shouldStop, afterStep) else { return false }
      let trained = now()
      let scores = plan.validates ? try validate() : nil
      epoch += 1
      step = 0
      let improved =
        scores.map { plan.criterion.isBetter(plan.criterion.value($0), than: best?.scores.map(plan.criterion.value)) }
        ?? true
      if improved { best = Best(epoch: epoch, scores: scores, weights: try currentWeights()) }
      let row = tally.row(
        epoch: epoch, learningRate: rate(step: epoch * stepsPerEpoch - 1), scores, improved: improved,
        validationSeconds: now() - trained)
      if plan.schedule == .plateau { plateau.update(improved: improved) }
      tally = EpochTally()
      try afterEpoch(row)
    }
    return true
  }

  /// The model as it would be written now: the best weights, or the current ones where no epoch is done yet.
  public func model() throws -> Model {
    var record: JSONObject = ["arguments": .object(settings)]
    record.merge(dataRecord(training, validation))
    record.merge(["epochs": .int(epoch), "finished": .bool(isFinished)])
    if let best {
      record["best_epoch"] = .int(best.epoch)
      if let scores = best.scores { record.merge(scores.json) }
    }
    record.merge(origin)
    return Model(
      graph: graph, classes: training.classes, input: graph.input, ops: try plan.ops(of: training), training: record,
      weights: try best?.weights ?? currentWeights())
  }

  /// Whether the last epoch is done, or too many were without a better one.
  public var isFinished: Bool {
    if epoch >= plan.epochs { return true }
    guard let patience = plan.patience, let best else { return false }
    return epoch - best.epoch >= patience
  }
}

// MARK: One epoch

extension Trainer {
  /// The steps that are left of the epoch; false if it was told to stop.
  private func trainEpoch(_ shouldStop: () -> Bool, _ afterStep: () throws -> Void) throws -> Bool {
    let order = BatchMaker.order(training.train, seed: plan.seed, epoch: epoch)
    let (maker, epoch, size) = (maker, epoch, plan.batch)
    let prefetcher = Prefetcher(batches, step..<stepsPerEpoch) { number, batch in
      try maker.fill(batch, order[number * size..<(number + 1) * size], epoch: epoch, number: number)
    }
    defer { prefetcher.stop() }
    var before = now()
    while let batch = try network.measure("wait for pictures", prefetcher.next) {
      let done = epoch * stepsPerEpoch + step
      network.measure("copy pictures") { _ = network.input.update(fromContentsOf: batch.pixels) }
      let (loss, right) = try gradient(of: batch, step: done)
      if let sharpness {
        try sharpness.atTheWorst(gradientNorm: optimizer.gradientNorm) { _ = try gradient(of: batch, step: done) }
      }
      network.measure("optimizer") { optimizer.step(learningRate: rate(step: done)) }
      network.measure("average") { average?.update(step: done + 1) }
      step += 1
      let after = now()
      tally.add(
        loss: loss, weight: batch.weights.reduce(0) { $0 + Double($1) }, right: right,
        of: batch.count, seconds: after - before)
      before = after
      try afterStep()
      if shouldStop() { return false }
    }
    return true
  }

  /// Computes the gradient of a batch's mean loss, where the weights are; tells that loss, and how many are told right.
  /// - Parameter step: counted from the beginning of the run; dropout follows from it.
  private func gradient(of batch: Batch, step: Int) throws -> (loss: Double, right: Int) {
    let logits = try network.forward(seed: mixed(plan.seed, UInt64(step)))
    let loss = network.measure("loss") {
      self.loss(logits, targets(logits, batch), batch, classes: network.graph.output[0])
    }
    guard loss.isFinite else {
      throw GXError("epoch \(epoch + 1): the loss is not finite any more; a lower learning rate may help")
    }
    let right = countRight(logits, batch.labels)
    try network.backward(UnsafeBufferPointer(errors))
    return (loss, right)
  }

  /// The learning rate of step `step`, counted from the beginning of the run.
  private func rate(step: Int) -> Double {
    plan.learningRate * plateau.scale
      * plan.schedule.factor(
        step: step, of: plan.epochs * stepsPerEpoch, stepsPerEpoch: stepsPerEpoch,
        warmup: Int((plan.warmup * Double(stepsPerEpoch)).rounded()))
  }

  /// The batch's mean loss; sets `errors`.
  private func loss(
    _ logits: UnsafeBufferPointer<Float>, _ targets: UnsafeBufferPointer<Float>, _ batch: Batch, classes: Int
  ) -> Double {
    Loss.crossEntropy(
      logits, targets: .init(rebasing: targets[..<logits.count]), weights: .init(batch.weights),
      classes: classes, gradient: .init(rebasing: errors[..<logits.count]))
  }

  /// The batch's targets, and with teachers of finer classes what they say of the labels: each label's goes to its
  /// parts, in the network's own proportions. The loss's derivative is then that of the labels' cross-entropy.
  private func targets(_ logits: UnsafeBufferPointer<Float>, _ batch: Batch) -> UnsafeBufferPointer<Float> {
    guard let finer = training.finer, !batch.taught.isEmpty else { return .init(batch.targets) }
    merged.withUnsafeMutableBufferPointer { merged in
      Merge.forward(logits, groups: finer.groups, classes: graph.output[0], into: merged)
      Merge.backward(
        logits, groups: finer.groups, classes: graph.output[0], merged: .init(merged), gradient: .init(batch.taught),
        into: taughtTargets)
    }
    for i in taughtTargets.indices { taughtTargets[i] += batch.targets[i] }
    return .init(taughtTargets)
  }

  /// How many of the network's logits are largest at the label.
  private func countRight(_ logits: UnsafeBufferPointer<Float>, _ labels: [Int]) -> Int {
    let classes = graph.output[0]
    func count(_ logits: UnsafeBufferPointer<Float>) -> Int {
      labels.indices.count { labels[$0] == largest(logits, $0 * classes, classes) }
    }
    guard let finer = training.finer else { return count(logits) }
    return merged.withUnsafeMutableBufferPointer { merged in
      Merge.forward(logits, groups: finer.groups, classes: classes, into: merged)
      return count(.init(merged))
    }
  }

  /// The weights that are validated and kept: the average if there is one, else those of the last step.
  private func currentWeights() throws -> [(name: String, tensor: Tensor)] {
    let weights = try network.weights()
    return try average?.weights(in: weights) ?? weights
  }

  private func validate() throws -> ValidationScores {
    try judge.load(Dictionary(uniqueKeysWithValues: currentWeights()))
    let classes = graph.output[0]
    var confusion = ConfusionMatrix(classes: classes)
    var total = 0.0
    try judgeMaker.run(judge, over: validation.val, batches) { batch, _, logits in
      total += loss(logits, .init(batch.targets), batch, classes: classes) * Double(batch.count)
      for (i, label) in batch.labels.enumerated() {
        confusion.add(truth: label, predicted: largest(logits, i * classes, classes))
      }
    }
    guard total.isFinite else { throw GXError("epoch \(epoch + 1): the validation loss is not finite") }
    return ValidationScores(
      loss: total / Double(validation.val.count), accuracy: confusion.accuracy, macroF1: confusion.macroF1)
  }
}

/// Sums over an epoch's steps.
struct EpochTally: Equatable {
  /// Losses times weights, and the weights.
  var loss = 0.0
  var weight = 0.0
  var right = 0
  var count = 0
  var seconds = 0.0

  mutating func add(loss: Double, weight: Double, right: Int, of count: Int, seconds: Double) {
    self.loss += loss * weight
    self.weight += weight
    self.right += right
    self.count += count
    self.seconds += seconds
  }

  /// The epoch's line in the log. `seconds` are the whole epoch's, `images_per_s` are of training alone.
  func row(
    epoch: Int, learningRate: Double, _ val: ValidationScores?, improved: Bool, validationSeconds: Double
  ) -> JSONObject {
    var row: JSONObject = [
      "epoch": .int(epoch), "lr": .float(Float(learningRate)),
      "train_loss": .float(Float(loss / weight)),
      "train_accuracy": .float(Float(right) / Float(count)),
    ]
    for (name, value) in val?.json ?? [:] { row[name] = value.doubleValue.map { .float(Float($0)) } }
    row.merge([
      "best": .bool(improved), "seconds": .double((1000 * (seconds + validationSeconds)).rounded() / 1000),
      "images_per_s": .double((10 * Double(count) / seconds).rounded() / 10),
    ])
    return row
  }
}

/// A fingerprint of all train and val records, as 16 hex digits.
private func digest(_ training: Dataset, _ validation: Dataset) -> String {
  hexDigits(training === validation ? training.digest : mixed(training.digest, validation.digest))
}

/// What the model tells of the data that it was trained on.
func dataRecord(_ training: Dataset, _ validation: Dataset) -> JSONObject {
  var record: JSONObject = [
    "gx": .string(gxVersion), "data": .string(digest(training, validation)),
    "train_records": .int(training.train.count), "val_records": .int(validation.val.count),
  ]
  if let finer = training.finer { record[Model.finerField] = .array(finer.names.map(JSON.string)) }
  return record
}

extension TrainingPlan {
  /// What is done to pictures of `training`, since they were decoded, until the network sees them.
  func ops(of training: Dataset) throws -> [JSON] {
    (training.ops ?? [Provenance.foreign]) + [try augmentation?.centreCrop?.json].compactMap { $0 }
  }
}
