import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

/// oneDNN against the plain reference, over odd sizes that the golden files are too small for.
@Suite struct ReferenceTests {
  /// Runs the graph both ways, from the same random weights and input.
  func compare(_ graph: Graph, batch: Int = 2, seed: UInt64 = 1) throws {
    var random = Random(seed: seed)
    let network = try Network(graph: graph, batch: batch, training: true)
    try network.initialize(random: &random)
    for parameter in network.parameters where !parameter.decays {  // biases, scales and shifts of no special value
      let values = try Tensor(
        parameter.shape,
        (0..<parameter.shape[0]).map { _ in Float(random.uniform(0.5, 1.5)) })
      try parameter.native(from: values, into: parameter.values)
    }
    for i in network.input.indices { network.input[i] = Float(random.normal()) }
    let input = Array(network.input)
    let weights = try network.weights()
    var reference = Reference(graph, batch: batch, weights: weights)

    let inference = try Network(graph: graph, batch: batch, training: false)
    try inference.load(Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) }))
    _ = inference.input.update(fromContentsOf: input)
    let evaluated = Array(try inference.forward())
    check("inference", evaluated, reference.forward(input, training: false))

    let logits = Array(try network.forward())
    check("result", logits, reference.forward(input, training: true))
    let gradient = logits.map { _ in Float(random.normal()) }
    try gradient.withUnsafeBufferPointer { try network.backward($0) }
    reference.backward(gradient)
    for (name, values) in try network.gradients() { check(name, values, reference.gradients[name]!) }
    for (name, tensor) in try network.weights() { check(name, tensor.floats(), reference.weights[name]!) }
  }

  func check(_ what: String, _ values: [Float], _ expected: [Double]) {
    let error = relativeError(values, expected.map(Float.init))
    #expect(error <= 1e-4, "\(what) is off by \(error)")
  }

  @Test(
    arguments: [(3, 16), (16, 16), (17, 33), (24, 40), (8, 48)],
    [
      Window(3, padding: 1), Window(3, stride: 2, padding: 1), Window(1, stride: 2), Window(5, padding: 1),
      Window(3, padding: 2, dilation: 2),
    ])
  func convolutions(_ channels: (Int, Int), _ window: Window) throws {
    var g = try Graph(input: [9, 13, 3])
    try g.add("a", .convolution(channels: channels.0, window: Window(1)))
    try g.add("b", .convolution(channels: channels.1, window: window, bias: false))
    try g.add("c", .linear(features: 3))
    try compare(g)
  }

  @Test(arguments: [(6, 2, 4), (32, 2, 64), (20, 20, 20), (48, 48, 48), (16, 16, 32), (24, 3, 30)])
  func groups(_ channels: Int, _ groups: Int, _ out: Int) throws {
    for stride in [1, 2] {
      var g = try Graph(input: [7, 10, 3])
      try g.add("a", .convolution(channels: channels, window: Window(3)))
      try g.add("b", .convolution(channels: out, window: Window(3, stride: stride, padding: 1), groups: groups))
      try g.add("c", .linear(features: 5, bias: false))
      try compare(g, batch: 3)
    }
  }

  @Test(arguments: [3, 16, 20, 33], Activation.allCases) func normAndActivation(
    _ channels: Int, _ activation: Activation
  ) throws {
    var g = try Graph(input: [6, 5, 2])
    try g.add("a", .convolution(channels: channels, window: Window(2), bias: false))
    try g.add("bn", .batchNorm(epsilon: 1e-3, momentum: 0.3))
    try g.add("act", .activation(activation))
    try g.add("b", .convolution(channels: 7, window: Window(1)))
    try g.add("act2", .activation(activation))
    try g.add("c", .linear(features: 3))
    try compare(g, batch: 4)
  }

  @Test(arguments: Pool.allCases, [5, 16, 24]) func pools(_ kind: Pool, _ channels: Int) throws {
    for window in [
      Window(2, stride: 2), Window(3, stride: 2, padding: 1), Window(3, stride: 3),
      Window(kernel: Size(2, 3), stride: Size(1, 2)),
    ] {
      var g = try Graph(input: [9, 8, 3])
      try g.add("a", .convolution(channels: channels, window: Window(3)))
      try g.add("p", .pool(kind, window))
      try g.add("b", .convolution(channels: 4, window: Window(1)))
      try g.add("g", .globalAveragePool)
      try g.add("c", .linear(features: 3))
      try compare(g)
    }
  }

  /// Values that several nodes read, added in several orders, with and without what can be fused.
  @Test(arguments: [8, 16]) func forks(_ channels: Int) throws {
    var g = try Graph(input: [8, 8, 3])
    let a = try g.add("a", .convolution(channels: channels, window: Window(3)))
    let relu = try g.add("relu", .activation(.relu), a)
    let b = try g.add("b", .convolution(channels: channels, window: Window(3, padding: 1), bias: false), relu)
    let bn = try g.add("bn", .batchNorm(), b)
    let s = try g.add("s", .add, relu, bn)
    let t = try g.add("t", .add, s, a)
    let r = try g.add("r", .activation(.relu), t)
    let c = try g.add("c", .convolution(channels: channels, window: Window(1)), r)
    let u = try g.add("u", .add, c, r)
    let twice = try g.add("twice", .add, u, u)
    let silu = try g.add("silu", .activation(.silu), twice)
    try g.add("v", .add, silu, a)
    try g.add("pool", .globalAveragePool)
    try g.add("bn1", .batchNorm())
    try g.add("hidden", .linear(features: 10))
    try g.add("tanh", .activation(.tanh))
    try g.add("drop", .dropout(rate: 0))
    try g.add("logits", .linear(features: 4))
    try compare(g, batch: 6)
  }

  /// The architectures as they are (without dropout, whose mask the reference does not know).
  @Test func architectures() throws {
    try compare(Architecture.seed.graph(input: [40, 38, 3], classes: 4, dropout: 0))
    try compare(Architecture.gxnet.graph(input: [24, 29, 3], classes: 4, dropout: 0))
  }
}
