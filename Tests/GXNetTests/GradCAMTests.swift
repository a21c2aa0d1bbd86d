import Foundation
import GXCore
import GXGraph
import GXImage
import Testing

@testable import GXNet

/// Maps of where a network sees evidence: against their definitions, what must follow from them, and pytorch-grad-cam.
@Suite struct GradCAMTests {
  static let golden: JSONObject = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    let data = try! Data(contentsOf: folder.appendingPathComponent("gradcam.json"))
    return try! JSON(parsing: String(decoding: data, as: UTF8.self)).objectValue!
  }()

  static func network(
    _ graph: Graph, _ weights: [String: Tensor], watching node: String? = nil, batch: Int = 1
  ) throws -> Network {
    let network = try Network(
      graph: graph, batch: batch, training: false, watching: node ?? graph.lastPicture(), threads: 1)
    try network.load(weights)
    return network
  }

  static func map(_ network: Network, _ input: [Float], of label: Int, _ cam: CAM = .gradCAM) throws -> [Float] {
    _ = network.input.update(fromContentsOf: input)
    _ = try network.forward()
    return try network.maps(of: [label], cam)[0].values
  }

  static func difference(_ a: [Float], _ b: [Float]) -> Float {
    a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
  }

  /// The package's maps, on weights and a picture that follow from a formula: `Fixtures/make_gradcam.py`.
  @Test(arguments: golden.map(\.key)) func asPyTorchGradCAM(_ name: String) throws {
    let golden = Self.golden[name]!.objectValue!
    let graph = try Architecture.named(
      name, input: golden["input"]!.arrayValue!.map { $0.intValue! }, classes: golden["classes"]!.intValue!)
    let weights = try BackboneTests.weights(graph, lively: true)
    let input = BackboneTests.uniform("input", graph.input.reduce(1, *))
    let maps = golden["maps"]!.arrayValue!.map { $0.objectValue! }
    for (node, maps) in Dictionary(grouping: maps, by: { $0["node"]!.stringValue! }) {
      let network = try Self.network(graph, weights, watching: node)
      for map in maps {
        let (label, cam) = (map["class"]!.intValue!, try #require(CAM(rawValue: map["method"]!.stringValue!)))
        let found = try Self.map(network, input, of: label, cam)
        #expect([map["height"]!.intValue!, map["width"]!.intValue!] == Array(network.watchedShape!.dropLast()))
        let expected = map["values"]!.arrayValue!.map { Float($0.doubleValue!) }
        let error = Self.difference(found, expected)
        #expect(error <= 1e-3, "\(name), \(cam.rawValue) of class \(label) at \(node) is off by \(error)")
      }
    }
  }

  /// The package's own results, which are of the picture's size, and are there scaled to a largest value of 1 again.
  @Test(arguments: golden.filter { $0.value.objectValue!["spread"] != nil }.map(\.key)) func asPyTorchGradCAMSpread(
    _ name: String
  ) throws {
    let (graph, weights, input) = try Self.thinned(name)
    for map in Self.golden[name]!.objectValue!["spread"]!.arrayValue!.map({ $0.objectValue! }) {
      let network = try Self.network(graph, weights, watching: map["node"]!.stringValue!)
      let (label, cam) = (map["class"]!.intValue!, try #require(CAM(rawValue: map["method"]!.stringValue!)))
      let values = try Self.map(network, input, of: label, cam)
      let small = try Tensor(network.watchedShape!.dropLast() + [1], values)
      let spread = try Image.spread(small, over: graph.input, extent: .whole).floats()
      let found = spread.map { $0 / spread.max()! }
      let error = Self.difference(Self.thin(found), map["values"]!.arrayValue!.map { Float($0.doubleValue!) })
      #expect(error <= 1e-3, "\(name), \(cam.rawValue) of class \(label) is off by \(error)")
    }
  }

  /// Captum's occlusion.
  @Test(arguments: golden.filter { $0.value.objectValue!["occlusions"] != nil }.map(\.key)) func asCaptum(
    _ name: String
  ) throws {
    let (graph, weights, input) = try Self.thinned(name)
    let network = try Network(graph: graph, batch: 1, training: false, threads: 1)
    try network.load(weights)
    _ = network.input.update(fromContentsOf: input)
    for map in Self.golden[name]!.objectValue!["occlusions"]!.arrayValue!.map({ $0.objectValue! }) {
      let (patch, stride) = (map["patch"]!.intValue!, map["stride"]!.intValue!)
      let occlusion = try Occlusion(input: graph.input, patch: patch, stride: stride)
      let found = try network.map(of: map["class"]!.intValue!, occlusion)
      let expected = map["values"]!.arrayValue!.map { Float($0.doubleValue!) }
      let error = Self.difference(Self.thin(found.values), expected)
      #expect(error <= 1e-3 && found.peak > 0, "\(name), class \(map["class"]!.text) is off by \(error)")
      #expect(Array(network.input) == input, "the picture is not as it was")
    }
  }

  static func thinned(_ name: String) throws -> (graph: Graph, weights: [String: Tensor], input: [Float]) {
    let graph = try Architecture.named(name, input: [96, 96, 3], classes: 8)
    return (
      graph, try BackboneTests.weights(graph, lively: true), BackboneTests.uniform("input", graph.input.reduce(1, *))
    )
  }

  /// Every eighth row and column of 96, from the fifth on: `thinned` of `make_gradcam.py`.
  static func thin(_ values: [Float]) -> [Float] {
    stride(from: 4, to: 96, by: 8).flatMap { y in stride(from: 4, to: 96, by: 8).map { values[y * 96 + $0] } }
  }

  /// With the mean over all places and a linear layer after the node, both are CAM (Zhou et al. 2016): the node's value
  /// weighed by the class's row of the layer.
  @Test func isCAMBeforeALinearHead() throws {
    let graph = try Architecture.gxnet.graph(input: [144, 112, 3], classes: 4)
    let weights = try BackboneTests.weights(graph, lively: true)
    let network = try Self.network(graph, weights, batch: 2)
    _ = network.input.update(fromContentsOf: BackboneTests.uniform("input", network.input.count))
    let (head, size) = (weights["logits.weight"]!.floats(), 9 * 7 * 192)
    for classes in [[0, 1], [2, 3]] {
      for cam in CAM.allCases {
        _ = try network.forward()
        for (row, map) in try network.maps(of: classes, cam).enumerated() {
          let value = network.watched!.value[row * size..<(row + 1) * size].map(Double.init)
          let sums = (0..<63).map { p in
            (0..<192).reduce(0) { $0 + Double(head[classes[row] * 192 + $1]) * value[p * 192 + $1] }
          }
          let expected = sums.map { Float(max($0, 0) / max(sums.max()!, 1e-30)) }
          #expect(Self.difference(map.values, expected) < 1e-5, "\(cam) of class \(classes[row])")
        }
      }
    }
  }

  /// The two methods part where the gradient differs from place to place.
  @Test func definitions() throws {
    let value: [Float] = [1, 2, 3, 0, -1, 4]
    let gradient: [Float] = [1, 0, 0, -2, 2, 1]
    func map(_ cam: CAM) throws -> EvidenceMap {
      try value.withUnsafeBufferPointer { value in
        try gradient.withUnsafeBufferPointer { try cam.map(value: value, gradient: $0, channels: 2) }
      }
    }
    // Mean gradients are 1 and -1/3: 1 - 2/3, 3, -1 - 4/3.
    let gradCAM = try map(.gradCAM)
    #expect(Self.difference(gradCAM.values, [1 / 9, 1, 0]) < 1e-6 && abs(gradCAM.peak - 3) < 1e-6)
    // 1, 0, -2 + 4.
    let hiResCAM = try map(.hiResCAM)
    #expect(hiResCAM.values == [0.5, 0, 1] && hiResCAM.peak == 2)
  }

  /// A class that all speaks against has an empty map, not one of NaN; so has one that nothing has to do with.
  @Test(arguments: CAM.allCases) func noEvidenceIsAnEmptyMap(_ cam: CAM) throws {
    var g = try Graph(input: [6, 6, 3])
    try g.add("conv", .convolution(channels: 8, window: Window(3)))
    try g.add("relu", .activation(.relu))
    try g.add("pool", .globalAveragePool)
    try g.add("logits", .linear(features: 3))
    var random = Random(seed: 2)
    var weights = Dictionary(uniqueKeysWithValues: try g.initialWeights(random: &random).map { ($0.name, $0.tensor) })
    let rows: [Float] = [-1, 0, 1]
    weights["logits.weight"] = try Tensor([3, 8], rows.flatMap { [Float](repeating: $0, count: 8) })
    let network = try Self.network(g, weights)
    let input = (0..<108).map { _ in Float(random.normal()) }
    #expect(try Self.map(network, input, of: 0, cam) == [Float](repeating: 0, count: 16))
    #expect(try Self.map(network, input, of: 1, cam) == [Float](repeating: 0, count: 16))
    let map = try Self.map(network, input, of: 2, cam)
    #expect(map.max() == 1 && map.allSatisfy { (0...1).contains($0) })
  }

  @Test func whatIsNotFiniteIsRefused() throws {
    let graph = try Architecture.gxnet.graph(input: [32, 32, 3], classes: 2)
    var weights = try BackboneTests.weights(graph, lively: true)
    let head = try Tensor([2, 192], [Float](repeating: .infinity, count: 384))
    weights["logits.weight"] = head
    let network = try Self.network(graph, weights)
    #expect(throws: GXError("the network's derivatives are not finite")) {
      try Self.map(network, BackboneTests.uniform("input", network.input.count), of: 0)
    }
  }

  @Test func vectorsHaveNoMap() throws {
    let graph = try Architecture.gxnet.graph(input: [32, 32, 3], classes: 2)
    let weights = try BackboneTests.weights(graph)
    let network = try Self.network(graph, weights, watching: "pool")
    _ = try network.forward()
    #expect(throws: GXError("the network watches no picture")) { try network.maps(of: [0], .gradCAM) }
  }

  /// Kernels that are the same under flips and quarter turns, on sizes that strides divide evenly from both ends,
  /// compute the turned values of a turned picture; so its map must be the turned map.
  @Test(arguments: CAM.allCases) func turnsWithThePicture(_ cam: CAM) throws {
    let size = 17
    var g = try Graph(input: [size, size, 3])
    try g.add("a", .convolution(channels: 9, window: Window(3, stride: 2, padding: 1), bias: false))
    try g.add("a.bn", .batchNorm())
    try g.add("a.relu", .activation(.relu))
    try g.add("b", .convolution(channels: 9, window: Window(3, padding: 1), groups: 9))
    try g.add("b.silu", .activation(.silu))
    try g.add("b.add", .add, "a.relu", "b.silu")
    try g.add("c", .convolution(channels: 12, window: Window(3, padding: 1)))
    try g.add("pool", .globalAveragePool)
    try g.add("dense", .linear(features: 16))
    try g.add("relu", .activation(.relu))
    try g.add("logits", .linear(features: 3))
    var random = Random(seed: 5)
    var weights: [String: Tensor] = [:]
    for (name, tensor) in try WatchTests.weights(g, &random) {
      guard tensor.shape.count == 4 else {
        weights[name] = tensor
        continue
      }
      // Corners, edges and centre of each kernel become alike.
      let values = tensor.floats()
      let sources = [0, 1, 0, 1, 4, 1, 0, 1, 0]
      weights[name] = try Tensor(tensor.shape, values.indices.map { values[$0 / 9 * 9 + sources[$0 % 9]] })
    }
    // Where a turned picture's place comes from: transposing and mirroring make up all eight.
    func turned(_ values: [Float], _ size: Int, _ channels: Int, _ view: Int) -> [Float] {
      (0..<size * size).flatMap { p -> ArraySlice<Float> in
        var (y, x) = (p / size, p % size)
        if view & 1 != 0 { x = size - 1 - x }
        if view & 2 != 0 { y = size - 1 - y }
        if view & 4 != 0 { (y, x) = (x, y) }
        return values[(y * size + x) * channels..<(y * size + x + 1) * channels]
      }
    }
    let picture = (0..<size * size * 3).map { _ in Float(random.normal()) }
    for node in ["a", "b.add", "c"] {
      let network = try Self.network(g, weights, watching: node)
      let map = try Self.map(network, picture, of: 1, cam)
      #expect(Set(map).count > 5, "an even map would prove nothing")
      for view in 1..<8 {
        let found = try Self.map(network, turned(picture, size, 3, view), of: 1, cam)
        #expect(Self.difference(found, turned(map, 9, 1, view)) < 1e-4, "view \(view) at \(node)")
      }
    }
  }

  /// Every architecture, at the node that is looked at where nobody says otherwise.
  @Test(arguments: Architecture.allCases.filter { $0 != .linear }) func architectures(
    _ architecture: Architecture
  ) throws {
    let graph = try architecture.graph(input: [64, 80, 3], classes: 8)
    let weights = try BackboneTests.weights(graph, lively: true)
    let network = try Self.network(graph, weights)
    let input = BackboneTests.uniform("input", network.input.count)
    let maps = try (0..<8).map { try Self.map(network, input, of: $0) }
    for map in maps {
      #expect(map.count == network.watchedShape!.dropLast().reduce(1, *) && map.allSatisfy { (0...1).contains($0) })
      #expect(map.max() == 1 || map.allSatisfy { $0 == 0 })
    }
    #expect(maps.contains { $0.max() == 1 } && Set(maps).count > 1)
  }
}
