import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

@Suite struct PrefixTests {
  @Test func headInputLooksThroughDropout() throws {
    #expect(try Architecture.gxnet.graph(input: [32, 32, 3], classes: 4).headInput() == "pool")
    #expect(try Architecture.seed.graph(input: [64, 64, 3], classes: 4, dropout: 0.5).headInput() == "relu")
    var bare = try Graph(input: [4, 4, 1])
    #expect(throws: GXError.self) { try bare.headInput() }
    try bare.add("drop", .dropout(rate: 0.1))
    try bare.add("fc", .linear(features: 2))
    #expect(throws: GXError.self) { try bare.headInput() }
  }

  @Test func holdsWhatTheNodeNeedsAndNoMore() throws {
    let graph = try Architecture.gxnet.graph(input: [32, 32, 3], classes: 4)
    let whole = try graph.prefix(through: "logits")
    #expect(whole == graph)
    let part = try graph.prefix(through: "stage2.1.shortcut.bn")
    #expect(part.nodes.last?.name == "stage2.1.shortcut.bn" && part.output == [8, 8, 64])
    #expect(!part.nodes.contains { $0.name == "stage2.1.conv1" }, "it stands before, but is not needed")
    #expect(part.weightNames.contains("stem.weight") && !part.weightNames.contains("logits.weight"))
    #expect(throws: GXError("the network has no node nothing")) { try graph.prefix(through: "nothing") }
  }

  /// Every node's value, computed by the graph up to it, leads to the same logits and matches the reference.
  @Test(arguments: [1, 3]) func valuesAreTheWholeNetworks(batch: Int) throws {
    let graph = try Architecture.residual(
      input: [12, 10, 3], classes: 3, dropout: 0.3, stem: 8, widths: [8, 12], depths: [1, 1])
    var random = Random(seed: 5)
    let tensors = try graph.initialWeights(random: &random)
    let weights = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) })
    let input = (0..<batch * graph.input.reduce(1, *)).map { _ in Float(random.normal()) }
    for node in graph.nodes {
      let part = try graph.prefix(through: node.name)
      let network = try Network(graph: part, batch: batch, training: false, threads: 1)
      try network.load(weights.filter { part.weightNames.contains($0.key) })
      _ = network.input.update(fromContentsOf: input)
      let value = Array(try network.forward())
      #expect(value.count == batch * node.shape.reduce(1, *))
      var reference = Reference(part, batch: batch, weights: tensors)
      let expected = reference.forward(input, training: false).map(Float.init)
      #expect(relativeError(value, expected) < 1e-5, "\(node.name)")
    }
  }
}
