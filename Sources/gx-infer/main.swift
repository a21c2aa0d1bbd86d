// gx-infer: classifies the records of a tensor stream, or turns them into features.
//
// stdin: tensor stream. stdout: NDJSON, one row a record, in order: its own fields and what the model says; or with
// --features a tensor stream.

import GXBox
import GXCommand
import GXCore
import GXStream
import GXTrain

let command = Command(
  "gx-infer", "classify the records of a tensor stream",
  synopsis: "[-m MODEL] < IN > PREDICTIONS",
  about: """
    Writes a row for each record: its fields (without "ops"), "prediction", "confidence" (the prediction's
    probability) and "probabilities" (of every class). A failed record's row carries its "error" instead.

    What the model's training pictures went through is repeated: where a record lacks the last steps, they are
    applied here; where it was prepared otherwise, gx-infer refuses. So decoded pictures need nothing else. Records
    from elsewhere that do not tell their "ops" count as merely decoded if they are u8; for floats, say what they are.

    With --features a tensor stream comes out: each record with what enters the model's last layer as its tensor, f32
    of [1, 1, n]. "gx-train --arch linear" learns new classes from it.
    """,
  options: [
    Option("model", "m", "MODEL", "a model that gx-train wrote [the one in the box]"),
    Option("logits", "l", nil, "add the network's logits, by class"),
    Option(
      "tta", nil, "WHAT",
      "average the probabilities over each picture's flips and quarter turns (dihedral), or do not (none) "
        + "[as the model says]"),
    Option("features", "f", nil, "write features instead of predictions"),
    Option("node", nil, "NAME", "of --features: the value of this node of the graph [what enters the last layer]"),
    Option(
      "assume-ops", nil, "WHAT",
      "count records without \"ops\" as prepared like the training pictures (all), or as merely decoded (none)"),
    .profile,
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-infer | jq -r '[.id, .prediction] | @tsv'",
    "gx-infer -m galaxy.safetensors < test.tar | gx-eval --split test",
    "gx-infer --features -m galaxy.safetensors < mine.tar | gx-train --arch linear -o head.safetensors",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let assumption = try arguments.choice("assume-ops", Provenance.Assumption.self)
  let views = try arguments.choice("tta", Views.self)
  let isProfiled = arguments.has("profile")
  let wantsFeatures = arguments.has("features")
  if wantsFeatures, let other = ["logits", "tta"].first(where: arguments.has) {
    throw UsageError("--features and --\(other) do not go together")
  }
  if arguments.has("node") && !wantsFeatures { throw UsageError("--node NAME is for --features") }
  let reader = try standardRecords()
  let path = arguments.string("model")
  if path == nil { Log.note("no -m MODEL: \(Model.inTheBoxName) classifies") }
  let model = try Model(path: path)

  /// What is wrong with the model itself.
  func ofModel<T>(_ make: () throws -> T) throws -> T {
    do { return try make() } catch { throw GXError("\(path ?? Model.inTheBoxName): \(error)") }
  }
  if wantsFeatures {
    let extractor = try ofModel {
      try FeatureExtractor(model, node: arguments.string("node"), assuming: assumption, isProfiled: isProfiled)
    }
    let output = try Output(arguments, binary: true)
    let writer = RecordWriter(output.sink)
    return try run(arguments, reader, output) { record in
      let result = try extractor.features(of: record)
      if record.error == nil, let error = result.error { Log.error("\(record.id): \(error)") }
      return result
    } write: { result in
      try writer.write(result)
      return result.error != nil
    } finish: {
      try writer.finish()
      if let table = extractor.profileTable { Log.table(table) }
    }
  }
  let classifier = try ofModel { try Classifier(model, assuming: assumption, views: views, isProfiled: isProfiled) }
  let withLogits = arguments.has("logits")
  let output = try Output(arguments, binary: false)
  let writer = NDJSONWriter(output.sink)
  return try run(arguments, reader, output) { record in
    let row = try classifier.row(of: record, withLogits: withLogits)
    if record.error == nil, let error = row["error"]?.stringValue { Log.error("\(record.id): \(error)") }
    return row
  } write: { row in
    try writer.write(row)
    return row["error"] != nil
  } finish: {
    try writer.finish()
    if let table = classifier.profileTable { Log.table(table) }
  }
}

/// The loop. An error that `work` throws, a record that does not fit the model's preparation, ends it; whatever else
/// fails is the record's own, and `write` tells whether it did.
func run<Out: Sendable>(
  _ arguments: Arguments, _ reader: RecordReader, _ output: Output,
  work: @escaping @Sendable (Record) throws -> Out, write: (Out) throws -> Bool, finish: () throws -> Void
) throws -> ExitStatus {
  var tally = try Tally(arguments)
  let progress = Progress()
  try orderedMap(jobs: arguments.jobs(), next: reader.next) { record in
    Result { try work(record) }.mapError { GXError("\(record.id): \($0)") }
  } emit: { result in
    tally.add(failed: try write(result.get()))
    progress.advance()
  }
  try finish()
  try output.commit()
  progress.finish()
  tally.report()
  return tally.status
}
