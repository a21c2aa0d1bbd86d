import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

@Suite struct NetworkTests {
  func small(dropout: Double = 0.3) throws -> Graph {
    try Architecture.residual(
      input: [20, 20, 3], classes: 3, dropout: dropout, stem: 16, widths: [16, 24], depths: [2, 1])
  }

  /// Weights after a few steps of gradient descent.
  func train(threads: Int, steps: Int = 5) throws -> [Tensor] {
    let network = try Network(graph: small(), batch: 8, training: true, threads: threads)
    var random = Random(seed: 3)
    try network.initialize(random: &random)
    for step in 0..<steps {
      for i in network.input.indices { network.input[i] = Float(random.normal()) }
      let logits = Array(try network.forward(seed: UInt64(step)))
      try logits.map { $0 - 0.1 }.withUnsafeBufferPointer { try network.backward($0) }
      for parameter in network.parameters {
        for i in parameter.values.indices { parameter.values[i] -= 0.01 * parameter.gradient[i] }
      }
    }
    return try network.weights().map(\.tensor)
  }

  @Test(arguments: [1, 2]) func sameInputGivesSameBits(_ threads: Int) throws {
    let first = try train(threads: threads)
    for _ in 0..<4 { #expect(try train(threads: threads) == first) }
  }

  /// Inference of a batch gives each picture what it gets alone, whichever thread takes it.
  @Test(arguments: [1, 2, 3]) func batchesAreOfSinglePictures(_ threads: Int) throws {
    let graph = try small()
    var random = Random(seed: 4)
    let weights = Dictionary(
      uniqueKeysWithValues: try graph.initialWeights(random: &random).map { ($0.name, $0.tensor) })
    let single = try Network(graph: graph, batch: 1, training: false, threads: 1)
    try single.load(weights)
    let network = try Network(graph: graph, batch: 7, training: false, threads: threads)
    try network.load(weights)
    for i in network.input.indices { network.input[i] = Float(random.normal()) }
    for _ in 0..<5 {
      let logits = Array(try network.forward())
      let size = single.input.count
      for place in 0..<7 {
        _ = single.input.update(fromContentsOf: network.input[place * size..<(place + 1) * size])
        #expect(Array(try single.forward()) == Array(logits[place * 3..<place * 3 + 3]))
      }
    }
  }

  @Test(arguments: [1, 2]) func piecesMakeUpAllParameters(_ threads: Int) throws {
    var graph = try Graph(input: [1, 1, 300])
    try graph.add("wide", .linear(features: 400))
    try graph.add("logits", .linear(features: 3))
    let network = try Network(graph: graph, batch: 1, training: true, threads: threads)
    network.parameters.forEachPiece { place, elements in
      for i in elements { network.parameters[place].values[i] += Float(place + 1) }
    }
    for (place, parameter) in network.parameters.enumerated() {
      #expect(parameter.values.allSatisfy { $0 == Float(place + 1) })
    }
  }

  /// What one batch leaves in memory has no influence on the next.
  @Test func runsAreIndependent() throws {
    let network = try Network(graph: small(), batch: 4, training: false)
    var random = Random(seed: 8)
    try network.initialize(random: &random)
    for i in network.input.indices { network.input[i] = Float(random.normal()) }
    let input = Array(network.input)
    let first = Array(try network.forward())
    for i in network.input.indices { network.input[i] = 1e6 }
    _ = try network.forward()
    _ = network.input.update(fromContentsOf: input)
    #expect(Array(try network.forward()) == first)
  }

  /// A sample's logits in inference do not depend on what else is in the batch.
  @Test func samplesAreIndependent() throws {
    let (one, many) = (
      try Network(graph: small(), batch: 1, training: false), try Network(graph: small(), batch: 5, training: false)
    )
    var random = Random(seed: 8)
    let weights = Dictionary(
      uniqueKeysWithValues: try small().initialWeights(random: &random).map { ($0.name, $0.tensor) })
    try one.load(weights)
    try many.load(weights)
    for i in many.input.indices { many.input[i] = Float(random.normal()) }
    let logits = Array(try many.forward())
    for n in 0..<5 {
      for i in one.input.indices { one.input[i] = many.input[n * one.input.count + i] }
      #expect(relativeError(Array(try one.forward()), Array(logits[n * 3..<n * 3 + 3])) < 1e-5)
    }
  }

  @Test func weightsRoundTrip() throws {
    var random = Random(seed: 4)
    let tensors = try small().initialWeights(random: &random)
    for frozen in [[], ["stem", "stem.bn"]] as [Set<String>] {
      let network = try Network(graph: small(), batch: 2, training: true, frozen: frozen)
      try network.load(Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) }))
      let back = try network.weights()
      #expect(back.map(\.name) == tensors.map(\.name) && back.map(\.tensor) == tensors.map(\.tensor))
    }
  }

  @Test func twinsComputeWithTheSameWeights() throws {
    var random = Random(seed: 5)
    for batch in [1, 3] {
      let network = try Network(graph: small(), batch: batch, training: false, threads: 2)
      let twin = try Network(graph: small(), batch: batch, training: false, sharing: network, threads: 2)
      for _ in 0..<2 {  // what is loaded into one later is the other's, too
        let tensors = try small().initialWeights(random: &random)
        try network.load(Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) }))
        for i in network.input.indices {
          network.input[i] = Float(random.normal())
          twin.input[i] = network.input[i]
        }
        #expect(Array(try twin.forward()) == Array(try network.forward()))
      }
    }
  }

  /// Optimisers go over native arrays elementwise: the padding must be zeros, before and after a step.
  @Test func nativeLayoutAndItsPadding() throws {
    let network = try Network(graph: small(), batch: 2, training: true)
    var random = Random(seed: 4)
    try network.initialize(random: &random)
    for i in network.input.indices { network.input[i] = Float(random.normal()) }
    let logits = Array(try network.forward())
    try logits.withUnsafeBufferPointer { try network.backward($0) }
    for parameter in network.parameters {
      for array in [parameter.values, parameter.gradient] {
        let plain = try parameter.plain(.init(array))
        #expect(array.count >= plain.count)
        let sum = plain.floats().reduce(0.0) { $0 + Double($1 * $1) }
        #expect(
          abs(array.reduce(0.0) { $0 + Double($1 * $1) } - sum) <= 1e-9 * sum, "\(parameter.name): padding is not zero")
        var copy = [Float](repeating: 7, count: array.count)
        try copy.withUnsafeMutableBufferPointer { try parameter.native(from: plain, into: $0) }
        #expect(copy == Array(array))
      }
    }
    #expect(network.parameters.filter(\.decays).allSatisfy { $0.name.hasSuffix("weight") && $0.shape.count > 1 })
  }

  @Test func loadNamesWhatIsWrong() throws {
    var random = Random(seed: 4)
    let network = try Network(graph: small(), batch: 1, training: false)
    #expect(throws: GXError.self) { try network.weights() }
    let good = Dictionary(
      uniqueKeysWithValues: try small().initialWeights(random: &random).map { ($0.name, $0.tensor) })
    func fault(_ change: (inout [String: Tensor]) throws -> Void) throws -> String {
      var tensors = good
      try change(&tensors)
      return try #require(#expect(throws: GXError.self) { try network.load(tensors) }).message
    }
    #expect(try fault { $0["stem.weight"] = nil } == "weights: no tensor stem.weight")
    #expect(try fault { $0["extra"] = try Tensor([1], [0]) } == "weights: the graph has no tensor extra")
    #expect(
      try fault { $0["logits.bias"] = try Tensor([4], [0, 0, 0, 0]) }
        == "weights: logits.bias has shape [4]; the graph needs [3]")
    #expect(
      try fault { $0["logits.bias"] = try Tensor(.u8, [3]) { $0.copyBytes(from: [1, 2, 3] as [UInt8]) } }
        == "weights: logits.bias is u8, not f32 or f16")
    var halves = good
    halves["logits.bias"] = try Tensor(.f16, [3]) { bytes in
      bytes.copyBytes(from: [Float16(1), 2, 3].withUnsafeBytes { Array($0) })
    }
    try network.load(halves)
  }

  @Test func dropout() throws {
    var g = try Graph(input: [1, 1, 4000])
    try g.add("first", .convolution(channels: 4000, window: Window(1), groups: 4000, bias: false))
    try g.add("pool", .globalAveragePool)
    try g.add("drop", .dropout(rate: 0.25))
    let network = try Network(graph: g, batch: 2, training: true)
    let ones = try Tensor([4000, 1, 1, 1], [Float](repeating: 1, count: 4000))
    try network.load(["first.weight": ones])
    for i in network.input.indices { network.input[i] = 1 }
    let kept = Array(try network.forward(seed: 1))
    #expect(Set(kept) == [0, Float(1 / 0.75)])
    #expect(abs(Double(kept.filter { $0 == 0 }.count) / 8000 - 0.25) < 0.02)
    #expect(Array(kept[0..<4000]) != Array(kept[4000...]))
    // The gradient goes where the values went.
    try [Float](repeating: 1, count: 8000).withUnsafeBufferPointer { try network.backward($0) }
    let gradient = try network.gradients()["first.weight"]!
    #expect(zip(gradient.indices, gradient).allSatisfy { abs(kept[$0] + kept[4000 + $0] - $1) < 1e-5 })
    #expect(Array(try network.forward(seed: 1)) == kept)
    #expect(Array(try network.forward(seed: 2)) != kept)

    let inference = try Network(graph: g, batch: 1, training: false)
    try inference.load(["first.weight": ones])
    for i in inference.input.indices { inference.input[i] = 1 }
    #expect(try inference.forward().allSatisfy { $0 == 1 })
    #expect(throws: GXError.self) { try kept.withUnsafeBufferPointer { try inference.backward($0) } }
  }

  /// bf16 follows f32 within its eight bits, or is f32 where the processor has no instructions for it.
  @Test func halfPrecision() throws {
    var g = try Graph(input: [17, 20, 3])
    try g.add("a", .convolution(channels: 20, window: Window(3, padding: 1), bias: false))
    try g.add("bn", .batchNorm())
    try g.add("silu", .activation(.silu))
    try g.add("drop", .dropout(rate: 0.2))
    try g.add("dw", .convolution(channels: 20, window: Window(3, stride: 2, padding: 1), groups: 20))
    try g.add("max", .pool(.max, Window(3, stride: 2, padding: 1)))
    try g.add("flat", .linear(features: 4))
    for graph in [try small(), g] {
      var random = Random(seed: 6)
      let weights = try graph.initialWeights(random: &random)
      let input = try Tensor(
        [16] + graph.input, (0..<16 * graph.input.reduce(1, *)).map { _ in Float(random.normal()) })
      let errors = (0..<16 * graph.output[0]).map { _ in Float(random.normal()) }

      func run(_ precision: Precision, training: Bool) throws -> (network: Network, logits: [Float]) {
        let network = try Network(graph: graph, batch: 16, training: training, precision: precision)
        try network.load(Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) }))
        network.setInput(input)
        let logits = Array(try network.forward(seed: 1))
        if training { try errors.withUnsafeBufferPointer { try network.backward($0) } }
        return (network, logits)
      }
      for training in [true, false] {
        let (single, half) = (try run(.f32, training: training), try run(.bf16, training: training))
        #expect(half.network.precision == (Precision.bf16.isFast ? .bf16 : .f32))
        let error = relativeError(half.logits, single.logits)
        #expect(error < 0.04 && (error > 0) == Precision.bf16.isFast, "logits are off by \(error)")
        #expect(try run(.bf16, training: training).logits == half.logits)
        let gradients = try half.network.gradients()
        for (name, expected) in try single.network.gradients() {
          let gradient = gradients[name]!
          let dot = zip(gradient, expected).reduce(0.0) { $0 + Double($1.0 * $1.1) }
          let norms = [gradient, expected].map { $0.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot() }
          #expect(dot > 0.98 * norms[0] * norms[1], "\(name): cosine \(dot / (norms[0] * norms[1]))")
          #expect(abs(norms[0] / norms[1] - 1) < 0.1, "\(name)")
        }
      }
    }
  }

  /// Inference shares memory between activations; training keeps what its gradients need.
  @Test func memoryIsShared() throws {
    let graph = try Architecture.gxnet.graph(input: [64, 64, 3], classes: 4)
    let each = graph.nodes.reduce(0) { $0 + $1.shape.reduce(4, *) } * 8
    let inference = try Network(graph: graph, batch: 8, training: false).activationBytes
    let training = try Network(graph: graph, batch: 8, training: true).activationBytes
    #expect(inference < each / 4 && training < each * 2, "\(inference) and \(training) of \(each) bytes")
  }

  @Test func tooLarge() throws {
    let graph = try Architecture.gxnet.graph(input: [2048, 2048, 3], classes: 4)
    let error = #expect(throws: GXError.self) { try Network(graph: graph, batch: 4096, training: true) }
    #expect(error?.message.contains("MiB") == true)
    #expect(throws: GXError.self) { try Network(graph: graph, batch: 0, training: true) }
  }
}
