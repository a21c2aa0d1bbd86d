import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

/// Networks that give a node's value and the logits' derivatives by it.
@Suite struct WatchTests {
  /// Weights, and running statistics of no special value.
  static func weights(_ graph: Graph, _ random: inout Random) throws -> [(name: String, tensor: Tensor)] {
    try graph.nodes.indices.flatMap { graph.weights(of: $0) }.map { weight in
      let fanIn = Double(weight.shape.dropFirst().reduce(1, *))
      let values = (0..<weight.shape.reduce(1, *)).map { _ -> Float in
        switch weight.role {
        case .weight: Float(random.normal() / fanIn.squareRoot())
        case .scale, .runningVariance: Float(random.uniform(0.5, 1.5))
        case .bias, .shift, .runningMean: Float(random.uniform(-0.5, 0.5))
        }
      }
      return (weight.name, try Tensor(weight.shape, values))
    }
  }

  /// Watches every node in turn, and compares its value with the reference's, and its gradient with what the logits
  /// of the f64 reference change by, along random directions and at single elements.
  func compare(_ graph: Graph, batch: Int = 1) throws {
    var random = Random(seed: 11)
    let tensors = try Self.weights(graph, &random)
    let weights = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) })
    let input = (0..<batch * graph.input.reduce(1, *)).map { _ in Float(random.normal()) }
    let dlogits = (0..<batch * graph.output[0]).map { _ in Float(random.normal()) }
    var reference = Reference(graph, batch: batch, weights: tensors)
    let logits = reference.forward(input, training: false).map(Float.init)
    for (place, node) in graph.nodes.enumerated() {
      let network = try Network(graph: graph, batch: batch, training: false, watching: node.name)
      try network.load(weights)
      for _ in 0..<2 {  // the second run finds the memory as the first left it
        _ = network.input.update(fromContentsOf: input)
        #expect(relativeError(Array(try network.forward()), logits) < 1e-4, "logits, \(node.name) watched")
        try dlogits.withUnsafeBufferPointer { try network.backward($0) }
      }
      let watched = try #require(network.watched)
      #expect(network.watchedShape == node.shape)
      let value = reference.value(of: place)
      #expect(relativeError(Array(watched.value), value.map(Float.init)) < 1e-4, "value of \(node.name)")

      let gradient = watched.gradient.map(Double.init)
      guard place < graph.nodes.count - 1 else {
        #expect(Array(watched.gradient) == dlogits)
        continue
      }
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(norm > 0, "\(node.name)")
      let readers = graph.readers(of: place).map { graph.nodes[$0].operation }
      if node.operation.clips, readers.contains(where: \.hasKink) { continue }
      for probe in 0..<4 {
        var direction = value.map { _ in probe < 2 ? random.normal() / Double(value.count).squareRoot() : 0 }
        if probe >= 2 { direction[Int(random.uniform(0, Double(value.count)))] = 1 }
        func loss(_ step: Double) -> Double {
          let logits = reference.forward(replacing: place, by: zip(value, direction).map { $0 + step * $1 })
          return zip(logits, dlogits).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
        let found = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(found - expected) < 2e-4 * norm, "gradient of \(node.name): \(found), not \(expected)")
      }
    }
  }

  @Test func plainNetwork() throws {
    var g = try Graph(input: [26, 24, 3])
    for (i, channels) in [4, 16, 9].enumerated() {
      try g.add("conv\(i)", .convolution(channels: channels, window: Window(3)))
      try g.add("relu\(i)", .activation(.relu))
      if i < 2 { try g.add("pool\(i)", .pool(.max, Window(2, stride: 2))) }
    }
    try g.add("dense", .linear(features: 20))
    try g.add("relu", .activation(.relu))
    try g.add("dropout", .dropout(rate: 0.5))
    try g.add("logits", .linear(features: 3))
    try compare(g)
  }

  @Test func residualNetwork() throws {
    try compare(
      Architecture.residual(
        input: [15, 12, 3], classes: 3, dropout: 0.3, stem: 8, widths: [8, 20], depths: [1, 1]), batch: 2)
  }

  @Test(arguments: [(Activation.relu6, false, false), (.silu, true, true)])
  func invertedResiduals(_ activation: Activation, _ excited: Bool, _ tensorFlow: Bool) throws {
    let stages = [Backbone.Stage(1, 3, 1, 8, 1), .init(2, 5, 2, 12, 2)]
    let graph = try Backbone.inverted(
      stages, activation: activation, excited: excited, tensorFlow: tensorFlow, input: [16, 13, 3], classes: 3,
      dropout: 0.2)
    try compare(graph)
  }

  /// Every operation and activation, values that several nodes read, and normalisation that no layer can take in.
  @Test(arguments: [8, 7]) func everyOperation(_ channels: Int) throws {
    var g = try Graph(input: [8, 9, 3])
    let a = try g.add("a", .convolution(channels: channels, window: Window(3)))
    let relu = try g.add("relu", .activation(.relu), a)
    let b = try g.add("b", .convolution(channels: channels, window: Window(3, padding: 1), bias: false), relu)
    let bn = try g.add("bn", .batchNorm(), b)
    let s = try g.add("s", .add, relu, bn)
    let t = try g.add("t", .add, s, a)
    let twice = try g.add("twice", .add, t, t)
    try g.add("bn2", .batchNorm(epsilon: 1e-3), twice)
    try g.add("max", .pool(.max, Window(3, stride: 2, padding: 1)))
    for activation in Activation.allCases {
      try g.add("1x1.\(activation)", .convolution(channels: channels, window: Window(1)))
      try g.add("first.\(activation)", .activation(activation))
      try g.add("again.\(activation)", .activation(activation))
    }
    try g.add("wide", .convolution(channels: 2 * channels, window: Window(2), groups: channels))
    let drop = try g.add("drop", .dropout(rate: 0.5))
    try g.add("pool", .globalAveragePool, drop)
    try g.add("bn.vector", .batchNorm())
    let gate = try g.add("gate", .activation(.sigmoid))
    try g.add("excited", .multiply, drop, gate)
    try g.add("average", .pool(.average, Window(2, stride: 1, padding: 1)))
    try g.add("hidden", .linear(features: 10))
    try g.add("tanh", .activation(.tanh))
    try g.add("logits", .linear(features: 4))
    try compare(g)
  }

  @Test func onlyKnownNodesAreWatched() throws {
    let graph = try Architecture.gxnet.graph(input: [32, 32, 3], classes: 4)
    #expect(throws: GXError("the network has no node nothing")) {
      try Network(graph: graph, batch: 1, training: false, watching: "nothing")
    }
    let blind = try Network(graph: graph, batch: 1, training: false)
    #expect(blind.watched == nil)
    _ = try blind.forward()
    #expect(throws: GXError.self) { try [0, 0, 0, 1].withUnsafeBufferPointer { try blind.backward($0) } }
  }

  @Test func lastPicture() throws {
    let expected: [Architecture: (String, Shape)] = [
      .seed: ("relu4", [4, 4, 256]), .gxnet: ("stage4.1.relu2", [4, 4, 192]), .resnet18: ("layer4.1.act", [2, 2, 512]),
      .resnet50: ("layer4.2.act", [2, 2, 2048]), .mobileNetV2: ("bn2.act", [2, 2, 1280]),
      .efficientNetLite0: ("bn2.act", [2, 2, 1280]), .tfEfficientNetLite0: ("bn2.act", [2, 2, 1280]),
      .efficientNetB0: ("bn2.act", [2, 2, 1280]),
    ]
    for architecture in Architecture.allCases {
      let graph = try architecture.graph(input: [64, 64, 3], classes: 4)
      guard architecture != .linear else {
        #expect(throws: GXError("the network has no picture before its head: all of its nodes give vectors")) {
          try graph.lastPicture()
        }
        continue
      }
      let node = try graph.lastPicture()
      #expect(try (node, graph.shape(ofNode: node)) == #require(expected[architecture]))
    }
    var flat = try Graph(input: [8, 8, 1])
    try flat.add("conv", .convolution(channels: 2, window: Window(3)))
    try flat.add("drop", .dropout(rate: 0.5))
    try flat.add("logits", .linear(features: 2))
    #expect(try flat.lastPicture() == "conv", "dropout does nothing here")
  }
}

extension Operation {
  /// Whether its result is exactly 0 in many places, or 6.
  fileprivate var clips: Bool { self == .activation(.relu) || self == .activation(.relu6) }

  /// Whether it has no derivative there.
  fileprivate var hasKink: Bool {
    if case .pool(.max, _) = self { true } else { clips }
  }
}
