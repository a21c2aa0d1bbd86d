import GXCore
import GXImage
import GXModel
import GXNet
import GXStream

/// A model at work: finishes a record's preparation and tells its class, without calibration, which is `Ensemble`'s.
/// Safe to use from many threads.
public final class Classifier: Sendable {
  /// What was found out about a picture.
  public struct Result: Sendable {
    /// `[classes]`: the network's, or of several views the logarithm of their mean probabilities.
    public let logits: [Float]
    /// `[views][classes]`: the network's logits of each.
    let views: [[Float]]
    /// `[classes]`, softmax of the logits: 1 in sum.
    public let probabilities: [Float]
    /// The likeliest class, by its place in the model's list; the first of equals.
    public let prediction: Int

    /// - Parameter views: the network's logits of each view, `[views, classes]`.
    /// - Throws: `GXError` where they are not finite.
    init(_ views: UnsafeBufferPointer<Float>, classes: Int) throws(GXError) {
      guard views.allSatisfy(\.isFinite) else { throw GXError("the network's logits are not finite") }
      self.views = stride(from: 0, to: views.count, by: classes).map { Array(views[$0..<$0 + classes]) }
      let logits = self.views.count == 1 ? self.views[0] : logMeanProbabilities(self.views)
      self.logits = logits
      probabilities = logits.withUnsafeBufferPointer { logits in
        [Float](unsafeUninitializedCapacity: classes) { out, count in
          Loss.softmax(logits, classes: classes, into: .init(rebasing: out[..<classes]))
          count = classes
        }
      }
      prediction = logits.withUnsafeBufferPointer { largest($0, 0, classes) }
    }
  }

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
  public init(
    _ model: Model, assuming assumed: Provenance.Assumption? = nil, views: Views? = nil, isProfiled: Bool = false
  ) throws {
    self.model = model
    self.views = views ?? model.views
    preparation = Preparation(for: model, assuming: assumed)
    try model.checkGraph()
    networks = try NetworkPool(
      model.graph, batch: self.views.count(model.input), weights: model.weights, isProfiled: isProfiled)
  }

  /// Where the time of all networks together went, as a table for people; nil where it was not measured.
  public var profileTable: String? { networks.profileTable }

  /// The steps that are still to be applied to `record`.
  /// - Throws: `GXError` where it was prepared otherwise than the model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [any PixelStep] { try preparation.steps(for: record) }

  /// Applies `steps` to a picture and classifies it.
  /// - Throws: `GXError` where a step fails, or its outcome is not what the network takes.
  public func classify(_ picture: Tensor, after steps: [any PixelStep]) throws -> Result {
    let views = try views.views(of: preparation.finish(picture, steps))
    let classes = model.classes.count
    return try networks.run(views) { try Result($0, classes: classes) }
  }
}

extension Model {
  /// - Throws: `GXError` where the graph does not take pictures of `input` or gives no logit for each class.
  func checkGraph() throws(GXError) {
    guard graph.input == input, graph.output == [classes.count] else {
      throw GXError("model: the graph maps \(graph.input) to \(graph.output), not \(input) to \(classes.count) classes")
    }
  }
}
