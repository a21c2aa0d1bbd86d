import Foundation
import GXCore
import GXStream
import Testing

@testable import GXTrain

let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

func fixture(_ name: String) -> String { fixtures.appending(path: name).path }

func golden(_ name: String) throws -> JSONObject {
  try #require(JSON(parsing: String(contentsOfFile: fixture(name), encoding: .utf8)).objectValue)
}

extension JSON {
  var floats: [Float] { (arrayValue ?? []).map { Float($0.doubleValue!) } }
  var doubles: [Double] { (arrayValue ?? []).map { $0.doubleValue! } }
}

/// A folder that goes when the test ends.
final class Scratch {
  let url = FileManager.default.temporaryDirectory.appending(path: "gx-train-tests-\(UUID().uuidString)")
  init() { try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: url) }
  func path(_ name: String) -> String { url.appending(path: name).path }
}

/// The message of the `GXError` that `body` must throw.
func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch let error as GXError {
    return error.message
  } catch {
    return "not a GXError: \(error)"
  }
}

extension Storage {
  convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    bytes.withUnsafeBytes { if !bytes.isEmpty { base.copyMemory(from: $0.baseAddress!, byteCount: bytes.count) } }
  }
}

func record(
  _ id: String, label: String? = "a", split: String? = "train", ops: [JSON]? = [], tensor: Tensor? = nil
) throws -> Record {
  var record = Record(id: id, tensor: try tensor ?? Tensor([2, 2, 1], [0, 0.25, 0.5, 1]))
  if let label { record.meta["label"] = .string(label) }
  if let split { record.meta["split"] = .string(split) }
  if let ops { record.meta["ops"] = .array(ops) }
  return record
}

/// Writes a whole tensor stream and opens it again.
func dataset(
  _ records: [Record], in scratch: Scratch, validating training: Dataset? = nil, learning learnt: Set<Split> = [.train],
  finer: String? = nil
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
    SeekableInput(descriptor: descriptor, name: "stream"), validating: training, learning: learnt, finer: finer)
}
