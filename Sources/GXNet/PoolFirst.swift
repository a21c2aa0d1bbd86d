import GXCore
import GXGraph

extension Graph {
  /// The same function, computed in an order that costs training less: a convolution's activation that only a maximum
  /// is taken of comes after that, on a quarter of the numbers where the pooling is 2x2. Activations that never fall as
  /// their argument rises change places with a maximum; gradients are the same, for the maximum stands where it stood.
  func withPoolingFirst() throws -> Graph {
    var order = Array(nodes.indices)
    var inputs = nodes.map(\.inputs)
    for (place, node) in nodes.enumerated() {
      guard case .activation(let activation) = node.operation, activation.neverFalls, node.inputs[0] >= 0,
        case .convolution = nodes[node.inputs[0]].operation, readers(of: node.inputs[0]) == [place],
        case let readers = readers(of: place), readers.count == 1, case .pool(.max, _) = nodes[readers[0]].operation
      else { continue }
      let pool = readers[0]
      order.swapAt(place, pool)
      (inputs[pool], inputs[place]) = (node.inputs, [pool])
      for reader in self.readers(of: pool) {
        inputs[reader] = inputs[reader].map { $0 == pool ? place : $0 }
      }
    }
    guard order != Array(nodes.indices) else { return self }
    var graph = try Graph(input: input, initializer: initializer)
    for place in order {
      let names = inputs[place].map { $0 < 0 ? Self.inputName : nodes[$0].name }
      try graph.add(nodes[place].name, nodes[place].operation, inputs: names)
    }
    return graph
  }
}

extension Activation {
  /// Whether it is monotone: `a <= b` gives `f(a) <= f(b)`.
  fileprivate var neverFalls: Bool {
    switch self {
    case .relu, .leakyReLU, .relu6, .elu, .sigmoid, .tanh: true
    case .silu, .gelu, .hardswish: false
    }
  }
}
