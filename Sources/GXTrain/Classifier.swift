import GXCommand
import GXCore
import GXImage
import GXNet
import GXStream

/// A model at work: finishes a record's preparation and tells its class. Safe to use from many threads.
///
/// Each thread at work has a network of its own, which takes one picture at a time on one thread: the
/// result for a picture can't depend on its neighbours, nothing waits for a batch to fill, and several
/// threads together are as fast as batches are.
public final class Classifier: @unchecked Sendable {
  /// What was found out about a picture.
  public struct Result: Sendable {
    /// `[classes]`, as the network gives them.
    public let logits: [Float]
    /// `[classes]`, 1 in sum.
    public let probabilities: [Float]
    /// The likeliest class, by its place in the model's list; the first of equals.
    public let prediction: Int
  }

  public let model: Model
  private let wanted: [JSON]
  private let assumed: Provenance.Assumption?
  private let weights: [String: Tensor]
  private let monitor = Monitor()
  private var idle: [Network] = []
  private let isProfiled: Bool

  /// Builds a first network, so that a model that does not work is known at once.
  /// - Parameters:
  ///   - assumed: What to believe of records that do not say how they were prepared.
  ///   - isProfiled: Whether to measure where the networks' time goes.
  public init(_ model: Model, assuming assumed: Provenance.Assumption? = nil, isProfiled: Bool = false) throws {
    self.isProfiled = isProfiled
    self.model = model
    self.assumed = assumed
    wanted = Provenance.deterministic(model.ops)
    weights = Dictionary(uniqueKeysWithValues: model.weights.map { ($0.name, $0.tensor) })
    guard model.graph.input == model.input, model.graph.output == [model.classes.count] else {
      throw GXError(
        "model: the graph maps \(model.graph.input) to \(model.graph.output), not \(model.input) to \(model.classes.count) classes"
      )
    }
    idle.append(try network())
  }

  /// The steps that are still to be applied to `record`.
  /// - Throws: `GXError` where it was prepared otherwise than the model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [PixelOp] {
    guard let tensor = record.tensor else { return [] }
    return try Provenance.missing(ops: record.ops, dtype: tensor.dtype, model: wanted, assumed: assumed).map {
      (step) throws(GXError) in
      guard step != Provenance.foreign else {
        throw GXError("the model's training data did not say how it was prepared")
      }
      return try PixelOp(json: step)
    }
  }

  /// Applies `steps` to a picture and classifies it.
  /// - Throws: `GXError` where a step fails, or its outcome is not what the network takes.
  public func classify(_ picture: Tensor, after steps: [PixelOp]) throws -> Result {
    var picture = picture
    for step in steps { picture = try step.apply(picture) }
    guard picture.shape == model.input else {
      throw GXError("the picture is \(picture.shape), the model takes \(model.input)")
    }
    guard picture.dtype.isFloat else { throw GXError("pixels are \(picture.dtype.name), not floats") }

    let network = try monitor.locked { idle.popLast() } ?? network()
    defer { monitor.locked { idle.append(network) } }
    Network.setThreads(1)
    picture.copyFloats(to: network.input)
    let logits = try network.forward()
    guard logits.allSatisfy(\.isFinite) else { throw GXError("the network's logits are not finite") }
    let probabilities = [Float](unsafeUninitializedCapacity: logits.count) { out, count in
      Loss.softmax(logits, classes: logits.count, into: .init(rebasing: out[..<logits.count]))
      count = logits.count
    }
    return Result(logits: Array(logits), probabilities: probabilities, prediction: largest(logits, 0, logits.count))
  }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  public var profileTable: String? {
    let profiles = monitor.locked { idle.compactMap(\.profile) }
    guard var sum = profiles.first else { return nil }
    for profile in profiles.dropFirst() { sum.add(profile) }
    return sum.table(threads: 1)
  }

  private func network() throws -> Network {
    let network = try Network(graph: model.graph, batch: 1, training: false, threads: 1)
    try network.load(weights)
    if isProfiled { network.startProfile() }
    return network
  }
}
