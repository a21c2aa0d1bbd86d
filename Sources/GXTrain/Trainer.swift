import GXCore
import GXGraph
import GXImage
import GXModel
import GXNet
import GXStream

/// Trains a network, validates it after each epoch, and remembers the best weights.
///
/// The result follows from the graph, the pictures (in whatever order they came), the plan and the
/// seed: a run that was interrupted and resumed gives the same weights as one that was not.
public final class Trainer {
  public let graph: Graph
  public let plan: TrainingPlan
  public let training: Dataset
  public let validation: Dataset
  /// What the run was started with, by the names of gx-train's options. It goes into model and checkpoint, and a run goes
  /// on only where it is the same.
  let settings: JSONObject

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
  let validationNetwork: Network
  private let threads: Int
  let optimizer: Optimizer
  let average: WeightAverage?
  let sharpness: Sharpness?
  let maker: BatchMaker
  let validationMaker: BatchMaker
  let batches: (Batch, Batch)
  let objective: Objective
  let validationObjective: Objective

  /// Steps an epoch. What is left of the pictures is less than a batch, and sits out this epoch.
  let stepsPerEpoch: Int

  /// - Parameters:
  ///   - validation: Where the `val` pictures are; `training` itself as a rule.
  ///   - settings: What the run was started with, by the names of gx-train's options (see `commandWords`). It goes into
  ///     model and checkpoint; only a run of the same goes on from that.
  ///   - start: The weights to begin with, and what of them learns; nil is new weights that the seed draws.
  ///   - threads: For oneDNN; nil is all cores.
  /// - Throws: as `Dataset.checkTrainable`, and where a weighted class is not in the data.
  public init(
    graph: Graph, settings: JSONObject = [:], start: Start? = nil, training: Dataset, validation: Dataset,
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
    self.settings = settings
    origin = start.origin
    plateau = plan.plateau
    stepsPerEpoch = training.train.count / plan.batch

    var targets = TargetMaker(for: training)
    targets.smoothing = Float(plan.labelSmoothing)
    targets.weights = try plan.classWeights.values(classes: classes, samples: training.train)
    let crop = try plan.augmentation?.centreCrop
    maker = BatchMaker(
      dataset: training, targets: targets, size: plan.batch, picture: graph.input, augmentation: plan.augmentation,
      crop: crop, mixup: plan.mixup, seed: plan.seed)
    validationMaker = BatchMaker(
      dataset: validation, targets: TargetMaker(labels: classes.count), size: plan.batch, picture: graph.input,
      crop: crop)
    batches = (
      Batch(size: plan.batch, picture: graph.input, width: targets.width),
      Batch(size: plan.batch, picture: graph.input, width: targets.width)
    )
    objective = Objective(size: plan.batch, targets, groups: training.finer?.groups)
    validationObjective = Objective(size: plan.batch, validationMaker.targets, groups: nil)

    // The finer classes are learnt before they are merged.
    let learner = try training.finer == nil ? graph : graph.throughHead()
    let network = try Network(
      graph: learner, batch: plan.batch, training: true, precision: plan.precision, frozen: start.frozen,
      threads: threads
    )
    validationNetwork = try Network(graph: graph, batch: plan.batch, training: false, threads: threads)
    try network.load(Dictionary(uniqueKeysWithValues: start.weights.map { ($0.name, $0.tensor) }))
    self.network = network
    self.threads = Network.threads
    optimizer = Optimizer(
      plan.rule, weightDecay: plan.weightDecay, clip: plan.clip, parameters: network.parameters,
      rate: start.rate)
    sharpness = plan.sharpness.map { Sharpness(radius: $0, of: network) }
    average = plan.average.map { WeightAverage(decay: $0, of: network.parameters + network.state) }
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
