import GXCore
import GXGraph
import Testing

@testable import GXNet

@Suite struct OcclusionTests {
  static func linear(_ input: Shape, _ rows: [[Float]]) throws -> Network {
    var g = try Graph(input: input)
    try g.add("logits", .linear(features: rows.count, bias: false))
    let network = try Network(graph: g, batch: 1, training: false, threads: 1)
    try network.load(["logits.weight": Tensor([rows.count, input.reduce(1, *)], rows.flatMap { $0 })])
    return network
  }

  /// By hand: a logit that is one pixel's value falls by what that is above the mean, where it is covered.
  @Test func isWhatTheLogitFallsBy() throws {
    var one = [Float](repeating: 0, count: 12)
    one[5] = 1  // [1, 1] of 3 rows and 4 columns
    let network = try Self.linear([3, 4, 1], [one, one.map { -$0 }])
    let picture = one.map { 6 * $0 }  // of mean 0.5
    _ = network.input.update(fromContentsOf: picture)
    let occlusion = try Occlusion(input: [3, 4, 1], patch: 2, stride: 2)
    let map = try network.map(of: 0, occlusion)
    #expect(map.values == [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0] && abs(map.peak - 5.5) < 1e-5)
    // A stride of 1: of the four patches over [1, 1], [0, 0] is under one, and under no other.
    let fine = try network.map(of: 0, Occlusion(input: [3, 4, 1], patch: 2, stride: 1))
    let expected: [Float] = [1, 1, 0.5, 0, 1, 1, 0.5, 0, 1, 1, 0.5, 0]
    #expect(GradCAMTests.difference(fine.values, expected) < 1e-6 && abs(fine.peak - 5.5) < 1e-5)
    #expect(Array(network.input) == picture)
    // For the other class it is evidence against alone.
    let none = try network.map(of: 1, occlusion)
    #expect(none.values == [Float](repeating: 0, count: 12) && none.peak == 0)
  }

  @Test func whatIsNotFiniteIsRefused() throws {
    let network = try Self.linear([2, 2, 1], [[.infinity, 0, 0, 0]])
    _ = network.input.update(fromContentsOf: [1, 0, 0, 0])
    #expect(throws: GXError("the network's logits are not finite")) {
      try network.map(of: 0, Occlusion(input: [2, 2, 1]))
    }
  }

  @Test func patches() throws {
    let standard = try Occlusion(input: [160, 200, 3])
    #expect(standard.patch == 32 && standard.stride == 16)
    #expect(try Occlusion(input: [3, 4, 1]).patch == 1)
    // The last begins where it still covers what no other does, and is cut off.
    let uneven = try Occlusion(input: [10, 10, 1], patch: 4, stride: 3)
    #expect(uneven.starts(10) == [0, 3, 6] && uneven.starts(11) == [0, 3, 6, 9] && uneven.starts(4) == [0])
    #expect(throws: GXError("a patch of 5 pixels: the network takes 9x4")) {
      try Occlusion(input: [4, 9, 1], patch: 5)
    }
    #expect(throws: GXError.self) { try Occlusion(input: [4, 9, 1], patch: 0) }
    #expect(throws: GXError("a stride of 3 pixels leaves some between patches of 2")) {
      try Occlusion(input: [4, 9, 1], patch: 2, stride: 3)
    }
    #expect(throws: GXError.self) { try Occlusion(input: [4, 9, 1], patch: 2, stride: 0) }
  }
}
