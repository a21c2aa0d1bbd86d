// gx-train: trains a classifier on a prepared tensor stream.
//
// stdin: tensor stream of labelled float pictures. stdout: NDJSON, one line an epoch. -o: the model.
// With --folds, stdout: NDJSON, one row a record that was held out, as gx-infer writes them.

import GXCommand
import GXCore
import GXGraph
import GXNet
import GXStream
import GXTrain

let command = Command(
  "gx-train", "train a classifier on a prepared tensor stream",
  synopsis: "-o MODEL < IN > LOG, or --folds K < IN > ROWS",
  about: """
    Trains on the records of split "train", validates after each epoch on those of split "val" (or on FILE's), and
    writes the weights of the best epoch. Records of split "test" are never looked at. Where there are no "val"
    records, a share of every class is held out. Records that carry an error or that nothing can be learnt from (no
    label, no floats, a pixel that is not finite) are named on stderr and left out.

    All records must be floats of one size, prepared in one way; that way goes into the model, and gx-infer repeats
    it. A file on stdin is read where it lies, a pipe through a temporary file, so memory stays bounded. Ctrl-C (or
    SIGTERM) ends training after the step at work and writes the best model so far.

    The result depends on the records (in whatever order), the options and the number of threads. Defaults are the
    architecture's: gxnet trains with AdamW and one cycle, seed (the original project's CNN) with Adam, a plateau
    schedule and early stopping.

    With --weights, training begins with what a network has learnt elsewhere (transfer learning): first the last
    layer alone is trained on what the others give, which is computed once; then all layers, or the last blocks, are
    (with --layer-decay the earlier ones at lower rates). Layers that do not learn are computed as in inference.

    With --folds K (cross-validation), the train records are shared out to K folds, every class evenly and all copies
    of a galaxy to one. For each fold a network learns from the others, for all epochs, and predicts the fold's
    records. There is no model; stdout gets gx-infer's row of each record, with its logits and its "fold", fold by fold,
    and at the end a row with "error" of each that was left out.
    """,
  options: [
    Option("output", "o", "MODEL", "the model; appears only when it is whole (required, but for --folds)"),
    Option("arch", "a", "NAME", "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")) [gxnet]"),
    Option("val", nil, "FILE", "validate on this stream's records of split val, or of none"),
    Option(
      "hold-out", nil, "SHARE",
      "how much to hold out where there is nothing to validate on; 0: train on all, keep the last epoch [0.15]"),
    Option("folds", nil, "K", "tell each train record by a network that has not seen it, 2 to 100; see above"),
    Option("fold-val", nil, nil, "of --folds: count records of split val among the train records"),
    Option(
      "tta", nil, "WHAT",
      "of --folds: average the probabilities over each picture's flips and quarter turns (dihedral), over N turns "
        + "(rotations:N), or do not (none) [none]"),
    Option(
      "distill", nil, "FILE",
      "learn from teachers, too: rows of gx-infer or --folds, by id; those of one id are averaged (memory: some 40 "
        + "bytes a train record, and 4 a class)"),
    Option("distill-weight", nil, "W", "the teachers' share of a target, where they know the record [0.5]"),
  ] + TransferPlan.options + TrainingPlan.options + [
    Option("log", nil, "FILE", "write the log to FILE, as it grows, instead of stdout (with --folds: of nowhere)"),
    Option("checkpoint", "c", "FILE", "keep all that is needed to go on in FILE"),
    Option("checkpoint-every", nil, "N|Ns", "epochs, or seconds, between checkpoints [1]"),
    Option("resume", nil, nil, "go on from the checkpoint, if it is there; to the same result"),
    Option("half", nil, nil, "write weights as f16"),
    Option("threads", "j", "N", "threads; another number changes the last bits [all cores]"),
    .maxErrors,
    .profile,
    Option("tmp", nil, "DIR", "where a pipe is spooled to, and features are kept [$TMPDIR or /var/tmp]"),
  ],
  examples: [
    "gx-train -o galaxy.safetensors < train.tar",
    "gx-train --augment rotate=180,flip=hv,crop=64 --ema 0.998 -o galaxy.safetensors < train.tar > log.ndjson",
    "gx-train --backbone efficientnet-lite0 --weights imagenet.safetensors -o galaxy.safetensors < train.tar",
    "gx-train --folds 5 < train.tar > out-of-fold.ndjson",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let run = try Run(arguments)
  return try arguments.has("folds") ? crossValidate(run) : train(run)
}

/// One network, and the model that it becomes.
func train(_ run: Run) throws -> ExitStatus {
  let arguments = run.arguments
  guard let path = arguments.string("output") else { throw UsageError("-o MODEL is missing") }
  if let option = ["fold-val", "tta"].first(where: arguments.has) { throw UsageError("--\(option) is for --folds") }
  let share = try arguments.double("hold-out", in: 0...0.9) ?? 0.15
  guard let every = Checkpoints.Interval(arguments.string("checkpoint-every") ?? "1") else {
    throw UsageError("--checkpoint-every: wants N epochs, or Ns for seconds")
  }
  if arguments.has("resume") && !arguments.has("checkpoint") { throw UsageError("--resume needs --checkpoint FILE") }
  try expectStream()
  _ = try AtomicFile(path: path)  // If it cannot be written, better to know before than after hours.
  let log = try EpochLog(path: arguments.string("log"), appending: arguments.has("resume"), tell: Log.tell)

  var trained: Run.Outcome?
  let status = try arguments.count { tally in
    let training = try run.data(counting: &tally)
    tally.add(training.count)
    var validation = training
    if let file = arguments.string("val") {
      validation = try run.data(.open(file, folder: run.folder), validating: training, counting: &tally)
      tally.add(validation.count)
    } else if training.val.isEmpty && share > 0 {
      training.holdOut(share, seed: run.plan.seed)
      Log.note("no records of split val: \(training.val.count) records are held out to validate on")
    }
    try run.teach(training)
    var plan = run.plan
    plan.validates = share > 0 || !validation.val.isEmpty
    let outcome = try run.train(training, validation, plan, log, checkpoints: (arguments.string("checkpoint"), every))
    try outcome.model.write(path: path, arguments.has("half") ? .f16 : .f32)
    if let best = outcome.trainer.best {
      Log.note("\(path): epoch \(best.epoch)" + (best.scores.map { ", \($0)" } ?? ""))
    }
    trained = outcome
  }
  if let outcome = trained, !outcome.isFinished {
    Log.error("interrupted in epoch \(outcome.trainer.epoch + 1); the best model so far is written")
    Signals.endAsInterrupted()
  }
  return log.failed ? .failed : status
}
