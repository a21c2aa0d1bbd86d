// gx-infer: classifies the records of a tensor stream, or turns them into features.
//
// stdin: tensor stream. stdout: NDJSON, one row a record, in order: its own fields and what the model says; or with
// --features a tensor stream.

import GXBox
import GXCommand
import GXCore
import GXInfer
import GXModel
import GXStream

let command = Command(
  "gx-infer", "classify the records of a tensor stream",
  synopsis: "[-m MODEL]... < IN > PREDICTIONS",
  about: """
    Writes a row for each record: its fields (without "ops"), "prediction", "confidence" (the likeliest class'
    probability) and "probabilities" (of every class). A failed record's row carries its "error" instead.

    Several models must have the same classes. Their probabilities are averaged, and the order in which they are given
    makes no difference; each prepares the pictures as it needs them. Rows then have "entropy" (of the mean) and
    "mutual_information" (the part of the entropy that is due to the models' disagreement, or to that of one model's
    several views), in nats and before calibration.

    Where the model holds a calibration of gx-calibrate (or FILE is one), probabilities are the calibrated ones and
    rows say "calibrated":true. With conformal sets, rows have "set": the classes that may be the truth, the likeliest
    first. With a wanted precision, rows whose confidence is too low have "prediction":null and "reason":"uncertain".
    The calibrations of several models say nothing of their mean: calibrate that.

    Pictures are prepared as the training pictures were: steps that a record still lacks are applied here, and a record
    that was prepared differently ends the run with an error. So decoded pictures need nothing else. Records without
    "ops", from other programs, count as merely decoded if they are u8; for floats, --assume-ops says what they are. A
    picture with a value that is not finite (NaN or an infinity) is a failed record that names the place.

    With --features a tensor stream comes out: each record with what enters the model's last layer as its tensor, f32
    of [1, 1, n]. "gx-train --arch linear" learns new classes from it.
    """,
  options: [
    Option("model", "m", "MODEL", "a model that gx-train wrote [the one in the box]; of several, the mean counts"),
    Option(
      "logits", nil, nil,
      "add logits by class, before calibration (of several models or views the logarithm of the mean probabilities), "
        + "and \"classifier\", the models' digests and views: what gx-calibrate needs", formerly: ["l"]),
    Option(
      "tta", nil, "WHAT",
      "average the probabilities over each picture's flips and quarter turns (dihedral), over N turns by angles "
        + "360/N degrees apart (rotations:N; bilinear, edges mirrored), or do not (none) [as the model says]"),
    Option(
      "calibration", nil, "FILE", "use this calibration, or with 'none' not even the model's [the model's]",
      formerly: ["c"]),
    Option("features", nil, nil, "write features instead of predictions", formerly: ["f"]),
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
  let views = try arguments.value("tta", Views.grammar, Views.init(rawValue:))
  let isProfiled = arguments.has("profile")
  let wantsFeatures = arguments.has("features")
  if wantsFeatures, let other = ["logits", "tta", "calibration"].first(where: arguments.has) {
    throw UsageError("--features and --\(other) do not go together")
  }
  if arguments.has("node") && !wantsFeatures { throw UsageError("--node NAME is for --features") }
  let paths = arguments.strings("model")
  if wantsFeatures && paths.count > 1 { throw UsageError("--features are of one model") }
  let reader = try standardRecords()
  if paths.isEmpty { Log.note("no -m MODEL: \(Model.inTheBoxName) classifies") }
  let models = try paths.isEmpty ? [Model(path: nil)] : paths.map { path throws in try Model(path: path) }

  /// What is wrong with the models themselves.
  func ofModels<T>(_ make: () throws -> T) throws -> T {
    do { return try make() } catch {
      throw GXError("\(paths.isEmpty ? Model.inTheBoxName : paths.joined(separator: ", ")): \(error)")
    }
  }
  if wantsFeatures {
    let extractor = try ofModels {
      try FeatureExtractor(models[0], node: arguments.string("node"), assuming: assumption, isProfiled: isProfiled)
    }
    return try RecordPipe(arguments).run(reader, binary: true) { record in
      let result = try extractor.features(of: record)
      if record.error == nil, let error = result.error { Log.error("\(record.id): \(error)") }
      return result
    } into: { output in
      let writer = output.records()
      output.atEnd { if let table = extractor.profileTable { Log.table(table) } }
      return { result in
        try writer.write(result)
        return result.error != nil
      }
    }
  }
  let calibration = try Ensemble.CalibrationSource(option: arguments.string("calibration"))
  let ensemble = try ofModels {
    try Ensemble(models, assuming: assumption, views: views, calibration: calibration, isProfiled: isProfiled)
  }
  let name = arguments.has("logits") ? ensemble.name.text : nil
  return try RecordPipe(arguments).run(reader, binary: false) { record in
    let row = try ensemble.row(of: record, logitsOf: name)
    if record.error == nil, let error = row.error { Log.error("\(record.id): \(error)") }
    return row
  } into: { output in
    let writer = output.rows()
    output.atEnd { if let table = ensemble.profileTable { Log.table(table) } }
    return { row in
      try writer.write(row)
      return row.hasFailed
    }
  }
}
