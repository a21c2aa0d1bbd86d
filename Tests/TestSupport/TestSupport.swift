import Foundation
import GXCore
import GXGraph
import GXStream

/// The path of a file in the `Fixtures` beside the test that asks.
public func fixture(_ name: String, _ file: String = #filePath) -> String {
  URL(filePath: file).deletingLastPathComponent().appending(path: "Fixtures").appending(path: name).path
}

/// What a fixture holds, which must be a JSON object.
public func golden(_ name: String, _ file: String = #filePath) throws -> JSONObject {
  let json = try JSON(parsing: String(contentsOfFile: fixture(name, file), encoding: .utf8))
  guard let object = json.objectValue else { throw GXError("\(name): no JSON object") }
  return object
}

extension JSON {
  public var floats: [Float] { (arrayValue ?? []).map { Float($0.doubleValue!) } }
  public var doubles: [Double] { (arrayValue ?? []).map { $0.doubleValue! } }
}

/// A folder that goes when the test ends.
public final class Scratch {
  public let url = FileManager.default.temporaryDirectory.appending(path: "gx-tests-\(UUID().uuidString)")
  public init() { try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(at: url) }
  public func path(_ name: String) -> String { url.appending(path: name).path }
}

/// The message of the `GXError` that `body` must throw.
public func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch let error as GXError {
    return error.message
  } catch {
    return "not a GXError: \(error)"
  }
}

public func record(
  _ id: String, label: String? = "a", split: String? = "train", ops: [JSON]? = [], tensor: Tensor? = nil
) throws -> Record {
  var record = Record(id: id, tensor: try tensor ?? Tensor([2, 2, 1], [0, 0.25, 0.5, 1]))
  if let label { record.meta["label"] = .string(label) }
  if let split { record.meta["split"] = .string(split) }
  if let ops { record.meta["ops"] = .array(ops) }
  return record
}

/// A small network with all that has state: batch normalisation and dropout.
public func smallGraph(_ input: Shape = [12, 12, 1], classes: Int = 2) throws -> Graph {
  var graph = try Graph(input: input)
  try graph.add("conv", .convolution(channels: 8, window: Window(3, padding: 1), bias: false))
  try graph.add("bn", .batchNorm())
  try graph.add("relu", .activation(.relu))
  try graph.add("pool", .globalAveragePool)
  try graph.add("dropout", .dropout(rate: 0.1))
  try graph.add("logits", .linear(features: classes))
  return graph
}
