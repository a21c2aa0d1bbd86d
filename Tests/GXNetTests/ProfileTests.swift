import GXCore
import GXGraph
import Testing

@testable import GXNet

@Suite struct ProfileTests {
  func graph() throws -> Graph {
    var g = try Graph(input: [10, 8, 4])
    try g.add("conv", .convolution(channels: 6, window: Window(3, stride: 2, padding: 1), groups: 2))
    try g.add("relu", .activation(.relu))
    try g.add("pool", .globalAveragePool)
    try g.add("fc", .linear(features: 3))
    return g
  }

  @Test func countsCallsAndOperations() throws {
    let network = try Network(graph: graph(), batch: 2, training: true)
    #expect(network.profile == nil)
    network.startProfile()
    for _ in 0..<3 {
      let logits = try network.forward()
      try network.backward(logits)
      network.measure("besides") {}
    }
    let rows = try #require(network.profile).rows
    func row(_ node: String, _ step: String) throws -> Profile.Row {
      try #require(rows.first { $0.node == node && $0.step == step }, "\(node), \(step)")
    }
    // 2 pictures of 5 x 4 places, 6 channels of 2 * 3 * 3 products each.
    for step in ["convolution", "convolution by weights"] {
      #expect(try row("conv", step).flops == 2 * 2 * 20 * 6 * 18)
    }
    #expect(!rows.contains { $0.step == "convolution by source" }, "nobody asks for the input's gradient")
    for step in ["inner product", "inner product by source", "inner product by weights"] {
      #expect(try row("fc", step).flops == 2 * 2 * 3 * 6)
    }
    for place in ["conv", "fc"] { #expect(try row(place, place == "fc" ? "inner product" : "convolution").calls == 3) }
    #expect(try row("pool", "pooling").flops == 0)
    #expect(try row("", "besides").calls == 3)
    #expect(rows.allSatisfy { $0.calls == 0 || $0.seconds >= 0 })
    #expect(
      rows.filter { !$0.step.isEmpty && $0.node != "" }.allSatisfy { $0.implementation != "" || $0.step == "swift" })
  }

  @Test func profilesOfSeveralNetworksAddUp() throws {
    let networks = try (0..<2).map { _ in try Network(graph: graph(), batch: 1, training: false) }
    for network in networks {
      network.startProfile()
      _ = try network.forward()
    }
    var sum = networks[0].profile!
    sum.add(networks[1].profile!)
    #expect(sum.rows[0].calls == 2)
    #expect(abs(sum.seconds - networks.reduce(0) { $0 + $1.profile!.seconds }) < 1e-9)
  }

  @Test func tableTellsNodesAndTotals() throws {
    let network = try Network(graph: graph(), batch: 1, training: false, threads: 1)
    network.startProfile()
    _ = try network.forward()
    let lines = network.profile!.table().split(separator: "\n")
    #expect(lines[0].hasPrefix("Peak: "))
    #expect(lines.contains { $0.hasPrefix("conv ") && $0.contains(network.profile!.rows[0].implementation) })
    #expect(lines.last!.hasPrefix("total ") && lines.last!.contains("100.0"))
  }

  @Test func peakIsAFewGigaflopsAtLeast() { #expect(Profile.peak(threads: 2) > 1e9) }
}
