import Foundation
import GXCore

/// Golden files made by Fixtures/make.py.
enum Fixture {
  /// Folders of picture files with their pixels, and how many there are at least.
  static let codecs = [("codec", 50), ("webp", 15), ("tiff", 70)]

  static func path(_ name: String) -> URL {
    URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/\(name)")
  }

  static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: path(name))) }

  static func json(_ name: String) throws -> JSON { try JSON(parsing: String(decoding: bytes(name), as: UTF8.self)) }

  /// A C-ordered .npy of version 1; enough for what make.py writes.
  static func npy(_ name: String) throws -> Tensor {
    let bytes = try bytes(name)
    let headerLength = Int(bytes[8]) | Int(bytes[9]) << 8
    let header = String(decoding: bytes[10..<10 + headerLength], as: UTF8.self)
    func field(_ key: String, _ open: Character, _ close: Character) throws -> Substring {
      guard let at = header.range(of: "'\(key)':"), let start = header[at.upperBound...].firstIndex(of: open),
        let end = header[header.index(after: start)...].firstIndex(of: close)
      else { throw GXError("\(name): no \(key) in the header") }
      return header[header.index(after: start)..<end]
    }
    guard let dtype = DType(rawValue: String(try field("descr", "'", "'"))), header.contains("'fortran_order': False")
    else { throw GXError("\(name): not of a kind that make.py writes") }
    let shape = try field("shape", "(", ")").split(separator: ",")
      .compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
    return try Tensor(dtype, shape) { $0.copyBytes(from: bytes[(10 + headerLength)...]) }
  }
}

/// The largest difference between two tensors' values, and how many values differ.
func difference(_ a: Tensor, _ b: Tensor) -> (largest: Float, count: Int) {
  let pairs = zip(a.floats(), b.floats()).map { abs($0 - $1) }
  return (pairs.max() ?? 0, pairs.count { $0 > 0 })
}
