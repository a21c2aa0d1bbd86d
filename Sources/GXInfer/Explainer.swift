import GXCore
import GXGraph
import GXImage
import GXModel
import GXNet
import GXStream

/// A model that tells where in a picture it sees evidence for a class. Safe to use from many threads.
public final class Explainer: Sendable {
  /// How evidence is looked for.
  public enum Method: Equatable, Sendable {
    case cam(CAM)
    case occlusion(Occlusion)

    public static let gradCAM = cam(.gradCAM)

    /// `gradcam`, `hirescam` or `occlusion`.
    public var name: String {
      switch self {
      case .cam(let cam): cam.rawValue
      case .occlusion: "occlusion"
      }
    }
  }

  /// What was found out about a picture, of which one view is looked at.
  public struct Result: Sendable {
    public let classification: Classifier.Result
    /// The class that evidence was looked for, by its place in the model's list.
    public let explained: Int
    /// f32 `[height, width, 1]` of the node's size, over the whole of the picture that the network takes: the largest
    /// value is 1, and all are 0 where there is evidence against the class alone.
    public let map: Tensor
    /// The evidence that 1 stands for: of the class's logit, a place's share by the method's formula, or what covering
    /// it takes off; 0 of a map of zeros.
    public let peak: Float

    /// The map over the whole of a picture that `steps` were applied to: f32 `[height, width, 1]` of its size, scaled
    /// anew, and the evidence that its 1 stands for. What the steps cut off of it is 0.
    public func spread(over picture: Tensor, after steps: [any PixelStep]) throws -> (map: Tensor, peak: Float) {
      let map = try Image.spread(map, over: picture.shape, extent: steps.extent(picture.shape))
      let values = map.floats()
      let largest = values.max() ?? 0
      guard largest > 0 else { return (map, 0) }
      return (try Tensor(map.shape, values.map { $0 / largest }), peak * largest)
    }
  }

  public let model: Model
  /// The node whose value is looked at; of occlusion, the network's input.
  public let node: String
  public let method: Method
  private let preparation: Preparation
  private let networks: NetworkPool

  /// - Parameters:
  ///   - node: One that gives a picture; nil is the last such before the head. Of CAMs alone.
  ///   - assumed: What to believe of records that do not say how they were prepared.
  /// - Throws: `GXError` where there is no such node, it gives a vector, or graph, weights, input and classes do not
  ///   fit together.
  public init(
    _ model: Model, node: String? = nil, method: Method = .gradCAM, assuming assumed: Provenance.Assumption? = nil
  ) throws {
    (self.model, self.method) = (model, method)
    preparation = Preparation(for: model, assuming: assumed)
    try model.checkGraph()
    var watched: String?
    if case .cam = method {
      let node = try node ?? model.graph.lastPicture()
      let shape = try model.graph.shape(ofNode: node)
      guard shape.count == 3 else {
        throw GXError("node \(node): gives a vector \(shape), not a picture to explain by")
      }
      watched = node
    }
    self.node = watched ?? Graph.inputName
    networks = try NetworkPool(model.graph, batch: 1, weights: model.weights, isProfiled: false, watching: watched)
  }

  /// The steps that are still to be applied to `record`.
  /// - Throws: `GXError` where it was prepared otherwise than the model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [any PixelStep] { try preparation.steps(for: record) }

  /// Applies `steps` to a picture, classifies it, and explains a class.
  /// - Parameter name: Of the class, as the model has it; nil is the likeliest.
  /// - Throws: `GXError` where there is no such class, a step fails, or its outcome is not what the network takes.
  public func explain(_ picture: Tensor, after steps: [any PixelStep], class name: String? = nil) throws -> Result {
    let asked = try name.map { name throws(GXError) in try model.place(ofClass: name) }
    return try networks.run([preparation.finish(picture, steps)]) { logits, network in
      let classification = try Classifier.Result(logits, classes: model.classes.count)
      let explained = asked ?? classification.prediction
      let found =
        switch method {
        case .cam(let cam): try network.maps(of: [explained], cam)[0]
        case .occlusion(let occlusion): try network.map(of: explained, occlusion)
        }
      let size = (network.watchedShape ?? model.input).dropLast()
      return Result(
        classification: classification, explained: explained, map: try Tensor(size + [1], found.values),
        peak: found.peak)
    }
  }

  /// What of a picture the network sees, u8 `[height, width, 3]` of its input's size, to lay a map over: the picture
  /// after what can be seen of `steps`. Numbers that it was normalised to before are turned back.
  /// - Throws: `GXError` where a step fails, or the picture has neither 1 nor 3 channels.
  public func seen(_ picture: Tensor, after steps: [any PixelStep]) throws -> Tensor {
    try preparation.seen(picture, after: steps)
  }

  /// The whole of a picture that `steps` are still to be applied to, u8 `[height, width, 3]` of its own size. Numbers
  /// that it was normalised to before are turned back.
  /// - Throws: `GXError` where the picture has neither 1 nor 3 channels.
  public func shown(_ picture: Tensor, before steps: [any PixelStep]) throws -> Tensor {
    try preparation.shown(picture, before: steps)
  }
}

extension Model {
  /// - Throws: `GXError` that lists the classes where there is no such.
  public func place(ofClass name: String) throws(GXError) -> Int {
    guard let place = classes.firstIndex(ofName: name) else {
      throw GXError("the model has no class '\(name)'; it has \(classes.joined(separator: ", "))")
    }
    return place
  }
}
