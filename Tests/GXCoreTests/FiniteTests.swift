import GXCore
import Testing

@Suite struct FiniteTests {
  func half(_ shape: Shape, _ values: [Float16]) throws -> Tensor {
    try Tensor(.f16, shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  func fault(_ tensor: Tensor) -> String? {
    do {
      try tensor.checkFinite()
      return nil
    } catch { return "\(error)" }
  }

  /// Wherever it stands, in whatever company, the first is named.
  @Test(arguments: [0, 1, 1023, 1024, 1025, 2699]) func theFirstIsNamed(_ place: Int) throws {
    let expected = "pixel x=\(place / 3 % 30) y=\(place / 90), channel \(place % 3)"
    for value in [Float.nan, .infinity, -.infinity, -.nan, .signalingNaN] {
      var values = (0..<2700).map { Float($0) * ($0 % 2 == 0 ? Float.leastNonzeroMagnitude : 1e34) }
      values[place] = value
      values[2699] = place == 2699 ? value : .nan
      let name = value.isNaN ? "nan" : "\(value)"
      let found = try #require(fault(Tensor([30, 30, 3], values)))
      #expect(found.contains(expected) && found.contains(name), "\(found)")
      let halves = values.enumerated().map { $0 == place || $0 == 2699 ? Float16($1) : 65504 }
      #expect(fault(try half([30, 30, 3], halves))?.hasPrefix(expected) == true)
    }
  }

  @Test func whatIsFinitePasses() throws {
    let extremes: [Float] = [.greatestFiniteMagnitude, -.greatestFiniteMagnitude, 0, .leastNonzeroMagnitude]
    #expect(fault(try Tensor([1, 2, 2], extremes)) == nil)
    #expect(fault(try half([1, 1, 2], [65504, -65504])) == nil)
    for dtype in [DType.u8, .u16] {
      let full = try Tensor(dtype, [9, 9, 3]) { _ = $0.initializeMemory(as: UInt8.self, repeating: 255) }
      #expect(fault(full) == nil)
    }
    #expect(fault(try Tensor([0, 4, 3], [])) == nil)
    #expect(fault(try Tensor([2, 2], [0, 1, .nan, 2])) == "value [1, 0] is nan, not a finite number")
  }
}
