import GXCore

extension Graph {
  /// A node as a reader of the graph wants it.
  public struct Row: Sendable {
    public let name: String
    /// As in the model file: `conv`, `linear`, `relu`…
    public let operation: String
    /// Of the result: `[height, width, channels]` or `[features]`.
    public let shape: Shape
    /// How many numbers training sets.
    public let parameterCount: Int
  }

  /// The nodes, in order.
  public var rows: [Row] {
    nodes.enumerated().map { place, node in
      Row(
        name: node.name, operation: node.operation.name, shape: node.shape,
        parameterCount: weights(of: place).filter(\.isTrained).reduce(0) { $0 + $1.shape.reduce(1, *) })
    }
  }
}
