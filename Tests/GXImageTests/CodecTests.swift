import Foundation
import GXCore
import GXImage
import Testing

@Suite struct CodecTests {
  func decode(_ bytes: [UInt8], maxPixels: Int = Image.pixelLimit) throws -> Tensor {
    try bytes.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
  }

  /// Every kind of JPEG and PNG, against Pillow's pixels.
  @Test func equalsPillow() throws {
    let cases = try Fixture.json("codec/cases.json").arrayValue!
    #expect(cases.count > 50)
    for entry in cases {
      let name = entry.objectValue!["file"]!.stringValue!
      let expected = try Fixture.npy("codec/\(name).npy")
      let result = try decode(Fixture.bytes("codec/\(name)"))
      #expect(result.dtype == .u8 && result.shape == expected.shape, "\(name)")
      guard result.shape == expected.shape else { continue }
      let (largest, count) = difference(result, expected)
      #expect(
        Double(largest) <= entry.objectValue!["tolerance"]!.doubleValue!, "\(name): \(count) values, up to \(largest)")
    }
  }
}
