import Foundation
import GXCore
import GXStream
import TestSupport

@testable import GXTrain

/// Writes a whole tensor stream and opens it again.
func dataset(
  _ records: [Record], in scratch: Scratch, validating training: Dataset? = nil, learning learnt: Set<Split> = [.train],
  finer: String? = nil, refused: (Record, String) throws -> Void = { throw GXError($1) }
) throws -> Dataset {
  let path = scratch.path("stream-\(UUID().uuidString).tar")
  let file = try AtomicFile(path: path)
  let sink = ByteSink(descriptor: file.descriptor, name: path)
  let writer = RecordWriter(sink)
  for record in records { try writer.write(record) }
  try writer.finish()
  try sink.flush()
  try file.commit()
  let descriptor = open(path, O_RDONLY)
  return try Dataset(
    SeekableInput(descriptor: descriptor, name: "stream"), validating: training, learning: learnt, finer: finer,
    refused: refused)
}
