import GXCommand
import GXCore
import GXGraph
import GXImage
import GXModel
import GXNet
import GXStream
import GXTrain
import Glibc

/// What the command line says of how networks are to be trained, and the training of one.
struct Run {
  let arguments: Arguments
  let plan: TrainingPlan
  private let transfer: TransferPlan?
  private let architecture: Architecture
  private let dropout: Double?
  private let threads: Int?
  private let teachers: (path: String, share: Double)?

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    transfer = try TransferPlan(arguments)
    if arguments.has("arch") && arguments.has("backbone") { throw UsageError("--arch and --backbone are the same") }
    architecture = try arguments.choice(arguments.has("backbone") ? "backbone" : "arch", Architecture.self) ?? .gxnet
    plan = try TrainingPlan(arguments, for: architecture, pretrained: transfer != nil)
    dropout = try arguments.double("dropout", in: 0...0.99)
    threads = try arguments.int("threads", in: 1...256)
    let share = try arguments.double("distill-weight", in: 0...1)
    if share != nil && !arguments.has("distill") { throw UsageError("--distill-weight W needs --distill FILE") }
    teachers = arguments.string("distill").map { ($0, share ?? 0.5) }
  }

  /// Where temporary files are; nil is the default.
  var folder: String? { arguments.string("tmp") }

  /// The records of a stream; those that nothing can be learnt from are counted and named.
  /// - Parameters:
  ///   - input: nil is stdin.
  ///   - learnt: The splits that are learnt from.
  ///   - validates: Whether records of split val are needed.
  ///   - training: What the stream is validation data for, if it is.
  func data(
    _ input: SeekableInput? = nil, learning learnt: Set<Split> = [.train], validates: Bool = true,
    validating training: Dataset? = nil, counting tally: inout Tally
  ) throws -> Dataset {
    let data = try Dataset(
      input ?? SeekableInput(folder: folder), validating: training, learning: learnt, validates: validates,
      finer: plan.finer
    ) { record, fault in tally.add(record.id, error: fault) }
    if training == nil && data.ops == nil {
      Log.note("records have no 'ops': gx-infer will have to be told --assume-ops all")
    }
    return data
  }

  /// Lets `data` be learnt from teachers, if there are any.
  func teach(_ data: Dataset) throws {
    guard let teachers else { return }
    let soft = try SoftLabels(teachers: .open(teachers.path), for: data, share: teachers.share)
    let missing = soft.missing(of: data.train)
    if missing > 0 {
      Log.note("\(teachers.path): \(missing) of \(data.train.count) records have no row, and their label alone")
    }
    data.learn(from: soft)
  }

  /// A network as it is after training.
  struct Outcome {
    let trainer: Trainer
    let model: Model
    /// Whether training came to its end.
    let isFinished: Bool
  }

  /// Trains a network: where there are weights to begin with, first its head alone.
  func train(
    _ training: Dataset, _ validation: Dataset, _ plan: TrainingPlan, _ log: EpochLog?,
    checkpoints: (path: String?, every: Checkpoints.Interval) = (nil, .epochs(1))
  ) throws -> Outcome {
    let validating = plan.validates ? validation : nil
    try training.checkTrainable(validation: validating)
    for warning in training.warnings(validation: validating) { Log.warning(warning) }
    var input = training.shape
    if let crop = plan.augmentation?.outputCrop { input = [crop.height, crop.width, input[2]] }
    let graph = try training.graph(architecture, input: input, dropout: dropout)
    Log.note(
      "\(training.train.count) pictures to train on, \(validation.val.count) to validate on, "
        + "\(training.classes.count) classes\(training.finer.map { " of \($0.names.count) parts" } ?? ""), "
        + "\(graph.parameterCount) weights")

    var start = try Start(graph, seed: plan.seed)
    if let transfer, let file = arguments.string("weights") {
      start = try Start(
        graph, seed: plan.seed, from: Pretrained(path: file), plan: transfer, classes: training.headClasses)
      if let note = start.note { Log.note(note) }
      if let warning = start.warning { Log.warning(warning) }
      // The first phase gives the same again, so that nothing of it has to be kept.
      let resumes = arguments.has("resume") && Checkpoints.exist(checkpoints.path)
      if transfer.headEpochs > 0, transfer.unfreeze == .none || !resumes {
        log?.fields["phase"] = "head"
        let progress = Progress("pictures", total: nil)
        let head = try HeadPhase(
          transfer, graph: graph, architecture: architecture.rawValue, start: start, training: training,
          validation: validation, plan: plan, threads: threads, folder: folder
        ) { progress.advance(note: "features") }
        progress.finish()
        let isFinished = try run(head.trainer, log)
        if !isFinished || transfer.unfreeze == .none {
          return Outcome(trainer: head.trainer, model: try head.model(), isFinished: isFinished)
        }
        start = try head.trained()
      }
      log?.fields["phase"] = "all"
    }

    let trainer = try Trainer(
      graph: graph, architecture: architecture.rawValue, start: start, training: training, validation: validation,
      plan: plan, threads: threads)
    let kept = Checkpoints(of: trainer, path: checkpoints.path, every: checkpoints.every)
    if arguments.has("resume"), try kept.resume() { Log.note("goes on in epoch \(trainer.epoch + 1)") }
    let isFinished = try run(trainer, log, kept)
    if !isFinished { try kept.write() }
    return Outcome(trainer: trainer, model: try trainer.model(), isFinished: isFinished)
  }

  /// One phase, to its end or a signal; whether it came to its end.
  private func run(_ trainer: Trainer, _ log: EpochLog?, _ checkpoints: Checkpoints? = nil) throws -> Bool {
    if arguments.has("profile") { trainer.startProfile() }
    // A log can be done without; rows that are all there is to a run cannot.
    Signals.deferInterrupts(readerIsNeeded: arguments.has("folds"))
    let progress = Progress("pictures", total: (trainer.plan.epochs - trainer.epoch) * trainer.training.train.count)
    defer { progress.finish() }
    let isFinished = try trainer.run(
      shouldStop: { Signals.interrupted != nil },
      afterStep: {
        progress.advance(trainer.plan.batch, note: "epoch \(trainer.epoch + 1)")
        try checkpoints?.afterStep()
      },
      afterEpoch: { row in
        log?.write(row)
        try checkpoints?.afterEpoch()
      })
    if let table = trainer.profileTable { Log.table(table) }
    return isFinished
  }
}

/// Refuses a terminal.
func expectStream() throws {
  if isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; a tensor stream was expected") }
}
