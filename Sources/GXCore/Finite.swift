extension Tensor {
  /// The one test of pixels at a door: whoever computes with a picture's values asks for it first, so that a NaN or an
  /// infinity is told with its place and does not end as a plausible answer. Whole-numbered types pass at once.
  /// - Throws: `GXError` naming the first value that is not finite: its pixel (x from the left, y from the top) and
  ///   channel where the tensor is `[height, width, channels]`, else its indices.
  public func checkFinite() throws(GXError) {
    let place =
      switch dtype {
      case .u8, .u16: nil as Int?
      case .f16: withElements(of: UInt16.self) { firstNotFinite($0, exponent: Float16.infinity.bitPattern) }
      case .f32: withElements(of: UInt32.self) { firstNotFinite($0, exponent: Float.infinity.bitPattern) }
      }
    guard let place else { return }
    var (indices, rest) = ([Int](), place)
    for size in shape.reversed() {
      indices.insert(rest % size, at: 0)
      rest /= size
    }
    let value =
      dtype == .f16
      ? withElements(of: Float16.self) { Float($0[place]) } : withElements(of: Float.self) { $0[place] }
    guard indices.count == 3 else { throw GXError("value \(indices) is \(value), not a finite number") }
    throw GXError("pixel x=\(indices[1]) y=\(indices[0]), channel \(indices[2]) is \(value), not a finite number")
  }
}

/// The first value that is an infinity or NaN: those have all bits of their `exponent` set.
private func firstNotFinite<Bits: FixedWidthInteger>(_ values: UnsafeBufferPointer<Bits>, exponent: Bits) -> Int? {
  // Blocks without a branch inside are compiled to vectors.
  let block = 1024
  var start = 0
  while start < values.count {
    let end = min(start &+ block, values.count)
    var found: Bits = 0
    for i in start..<end { found |= values[i] & exponent == exponent ? 1 : 0 }
    if found != 0 { return (start..<end).first { values[$0] & exponent == exponent } }
    start = end
  }
  return nil
}
