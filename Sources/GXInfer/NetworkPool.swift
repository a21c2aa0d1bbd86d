import GXCore
import GXGraph
import GXNet

/// Networks of one graph for any number of threads.
///
/// Each thread at work has a network of its own, which computes on one thread: the result for a picture can't
/// depend on its neighbours, nothing waits for a batch to fill, and several threads together are as fast as batches are.
/// All compute with the same weights.
package final class NetworkPool: @unchecked Sendable {
  private let graph: Graph
  private let batch: Int
  private let first: Network
  private let monitor = Monitor()
  private var idle: [Network] = []
  private let isProfiled: Bool
  private let watching: String?

  /// Builds a first network, so that a model that does not work is known at once.
  /// - Parameters:
  ///   - weights: All that `graph` takes, and no more.
  ///   - isProfiled: Whether to measure where the networks' time goes.
  ///   - watching: The node whose value and gradient are wanted, if any.
  package init(
    _ graph: Graph, batch: Int, weights: [(name: String, tensor: Tensor)], isProfiled: Bool, watching: String? = nil
  ) throws {
    (self.graph, self.batch, self.isProfiled, self.watching) = (graph, batch, isProfiled, watching)
    first = try Network(graph: graph, batch: batch, training: false, watching: watching, threads: 1)
    try first.load(Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) }))
    if isProfiled { first.startProfile() }
    idle.append(first)
  }

  /// Computes a batch of `pictures`, as many as the network's batch. `read` gets the result, which it must copy.
  package func run<R>(_ pictures: [Tensor], _ read: (UnsafeBufferPointer<Float>) throws -> R) throws -> R {
    try run(pictures) { result, _ in try read(result) }
  }

  /// The same; `read` gets the network too, which is its own as long as it runs.
  package func run<R>(_ pictures: [Tensor], _ read: (UnsafeBufferPointer<Float>, Network) throws -> R) throws -> R {
    precondition(pictures.count == batch)
    let network = try monitor.locked { idle.popLast() } ?? another()
    defer { monitor.locked { idle.append(network) } }
    Network.setThreads(1)
    let size = network.input.count / batch
    for (i, picture) in pictures.enumerated() {
      picture.copyFloats(to: .init(rebasing: network.input[i * size..<(i + 1) * size]))
    }
    return try read(network.forward(), network)
  }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  var profileTable: String? {
    let profiles = monitor.locked { idle.compactMap(\.profile) }
    guard var sum = profiles.first else { return nil }
    for profile in profiles.dropFirst() { sum.add(profile) }
    return sum.table()
  }

  private func another() throws -> Network {
    let network = try Network(
      graph: graph, batch: batch, training: false, watching: watching, sharing: first, threads: 1)
    if isProfiled { network.startProfile() }
    return network
  }
}
