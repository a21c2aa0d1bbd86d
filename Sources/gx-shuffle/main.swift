// gx-shuffle: puts the records of a tensor stream into a random order.
//
// stdin: tensor stream. stdout: the same records, byte for byte. Without --buffer the order follows from
// (seed, id, copy) alone; a pipe is spooled to an unlinked temporary file and 24 bytes a record are held.

import GXCommand
import GXCore
import GXStream

let command = Command(
  "gx-shuffle", "put the records of a tensor stream into a random order",
  synopsis: "< IN > OUT",
  about: """
    Reads a tensor stream and writes the same records in an order that depends on the seed and the records' ids,
    not on the order in which they came.

    With --buffer N it streams instead: it holds N records and passes on one of them at random for each that
    comes in. That mixes only nearby records, but needs no temporary file.
    """,
  options: [
    .seed,
    Option("buffer", nil, "N", "stream through a buffer of N records"),
    Option("tmp", nil, "DIR", "where a pipe is spooled to [$TMPDIR or /var/tmp]"),
    .output, .maxErrors, .unbuffered,
  ],
  examples: ["gx-shuffle --seed 1 < train.tar > shuffled.tar"])

command.main { arguments in
  try arguments.expectNoOperands()
  let seed = try arguments.seed()
  let size = try arguments.int("buffer", in: 1...1_000_000)
  return try arguments.run(binary: true) { output, tally in
    if let size {
      try streamShuffle(seed: seed, size: size, to: output, &tally)
    } else {
      try wholeShuffle(seed: seed, folder: arguments.string("tmp"), to: output, &tally)
    }
  }
}

func wholeShuffle(seed: UInt64, folder: String?, to output: Output, _ tally: inout Tally) throws {
  let input = try SeekableInput(folder: folder)
  let reader = tensorStream(input.source())
  var places: [(order: UInt64, range: Range<Int>)] = []
  while let record = try reader.next() {
    var random = Random(seed: seed, id: record.id, copy: record.copy)
    places.append((random.next(), reader.range))
    tally.add(failed: record.error != nil)
  }
  places.sort { ($0.order, $0.range.lowerBound) < ($1.order, $1.range.lowerBound) }
  _ = output.records()  // for the archive's end
  for place in places {
    let bytes = Storage(count: place.range.count)
    let raw = UnsafeMutableRawBufferPointer(start: bytes.base, count: bytes.count)
    try input.read(at: place.range.lowerBound, into: raw)
    try output.sink.write(UnsafeRawBufferPointer(raw))
    try output.sink.endRecord()
  }
}

func streamShuffle(seed: UInt64, size: Int, to output: Output, _ tally: inout Tally) throws {
  let reader = try standardRecords(map: false)
  let writer = output.records()
  var random = Random(seed: seed)
  var held: [Record] = []
  while let record = try reader.next() {
    tally.add(failed: record.error != nil)
    if held.count < size {
      held.append(record)
    } else {
      let place = random.below(size)
      try writer.write(held[place])
      held[place] = record
    }
  }
  held.shuffle(using: &random)
  for record in held { try writer.write(record) }
}
