// gx-train: trains a classifier on a prepared tensor stream.
//
// stdin: tensor stream of labelled float pictures. stdout: NDJSON, one line an epoch. -o: the model.

import GXCommand
import GXCore
import GXImage
import GXNet
import GXStream
import GXTrain
import Glibc

let command = Command(
  "gx-train", "train a classifier on a prepared tensor stream",
  synopsis: "-o MODEL < IN > LOG",
  about: """
    Trains on the records of split "train", validates after each epoch on those of split "val" (or on FILE's), and
    writes the weights of the best epoch. Records of split "test" are never looked at. Where there are no "val"
    records, a share of every class is held out.

    All records must be floats of one size, prepared in one way; that way goes into the model, and gx-infer repeats
    it. A file on stdin is read where it lies, a pipe through a temporary file, so memory stays bounded. Ctrl-C (or
    SIGTERM) ends training after the step at work and writes the best model so far.

    The result depends on the records (in whatever order), the options and the number of threads. Defaults are the
    architecture's: gxnet trains with AdamW and one cycle, seed (the original project's CNN) with Adam, a plateau
    schedule and early stopping.

    With --weights, training begins with what a network has learnt elsewhere (transfer learning): first the last
    layer alone is trained on what the others give, which is computed once; then all layers, or the last blocks, are
    (with --layer-decay the earlier ones at lower rates). Layers that do not learn are computed as in inference.
    """,
  options: [
    Option("output", "o", "MODEL", "the model; appears only when it is whole (required)"),
    Option("arch", "a", "NAME", "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")) [gxnet]"),
    Option("val", nil, "FILE", "validate on this stream's records of split val, or of none"),
    Option(
      "hold-out", nil, "SHARE",
      "how much to hold out where there is nothing to validate on; 0: train on all, keep the last epoch [0.15]"),
  ] + TransferPlan.options + TrainingPlan.options + [
    Option("checkpoint", "c", "FILE", "keep all that is needed to go on in FILE"),
    Option("checkpoint-every", nil, "N|Ns", "epochs, or seconds, between checkpoints [1]"),
    Option("resume", nil, nil, "go on from the checkpoint, if it is there; to the same result"),
    Option("half", nil, nil, "write weights as f16"),
    Option("threads", "j", "N", "threads; another number changes the last bits [all cores]"),
    .profile,
    Option("tmp", nil, "DIR", "where a pipe is spooled to, and features are kept [$TMPDIR or /var/tmp]"),
  ],
  examples: [
    "gx-train -o galaxy.safetensors < train.tar",
    "gx-train --augment rotate=180,flip=hv,crop=64 --ema 0.998 -o galaxy.safetensors < train.tar > log.ndjson",
    "gx-train --backbone efficientnet-lite0 --weights imagenet.safetensors -o galaxy.safetensors < train.tar",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  guard let path = arguments.string("output") else { throw UsageError("-o MODEL is missing") }
  let transfer = try TransferPlan(arguments)
  if arguments.has("arch") && arguments.has("backbone") { throw UsageError("--arch and --backbone are the same") }
  let architecture =
    try arguments.choice(arguments.has("backbone") ? "backbone" : "arch", Architecture.self) ?? .gxnet
  var plan = try TrainingPlan(arguments, for: architecture, pretrained: transfer != nil)
  let dropout = try arguments.double("dropout", in: 0...0.99)
  let share = try arguments.double("hold-out", in: 0...0.9) ?? 0.15
  let threads = try arguments.int("threads", in: 1...256)
  guard let every = Checkpoints.Interval(arguments.string("checkpoint-every") ?? "1") else {
    throw UsageError("--checkpoint-every: wants N epochs, or Ns for seconds")
  }
  if arguments.has("resume") && !arguments.has("checkpoint") { throw UsageError("--resume needs --checkpoint FILE") }
  if isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; a tensor stream was expected") }
  _ = try AtomicFile(path: path)  // If it cannot be written, better to know before than after hours.

  let (training, validation) = try data(arguments, plan, holdOut: share)
  plan.validates = share > 0 || !validation.val.isEmpty
  try training.checkTrainable(validation: plan.validates ? validation : nil)
  var input = training.shape
  if let crop = plan.augmentation?.outputCrop { input = [crop.height, crop.width, input[2]] }
  let graph = try training.graph(architecture, input: input, dropout: dropout)
  Log.note(
    "\(training.train.count) pictures to train on, \(validation.val.count) to validate on, "
      + "\(training.classes.count) classes\(training.finer.map { " of \($0.names.count) parts" } ?? ""), "
      + "\(graph.parameterCount) weights")

  var start = try Start(graph, seed: plan.seed)
  let log = EpochLog()
  func run(_ trainer: Trainer, _ checkpoints: Checkpoints? = nil) throws -> Bool {
    if arguments.has("profile") { trainer.startProfile() }
    Signals.deferInterrupts()
    let progress = Progress("pictures", total: (trainer.plan.epochs - trainer.epoch) * trainer.training.train.count)
    defer { progress.finish() }
    let finished = try trainer.run(
      shouldStop: { Signals.interrupted != nil },
      afterStep: {
        progress.advance(trainer.plan.batch, note: "epoch \(trainer.epoch + 1)")
        try checkpoints?.afterStep()
      },
      afterEpoch: { row in
        log.write(row)
        try checkpoints?.afterEpoch()
      })
    if let table = trainer.profileTable { Log.table(table) }
    return finished
  }
  func end(_ trainer: Trainer, _ model: Model, finished: Bool) throws -> ExitStatus {
    try model.write(path: path, arguments.has("half") ? .f16 : .f32)
    if let best = trainer.best {
      Log.note("\(path): epoch \(best.epoch)" + (best.scores.map { ", \($0)" } ?? ""))
    }
    if !finished {
      Log.error("interrupted in epoch \(trainer.epoch + 1); the best model so far is written")
      Signals.endAsInterrupted()
    }
    return log.failed ? .failed : .done
  }

  if let transfer, let file = arguments.string("weights") {
    start = try Start(
      graph, seed: plan.seed, from: Pretrained(path: file), plan: transfer, classes: training.headClasses)
    if let note = start.note { Log.note(note) }
    // The first phase gives the same again, so that nothing of it has to be kept.
    let resumes = arguments.has("resume") && Checkpoints.exist(arguments.string("checkpoint"))
    if transfer.headEpochs > 0, transfer.unfreeze == .none || !resumes {
      log.phase = "head"
      let progress = Progress("pictures", total: nil)
      let head = try HeadPhase(
        transfer, graph: graph, architecture: architecture.rawValue, start: start, training: training,
        validation: validation, plan: plan, threads: threads, folder: arguments.string("tmp")
      ) { progress.advance(note: "features") }
      progress.finish()
      let finished = try run(head.trainer)
      if !finished || transfer.unfreeze == .none { return try end(head.trainer, head.model(), finished: finished) }
      start = try head.trained()
    }
    log.phase = "all"
  }

  let trainer = try Trainer(
    graph: graph, architecture: architecture.rawValue, start: start, training: training, validation: validation,
    plan: plan, threads: threads)
  let checkpoints = Checkpoints(of: trainer, path: arguments.string("checkpoint"), every: every)
  if arguments.has("resume"), try checkpoints.resume() { Log.note("goes on in epoch \(trainer.epoch + 1)") }
  let finished = try run(trainer, checkpoints)
  if !finished { try checkpoints.write() }
  return try end(trainer, trainer.model(), finished: finished)
}

/// What to train on and what to validate on, which is the same where one stream holds both.
func data(_ arguments: Arguments, _ plan: TrainingPlan, holdOut share: Double) throws -> (Dataset, Dataset) {
  let folder = arguments.string("tmp")
  let training = try Dataset(SeekableInput(folder: folder), finer: plan.finer)
  if training.failedCount > 0 { Log.note("\(training.failedCount) records carry an error and are passed over") }
  if training.ops == nil { Log.note("records have no 'ops': gx-infer will have to be told --assume-ops all") }
  if let file = arguments.string("val") {
    return (training, try Dataset(SeekableInput.open(file, folder: folder), validating: training))
  }
  if training.val.isEmpty && share > 0 {
    training.holdOut(share, seed: plan.seed)
    Log.note("no records of split val: \(training.val.count) records are held out to validate on")
  }
  return (training, training)
}

/// The rows on stdout. Training goes on without them where they cannot be written.
final class EpochLog {
  private let writer = NDJSONWriter(ByteSink(immediate: true))
  private var lost = false
  /// Whether rows were lost for another reason than a reader that had enough.
  private(set) var failed = false
  /// Told in every row.
  var phase: String?

  func write(_ row: JSONObject) {
    guard !lost else { return }
    var fields: JSONObject = phase.map { ["phase": .string($0)] } ?? [:]
    fields.merge(row)
    do { try writer.write(fields) } catch {
      lost = true
      failed = !"\(error)".hasSuffix(systemError(EPIPE))
      if failed { Log.error("\(error); training goes on without a log") }
    }
  }
}
