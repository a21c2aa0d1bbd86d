import Foundation
import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

/// Convolutions by Winograd's algorithm and across the batch, forward and backward, at some places against their
/// definition in f64: the plain reference would take minutes for all.
@Suite struct ConvolutionMethodTests {
  struct Case: CustomTestStringConvertible {
    let batch: Int, size: Size, source: Int, result: Int, padding: Int
    /// By step, a part of the name of oneDNN's implementation where there is AVX-512.
    let methods: [String: String]
    var testDescription: String {
      "\(batch) of \(size.height)x\(size.width)x\(source) to \(result), padding \(padding)"
    }
  }

  private static let (forward, bySource, byWeights) = (
    "convolution", "convolution by source", "convolution by weights"
  )
  private static let winograd = [forward: "wino", bySource: "wino", byWeights: "wino"]
  private static let mixed = [forward: "wino", bySource: "across", byWeights: "wino"]

  @Test(arguments: [
    Case(batch: 3, size: Size(28, 28), source: 64, result: 64, padding: 1, methods: winograd),
    Case(batch: 4, size: Size(31, 30), source: 32, result: 64, padding: 0, methods: winograd),
    Case(batch: 64, size: Size(6, 6), source: 128, result: 256, padding: 0, methods: mixed),
    Case(batch: 5, size: Size(23, 34), source: 48, result: 80, padding: 1, methods: winograd),
    Case(batch: 17, size: Size(5, 7), source: 136, result: 250, padding: 0, methods: [bySource: "across"]),
  ])
  func agreesWithTheDefinition(_ c: Case) throws {
    var g = try Graph(input: [c.size.height, c.size.width, c.source])
    try g.add("first", .convolution(channels: c.source, window: Window(1)))  // so that there is a gradient by source
    try g.add("conv", .convolution(channels: c.result, window: Window(3, padding: c.padding)))
    try g.add("pool", .globalAveragePool)
    var random = Random(seed: 3)
    let network = try Network(graph: g, batch: c.batch, training: true, threads: 2)
    network.startProfile()
    try network.initialize(random: &random)
    // The first layer passes its input on.
    let first = network.parameters.first { $0.name == "first.weight" }!
    let identity = (0..<c.source * c.source).map { Float($0 % (c.source + 1) == 0 ? 1 : 0) }
    try first.native(from: Tensor(first.shape, identity), into: first.values)
    for i in network.input.indices { network.input[i] = Float(random.normal()) }
    let x = Array(network.input)
    let weights = Dictionary(uniqueKeysWithValues: try network.weights().map { ($0.name, $0.tensor) })
    let w = weights["conv.weight"]!.floats()
    let size = try g.shape(ofNode: "conv")
    let (height, width, places) = (size[0], size[1], Double(size[0] * size[1]))

    func picture(_ n: Int, _ y: Int, _ x0: Int, _ channel: Int) -> Double {
      guard (0..<c.size.height).contains(y), (0..<c.size.width).contains(x0) else { return 0 }
      return Double(x[((n * c.size.height + y) * c.size.width + x0) * c.source + channel])
    }

    // The mean over all places of the result, for some channels.
    func check(_ what: String, _ found: [Double], _ expected: [Double]) {
      let error = relativeError(found.map(Float.init), expected.map(Float.init))
      #expect(error <= 2e-5, "\(what) is off by \(error)")
    }
    func mean(_ n: Int, _ out: Int) -> Double {
      var sum = 0.0
      for channel in 0..<c.source {
        for ky in 0..<3 {
          for kx in 0..<3 {
            var part = 0.0
            for y in 0..<height {
              for x in 0..<width { part += picture(n, y + ky - c.padding, x + kx - c.padding, channel) }
            }
            sum += part * Double(w[((out * c.source + channel) * 3 + ky) * 3 + kx])
          }
        }
      }
      return sum / places
    }
    let samples = [(0, 0), (c.batch - 1, c.result - 1), (1, 17)]
    let logits = Array(try network.forward())
    check(
      "the result", samples.map { Double(logits[$0.0 * c.result + $0.1]) }, samples.map { mean($0.0, $0.1) })
    let inference = try Network(graph: g, batch: 1, training: false)
    try inference.load(weights)
    _ = inference.input.update(fromContentsOf: x.prefix(inference.input.count))
    let prepared = Array(try inference.forward())
    check("inference", prepared.map(Double.init), logits.prefix(c.result).map(Double.init))

    // A gradient that differs from place to place only by picture and channel: by definition
    // dw[o, i, ky, kx] = sum of dy[n, o] / places * picture, and the bias of "first" gets the sum of the source's gradient.
    let dy = (0..<c.batch * c.result).map { _ in Float(random.normal()) }
    try dy.withUnsafeBufferPointer { try network.backward($0) }
    let gradients = try network.gradients()
    let chosen = (0..<6).map { _ in (random.below(c.result), random.below(c.source), random.below(3), random.below(3)) }
    check(
      "the gradient by weights",
      chosen.map { Double(gradients["conv.weight"]![(($0.0 * c.source + $0.1) * 3 + $0.2) * 3 + $0.3]) },
      chosen.map { (out, channel, ky, kx) in
        var sum = 0.0
        for n in 0..<c.batch {
          var part = 0.0
          for y in 0..<height {
            for x in 0..<width { part += picture(n, y + ky - c.padding, x + kx - c.padding, channel) }
          }
          sum += part * Double(dy[n * c.result + out]) / places
        }
        return sum
      })
    // d first.weight[i, j] = sum over places of dx[i] * picture[j]; dx from dy by the definition.
    func sourceGradient(_ n: Int, _ y: Int, _ x: Int, _ channel: Int) -> Double {
      var sum = 0.0
      for ky in 0..<3 {
        for kx in 0..<3 where (0..<height).contains(y - ky + c.padding) && (0..<width).contains(x - kx + c.padding) {
          for out in 0..<c.result {
            sum += Double(w[((out * c.source + channel) * 3 + ky) * 3 + kx]) * Double(dy[n * c.result + out]) / places
          }
        }
      }
      return sum
    }
    let channels = [0, c.source - 1]
    check(
      "the gradient by source", channels.map { Double(gradients["first.bias"]![$0]) },
      channels.map { channel in
        var sum = 0.0
        for n in 0..<c.batch {
          // Places away from the edges have one value.
          let inner = sourceGradient(n, c.size.height / 2, c.size.width / 2, channel)
          for y in 0..<c.size.height {
            for x in 0..<c.size.width {
              let isInner = (2..<c.size.height - 2).contains(y) && (2..<c.size.width - 2).contains(x)
              sum += isInner ? inner : sourceGradient(n, y, x, channel)
            }
          }
        }
        return sum
      })

    if try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).contains("avx512dq") {
      for (step, method) in c.methods {
        let row = network.profile!.rows.first { $0.node == "conv" && $0.step == step }
        #expect(row?.implementation.contains(method) == true, "\(step): \(row?.implementation ?? "none")")
      }
    }
  }

  @Test func smallAndOddShapesStayDirect() {
    func pays(_ window: Window, _ source: [Int], _ result: [Int], groups: Int = 1) -> Bool {
      .winograd == ConvolutionMethod.fastest(.forward, window, groups: groups, source: source, result: result)
    }
    let large = [32, 64, 56, 56]
    #expect(pays(Window(3, padding: 1), large, large))
    #expect(!pays(Window(3, padding: 1), large, large, groups: 64))
    #expect(!pays(Window(5, padding: 2), large, large))
    #expect(!pays(Window(3, padding: 2, dilation: 2), large, large))
    #expect(!pays(Window(3, stride: 2, padding: 1), large, [32, 64, 28, 28]))
    #expect(!pays(Window(3, padding: 1), [32, 3, 56, 56], large))
    #expect(!pays(Window(3, padding: 1), [1, 64, 7, 7], [1, 64, 7, 7]))
    #expect(!pays(Window(3, padding: 1), [64, 512, 5, 5], [64, 512, 5, 5]), "tiles hang over the edge")
  }
}

@Suite struct PoolFirstTests {
  private func chain(_ activation: Activation, second: Bool = false) throws -> Graph {
    var g = try Graph(input: [8, 8, 3])
    try g.add("conv", .convolution(channels: 8, window: Window(3)))
    try g.add("act", .activation(activation))
    try g.add("pool", .pool(.max, Window(2, stride: 2)))
    try g.add("mean", .globalAveragePool)
    if second {
      try g.add("other", .globalAveragePool, "act")
      try g.add("sum", .add, "mean", "other")
    }
    return g
  }

  @Test func activationsThatNeverFallComeAfterTheMaximum() throws {
    for activation in [Activation.relu, .leakyReLU, .relu6, .elu, .sigmoid, .tanh] {
      let g = try chain(activation).withPoolingFirst()
      #expect(g.nodes.map(\.name) == ["conv", "pool", "act", "mean"], "\(activation)")
      #expect(g.nodes[2].shape == [3, 3, 8] && g.output == [8])
    }
  }

  @Test func othersStayWhereTheyAre() throws {
    for activation in [Activation.silu, .gelu, .hardswish] {
      #expect(try chain(activation).withPoolingFirst().nodes.map(\.name) == ["conv", "act", "pool", "mean"])
    }
    let read = try chain(.relu, second: true)
    #expect(try read.withPoolingFirst().nodes.map(\.name) == read.nodes.map(\.name), "the activation is read twice")
  }
}
