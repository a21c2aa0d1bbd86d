/// Which elements a dropout keeps: a hash of the seed, the node and the element's place, so that the
/// mask is the same in the backward pass without being stored.
struct DropoutMask {
  let rate: Double
  let node: Int

  func apply(seed: UInt64, _ source: UnsafeMutableBufferPointer<Float>, to result: UnsafeMutableBufferPointer<Float>) {
    let key = hash(seed &+ hash(UInt64(node)))
    let scale = Float(1 / (1 - rate))
    let threshold = UInt64(rate * 0x1p32)
    for i in 0..<source.count {
      let random = hash(key &+ UInt64(i) &* 0x9e37_79b9_7f4a_7c15) >> 32
      result[i] = random < threshold ? 0 : source[i] * scale
    }
  }

  /// SplitMix64's finaliser.
  @inline(__always) private func hash(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
