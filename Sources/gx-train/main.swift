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
    """,
  options: [
    Option("output", "o", "MODEL", "the model; appears only when it is whole (required)"),
    Option("arch", "a", "NAME", "gxnet or seed [gxnet]"),
    Option("epochs", "e", "N", "times over all train records [gxnet 60, seed 50]"),
    Option("batch", "b", "N", "pictures a step [32]"),
    Option(
      "augment", nil, "SPEC",
      "random changes, fresh each epoch: see gx-augment; may end in crop=N, which "
        + "becomes the net's input; or none [\(TrainingPlan.standardAugmentation)]"),
    .seed,
    Option("val", nil, "FILE", "validate on this stream's records of split val, or of none"),
    Option("hold-out", nil, "SHARE", "how much to hold out where there is nothing to validate on [0.15]"),
    Option("lr", nil, "RATE", "peak learning rate [gxnet 0.003, seed 0.001]"),
    Option("optimizer", nil, "NAME", "sgd, adam or adamw [gxnet adamw, seed adam]"),
    Option("momentum", nil, "M", "of sgd [0.9]"),
    Option("nesterov", nil, nil, "sgd looks ahead"),
    Option("schedule", nil, "NAME", "\(Schedule.names.joined(separator: ", ")) [gxnet one-cycle, seed plateau]"),
    Option("warmup", nil, "EPOCHS", "let the rate rise before the schedule begins [0]"),
    Option("weight-decay", nil, "D", "of all but biases and batch normalisation [gxnet 0.05, seed 0]"),
    Option("clip", nil, "NORM", "scale longer gradients down to this norm [no limit]"),
    Option("ema", nil, "DECAY", "keep the weights' exponential moving average instead; 0: not [gxnet 0.995]"),
    Option("dropout", nil, "RATE", "before the last layer [the architecture's]"),
    Option("label-smoothing", nil, "SHARE", "of each target, spread over all classes [gxnet 0.1, seed 0]"),
    Option("mixup", nil, "ALPHA", "blend pairs of pictures, by Beta(ALPHA, ALPHA) [0: not]"),
    Option("class-weights", "w", "W", "none, balanced, or A=1,B=2 [none]"),
    Option("best", nil, "SCORE", "val_loss, val_accuracy or val_macro_f1 [gxnet val_macro_f1, seed val_loss]"),
    Option("patience", nil, "N", "stop after N epochs without a better one; 0: never [gxnet 0, seed 7]"),
    Option("checkpoint", "c", "FILE", "keep all that is needed to go on in FILE"),
    Option("checkpoint-every", nil, "N|Ns", "epochs, or seconds, between checkpoints [1]"),
    Option("resume", nil, nil, "go on from the checkpoint, if it is there; to the same result"),
    Option("precision", nil, "TYPE", "compute in f32 or bf16, if the processor can: faster, less exact [f32]"),
    Option("half", nil, nil, "write weights as f16"),
    Option("threads", "j", "N", "threads; another number changes the last bits [all cores]"),
    Option("tmp", nil, "DIR", "where a pipe is spooled to [$TMPDIR or /var/tmp]"),
  ],
  examples: [
    "gx-train -o galaxy.safetensors < train.tar",
    "gx-train --augment rotate=180,flip=hv,crop=64 --ema 0.998 -o galaxy.safetensors < train.tar > log.ndjson",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  guard let path = arguments.string("output") else { throw UsageError("-o MODEL is missing") }
  let architecture = try arguments.choice("arch", Architecture.self) ?? .gxnet
  let plan = try plan(arguments, for: architecture)
  let dropout = try arguments.double("dropout", in: 0...0.99)
  let share = try arguments.double("hold-out", in: 0.01...0.9) ?? 0.15
  let threads = try arguments.int("threads", in: 1...256)
  guard let every = Checkpoints.Interval(arguments.string("checkpoint-every") ?? "1") else {
    throw UsageError("--checkpoint-every: wants N epochs, or Ns for seconds")
  }
  if arguments.has("resume") && !arguments.has("checkpoint") { throw UsageError("--resume needs --checkpoint FILE") }
  if isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; a tensor stream was expected") }
  _ = try AtomicFile(path: path)  // If it cannot be written, better to know before than after hours.

  let (training, validation) = try data(arguments, holdOut: share, seed: plan.seed)
  try training.checkTrainable(validation: validation)
  var input = training.shape
  if let crop = plan.augmentation?.outputCrop { input = [crop.height, crop.width, input[2]] }
  let graph = try architecture.graph(input: input, classes: training.classes.count, dropout: dropout)
  let trainer = try Trainer(
    graph: graph, architecture: architecture.rawValue, training: training, validation: validation, plan: plan,
    threads: threads)
  let checkpoints = Checkpoints(of: trainer, path: arguments.string("checkpoint"), every: every)
  if arguments.has("resume"), try checkpoints.resume() { Log.note("goes on in epoch \(trainer.epoch + 1)") }
  Log.note(
    "\(training.train.count) pictures to train on, \(validation.val.count) to validate on, "
      + "\(training.classes.count) classes, \(graph.parameterCount) weights")

  Signals.deferInterrupts()
  let log = EpochLog()
  let progress = Progress("pictures", total: (plan.epochs - trainer.epoch) * training.train.count)
  let finished = try trainer.run(
    shouldStop: { Signals.interrupted != nil },
    afterStep: {
      progress.advance(trainer.plan.batch, note: "epoch \(trainer.epoch + 1)")
      try checkpoints.afterStep()
    },
    afterEpoch: { row in
      log.write(row)
      try checkpoints.afterEpoch()
    })
  progress.finish()

  if !finished { try checkpoints.write() }
  try trainer.model().write(path: path, arguments.has("half") ? .f16 : .f32)
  if let best = trainer.best { Log.note("\(path): epoch \(best.epoch), \(best.scores)") }
  if !finished {
    Log.error("interrupted in epoch \(trainer.epoch + 1); the best model so far is written")
    Signals.endAsInterrupted()
  }
  return log.failed ? .failed : .done
}

/// The architecture's plan, changed by what the options say.
func plan(_ arguments: Arguments, for architecture: Architecture) throws -> TrainingPlan {
  var plan = TrainingPlan(for: architecture)
  plan.seed = try arguments.seed()
  plan.epochs = try arguments.int("epochs", in: 1...100_000) ?? plan.epochs
  plan.batch = try arguments.int("batch", in: 1...4096) ?? plan.batch
  plan.learningRate = try arguments.double("lr", in: 0...1000) ?? plan.learningRate
  let momentum = try arguments.double("momentum", in: 0...0.9999) ?? 0.9
  plan.rule = try arguments.named("optimizer", UpdateRule.names, plan.rule) {
    UpdateRule(named: $0, momentum: momentum, nesterov: arguments.has("nesterov"))
  }
  plan.schedule = try arguments.named("schedule", Schedule.names, plan.schedule) {
    Schedule(named: $0, epochs: plan.epochs)
  }
  plan.warmup = try arguments.double("warmup", in: 0...Double(plan.epochs)) ?? 0
  plan.weightDecay = try arguments.double("weight-decay", in: 0...10) ?? plan.weightDecay
  plan.clip = try arguments.double("clip", in: 1e-6...1e6) ?? plan.clip
  plan.average = try arguments.double("ema", in: 0...0.999999) ?? plan.average
  plan.labelSmoothing = try arguments.double("label-smoothing", in: 0...0.9) ?? plan.labelSmoothing
  plan.mixup = try arguments.double("mixup", in: 0...100) ?? plan.mixup
  plan.criterion = try arguments.choice("best", Criterion.self) ?? plan.criterion
  plan.precision = try arguments.choice("precision", Precision.self) ?? plan.precision
  if let patience = try arguments.int("patience", in: 0...100_000) { plan.patience = patience == 0 ? nil : patience }
  do {
    if let weights = arguments.string("class-weights") { plan.classWeights = try ClassWeights(weights) }
    if let spec = arguments.string("augment") {
      plan.augmentation = spec == "none" ? nil : try Augmentation(spec: spec)
    }
  } catch let error as GXError {
    throw UsageError(error.message)
  }
  return plan
}

/// What to train on and what to validate on, which is the same where one stream holds both.
func data(_ arguments: Arguments, holdOut share: Double, seed: UInt64) throws -> (Dataset, Dataset) {
  let folder = arguments.string("tmp")
  let training = try Dataset(SeekableInput(folder: folder))
  if training.failedCount > 0 { Log.note("\(training.failedCount) records carry an error and are passed over") }
  if training.ops == nil { Log.note("records have no 'ops': gx-infer will have to be told --assume-ops all") }
  if let file = arguments.string("val") {
    return (training, try Dataset(SeekableInput.open(file, folder: folder), validating: training))
  }
  if training.val.isEmpty {
    training.holdOut(share, seed: seed)
    Log.note("no records of split val: \(training.val.count) records are held out to validate on")
  }
  return (training, training)
}

extension Arguments {
  /// One of a set of names, turned into a value.
  func named<T>(_ option: String, _ names: [String], _ fallback: T, _ make: (String) -> T?) throws -> T {
    guard let name = string(option) else { return fallback }
    guard let value = make(name) else {
      throw UsageError("--\(option): '\(name)' is none of \(names.joined(separator: ", "))")
    }
    return value
  }
}

/// The rows on stdout. Training goes on without them where they cannot be written.
final class EpochLog {
  private let writer = NDJSONWriter(ByteSink(immediate: true))
  private var lost = false
  /// Whether rows were lost for another reason than a reader that had enough.
  private(set) var failed = false

  func write(_ row: JSONObject) {
    guard !lost else { return }
    do { try writer.write(row) } catch {
      lost = true
      failed = !"\(error)".hasSuffix(systemError(EPIPE))
      if failed { Log.error("\(error); training goes on without a log") }
    }
  }
}
