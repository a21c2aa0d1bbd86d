// gx-train: trains a classifier on a prepared tensor stream.
//
// stdin: tensor stream of labelled float pictures. stdout: NDJSON, one line an epoch. -o: the model.
// With --folds, stdout: NDJSON, one row a record that was held out, as gx-infer writes them.

import GXCommand
import GXCore
import GXModel
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
    .output.saying("the model; appears only when it is whole (required, but for --folds)")
  ] + Settings.table.map(\.option) + [
    Run.folds,
    Option("fold-val", nil, nil, "of --folds: count records of split val among the train records", needs: "folds"),
    Run.views,
    Option("log", nil, "FILE", "write the log to FILE, as it grows, instead of stdout (with --folds: of nowhere)"),
    Option("checkpoint", "c", "FILE", "keep all that is needed to go on in FILE"),
    Run.interval,
    Option(
      "resume", nil, nil, "go on from the checkpoint, if it is there; to the same result", needs: "checkpoint"),
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
  var run = run
  let arguments = run.arguments
  guard let path = arguments.string("output") else { throw UsageError("-o MODEL is missing") }
  let every = try arguments[Run.interval] ?? .epochs(1)
  try expectStream()
  _ = try AtomicFile(path: path)  // If it cannot be written, better to know before than after hours.
  let log = try EpochLog(path: arguments.string("log"), appending: arguments.has("resume"), tell: Log.tell)

  var trained: Run.Outcome?
  let status = try arguments.count { tally in
    let training = try run.data(counting: &tally)
    tally.add(training.count)
    var validation = training
    let share = run.settings.holdOut
    if let file = run.settings.validation {
      validation = try run.data(.open(file.path, folder: run.folder), validating: training, counting: &tally)
      tally.add(validation.count)
      run.settings.validation?.digest = hexDigits(validation.digest)
    } else if training.val.isEmpty && share > 0 {
      training.holdOut(share, seed: run.settings.plan.seed)
      Log.note("no records of split val: \(training.val.count) records are held out to validate on")
    }
    try run.teach(training)
    run.settings.plan.validates = share > 0 || !validation.val.isEmpty
    let outcome = try run.train(training, validation, log, checkpoints: (arguments.string("checkpoint"), every))
    try outcome.model.write(path: path, run.settings.isHalf ? .f16 : .f32)
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
