// gx-synth: renders labelled galaxies of four classes.
//
// stdin: nothing. stdout: a tensor stream of u8 pictures; with --pictures files, and a manifest of them on stdout.

import GXCommand
import GXCore
import GXImage
import GXStream
import GXSynth

let command = Command(
  "gx-synth", "render labelled galaxies of four classes",
  synopsis: "-n N > OUT",
  about: """
    Renders elliptical, irregular, lenticular and spiral galaxies from physical models (Sersic profiles, inclined
    disks, spiral arms, bars, dust, star-forming regions), as SDSS would show them: seeing, sky noise, foreground
    stars, asinh colours. The classes take turns. The label, and in "galaxy" what was drawn for it, go with each.

    A galaxy depends on the seed and its number alone: more of them begin with the same ones.
    """,
  options: [
    Option("number", "n", "N", "how many galaxies [100]"),
    Option("size", nil, "SIZE", "width and height of the pictures in pixels, one number [128]"),
    Option("classes", nil, "A,B", "only these classes [elliptical,irregular,lenticular,spiral]"),
    Option("snr", nil, "X", "median signal-to-noise ratio of a galaxy's pixels [drawn for each, around 6]"),
    .shares,
    Option("pictures", nil, "FOLDER", "write FOLDER/CLASS/ID.png, and a manifest of them to stdout"),
    Option("format", nil, "FORMAT", "of the pictures: png or jpg [png]"),
    .seed, .output, .jobs, .unbuffered,
  ],
  examples: [
    "gx-synth -n 4000 --size 64 --shares 70:15:15 | gx-normalize > train.tar",
    "gx-synth -n 40 --size 256 --pictures galaxies/ && gx-list galaxies/ --class-per-folder",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let number = try arguments.int("number", in: 0...Int.max) ?? 100
  let size = try arguments.int("size", in: Galaxy.sizes) ?? 128
  let snr = try arguments.double("snr", in: 0.1...1e4)
  let shares = try arguments[Option.shares]
  let classes = try arguments.string("classes").map(classes) ?? GalaxyClass.allCases
  let survey = try Survey(seed: try arguments.seed(), classes: classes, size: size, snr: snr)

  var index = 0
  let next: () -> Int? = {
    guard index < number else { return nil }
    defer { index += 1 }
    return index
  }
  guard var folder = arguments.string("pictures") else {
    if arguments.has("format") { throw UsageError("--format goes with --pictures") }
    return try RecordPipe(arguments).run(next: next) { [record($0, of: survey, shares)] }
  }
  while folder.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
  let format = try arguments.choice("format", Format.self) ?? .png
  for name in Set(classes.map(\.rawValue)) { try makeFolder("\(folder)/\(name)") }
  return try arguments.run { output, tally in
    let manifest = output.rows()
    let progress = Progress("pictures", total: number)
    try orderedMap(jobs: arguments.jobs(), next: next) { [folder] index in
      Result { try picture(of: record(index, of: survey, shares), in: folder, format) }
    } emit: { row in
      try manifest.write(row.get())
      tally.add(failed: false)
      progress.advance()
    }
  }
}

enum Format: String, CaseIterable { case png, jpg }

/// Writes the picture of a record and returns its row in the manifest.
func picture(of record: Record, in folder: String, _ format: Format) throws -> Row {
  let path = "\(folder)/\(record.label!)/\(record.id).\(format)"
  guard let tensor = record.tensor else { throw GXError("\(record.id): \(record.error!)") }
  let bytes = try format == .png ? Image.encodePNG(tensor) : Image.encodeJPEG(tensor)
  try bytes.withUnsafeBytes { try writeFile(path, $0) }
  var row = Row(id: record.id, path: path)
  row.merge(record.meta)
  row.ops = nil
  return row
}

func classes(_ names: String) throws -> [GalaxyClass] {
  try names.split(separator: ",").map { name in
    guard let kind = GalaxyClass(rawValue: String(name)) else {
      let all = GalaxyClass.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("--classes: '\(name)' is none of \(all)")
    }
    return kind
  }
}

func record(_ index: Int, of survey: Survey, _ shares: SplitShares?) -> Record {
  var record = Record(id: survey.id(index))
  record.meta.label = survey.kind(index).rawValue
  if let shares { record.meta.split = shares.name(ofIndex: index / survey.classes.count) }
  do {
    let (galaxy, picture) = try survey.galaxy(index)
    record.meta.ops = []
    record.meta["galaxy"] = .object(galaxy.parameters)
    record.tensor = picture
  } catch {
    record.fail("\(error)")
  }
  return record
}
