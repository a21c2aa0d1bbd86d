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
  static let folds = ValueOption(
    "folds", nil, "K", .whole(in: 2...Folds.limit),
    "tell each train record by a network that has not seen it, 2 to \(Folds.limit); see above")
  static let views = ValueOption(
    "tta", nil, "WHAT", OptionType(fault: "none of \(Views.grammar)", read: Views.init),
    "of --folds: average the probabilities over each picture's flips and quarter turns (dihedral), over N turns (rotations:N), or "
      + "do not (none) [none]", needs: "folds")
  static let interval = ValueOption(
    "checkpoint-every", nil, "N|Ns",
    OptionType(fault: "neither N epochs nor Ns for seconds", read: Checkpoints.Interval.init),
    "epochs, or seconds, between checkpoints [1]")

  let arguments: Arguments
  var settings: Settings

  init(_ arguments: Arguments) throws {
    self.arguments = arguments
    settings = try Settings(arguments)
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
      finer: settings.plan.finer
    ) { record, fault in tally.add(record.id, error: fault) }
    if training == nil && data.ops == nil {
      Log.note("records have no 'ops': gx-infer will have to be told --assume-ops all")
    }
    return data
  }

  /// Lets `data` be learnt from teachers, if there are any.
  mutating func teach(_ data: Dataset) throws {
    guard let teachers = settings.teachers else { return }
    let soft = try SoftLabels(teachers: .open(teachers.path), for: data, share: settings.teacherShare)
    settings.teachers?.digest = hexDigits(soft.digest)
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
    _ training: Dataset, _ validation: Dataset, _ log: EpochLog?,
    checkpoints: (path: String?, every: Checkpoints.Interval) = (nil, .epochs(1))
  ) throws -> Outcome {
    var settings = settings
    let (plan, transfer) = (settings.plan, settings.transfer)
    let validating = plan.validates ? validation : nil
    try training.checkTrainable(validation: validating)
    for warning in training.warnings(validation: validating) { Log.warning(warning) }
    var input = training.shape
    if let crop = plan.augmentation?.outputCrop { input = [crop.height, crop.width, input[2]] }
    let graph = try training.graph(settings.architecture, input: input, dropout: settings.dropout)
    Log.note(
      "\(training.train.count) pictures to train on, \(validation.val.count) to validate on, "
        + "\(training.classes.count) classes\(training.finer.map { " of \($0.names.count) parts" } ?? ""), "
        + "\(graph.parameterCount) weights")

    var start = try Start(graph, seed: plan.seed)
    if let path = settings.weights?.path {
      let file = try Pretrained(path: path)
      settings.weights?.digest = file.digest
      start = try Start(graph, seed: plan.seed, from: file, plan: transfer, classes: training.headClasses)
      if let note = start.note { Log.note(note) }
      if let warning = start.warning { Log.warning(warning) }
      // The first phase gives the same again, so that nothing of it has to be kept.
      let resumes = arguments.has("resume") && Checkpoints.exist(checkpoints.path)
      if transfer.headEpochs > 0, transfer.unfreeze == .none || !resumes {
        log?.fields["phase"] = "head"
        let progress = Progress("pictures", total: nil)
        let head = try HeadPhase(
          transfer, graph: graph, settings: settings.record, start: start, training: training,
          validation: validation, plan: plan, threads: settings.jobs, folder: folder
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
      graph: graph, settings: settings.record, start: start, training: training, validation: validation, plan: plan,
      threads: settings.jobs)
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
