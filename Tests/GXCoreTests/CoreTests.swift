import GXCore
import Testing

@Suite struct RandomTests {
  /// The published algorithm (prng.di.unimi.it), worked out apart from this code, SplitMix64-seeded from 0 and 42.
  @Test func followsTheReference() {
    var zero = Random(seed: 0)
    #expect(
      (0..<3).map { _ in zero.next() } == [
        11_091_344_671_253_066_420, 13_793_997_310_169_335_082, 1_900_383_378_846_508_768,
      ])
    var other = Random(seed: 42)
    #expect((0..<2).map { _ in other.next() } == [1_546_998_764_402_558_742, 6_990_951_692_964_543_102])
  }

  @Test func streamsDifferByEveryPartOfTheirName() {
    var first = Set<UInt64>()
    for seed in 0..<4 {
      for epoch in 0..<4 {
        for copy in 0..<4 {
          for id in ["a", "b", "ab"] {
            var random = Random(seed: UInt64(seed), epoch: epoch, id: id, copy: copy)
            first.insert(random.next())
          }
        }
      }
    }
    #expect(first.count == 4 * 4 * 4 * 3)
  }

  @Test func momentsAreRight() {
    var random = Random(seed: 3)
    let n = 200_000
    let normals = (0..<n).map { _ in random.normal() }
    let mean = normals.reduce(0, +) / Double(n)
    let variance = normals.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(n)
    #expect(abs(mean) < 0.01 && abs(variance - 1) < 0.02)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.below(7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 10_000) < 500 })
  }

  /// Hashes of alike short names must spread over all bits, for splits are cut by them.
  @Test func hashSpreads() {
    var buckets = [Int](repeating: 0, count: 16)
    for i in 0..<16_000 { buckets[Int(stableHash("NGC\(i)") >> 60)] += 1 }
    #expect(buckets.allSatisfy { abs($0 - 1000) < 150 })
  }
}

@Suite struct TensorTests {
  @Test func shapesOverTheLimitsAreRefusedBeforeMemoryIsTaken() {
    for shape in [[Int.max, 2], [1 << 20, 1 << 20, 3], [-1, 3], Array(repeating: 1, count: 9)] {
      #expect(throws: GXError.self) { try Tensor(.f32, shape) { _ in Issue.record("memory was taken") } }
    }
    #expect(throws: GXError.self) { try Tensor(.u8, [2, 2], storage: Storage(count: 5)) }
  }

  @Test func valuesConvert() throws {
    let half = try Tensor(.f16, [3]) { raw in
      let out = raw.assumingMemoryBound(to: Float16.self)
      for (i, v) in [0.5, -2, 65504].enumerated() { out[i] = Float16(v) }
    }
    #expect(half.floats() == [0.5, -2, 65504])
    #expect(try Tensor([2, 2], [1, 2, 3, 4]).floats() == [1, 2, 3, 4])
    #expect(try Tensor([0, 3], []).byteCount == 0)
  }

  @Test func misalignedViewsAreRead() throws {
    let owner = Storage(count: 9)
    let raw = UnsafeMutableRawBufferPointer(start: owner.base, count: 9)
    raw.storeBytes(of: Float(1.5).bitPattern, toByteOffset: 1, as: UInt32.self)
    raw.storeBytes(of: Float(-2).bitPattern, toByteOffset: 5, as: UInt32.self)
    let view = Storage(viewing: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[1...]), of: owner)
    #expect(try Tensor(.f32, [2], storage: view).floats() == [1.5, -2])
  }
}
