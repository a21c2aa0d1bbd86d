import Foundation
import GXCore
import GXGraph
import Testing

@testable import GXNet

/// What PyTorch computed; `Fixtures/make.py` says what is in it.
struct Golden {
  let graphs: JSONObject
  private let header: JSONObject
  private let data: [UInt8]

  static let torch = try! Golden("torch.safetensors")

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
    let length = bytes[0..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    header = try JSON(parsing: String(decoding: bytes[8..<8 + length], as: UTF8.self)).objectValue!
    graphs = header["__metadata__"]!.objectValue!
    data = Array(bytes[(8 + length)...])
  }

  func graph(_ name: String) throws -> Graph {
    try Graph(json: JSON(parsing: graphs[name]!.stringValue!))
  }

  func tensor(_ name: String) throws -> Tensor {
    let entry = try #require(header[name]?.objectValue, "no tensor \(name)")
    let range = entry["data_offsets"]!.arrayValue!.map { $0.intValue! }
    let type: DType = entry["dtype"] == "F16" ? .f16 : .f32
    return try Tensor(type, entry["shape"]!.arrayValue!.map { $0.intValue! }) { out in
      data.withUnsafeBytes { out.copyMemory(from: .init(rebasing: $0[range[0]..<range[1]])) }
    }
  }

  /// The tensors under `prefix`, by the rest of their names.
  func tensors(_ prefix: String) throws -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    for (name, _) in header where name.hasPrefix(prefix) {
      found[String(name.dropFirst(prefix.count))] = try tensor(name)
    }
    return found
  }
}

/// The largest difference, relative to the largest expected value.
func relativeError(_ values: [Float], _ expected: [Float]) -> Double {
  guard values.count == expected.count else { return .infinity }
  let scale = expected.reduce(1e-6) { max($0, Double(abs($1))) }
  var worst = 0.0
  for (a, b) in zip(values, expected) {
    let difference = abs(Double(a) - Double(b))
    if !(difference <= worst) { worst = difference }  // NaN counts as worst
  }
  return worst / scale
}

extension Network {
  func setInput(_ tensor: Tensor) { tensor.copyFloats(to: input) }

  /// The plain gradient of each parameter.
  func gradients() throws -> [String: [Float]] {
    var found: [String: [Float]] = [:]
    for parameter in parameters { found[parameter.name] = try parameter.plain(.init(parameter.gradient)).floats() }
    return found
  }
}
