import GXCore
import GXImage
import GXModel
import GXNet
import GXStream

/// A model at work: finishes a record's preparation and predicts its class, without calibration, which is `Ensemble`'s.
/// Safe to use from many threads.
public final class Classifier: Sendable {
  public let model: Model
  /// What each picture is classified by.
  public let views: Views
  private let preparation: Preparation
  private let networks: NetworkPool

  /// - Parameters:
  ///   - assumed: What to believe of records that do not say how they were prepared.
  ///   - views: What each picture is classified by; nil is as the model says.
  ///   - isProfiled: Whether to measure where the networks' time goes.
  /// - Throws: `GXError` where graph, weights, input and classes do not fit together.
  public convenience init(
    _ model: Model, assuming assumed: Provenance.Assumption? = nil, views: Views? = nil, isProfiled: Bool = false
  ) throws {
    try self.init(model, assuming: assumed, views: views, isProfiled: isProfiled, watching: nil)
  }

  /// - Parameter node: One whose value and gradient are wanted, for an explanation.
  init(
    _ model: Model, assuming assumed: Provenance.Assumption?, views: Views?, isProfiled: Bool, watching node: String?
  ) throws {
    self.model = model
    self.views = views ?? model.views
    preparation = Preparation(for: model, assuming: assumed)
    guard model.graph.input == model.input, model.graph.output == [model.classes.count] else {
      throw GXError(
        "model: the graph maps \(model.graph.input) to \(model.graph.output), not \(model.input) to "
          + "\(model.classes.count) classes")
    }
    networks = try NetworkPool(model.graph, weights: model.weights, isProfiled: isProfiled, watching: node)
  }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  public var profileTable: String? { networks.profileTable }

  /// The steps that are still to be applied to `record`.
  /// - Throws: `GXError` where it was prepared otherwise than the model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [any PixelStep] { try preparation.steps(for: record) }

  /// Applies `steps` to a picture and classifies it.
  /// - Throws: `GXError` where a step fails, its outcome is not what the network takes, or numbers are not finite.
  public func classify(_ picture: Tensor, after steps: [any PixelStep]) throws -> Prediction {
    try run(picture, after: steps) { logits, _ in try Prediction(classes: model.classes, members: logits) }
  }

  /// Applies `steps` to a picture, computes its views, and gives `read` their logits, `[views][classes]`, with the
  /// network that computed them, the picture as it is being the last.
  /// - Throws: `GXError` where a step fails, or its outcome is not what the network takes.
  func run<R>(_ picture: Tensor, after steps: [any PixelStep], _ read: ([[Float]], Network) throws -> R) throws -> R {
    try networks.run(views.views(of: preparation.finish(picture, steps)), read)
  }

  /// What of a picture the network sees: see `Preparation.seen`.
  func seen(_ picture: Tensor, after steps: [any PixelStep]) throws -> Tensor {
    try preparation.seen(picture, after: steps)
  }

  /// The whole of a picture to look at: see `Preparation.shown`.
  func shown(_ picture: Tensor, before steps: [any PixelStep]) throws -> Tensor {
    try preparation.shown(picture, before: steps)
  }
}
