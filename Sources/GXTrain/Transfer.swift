import GXCore
import GXGraph
import GXInfer
import GXImage
import GXModel
import GXNet
import GXStream

/// How a network with weights from elsewhere is taught: first a new head on features that are computed once, then the
/// last blocks, or all, with lower rates the farther they are from the head.
public struct TransferPlan: Sendable, Equatable {
  /// What learns after the head has.
  public enum Unfreeze: Sendable, Equatable {
    /// Nothing; the head alone is trained.
    case none
    case lastBlocks(Int)
    case all

    /// `none`, `all`, or a number of blocks.
    public init?(_ text: String) {
      switch text {
      case "none": self = .none
      case "all": self = .all
      default:
        guard let count = Int(text), count >= 1 else { return nil }
        self = .lastBlocks(count)
      }
    }

    /// What `init` reads.
    public var text: String {
      switch self {
      case .none: "none"
      case .lastBlocks(let count): String(count)
      case .all: "all"
      }
    }
  }

  /// Epochs of the head alone, on a frozen network; 0: not trained alone.
  public var headEpochs = 20
  /// The peak learning rate of the head alone.
  public var headRate = 3e-3
  /// Flips and quarter turns of each train picture that the head alone sees: 1 to 8 (4 where it is not square).
  public var headViews = 1
  public var unfreeze = Unfreeze.all
  /// What the learning rate is multiplied with from each block to the one before it.
  public var layerDecay = 1.0

  public init() {}

  /// The training plan of the head alone.
  func headPlan(_ plan: TrainingPlan) -> TrainingPlan {
    var head = plan
    (head.epochs, head.learningRate) = (headEpochs, headRate)
    (head.rule, head.schedule) = (UpdateRule(named: "adamw")!, Schedule(named: "one-cycle", epochs: headEpochs)!)
    (head.warmup, head.patience, head.mixup, head.average) = (0, nil, 0, nil)
    (head.augmentation, head.precision) = (nil, .f32)
    return head
  }
}

extension Start {
  /// New weights, with those of `file` in their place where they fit; what learns is as `plan` says.
  /// - Throws: `GXError` as `Pretrained.fit`, where `plan` asks for more blocks than there are, and where a layer before
  ///   the head that will not learn has no weights in the file.
  public init(
    _ graph: Graph, seed: UInt64, from file: Pretrained, plan: TransferPlan, classes: [String]
  ) throws {
    try self.init(graph, seed: seed)
    let fit = try file.fit(graph, fresh: weights, classes: classes)
    weights = fit.weights
    let groups = try NodeGroups(graph)
    if case .lastBlocks(let count) = plan.unfreeze { frozen = try groups.before(lastBlocks: count) }
    func lacks(_ names: [String]) -> String {
      "\(file.name): has no weights for \(names.count) of \(fit.weights.count) tensors"
    }
    let stuck = fit.lacking.filter { plan.unfreeze == .none || frozen.contains(layer(of: $0)) }
    if !stuck.isEmpty {
      throw GXError(
        "\(lacks(stuck)), whose layers will not learn (--unfreeze \(plan.unfreeze.text)): \(fit.reasons(stuck))")
    }
    if !fit.lacking.isEmpty { warning = "\(lacks(fit.lacking)), which begin at random: \(fit.reasons(fit.lacking))" }
    rates = groups.rates(decay: plan.layerDecay)
    origin = ["weights": .object(file.record(fit))]
    note = "\(file.name): \(fit.note)"
  }
}

/// The first phase of transfer learning: all before the head is run once over the pictures, and the head is trained
/// on what it gives, which waits in a temporary file.
public final class HeadPhase {
  /// Trains the head; on one thread, for there is too little to do to share it.
  public let trainer: Trainer
  private let graph: Graph
  private let start: Start
  private let ops: [JSON]
  private let data: JSONObject

  /// Computes the features.
  /// - Parameters:
  ///   - settings: As `Trainer`'s.
  ///   - plan: Of the whole run; its crop, targets, batch and criterion are the head's too.
  ///   - folder: Where the temporary file is; `$TMPDIR`, or `/var/tmp`, by default.
  ///   - advance: Told after each picture.
  public init(
    _ transfer: TransferPlan, graph: Graph, settings: JSONObject = [:], start: Start, training: Dataset,
    validation: Dataset, plan: TrainingPlan, threads: Int?, folder: String?, advance: () -> Void
  ) throws {
    (self.graph, self.start) = (graph, start)
    (ops, data) = (try plan.ops(of: training), dataRecord(training, validation))
    let node = try graph.headInput()
    let head = try graph.suffix(after: node)
    var headStart = start
    headStart.weights = start.weights(of: head)
    (headStart.frozen, headStart.rates) = ([], [:])
    let callers = Network.threads
    defer { Network.setThreads(callers) }
    let cache = FeatureCache(
      graph: try graph.prefix(through: node), start: start, training: training, validation: validation,
      crop: try plan.augmentation?.centreCrop, threads: threads ?? callers, folder: folder)
    let features = try cache.features(views: min(transfer.headViews, Dihedral.count(graph.input)), advance)
    trainer = try Trainer(
      graph: head, settings: settings, start: headStart, training: features, validation: features,
      plan: transfer.headPlan(plan), threads: 1)
  }

  /// The whole network with the head as it would be written now.
  public func model() throws -> Model {
    var model = try trainer.model()
    (model.graph, model.input, model.ops) = (graph, graph.input, ops)
    model.training.merge(data)
    model.weights = start.replacing(model.weights)
    return model
  }

  /// Where the second phase begins.
  public func trained() throws -> Start {
    var next = start
    let head = try trainer.model()
    next.weights = start.replacing(head.weights)
    var record = JSONObject()
    for name in ["epochs", "best_epoch", "val_loss", "val_accuracy", "val_macro_f1"] {
      record[name] = head.training[name]
    }
    next.origin["head"] = .object(record)
    return next
  }
}

extension Start {
  /// Those that `graph` takes.
  func weights(of graph: Graph) -> [(name: String, tensor: Tensor)] {
    let names = Set(graph.weightNames)
    return weights.filter { names.contains($0.name) }
  }

  /// All weights, with `others` in the place of those of their names.
  func replacing(_ others: [(name: String, tensor: Tensor)]) -> [(name: String, tensor: Tensor)] {
    let others = Dictionary(uniqueKeysWithValues: others.map { ($0.name, $0.tensor) })
    return weights.map { ($0.name, others[$0.name] ?? $0.tensor) }
  }
}

/// Turns pictures into what a frozen network gives for them, as a data set of `[1, 1, features]`.
private struct FeatureCache {
  /// What computes the features: a vector or picture.
  let graph: Graph
  let start: Start
  let training: Dataset
  let validation: Dataset
  let crop: Crop?
  let threads: Int
  let folder: String?

  /// A picture's view, and what becomes of it.
  private struct Item: Sendable {
    let data: Dataset
    let sample: Dataset.Sample
    let split: Split
    let view: Int
    /// Into how many views its pictures are turned.
    let views: Int
  }

  func features(views: Int, _ advance: () -> Void) throws -> Dataset {
    let pool = try NetworkPool(graph, weights: start.weights(of: graph), isProfiled: false)
    let shape = graph.output.count == 1 ? [1, 1] + graph.output : graph.output
    var items = (0..<views).lazy.flatMap { view in
      training.train.lazy.map { Item(data: training, sample: $0, split: .train, view: view, views: views) }
    }.makeIterator()
    var others = validation.val.lazy.map { Item(data: validation, sample: $0, split: .val, view: 0, views: 1) }
      .makeIterator()
    let file = try SeekableInput(name: "features", folder: folder) { sink in
      let writer = RecordWriter(sink)
      var number = 0
      try orderedMap(jobs: threads, next: { items.next() ?? others.next() }) { [crop] item in
        (
          item,
          Result {
            var picture = try item.data.pixels(of: item.sample)
            if let crop { picture = try crop.apply(picture) }
            if item.view > 0 { picture = try Dihedral.view(item.view, of: picture) }
            return try Tensor(shape, pool.run(picture))
          }
        )
      } emit: { (item: Item, features: Result<Tensor, Error>) in
        number += 1
        var meta = Row()
        (meta.id, meta.copy) = (hexDigits(item.sample.id), Int(item.sample.copy) * item.views + item.view)
        (meta.label, meta.split) = (item.data.classes[Int(item.sample.label)], item.split.rawValue)
        if item.split == .train, let finer = training.finer {
          meta[finer.field] = .string(finer.names[Int(item.sample.part)])
        }
        try writer.write(Record(key: String(number), meta: meta, tensor: features.get()))
        advance()
      }
      try writer.finish()
    }
    let features = try Dataset(file, finer: training.finer?.field)
    features.learn(from: training.soft?.renamed { stableHash(hexDigits($0)) })
    return features
  }
}
