import Foundation
import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

/// The backbones against torchvision's and timm's, on weights and pictures that follow from a formula;
/// `Fixtures/make_backbones.py` says what is in backbones.json.
@Suite struct BackboneTests {
  static let golden: JSONObject = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    let data = try! Data(contentsOf: folder.appendingPathComponent("backbones.json"))
    return try! JSON(parsing: String(decoding: data, as: UTF8.self)).objectValue!
  }()
  static let names = golden.map(\.key)
  static let tolerance = 1e-3

  /// Values in [-1, 1) that follow from a name, and repeat themselves.
  static func uniform(_ name: String, _ count: Int) -> [Float] {
    var key: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { key = (key ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let values = (1...period).map { i in
      var z = key &+ UInt64(i) &* 0x9e37_79b9_7f4a_7c15
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      z ^= z >> 31
      return Float(z >> 40) / Float(1 << 23) - 1
    }
    return repeated(values, count)
  }

  static let period = 4093

  static func repeated(_ values: [Float], _ count: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(count)
    while result.count < count { result += values.prefix(count - result.count) }
    return result
  }

  /// Lively values keep inference in the range where ReLU6 and its like still have a slope.
  static func made(_ weight: Graph.Weight, lively: Bool = false) throws -> Tensor {
    let shape = weight.shape
    let fanIn = Double(shape.dropFirst().reduce(1, *))
    let values = uniform(weight.name, period).map { u -> Float in
      let u = Double(u)
      switch weight.role {
      case .weight: return Float(u * (6 / fanIn).squareRoot())
      case .runningVariance: return Float(1 + 0.2 * u)
      case .scale: return Float(0.5 + 0.1 * u)
      case .shift where lively: return Float(1 + 0.5 * u)
      case .shift: return weight.name.contains("bn1") && u > 0.5 ? -3 : 3
      case .runningMean, .bias: return Float(0.1 * u)
      }
    }
    return try Tensor(shape, repeated(values, shape.reduce(1, *)))
  }

  static func weights(_ graph: Graph, lively: Bool = false) throws -> [String: Tensor] {
    let weights = graph.nodes.indices.flatMap { graph.weights(of: $0) }
    return Dictionary(uniqueKeysWithValues: try weights.map { ($0.name, try made($0, lively: lively)) })
  }

  /// Norm, and scalar product with the formula's values, of some 4,000 elements.
  static func summary(_ name: String, _ values: [Float]) -> (norm: Double, dot: Double) {
    let values = stride(from: 0, to: values.count, by: max(values.count / period, 1)).map { values[$0] }
    let probe = uniform("probe." + name, values.count)
    return (
      values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot(),
      zip(values, probe).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    )
  }

  private struct Case {
    let golden: JSONObject
    let graph: Graph
    let batch: Int
    let weights: [String: Tensor]

    init(_ name: String) throws {
      golden = BackboneTests.golden[name]!.objectValue!
      let input = golden["input"]!.arrayValue!.map { $0.intValue! }
      batch = input[0]
      graph = try Architecture.named(
        name, input: Array(input[1...]), classes: golden["classes"]!.intValue!, dropout: 0)
      weights = try BackboneTests.weights(graph)
    }

    func network(training: Bool, frozen: Set<String> = []) throws -> Network {
      let network = try Network(graph: graph, batch: batch, training: training, frozen: frozen)
      try network.load(weights)
      _ = network.input.update(fromContentsOf: BackboneTests.uniform("input", network.input.count))
      return network
    }

    func floats(_ key: String) -> [Float] { golden[key]!.arrayValue!.map { Float($0.doubleValue!) } }

    /// Relative to the tensor's norm, or to `floor` where a norm is next to nothing (as that of a shift before
    /// another normalisation).
    func check(_ name: String, _ values: [Float], _ pair: JSON?, floor: Double = 1e-6) {
      let found = BackboneTests.summary(name, values)
      guard let list = pair?.arrayValue, let norm = list[0].doubleValue, let dot = list[1].doubleValue else {
        Issue.record("no golden for \(name)")
        return
      }
      let error = max(abs(found.norm - norm), abs(found.dot - dot)) / max(norm, floor)
      #expect(error <= BackboneTests.tolerance, "\(name) is off by \(error)")
    }

    var dlogits: [Float] { BackboneTests.uniform("dlogits", batch * graph.output[0]) }
  }

  @Test(arguments: names) func inference(_ name: String) throws {
    let test = try Case(name)
    #expect(test.graph.parameterCount == test.golden["parameters"]?.intValue)
    let network = try test.network(training: false)
    let error = relativeError(Array(try network.forward()), test.floats("eval"))
    #expect(error <= Self.tolerance, "\(name): logits are off by \(error)")
  }

  @Test(arguments: names) func gradientsOfOneStep(_ name: String) throws {
    let test = try Case(name)
    let network = try test.network(training: true)
    let error = relativeError(Array(try network.forward()), test.floats("training"))
    #expect(error <= Self.tolerance, "\(name): logits are off by \(error)")
    try test.dlogits.withUnsafeBufferPointer { try network.backward($0) }
    let golden = test.golden["gradients"]!.objectValue!
    #expect(network.parameters.count == golden.count)
    let longest = golden.map { $1.arrayValue![0].doubleValue! }.max()!
    for (tensor, gradient) in try network.gradients() {
      test.check(tensor, gradient, golden[tensor], floor: 1e-4 * longest)
    }
    for array in network.state {
      let values = try array.plain(.init(array.values)).floats()
      test.check(array.name, values, test.golden["running"]!.objectValue![array.name])
    }
  }

  /// With all but the head frozen, a training network gives inference's logits, and the head's own gradient.
  @Test(arguments: names) func frozenBackbone(_ name: String) throws {
    let test = try Case(name)
    let nodes = test.graph.nodes.map(\.name)
    let network = try test.network(training: true, frozen: Set(nodes.dropLast()))
    let error = relativeError(Array(try network.forward()), test.floats("eval"))
    #expect(error <= Self.tolerance, "\(name): logits are off by \(error)")
    try test.dlogits.withUnsafeBufferPointer { try network.backward($0) }
    #expect(network.parameters.map(\.name) == ["\(nodes.last!).weight", "\(nodes.last!).bias"])
    #expect(network.state.isEmpty)
    let golden = test.golden["head"]!.arrayValue!
    for (place, parameter) in network.parameters.enumerated() {
      let kind = parameter.name.hasSuffix("weight") ? "head.weight" : "head.bias"
      test.check(kind, try parameter.plain(.init(parameter.gradient)).floats(), golden[place])
    }
    let back = try network.weights()
    #expect(Dictionary(uniqueKeysWithValues: back.map { ($0.name, $0.tensor) }) == test.weights)
  }

  /// Frozen up to the middle: what learns gets gradients, what does not stays, and the frozen part's
  /// normalisation uses and keeps its running statistics.
  @Test func frozenHalf() throws {
    let test = try Case("efficientnet-b0")
    let frozen = Set(test.graph.nodes.map(\.name).prefix { !$0.hasPrefix("blocks.5") })
    let network = try test.network(training: true, frozen: frozen)
    #expect(network.parameters.allSatisfy { !$0.name.hasPrefix("blocks.4") })
    #expect(network.parameters.contains { $0.name == "blocks.5.0.conv_pw.weight" })
    _ = try network.forward()
    try test.dlogits.withUnsafeBufferPointer { try network.backward($0) }
    let before = test.weights
    for (name, tensor) in try network.weights() {
      let moves = name.contains("running") && !frozen.contains { name.hasPrefix($0 + ".") }
      #expect((tensor != before[name]) == moves, "\(name)")
    }
    for parameter in network.parameters { #expect(parameter.gradient.contains { $0 != 0 }, "\(parameter.name)") }
  }

  @Test func freezingIsChecked() throws {
    let graph = try Architecture.resnet18.graph(input: [32, 32, 3], classes: 4)
    func message(_ frozen: Set<String>) -> String? {
      do {
        _ = try Network(graph: graph, batch: 1, training: true, frozen: frozen)
        return nil
      } catch { return "\(error)" }
    }
    #expect(message(["conv9"]) == "no node conv9 to freeze")
    #expect(message(["layer1.0.conv1"])?.contains("cannot be frozen: it reads") == true)
  }
}
