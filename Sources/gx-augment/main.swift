// gx-augment: random copies of pictures, for training.
//
// stdin, stdout: tensor streams. Each record becomes one or more changed copies of the same id, numbered in
// `copy`. `ops` gets the random step, and the crop if there is one, for that is repeated in inference.

import GXCommand
import GXCore
import GXImage
import GXStream

let command = Command(
  "gx-augment", "make random copies of the pictures of a tensor stream",
  synopsis: "SPEC < IN > OUT",
  about: """
    Changes every picture at random as SPEC says. The same seed gives the same copies, whatever the order of the
    records and the number of threads. gx-train --augment does the same afresh in every epoch.

    \(Augmentation.grammar)
    """,
  options: [
    Option("copies", nil, "N", "changed copies of each record, in place of it [1]"),
    Option("keep", "k", nil, "pass on the record itself too, before its copies"),
    .splits.saying("change only records of these splits; others pass, with the crop if there is one"),
    .seed,
  ] + Option.filter,
  examples: [
    "gx-augment rotate=180,flip=hv,zoom=0.9:1.1 --copies 4 --keep --split train < in.tar > out.tar"
  ])

command.main { arguments in
  guard arguments.operands.count == 1 else { throw UsageError("one SPEC is needed, such as rotate=180,flip=hv") }
  let augmentation: Augmentation
  do { augmentation = try Augmentation(spec: arguments.operands[0]) } catch { throw UsageError("\(error)") }
  let copies = try arguments.int("copies", in: 1...100_000) ?? 1
  let keep = arguments.has("keep")
  let splits = try arguments.splits()
  let seed = try arguments.seed()
  let crop = try augmentation.centreCrop

  return try RecordPipe(arguments).expand { record in
    let picture = try record.finitePixels()
    let changes = splits.map { $0.contains(Name(record.split ?? "")) } ?? true
    var results: [Record] = []
    if keep || !changes {
      var same = record
      if let crop { same.step(to: try crop.apply(picture), op: crop.json) }
      results.append(same)
    }
    guard changes else { return results }
    // Copies of copies have numbers, and random numbers, of their own.
    let earlier = (record.ops ?? []).count { $0.objectValue?["random"] == true }
    let suffix = Key.copy("", record.copy)
    let base = record.copy > 0 && record.key.hasSuffix(suffix) ? String(record.key.dropLast(suffix.count)) : record.key
    for i in 1...copies {
      let number = max(record.copy - 1, 0) * copies + i
      var random = Random(seed: seed, epoch: earlier, id: record.id, copy: number)
      var copy = record
      copy.key = Key.copy(base, number)
      copy.meta.copy = number
      copy.step(to: try augmentation.apply(picture, random: &random), op: augmentation.json)
      if let crop { copy.step(to: copy.tensor!, op: crop.json) }
      results.append(copy)
    }
    return results
  }
}
