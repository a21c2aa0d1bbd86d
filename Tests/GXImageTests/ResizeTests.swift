import GXCore
import GXImage
import Testing

@Suite struct ResizeTests {
  /// Pillow's results for every filter, up and down, odd sizes, single pixels, crops, padding:
  /// to the bit for 8-bit pixels.
  @Test func equalsPillow() throws {
    let cases = try Fixture.json("resize/cases.json").arrayValue!
    #expect(cases.count > 60)
    for entry in cases {
      let fields = entry.objectValue!
      let op = try PixelSteps.step(fields["op"]!)
      let source = try Fixture.npy("resize/\(fields["input"]!.stringValue!).npy")
      let expected = try Fixture.npy("resize/\(fields["expected"]!.stringValue!).npy")
      let result = try op.apply(source)
      #expect(result.dtype == expected.dtype && result.shape == expected.shape, "\(entry.text)")
      #expect(try op.outputShape(source.shape) == result.shape)
      let (largest, count) = difference(result, expected)
      switch source.dtype {
      // Pillow keeps the edges of a crop in single precision, which may tip a rounding.
      case .u8:
        let exact = fields["op"]!.objectValue!["crop"] == 1 && fields["op"]!.objectValue!["mode"] != "cover"
        #expect(
          exact ? count == 0 : largest <= 1 && count * 100 <= result.count,
          "\(entry.text): \(count) values differ, by up to \(largest)")
      case .u16: #expect(largest <= 1, "\(entry.text): off by \(largest)")
      default: #expect(largest <= 1e-6, "\(entry.text): off by \(largest)")
      }
    }
  }
}
