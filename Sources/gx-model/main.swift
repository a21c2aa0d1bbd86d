// gx-model: shows what is known of a model, and writes down what its maker knows.
//
// stdout: with show, the card as text or JSON. -o: with set, the model.

import GXBox
import GXCommand
import GXCore
import GXModel
import GXStream

let command = Command(
  "gx-model", "show a model's card, or set what stands in it",
  synopsis: "show [--json] [MODEL]\n       gx-model [OPTION]... set -o FILE [MODEL]",
  about: """
    show prints what is known of a model: its classes, the pictures it takes and how they are prepared, its size, what
    it was trained on and with, its calibration, scores, limits and attribution, and its graph node by node.

    set writes a copy of the model with other fields in its card; an empty text takes a field away. What the model
    computes stays the same, but for --half. A calibration that was for other views than --tta says is taken out.

    Without MODEL, it is the model in the box.
    """,
  options: [
    Option("json", nil, nil, "of show: one JSON object"),
    .output.saying("of set: the model; appears only when it is whole (required)"),
    Option("name", nil, "TEXT", "set the model's name"),
    Option("about", nil, "TEXT", "set what it is and what for"),
    Option("limits", nil, "TEXT", "set what it cannot do"),
    Option("attribution", nil, "TEXT", "set whose data and weights it stands on, and their licences"),
    Option("scores", nil, "FILE", "set its scores: one JSON object, as gx-eval --json prints it"),
    Option(
      "tta", nil, "WHAT", "set what gx-infer averages over where nobody says otherwise: none, dihedral or rotations:N"),
    Option("half", nil, nil, "round the weights to f16: half the size"),
  ],
  examples: [
    "gx-model show",
    "gx-model show --json galaxy.safetensors | jq .training",
    "gx-model set --name mine --tta dihedral --scores scores.json -o mine.safetensors galaxy.safetensors",
  ])

/// The fields of the card that are texts.
let texts = ["name", "about", "limits", "attribution"]

command.main { arguments in
  guard let verb = arguments.operands.first else { throw UsageError("show or set is missing") }
  guard arguments.operands.count <= 2 else { throw UsageError("more than one MODEL") }
  let path = arguments.operands.dropFirst().first
  let ofSet = texts + ["output", "scores", "tta", "half"]
  switch verb {
  case "show":
    if let stray = ofSet.first(where: arguments.has) { throw UsageError("--\(stray) is for set") }
    try show(Model(path: path), asJSON: arguments.has("json"))
  case "set":
    if arguments.has("json") { throw UsageError("--json is for show") }
    guard let output = arguments.string("output") else { throw UsageError("-o FILE is missing") }
    let views = try arguments.value("tta", Views.grammar, Views.init(rawValue:))
    var model = try Model(path: path)
    model.views = views ?? model.views
    if let fitted = model.calibration?.classifier?.members.first?.views, fitted != model.views {
      Log.note("the calibration was for --tta \(fitted.rawValue) and is taken out")
      model.calibration = nil
    }
    for name in texts {
      if let text = arguments.string(name) { model.card[name] = text.isEmpty ? nil : .string(text) }
    }
    if let file = arguments.string("scores") { model.card["scores"] = file.isEmpty ? nil : try scores(file) }
    try model.write(path: output, arguments.has("half") ? .f16 : nil)
  default: throw UsageError("'\(verb)' is neither show nor set")
  }
  return .done
}

func show(_ model: Model, asJSON: Bool) throws {
  let text = try asJSON ? JSON.object(model.cardJSON).text + "\n" : model.cardText
  let sink = ByteSink()
  try sink.write(Array(text.utf8))
  try sink.flush()
}

func scores(_ path: String) throws -> JSON {
  let bytes = try readFile(path, limit: 1 << 20)
  do {
    let json = try bytes.withUnsafeBytes { try JSON(parsing: $0) }
    guard json.objectValue != nil else { throw GXError("is no JSON object") }
    return json
  } catch {
    throw GXError("\(path): \(error)")
  }
}
