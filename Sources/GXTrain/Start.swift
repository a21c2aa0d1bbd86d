import GXCore
import GXGraph
import GXModel
import GXNet

/// Where a training run begins: the weights, and what of them learns how fast.
public struct Start: Sendable {
  /// All that the graph takes.
  public var weights: [(name: String, tensor: Tensor)]
  /// Nodes that do not learn, by name: they are computed as in inference.
  public var frozen: Set<String> = []
  /// What the learning rate is multiplied with for the weights of each node, by name; 1 for those not here.
  public var rates: [String: Double] = [:]
  /// Further fields of the model's `training`: where the weights came from.
  public var origin: JSONObject = [:]
  /// For the user: which tensors came from a file.
  public var note: String?
  /// For the user: that layers before the head, which learn, have no weights from the file.
  public var warning: String?

  /// New weights that the seed draws, all of which learn alike.
  public init(_ graph: Graph, seed: UInt64) throws {
    var random = Random(seed: seed, id: "weights")
    weights = try graph.initialWeights(random: &random)
  }

  /// What the learning rate is multiplied with for the tensor of this name.
  func rate(_ name: String) -> Double { rates[layer(of: name)] ?? 1 }
}

/// A graph's nodes in the order of work, in the groups that thaw and learn together: what is before the first block,
/// each block, what is after the last, and the head (the last node, and dropout before it).
///
/// A block is the nodes whose names begin alike with a word and numbers: `layer1.0`, `blocks.2.1`, `stage3.1`.
struct NodeGroups {
  private(set) var groups: [[String]] = []
  /// The places in `groups` of the blocks.
  private(set) var blocks: [Int] = []

  init(_ graph: Graph) throws {
    let body = try graph.nodes.prefix { [head = graph.headInput()] in $0.name != head }.count + 1
    let weighted = Set(graph.weightNames.map(layer))
    var last: String?
    for node in graph.nodes[..<body] {
      // What has no weights goes with what is before it.
      let block = weighted.contains(node.name) ? Self.block(of: node.name) : last
      if groups.isEmpty || block != last {
        if block != nil { blocks.append(groups.count) }
        groups.append([])
      }
      groups[groups.count - 1].append(node.name)
      last = block
    }
    groups.append(graph.nodes[body...].map(\.name))
  }

  private static func block(of name: String) -> String? {
    let parts = name.split(separator: ".")
    let numbers = parts.dropFirst().prefix { Int($0) != nil }
    return numbers.isEmpty ? nil : parts[...numbers.count].joined(separator: ".")
  }

  /// The learning rate's factor for each node: `decay` to the power of its group's distance from the head
  /// (layer-wise learning-rate decay, as in Clark et al. 2020 and timm).
  func rates(decay: Double) -> [String: Double] {
    var rates: [String: Double] = [:]
    var rate = 1.0
    for group in groups.reversed() {
      for name in group { rates[name] = rate }
      rate *= decay
    }
    return rates
  }

  /// The nodes before the last `count` blocks.
  /// - Throws: `GXError` where there are not so many.
  func before(lastBlocks count: Int) throws(GXError) -> Set<String> {
    guard count <= blocks.count else { throw GXError("the network has \(blocks.count) blocks, not \(count)") }
    return Set(groups[..<blocks[blocks.count - count]].joined())
  }
}
