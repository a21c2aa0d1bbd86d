import GXCore

/// Parts of a graph: what is computed on the way to a node, and from there on.
extension Graph {
  /// The last linear layer, whose value is the logits of all classes, or of the finer ones that are merged after it.
  package var head: Node? { nodes.last { if case .linear = $0.operation { true } else { false } } }

  /// The name of the last linear layer.
  public var headName: String? { head?.name }

  /// What enters the head, which is the last linear layer: the name of the node whose value it reads. Dropout
  /// is looked through, for it changes nothing in inference.
  /// - Throws: `GXError` where there is no linear layer, or it reads the network's input itself.
  public func headInput() throws(GXError) -> String {
    guard let head else { throw GXError("the network has no linear layer to be its head") }
    var place = head.inputs[0]
    while place >= 0, case .dropout = nodes[place].operation { place = nodes[place].inputs[0] }
    guard place >= 0 else { throw GXError("node \(head.name): reads the network's input, there is nothing before it") }
    return nodes[place].name
  }

  /// The last node before the head whose value is a picture: what convolutions see at last, after its activation.
  /// Dropout is looked through, as in `headInput`.
  /// - Throws: `GXError` where no node gives a picture but by dropping some of the network's input.
  public func lastPicture() throws(GXError) -> String {
    guard var place = nodes.lastIndex(where: { $0.shape.count == 3 }) else { throw GXError(Self.noPicture) }
    while place >= 0, case .dropout = nodes[place].operation { place = nodes[place].inputs[0] }
    guard place >= 0 else { throw GXError(Self.noPicture) }
    return nodes[place].name
  }

  private static let noPicture = "the network has no picture before its head: all of its nodes give vectors"

  /// Of a node's value for one picture: `[height, width, channels]` or `[features]`.
  /// - Throws: `GXError` where there is no such node.
  public func shape(ofNode name: String) throws(GXError) -> Shape { nodes[try place(ofNode: name)].shape }

  /// - Throws: `GXError` where there is no such node.
  package func place(ofNode name: String) throws(GXError) -> Int {
    guard let place = nodes.firstIndex(where: { $0.name == name }) else {
      throw GXError("the network has no node \(name)")
    }
    return place
  }

  /// A graph that ends in the last linear layer: without what its logits are merged into.
  /// - Throws: `GXError` where there is no linear layer.
  public func throughHead() throws -> Graph {
    guard let head else { throw GXError("the network has no linear layer to be its head") }
    return try prefix(through: head.name)
  }

  /// A graph of the nodes that `name` needs, with `name` the last: its `output` is that node's shape, a picture
  /// `[height, width, channels]` or a vector. The nodes keep their names, and so their weights'.
  /// - Throws: `GXError` where there is no such node.
  public func prefix(through name: String) throws -> Graph {
    let last = try place(ofNode: name)
    var needed: Set = [last]
    for place in stride(from: last, through: 0, by: -1) where needed.contains(place) {
      needed.formUnion(nodes[place].inputs)
    }
    var graph = try Graph(input: input, initializer: initializer)
    for place in needed.sorted() where place >= 0 {
      let node = nodes[place]
      try graph.add(
        node.name, node.operation, inputs: node.inputs.map { $0 < 0 ? Self.inputName : nodes[$0].name })
    }
    return graph
  }

  /// A graph of the nodes after `name`, whose input is that node's value; a vector `[n]` enters as a picture `[1, 1, n]`.
  /// - Throws: `GXError` where there is no such node, or one after it reads what is before it.
  public func suffix(after name: String) throws -> Graph {
    let cut = try place(ofNode: name)
    let value = nodes[cut].shape
    var graph = try Graph(input: value.count == 1 ? [1, 1] + value : value, initializer: initializer)
    for node in nodes[(cut + 1)...] {
      guard node.inputs.allSatisfy({ $0 >= cut }) else {
        throw GXError("node \(node.name): reads more than the value of \(name)")
      }
      try graph.add(
        node.name, node.operation, inputs: node.inputs.map { $0 == cut ? Self.inputName : nodes[$0].name })
    }
    return graph
  }

  /// The names of all tensors that a network of this graph takes, in the graph's order.
  public var weightNames: [String] { nodes.indices.flatMap { weights(of: $0) }.map(\.name) }
}
