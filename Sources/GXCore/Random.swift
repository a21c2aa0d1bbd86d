import Glibc

/// Reproducible random numbers: xoshiro256** (Blackman & Vigna 2021), seeded through SplitMix64.
///
/// A stream of numbers is named by what it is for, `Random(seed, epoch, id, copy)`, never by order,
/// time or thread, so the same work gives the same numbers in whatever order it is done.
public struct Random: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)
  private var spare: Double?

  public init(seed: UInt64) {
    var mixer = seed
    func next() -> UInt64 {
      mixer &+= 0x9e37_79b9_7f4a_7c15
      return mix(mixer)
    }
    state = (next(), next(), next(), next())
  }

  /// The numbers of one galaxy in one epoch and copy.
  public init(seed: UInt64, epoch: Int = 0, id: String, copy: Int = 0) {
    var h = stableHash(id, seed: seed)
    h = mix(h ^ UInt64(bitPattern: Int64(epoch)) &* 0x9e37_79b9_7f4a_7c15)
    h = mix(h ^ UInt64(bitPattern: Int64(copy)) &* 0xd1b5_4a32_d192_ed03)
    self.init(seed: h)
  }

  public mutating func next() -> UInt64 {
    let result = rotate(state.1 &* 5, 7) &* 9
    let t = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= t
    state.3 = rotate(state.3, 45)
    return result
  }

  /// Uniform in [0, 1), with 53 random bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in [low, high).
  public mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

  /// Uniform in 0..<n, without bias (Lemire 2019).
  public mutating func below(_ n: Int) -> Int { Int(next(upperBound: UInt64(n))) }

  /// Standard normal (Marsaglia's polar method).
  public mutating func normal() -> Double {
    if let value = spare {
      spare = nil
      return value
    }
    while true {
      let u = uniform(-1, 1)
      let v = uniform(-1, 1)
      let s = u * u + v * v
      if s > 0 && s < 1 {
        let scale = (-2 * log(s) / s).squareRoot()
        spare = v * scale
        return u * scale
      }
    }
  }

  /// True with probability `p`.
  public mutating func chance(_ p: Double) -> Bool { uniform() < p }
}

/// A 64-bit hash of a text that is the same on every machine and in every run: FNV-1a, then
/// SplitMix64's finaliser, because FNV alone leaves the high bits of short texts alike.
public func stableHash(_ text: String, seed: UInt64 = 0) -> UInt64 {
  var h: UInt64 = 0xcbf2_9ce4_8422_2325 ^ mix(seed &+ 0x9e37_79b9_7f4a_7c15)
  for byte in text.utf8 { h = (h ^ UInt64(byte)) &* 0x100_0000_01b3 }
  return mix(h)
}

@inline(__always) private func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 - k)) }

@inline(__always) private func mix(_ value: UInt64) -> UInt64 {
  var z = value
  z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
  z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
  return z ^ (z >> 31)
}
