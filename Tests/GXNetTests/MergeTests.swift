import GXCore
import Glibc
import Testing

@testable import GXGraph
@testable import GXNet

@Suite struct MergeTests {
  let groups = [1, 0, 1, 2, 1]

  /// A linear layer whose five logits are merged into three.
  func graph() throws -> Graph {
    var graph = try Graph(input: [2, 2, 1])
    try graph.add("head", .linear(features: 5))
    try graph.add("labels", .merge(groups: groups))
    return graph
  }

  @Test func aClassHasTheSumOfItsPartsProbabilities() throws {
    let graph = try graph()
    #expect(graph.output == [3])
    var random = Random(seed: 1)
    let weights = Dictionary(
      uniqueKeysWithValues: try graph.initialWeights(random: &random).map { ($0.name, $0.tensor) })
    func probabilities(_ graph: Graph) throws -> [Double] {
      let network = try Network(graph: graph, batch: 2, training: false)
      try network.load(weights)
      for i in network.input.indices { network.input[i] = Float(i) * 3 - 7 }
      let logits = try network.forward().map(Double.init)
      return logits.indices.map { i in
        let row = logits[i / graph.output[0] * graph.output[0]..<(i / graph.output[0] + 1) * graph.output[0]]
        return exp(logits[i]) / row.reduce(0) { $0 + exp($1) }
      }
    }
    let parts = try probabilities(graph.prefix(through: "head"))
    let sums = try probabilities(graph)
    for row in 0..<2 {
      for label in 0..<3 {
        let sum = groups.indices.filter { groups[$0] == label }.reduce(0) { $0 + parts[row * 5 + $1] }
        #expect(abs(sums[row * 3 + label] - sum) < 1e-6)
      }
    }
  }

  @Test func largeLogitsDoNotOverflow() {
    var merged: [Float] = [0, 0]
    let logits: [Float] = [3e38, -3e38, 3e38]
    logits.withUnsafeBufferPointer { logits in
      merged.withUnsafeMutableBufferPointer { Merge.forward(logits, groups: [0, 1, 0], classes: 2, into: $0) }
    }
    #expect(merged == [3e38, -3e38])
  }

  /// Distillation: teachers tell the classes, the network learns their parts.
  @Test func targetsOfClassesBecomeTargetsOfParts() {
    let logits: [Float] = [0.3, -1.2, 2.1, 0.4, -0.6, 1.5, 0.2, -0.9, 0.1, 0.8]
    let targets: [Float] = [0.1, 0.7, 0.2, 0.5, 0.25, 0.25]
    func merged(_ logits: [Float]) -> [Float] {
      var merged = [Float](repeating: 0, count: 6)
      logits.withUnsafeBufferPointer { logits in
        merged.withUnsafeMutableBufferPointer { Merge.forward(logits, groups: groups, classes: 3, into: $0) }
      }
      return merged
    }
    func loss(_ logits: [Float], _ targets: [Float], classes: Int) -> (Double, [Float]) {
      var gradient = logits
      let loss = gradient.withUnsafeMutableBufferPointer { gradient in
        logits.withUnsafeBufferPointer { logits in
          targets.withUnsafeBufferPointer {
            Loss.crossEntropy(logits, targets: $0, classes: classes, gradient: gradient)
          }
        }
      }
      return (loss, gradient)
    }
    var parts = logits
    let sums = merged(logits)
    parts.withUnsafeMutableBufferPointer { parts in
      logits.withUnsafeBufferPointer { logits in
        sums.withUnsafeBufferPointer { sums in
          targets.withUnsafeBufferPointer {
            Merge.backward(logits, groups: groups, classes: 3, merged: sums, gradient: $0, into: parts)
          }
        }
      }
    }
    let gradient = loss(logits, parts, classes: 5).1
    for i in logits.indices {
      func at(_ change: Float) -> Double {
        var changed = logits
        changed[i] += change
        return loss(merged(changed), targets, classes: 3).0
      }
      #expect(abs(Double(gradient[i]) - (at(0.01) - at(-0.01)) / 0.02) < 1e-4)
    }
  }

  @Test func gradientsAreThoseOfFiniteDifferences() throws {
    let graph = try graph()
    let network = try Network(graph: graph, batch: 1, training: true)
    var random = Random(seed: 2)
    try network.initialize(random: &random)
    let picture: [Float] = [0.3, -1, 2, 0.5]
    let upstream: [Float] = [0.7, -1.1, 0.4]
    func objective() throws -> Double {
      _ = network.input.update(fromContentsOf: picture)
      return zip(try network.forward(), upstream).reduce(0) { $0 + Double($1.0 * $1.1) }
    }
    _ = try objective()
    try upstream.withUnsafeBufferPointer { try network.backward($0) }
    for parameter in network.parameters {
      let gradient = Array(parameter.gradient)
      for i in parameter.values.indices {
        let value = parameter.values[i]
        parameter.values[i] = value + 1e-2
        let above = try objective()
        parameter.values[i] = value - 1e-2
        let below = try objective()
        parameter.values[i] = value
        #expect(abs(Double(gradient[i]) - (above - below) / 2e-2) < 1e-3, "\(parameter.name) \(i)")
      }
    }
  }

  @Test func groupsMustFitAndBeComplete() throws {
    var graph = try Graph(input: [2, 2, 1])
    try graph.add("head", .linear(features: 3))
    for bad in [[0, 1], [0, 2, 2], [-1, 0, 1], [0, 1, 1, 1]] {
      #expect(throws: GXError.self) { try graph.add("labels", .merge(groups: bad)) }
    }
    #expect(graph.nodes.count == 1)
  }

  @Test func jsonKeepsTheGroups() throws {
    let graph = try graph()
    #expect(try Graph(json: JSON(parsing: graph.json.text)) == graph)
    let bad = graph.json.text.replacing("[1,0,1,2,1]", with: "[1,0,1,2,\"x\"]")
    #expect(throws: (any Error).self) { try Graph(json: JSON(parsing: bad)) }
  }
}
