import GXCore
import Testing

@testable import GXGraph

@Suite struct GraphTests {
  @Test(arguments: Architecture.allCases) func jsonRoundTrip(_ architecture: Architecture) throws {
    let graph = try architecture.graph(input: [64, 48, 3], classes: 5, dropout: 0.25)
    #expect(graph.output == [5])
    #expect(try Graph(json: JSON(parsing: graph.json.text)) == graph)
  }

  @Test func seedIsTheOriginals() throws {
    let graph = try Architecture.named("seed", input: [64, 64, 3], classes: 4)
    #expect(graph.parameterCount == 522_052)  // Keras's summary of the original
    #expect(
      graph.nodes.filter { $0.shape.count == 3 }.map { $0.shape[0] } == [62, 62, 31, 29, 29, 14, 12, 12, 6, 4, 4])
  }

  @Test func shapes() throws {
    var g = try Graph(input: [11, 8, 3])
    try g.add(
      "a", .convolution(channels: 6, window: Window(kernel: Size(3, 2), stride: Size(2, 1), padding: Size(1, 0))))
    try g.add("b", .pool(.max, Window(2, stride: 2)))
    try g.add("c", .convolution(channels: 6, window: Window(3, padding: 2, dilation: 2), groups: 3))
    try g.add("d", .globalAveragePool)
    try g.add("e", .linear(features: 9))
    #expect(g.nodes.map(\.shape) == [[6, 7, 6], [3, 3, 6], [3, 3, 6], [6], [9]])
    #expect(g.weights(of: 2).map(\.shape) == [[6, 2, 3, 3], [6]])
  }

  static let faults: [(json: String, error: String)] = [
    ("[]", "graph: [] is no JSON object"),
    (#"{"nodes":[]}"#, "graph: no \"input\""),
    (#"{"input":[8,8],"nodes":[]}"#, "network input [8, 8]"),
    (#"{"input":[8,8,0],"nodes":[]}"#, "network input"),
    (#"{"input":[60000,60000,60000],"nodes":[]}"#, "larger than the limit"),
    (#"{"input":[8,8,3],"nodes":[],"more":1}"#, "graph: unknown field \"more\""),
    (
      #"{"input":[8,8,3],"initializer":"zeros","nodes":[]}"#,
      "graph: \"initializer\" is \"zeros\", not one of he, glorot"
    ),
    (#"{"input":[8,8,3],"nodes":[]}"#, "network has no nodes"),
    (node(#""op":"conv3d""#), "node a: unknown op conv3d"),
    (node(#""op":"conv","kernel":3"#), "node a: no \"channels\""),
    (node(#""op":"conv","kernel":9,"channels":4"#), "node a: kernel 9 does not fit into 8"),
    (node(#""op":"conv","kernel":[3],"channels":4"#), "node a: \"kernel\" is [3], not [height, width]"),
    (node(#""op":"conv","kernel":0,"channels":4"#), "node a: kernel 0"),
    (node(#""op":"conv","kernel":3,"stride":0,"channels":4"#), "node a: kernel 3, stride 0"),
    (node(#""op":"conv","kernel":3,"padding":-1,"channels":4"#), "node a: kernel 3, stride 1, padding -1"),
    (node(#""op":"conv","kernel":3,"channels":1000000000000"#), "node a: channels 1000000000000 is not in"),
    (node(#""op":"conv","kernel":1,"padding":0,"channels":65536,"dilation":9223372036854775807"#), "node a: kernel 1"),
    (node(#""op":"conv","kernel":3,"channels":4,"groups":2"#), "node a: groups 2 do not divide 3 channels"),
    (node(#""op":"conv","kernel":3,"channels":4,"groups":-3"#), "node a: groups -3"),
    (node(#""op":"batch_norm","eps":0"#), "node a: eps 0"),
    (node(#""op":"dropout","rate":1"#), "node a: rate 1"),
    (node(#""op":"max_pool","kernel":2,"padding":2"#), "node a: padding is more than half"),
    (node(#""op":"relu","slope":1"#), "node a: unknown field \"slope\""),
    (node(#""op":"add""#), "node a: has 1 inputs; add takes 2"),
    (node(#""op":"relu""#), "node a: gives [8, 8, 3]; the last node must give a vector"),
    (#"{"input":[8,8,3],"nodes":[{"name":"a","op":"relu","inputs":["b"]}]}"#, "node a: input b is not among"),
    (#"{"input":[8,8,3],"nodes":[{"name":"input","op":"relu","inputs":["input"]}]}"#, "node input: the name is taken"),
    (
      #"{"input":[8,8,3],"nodes":[{"name":"a","op":"linear","features":2,"inputs":["input"]},"#
        + #"{"name":"b","op":"conv","kernel":1,"channels":1,"inputs":["a"]}]}"#, "node b: conv reads a picture"
    ),
    (
      #"{"input":[8,8,3],"nodes":[{"name":"a","op":"linear","features":2,"inputs":["input"]},"#
        + #"{"name":"b","op":"linear","features":2,"inputs":["input"]}]}"#, "node a: nothing reads it"
    ),
    (
      #"{"input":[8,8,3],"nodes":[{"name":"a","op":"linear","features":2,"inputs":["input"]},"#
        + #"{"name":"b","op":"add","inputs":["a","input"]}]}"#, "node b: adds [2] and [8, 8, 3]"
    ),
  ]

  static func node(_ fields: String) -> String {
    #"{"input":[8,8,3],"nodes":[{"name":"a","inputs":["input"],\#(fields)}]}"#
  }

  @Test(arguments: faults) func badGraph(_ fault: (json: String, error: String)) throws {
    let error = #expect(throws: GXError.self) { try Graph(json: JSON(parsing: fault.json)) }
    #expect(error?.message.contains(fault.error) == true, "\(error?.message ?? "")")
  }

  /// Whatever is broken in a graph's text, reading it ends in a graph or an error.
  @Test func brokenText() throws {
    let text = Array(try Architecture.gxnet.graph(input: [32, 32, 3], classes: 4).json.text.utf8)
    var random = Random(seed: 5)
    var read = 0
    for _ in 0..<2000 {
      var bytes = text
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(random.below(96) + 32) }
      guard let json = try? JSON(parsing: String(decoding: bytes, as: UTF8.self)) else { continue }
      do { _ = try Graph(json: json) } catch { #expect(error is GXError) }
      read += 1
    }
    #expect(read > 50)
  }

  @Test func initialWeights() throws {
    var g = try Graph(input: [8, 8, 16])
    try g.add("conv", .convolution(channels: 64, window: Window(3)))
    try g.add("bn", .batchNorm())
    try g.add("fc", .linear(features: 32))
    var random = Random(seed: 1)
    let tensors = Dictionary(
      uniqueKeysWithValues: try g.initialWeights(random: &random).map { ($0.name, $0.tensor.floats()) })
    let conv = tensors["conv.weight"]!
    let variance = conv.reduce(0.0) { $0 + Double($1 * $1) } / Double(conv.count)
    #expect(abs(variance / (2.0 / (64 * 9)) - 1) < 0.05)
    #expect(tensors["conv.bias"]!.allSatisfy { $0 == 0 })
    let bound = 1 / Float(36 * 64).squareRoot()
    #expect(tensors["fc.weight"]!.allSatisfy { abs($0) <= bound } && tensors["fc.weight"]!.max()! > 0.99 * bound)
    #expect(tensors["fc.bias"]!.contains { $0 != 0 })
    #expect(tensors["bn.weight"]!.allSatisfy { $0 == 1 } && tensors["bn.running_var"]!.allSatisfy { $0 == 1 })
    #expect(tensors["bn.bias"]!.allSatisfy { $0 == 0 } && tensors["bn.running_mean"]!.allSatisfy { $0 == 0 })
  }

  @Test func unknownArchitecture() {
    let error = #expect(throws: GXError.self) { try Architecture.named("vgg", input: [8, 8, 3], classes: 2) }
    #expect(error?.message.hasPrefix("no architecture vgg; there are seed, gxnet, ") == true)
  }
}
