import Foundation
import GXCore
import GXGraph
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXModel
@testable import GXTrain

@Suite struct ForeignNamesTests {
  static let sources = [
    "torchvision mobilenet_v2", "torchvision efficientnet_b0", "torchvision resnet18", "efficientnet_pytorch lite0",
  ]

  func pairs(_ source: String) throws -> [(theirs: String, ours: String)] {
    try golden("names.json")[source]!.arrayValue!.map {
      ($0.arrayValue![0].stringValue!, $0.arrayValue![1].stringValue!)
    }
  }

  @Test(arguments: sources) func namesBecomeTimms(source: String) throws {
    let pairs = try pairs(source)
    // safetensors files are sorted by name.
    let sorted = pairs.sorted { $0.theirs < $1.theirs }
    let wanted = pairs.map(\.ours)
    #expect(ForeignNames.translated(sorted.map(\.theirs), for: wanted) == sorted.map(\.ours))
    // timm's own stay, and wrappers' prefixes go, in whatever order they were put on.
    #expect(ForeignNames.translated(wanted, for: wanted) == wanted)
    for prefix in ["module.", "encoder.", "model.timm_model."] {
      #expect(ForeignNames.translated(sorted.map { prefix + $0.theirs }, for: wanted) == sorted.map(\.ours))
    }
  }

  @Test(arguments: sources) func aBackboneWithoutItsHeadFitsAllTheSame(source: String) throws {
    let pairs = try pairs(source)
    let body = pairs.dropLast(2).sorted { $0.theirs < $1.theirs }
    #expect(ForeignNames.translated(body.map(\.theirs), for: pairs.map(\.ours)) == body.map(\.ours))
  }

  @Test func anotherNumberOfLayersIsAnotherNetwork() throws {
    let pairs = try pairs("torchvision mobilenet_v2")
    let cut = pairs.filter { !$0.theirs.hasPrefix("features.17.") }.map(\.theirs)
    #expect(ForeignNames.translated(cut, for: pairs.map(\.ours)) == cut)
  }
}

@Suite struct PretrainedTests {
  let scratch = Scratch()

  /// A network with a squeeze layer, as timm would call it.
  func graph(classes: Int = 3) throws -> Graph {
    var graph = try Graph(input: [8, 8, 1])
    try graph.add("conv_stem", .convolution(channels: 4, window: Window(3, padding: 1), bias: false))
    try graph.add("bn1", .batchNorm())
    try graph.add("pool", .globalAveragePool)
    try graph.add("se.conv_reduce", .linear(features: 2))
    try graph.add("relu", .activation(.relu))
    try graph.add("classifier", .linear(features: classes))
    return graph
  }

  /// Tensors of the graph's shapes, each filled with another number.
  func numbered(_ graph: Graph) throws -> [(name: String, tensor: Tensor)] {
    try Start(graph, seed: 1).weights.enumerated().map { i, weight in
      (weight.name, try Tensor(weight.tensor.shape, [Float](repeating: Float(i) + 0.5, count: weight.tensor.count)))
    }
  }

  func pretrained(_ tensors: [(name: String, tensor: Tensor)], _ metadata: [(key: String, value: String)] = [])
    throws -> Pretrained
  {
    let path = scratch.path("weights.safetensors")
    try Safetensors(tensors: tensors, metadata: metadata).write(path: path)
    return try Pretrained(path: path)
  }

  @Test func takesWhatFitsAndTellsTheRest() throws {
    let (theirs, ours) = (try graph(classes: 5), try graph())
    var tensors = try numbered(theirs)
    // A 1x1 convolution is a matrix; one tensor is not there; two are strangers.
    let matrix = try #require(tensors.firstIndex { $0.name == "se.conv_reduce.weight" })
    tensors[matrix].tensor = try Tensor([2, 4, 1, 1], [Float](repeating: 9, count: 8))
    tensors.removeAll { $0.name == "bn1.bias" }
    tensors.append(("extra.weight", try Tensor([1], [1])))
    tensors.append(("bn1.num_batches_tracked", try Tensor([1], [1])))
    let file = try pretrained(
      tensors.map { ("module." + $0.name, $0.tensor) }, [("source", "elsewhere"), ("gx", "")].dropLast())
    let fresh = try Start(ours, seed: 2).weights
    let fit = try file.fit(ours, fresh: fresh, classes: ["a", "b", "c"])

    #expect(fit.weights.map(\.name) == ours.weightNames)
    let got = Dictionary(uniqueKeysWithValues: fit.weights.map { ($0.name, $0.tensor) })
    let old = Dictionary(uniqueKeysWithValues: fresh.map { ($0.name, $0.tensor) })
    #expect(got["conv_stem.weight"]!.floats().allSatisfy { $0 == 0.5 })
    #expect(try got["se.conv_reduce.weight"] == Tensor([2, 4], [Float](repeating: 9, count: 8)))
    for name in ["bn1.bias", "classifier.weight", "classifier.bias"] { #expect(got[name] == old[name]) }
    #expect(fit.fresh.map(\.name) == ["bn1.bias", "classifier.weight", "classifier.bias"])
    #expect(fit.fresh.map(\.lack) == [.missing, .shape(file: [5, 2], graph: [3, 2]), .shape(file: [5], graph: [3])])
    #expect(fit.lacking == ["bn1.bias"] && fit.reasons(fit.lacking) == "bn1.bias is not in it")
    #expect(
      fit.note
        == "6 of 9 tensors; not in it: bn1.bias; of another shape: classifier.weight ([5, 2], here [3, 2]), "
        + "classifier.bias ([5], here [3]); not used: module.extra.weight; not needed: 1 num_batches_tracked")
    let record = file.record(fit)
    #expect(record["file"] == "weights.safetensors" && record["metadata"] == ["source": "elsewhere"])
    #expect(record["fresh"] == ["bn1.bias", "classifier.weight", "classifier.bias"])
  }

  @Test func anotherNetworkIsRefused() throws {
    let file = try pretrained([("a.weight", Tensor([1], [1])), ("classifier.bias", Tensor([3], [1, 2, 3]))])
    let said = message { _ = try file.fit(graph(), fresh: Start(graph(), seed: 1).weights, classes: ["a", "b", "c"]) }
    #expect(said.contains("weights.safetensors: has 0 of the 7 tensors") && said.contains("a.weight"), "\(said)")
  }

  /// A gx model's head is for its classes.
  @Test(arguments: [true, false]) func aHeadGoesWithItsClasses(same: Bool) throws {
    let graph = try graph()
    let model = Model(
      graph: graph, classes: ["a", "b", "c"], input: graph.input, ops: [], training: [:], weights: try numbered(graph))
    try model.write(path: scratch.path("model"))
    let file = try Pretrained(path: scratch.path("model"))
    let fit = try file.fit(
      graph, fresh: Start(graph, seed: 1).weights, classes: same ? ["a", "b", "c"] : ["a", "b", "d"])
    #expect(fit.taken.contains("classifier.weight") == same && fit.taken.count == (same ? 9 : 7))
    #expect(fit.fresh.isEmpty == same && file.metadata.map(\.key) == ["format"])
  }

  /// A file of types that gx has not: BF16 and F64 are read, I64 and BOOL are told.
  @Test func foreignTypes() throws {
    let header = #"""
      {"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"d":{"dtype":"F64","shape":[2],"data_offsets":[4,20]},\#
      "n":{"dtype":"I64","shape":[],"data_offsets":[20,28]},"t":{"dtype":"BOOL","shape":[1],"data_offsets":[28,29]}}
      """#
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
    for value: Float in [1.5, -3] {
      bytes += withUnsafeBytes(of: UInt16(value.bitPattern >> 16).littleEndian) { Array($0) }
    }
    for value in [0.1, -1e300] { bytes += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    bytes += [UInt8](repeating: 1, count: 9)
    let file = try Safetensors(parsing: Storage(bytes))
    #expect(try file["b"] == Tensor([2], [1.5, -3]))
    #expect(try file["d"] == Tensor([2], [0.1, -.infinity]))
    #expect(file.unread.map(\.name) == ["n", "t"] && file.unread.map(\.type) == ["I64", "BOOL"])
    #expect(file.tensors.count == 2)
    #expect(message { try file.checkWeights() } == "tensor 'n': is of type I64, which gx cannot read")
    #expect(message { _ = try Safetensors(parsing: Storage(Array(bytes.dropLast()))) }.contains("ends at"))
  }

  /// Names that fit by accident, in tensors that are most of all but few of the weights.
  @Test func aNetworkOfAsManyNamesIsRefusedByItsWeights() throws {
    var tensors = try numbered(graph())
    tensors[0].tensor = try Tensor([8, 1, 5, 5], [Float](repeating: 1, count: 200))
    let said = message {
      _ = try pretrained(tensors).fit(graph(), fresh: Start(graph(), seed: 1).weights, classes: ["a", "b", "c"])
    }
    #expect(
      said.contains("has 6 of the 7 tensors before the network's head, and in these 26 of its 62 weights"), "\(said)")
  }

  @Test func weightsThatAreNotFiniteAreNamedWhereTheyAreTaken() throws {
    var tensors = try numbered(graph()) + [("extra", Tensor([1], [.nan]))]
    func said() -> String {
      message {
        _ = try pretrained(tensors).fit(graph(), fresh: Start(graph(), seed: 1).weights, classes: ["a", "b", "c"])
      }
    }
    #expect(said() == "")
    tensors[1].tensor = try Tensor([4], [1, .infinity, 1, 1])
    #expect(said() == "weights.safetensors: tensor 'bn1.weight': value [1] is inf, not a finite number")
  }
}
