import GXCore
import GXModel
import GXNet
import GXStream

/// A model up to one of its nodes: turns pictures into that node's values. Safe to use from many threads.
public final class FeatureExtractor: Sendable {
  /// The node whose value it gives.
  public let node: String
  private let source: JSON
  private let shape: Shape
  private let preparation: Preparation
  private let networks: NetworkPool

  /// - Parameters:
  ///   - node: nil is the one whose value enters the head.
  ///   - assumed: What to believe of records that do not say how they were prepared.
  ///   - isProfiled: Whether to measure where the networks' time goes.
  /// - Throws: `GXError` where there is no such node, or graph, weights and input do not fit together.
  public init(
    _ model: Model, node: String? = nil, assuming assumed: Provenance.Assumption? = nil, isProfiled: Bool = false
  ) throws {
    self.node = try node ?? model.graph.headInput()
    source = ["model": .string(model.digest), "node": .string(self.node)]
    preparation = Preparation(for: model, assuming: assumed)
    guard model.graph.input == model.input else {
      throw GXError("model: the graph takes \(model.graph.input), not \(model.input)")
    }
    let graph = try model.graph.prefix(through: self.node)
    let names = Set(graph.weightNames)
    networks = try NetworkPool(
      graph, weights: model.weights.filter { names.contains($0.name) }, isProfiled: isProfiled)
    shape = graph.output.count == 1 ? [1, 1] + graph.output : graph.output
  }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  public var profileTable: String? { networks.profileTable }

  /// The record with the node's value as its tensor, f32 of `[height, width, channels]` (a vector is `[1, 1, n]`).
  /// Its field `features` says where that is from, and `ops` begins anew. Failed records stay as they are.
  ///
  /// What is wrong with the picture becomes the record's error.
  /// - Throws: `GXError` where the record was prepared otherwise than the model wants, or does not say how.
  public func features(of record: Record) throws(GXError) -> Record {
    var result = Record(key: record.key, meta: record.meta)
    guard record.error == nil else { return result }
    let steps = try preparation.steps(for: record)
    do {
      guard let picture = record.tensor else { throw GXError("has no pixels") }
      let values = try networks.run(preparation.finish(picture, steps))
      guard values.allSatisfy(\.isFinite) else { throw GXError("the features are not finite") }
      result.tensor = try Tensor(shape, values)
      result.meta.ops = []
      result.meta["features"] = source
    } catch {
      result.fail("\(error)")
    }
    return result
  }
}
