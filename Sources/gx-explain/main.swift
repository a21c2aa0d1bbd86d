// gx-explain: maps of where in its pictures a model sees evidence for a class.
//
// stdin: tensor stream. stdout: the same, each record with its map as KEY.METHOD.npy; with --tar a tar of PNGs, or
// with --overlay PNG files and NDJSON rows. A picture that cannot be explained is a record with `error`.

import GXBox
import GXCommand
import GXCore
import GXImage
import GXInfer
import GXModel
import GXNet
import GXStream

let command = Command(
  "gx-explain", "show where in pictures a model sees evidence for a class",
  synopsis: "[-m MODEL] < IN > OUT",
  about: """
    Adds a map to each record: KEY.gradcam.npy (or the name of another --method), f32 [height, width, 1] of the
    picture's own size, in 0...1. 1 is the place with most evidence for the class; a map of zeros means that nothing
    speaks for it. The parts of a picture that the model crops away are 0 too. The JSON gets the fields that gx-infer
    writes, and under "explained", by the map's name: the "class", the "node" of the network that was looked at, and the
    "peak", which is how much evidence the value 1 stands for.

    gradcam (Selvaraju et al. 2017) weighs each channel of the network's last feature map by its mean gradient; hirescam
    (Draelos & Carin 2020) weighs each place by its own gradient, and so shows nothing that the class's score does not
    depend on. occlusion (Zeiler & Fergus 2014) covers one place after the other and measures how much the score falls:
    a slow check of the other two. Where the model classifies by several views (--tta of gx-model), the prediction is
    theirs; the map is always of the picture as it is.

    Pictures are prepared as gx-infer prepares them. Memory does not grow with the number of records. With --overlay,
    records that have the same key overwrite each other's PNG.
    """,
  options: [
    Option("model", "m", "MODEL", "a model that gx-train wrote [the one in the box]"),
    Option(
      "class", nil, "NAME", "the class to look for evidence of [what each picture is classified as]", formerly: ["c"]),
    Option("method", nil, "NAME", "gradcam, hirescam or occlusion [gradcam]"),
    Option("node", nil, "NAME", "of gradcam and hirescam: look at this node of the graph [the last feature map]"),
    Option(
      "patch", nil, "PIXELS",
      "of occlusion: the side of the square that covers, in the model's pixels [a fifth of the shorter side]"),
    Option("stride", nil, "PIXELS", "of occlusion: the step from one place to the next [half of the patch]"),
    Option("overlay", nil, "FOLDER", "write FOLDER/KEY.png, the map over the picture, and gx-infer's rows to stdout"),
    Option("tar", nil, nil, "write a tar of such PNGs instead of tensors", formerly: ["t"]),
    Option(
      "assume-ops", nil, "WHAT",
      "count records without \"ops\" as prepared like the training pictures (all), or as merely decoded (none)"),
  ] + Option.filter,
  examples: [
    "gx-decode M31.jpg | gx-explain --overlay maps/",
    "gx-decode *.jpg | gx-explain --class spiral --tar > maps.tar",
    "gx-decode *.jpg | gx-explain | gx-explain --method occlusion -o explained.tar",
  ])

enum Method: String, CaseIterable { case gradcam, hirescam, occlusion }

command.main { arguments in
  try arguments.expectNoOperands()
  if arguments.has("overlay") && arguments.has("tar") { throw UsageError("choose one: --overlay or --tar") }
  let isOverlaid = arguments.has("overlay") || arguments.has("tar")
  let assumption = try arguments.choice("assume-ops", Provenance.Assumption.self)
  let name = arguments.string("class")
  let reader = try standardRecords()
  let path = arguments.string("model")
  if path == nil { Log.note("no -m MODEL: \(Model.inTheBoxName) explains") }
  let model = try Model(path: path)
  if let name { try asUsage("class") { () throws(GXError) in _ = try model.place(ofClass: name) } }
  let method = try method(arguments, model)
  let explainer: Explainer
  do {
    explainer = try Explainer([model], node: arguments.string("node"), method: method, assuming: assumption)
  } catch { throw GXError("\(path ?? Model.inTheBoxName): \(error)") }
  let work = { @Sendable (record: Record) in
    try explained(record, explainer, class: name, isOverlaid: isOverlaid)
  }
  let pipe = RecordPipe(arguments)

  guard let folder = arguments.string("overlay") else {
    return try pipe.run(reader, binary: true, work: work) { output in
      let writer = output.records()
      return { record in
        try writer.write(record)
        return record.error != nil
      }
    }
  }
  return try pipe.run(reader, binary: false, work: work) { output in
    let writer = output.rows()
    return { record in
      let row = overlaid(record, in: folder)
      try writer.write(row)
      return row.hasFailed
    }
  }
}

/// What `--method` and its options ask for.
func method(_ arguments: Arguments, _ model: Model) throws -> Explainer.Method {
  let method = try arguments.choice("method", Method.self) ?? .gradcam
  let others = method == .occlusion ? ["node"] : ["patch", "stride"]
  if let other = others.first(where: arguments.has) { throw UsageError("--\(other) is not for \(method.rawValue)") }
  switch method {
  case .gradcam: return .gradCAM
  case .hirescam: return .cam(.hiResCAM)
  case .occlusion:
    let (patch, stride) = (try arguments.int("patch"), try arguments.int("stride"))
    return .occlusion(
      try asUsage("patch, --stride") { () throws(GXError) in
        try Occlusion(input: model.input, patch: patch, stride: stride)
      })
  }
}

func asUsage<T>(_ option: String, _ body: () throws(GXError) -> T) throws -> T {
  do { return try body() } catch { throw UsageError("--\(option): \(error.message)") }
}

/// The record with its map, or where `isOverlaid` with a PNG of the map over the picture instead of tensors. What is
/// wrong with its picture becomes its error; a record that was prepared otherwise than the model wants ends the run.
func explained(
  _ record: Record, _ explainer: Explainer, class name: String?, isOverlaid: Bool
) throws -> Record {
  var result = record
  guard record.error == nil else { return result }
  let steps = try explainer.steps(for: record)
  do {
    guard let picture = record.tensor else { throw GXError("has no pixels") }
    let explanation = try explainer.explain(picture, after: steps, class: name)
    let (map, peak) = try explanation.spread(over: picture, after: steps)
    let method = explainer.method.name
    explanation.prediction.write(to: &result.meta)
    var all = result.meta["explained"]?.objectValue ?? [:]
    all[method] = [
      "class": .string(explanation.explained), "node": .string(explainer.node), "peak": .float(peak),
    ]
    result.meta["explained"] = .object(all)
    guard isOverlaid else {
      result.extras.removeAll { $0.name == method }
      result.extras.append((method, map))
      return result
    }
    let shown = try explainer.shown(picture, before: steps)
    let png = try Image.encodePNG(Image.overlay(map, over: shown, opacity: Image.overlayOpacity))
    result.meta.ops = nil  // they are not what was done to the PNG
    (result.tensor, result.extras, result.files) = (nil, [], [("png", Storage(png))])
  } catch {
    Log.error("\(record.id): \(error)")
    result.fail("\(error)")
  }
  return result
}

/// Writes a record's PNG into `folder`, and gives its row.
func overlaid(_ record: Record, in folder: String) -> Row {
  var record = record
  record.meta.ops = nil
  guard record.error == nil else { return record.meta }
  do {
    let path = "\(folder)/\(record.key).png"
    let png = record.files[0].data
    try withExtendedLifetime(png) {
      try writeFile(path, UnsafeRawBufferPointer(start: png.base, count: png.count), makingFolders: true)
    }
    record.meta["overlay"] = .string(path)
  } catch {
    Log.error("\(record.id): \(error)")
    record.fail("\(error)")
  }
  return record.meta
}
