// gx-infer: classifies the records of a tensor stream.
//
// stdin: tensor stream. stdout: NDJSON, one row a record, in order: its own fields and what the model says.

import GXCommand
import GXCore
import GXStream
import GXTrain

let command = Command(
  "gx-infer", "classify the records of a tensor stream",
  synopsis: "-m MODEL < IN > PREDICTIONS",
  about: """
    Writes a row for each record: its fields (without "ops"), "prediction", "confidence" (the prediction's
    probability) and "probabilities" (of every class). A failed record's row carries its "error" instead.

    What the model's training pictures went through is repeated: where a record lacks the last steps, they are
    applied here; where it was prepared otherwise, gx-infer refuses. So decoded pictures need nothing else. Records
    from elsewhere that do not tell their "ops" count as merely decoded if they are u8; for floats, say what they are.
    """,
  options: [
    Option("model", "m", "MODEL", "the model that gx-train wrote (required)"),
    Option("logits", "l", nil, "add the network's logits, by class"),
    Option(
      "assume-ops", nil, "WHAT",
      "count records without \"ops\" as prepared like the training pictures (all), or as merely decoded (none)"),
    .profile,
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-infer -m galaxy.safetensors | jq -r '[.id, .prediction] | @tsv'",
    "gx-infer -m galaxy.safetensors < test.tar | gx-eval --split test",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  guard let path = arguments.string("model") else { throw UsageError("-m MODEL is missing") }
  let assumption = try arguments.choice("assume-ops", Provenance.Assumption.self)
  let withLogits = arguments.has("logits")
  let jobs = try arguments.jobs()
  var tally = try Tally(arguments)
  let reader = try standardRecords()
  let model = try Model(path: path)
  let classifier: Classifier
  do { classifier = try Classifier(model, assuming: assumption, isProfiled: arguments.has("profile")) } catch {
    throw GXError("\(path): \(error)")
  }

  let output = try Output(arguments, binary: false)
  let writer = NDJSONWriter(output.sink)
  let progress = Progress()
  try orderedMap(jobs: jobs, next: reader.next) { record in
    // A record that does not fit the model's preparation ends the run; whatever else fails is the record's own.
    Result { try row(record, classifier, withLogits) }
  } emit: { result in
    let row = try result.get()
    try writer.write(row)
    tally.add(failed: row["error"] != nil)
    progress.advance()
  }
  try writer.finish()
  try output.commit()
  progress.finish()
  if let table = classifier.profileTable { Log.table(table) }
  tally.report()
  return tally.status
}

func row(_ record: Record, _ classifier: Classifier, _ withLogits: Bool) throws -> JSONObject {
  var row = record.meta
  row["ops"] = nil
  guard record.error == nil else { return row }
  do {
    let steps = try classifier.steps(for: record)
    do {
      guard let picture = record.tensor else { throw GXError("has no pixels") }
      let result = try classifier.classify(picture, after: steps)
      let classes = classifier.model.classes
      func byClass(_ values: [Float]) -> JSON {
        var object = JSONObject()
        for (name, value) in zip(classes, values) { object[name] = .float(value) }
        return .object(object)
      }
      row["prediction"] = .string(classes[result.prediction])
      row["confidence"] = .float(result.probabilities[result.prediction])
      row["probabilities"] = byClass(result.probabilities)
      if withLogits { row["logits"] = byClass(result.logits) }
    } catch {
      Log.error("\(record.id): \(error)")
      row["error"] = .string("\(error)")
    }
    return row
  } catch {
    throw GXError("\(record.id): \(error)")
  }
}
