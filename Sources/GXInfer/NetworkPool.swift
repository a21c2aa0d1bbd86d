import GXCore
import GXGraph
import GXNet

/// Networks of one graph for any number of threads.
///
/// Each thread at work has a network of its own, which computes one picture at a time on one thread: the result for a
/// picture can't depend on its neighbours, nothing waits for a batch to fill, and several threads together are as fast
/// as batches are. All compute with the same weights.
package final class NetworkPool: @unchecked Sendable {
  private let graph: Graph
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
    _ graph: Graph, weights: [(name: String, tensor: Tensor)], isProfiled: Bool, watching: String? = nil
  ) throws {
    (self.graph, self.isProfiled, self.watching) = (graph, isProfiled, watching)
    first = try Network(graph: graph, batch: 1, training: false, watching: watching, threads: 1)
    try first.load(Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) }))
    if isProfiled { first.startProfile() }
    idle.append(first)
  }

  /// Computes `pictures` one after the other, and gives `read` the values of each, in their order. `read` gets the network
  /// too, which is its own as long as it runs, and which the first of the pictures was the last to pass through.
  package func run<R>(_ pictures: [Tensor], _ read: ([[Float]], Network) throws -> R) throws -> R {
    let network = try monitor.locked { idle.popLast() } ?? another()
    defer { monitor.locked { idle.append(network) } }
    Network.setThreads(1)
    let values = try pictures.reversed().map { picture in
      picture.copyFloats(to: network.input)
      return Array(try network.forward())
    }
    return try read(values.reversed(), network)
  }

  /// The values that a picture gives.
  package func run(_ picture: Tensor) throws -> [Float] { try run([picture]) { values, _ in values[0] } }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  var profileTable: String? {
    let profiles = monitor.locked { idle.compactMap(\.profile) }
    guard var sum = profiles.first else { return nil }
    for profile in profiles.dropFirst() { sum.add(profile) }
    return sum.table()
  }

  private func another() throws -> Network {
    let network = try Network(graph: graph, batch: 1, training: false, watching: watching, sharing: first, threads: 1)
    if isProfiled { network.startProfile() }
    return network
  }
}
