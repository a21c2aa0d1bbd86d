import GXCore
import GXGraph
import GXImage
import GXModel
import GXNet
import GXStream

/// Classifies as an `Ensemble` does, and tells in the same pass where in a picture the first model sees evidence for a
/// class. Safe to use from many threads.
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

  /// What classifies. Of several models, the first explains.
  public let ensemble: Ensemble
  /// The node whose value is looked at; of occlusion, the network's input.
  public let node: String
  public let method: Method

  /// - Parameters:
  ///   - node: One that gives a picture; nil is the last such before the head. Of CAMs alone.
  ///   - assumed: What to believe of records that do not say how they were prepared.
  ///   - views: What each picture is classified by; nil is as each model says. Maps are of the picture as it is.
  /// - Throws: `GXError` where there is no such node, it gives a vector, or as `Ensemble`.
  public init(
    _ models: [Model], node: String? = nil, method: Method = .gradCAM, assuming assumed: Provenance.Assumption? = nil,
    views: Views? = nil, calibration: Ensemble.CalibrationSource = .model
  ) throws {
    self.method = method
    var watched: String?
    if case .cam = method, let graph = models.first?.graph {
      let node = try node ?? graph.lastPicture()
      let shape = try graph.shape(ofNode: node)
      guard shape.count == 3 else {
        throw GXError("node \(node): gives a vector \(shape), not a picture to explain by")
      }
      watched = node
    }
    self.node = watched ?? Graph.inputName
    ensemble = try Ensemble(
      models, assuming: assumed, views: views, calibration: calibration, isProfiled: false, watching: watched)
  }

  /// Names of the classes.
  public var classes: [String] { ensemble.classes }

  /// The steps that each model still wants of `record`.
  /// - Throws: `GXError` where it was prepared otherwise than a model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [[any PixelStep]] { try ensemble.steps(for: record) }

  /// Classifies a picture, to which each model first applies its `steps`, and explains a class.
  /// - Parameter name: Of the class; nil is the likeliest.
  /// - Throws: `GXError` where there is no such class, a step fails, its outcome is not what a network takes, or numbers
  ///   are not finite.
  public func explain(
    _ picture: Tensor, after steps: [[any PixelStep]], class name: String? = nil
  ) throws -> Explanation {
    let asked = try name.map { name throws(GXError) in try ensemble.first.model.place(ofClass: name) }
    return try ensemble.run(picture, after: steps) { prediction, network in
      let place = asked ?? ensemble.firstPlace(of: prediction.likeliest)
      let found =
        switch method {
        case .cam(let cam): try network.maps(of: [place], cam)[0]
        case .occlusion(let occlusion): try network.map(of: place, occlusion)
        }
      let size = (network.watchedShape ?? ensemble.first.model.input).dropLast()
      return Explanation(
        prediction: prediction, explained: name ?? prediction.name, map: try Tensor(size + [1], found.values),
        peak: found.peak)
    }
  }

  /// What of a picture the first model's network sees, u8 `[height, width, 3]` of its input's size, to lay a map over:
  /// the picture after what can be seen of its `steps`. Numbers that it was normalised to before are turned back.
  /// - Throws: `GXError` where a step fails, or the picture has neither 1 nor 3 channels.
  public func seen(_ picture: Tensor, after steps: [[any PixelStep]]) throws -> Tensor {
    try ensemble.first.seen(picture, after: steps[0])
  }

  /// The whole of a picture that `steps` are still to be applied to, u8 `[height, width, 3]` of its own size. Numbers
  /// that it was normalised to before are turned back.
  /// - Throws: `GXError` where the picture has neither 1 nor 3 channels.
  public func shown(_ picture: Tensor, before steps: [[any PixelStep]]) throws -> Tensor {
    try ensemble.first.shown(picture, before: steps[0])
  }
}

/// What is predicted of a picture, and where in it the evidence for a class lies.
public struct Explanation: Sendable {
  public let prediction: Prediction
  /// The class that evidence was looked for.
  public let explained: String
  /// f32 `[height, width, 1]` of the node's size, over the whole of the picture that the network takes: the largest
  /// value is 1, and all are 0 where there is evidence against the class alone.
  public let map: Tensor
  /// The evidence that 1 stands for: of the class's logit, a place's share by the method's formula, or what covering
  /// it takes off; 0 of a map of zeros.
  public let peak: Float

  /// The map over the whole of a picture that `steps` were applied to: f32 `[height, width, 1]` of its size, scaled
  /// anew, and the evidence that its 1 stands for. What the steps cut off of it is 0.
  public func spread(over picture: Tensor, after steps: [[any PixelStep]]) throws -> (map: Tensor, peak: Float) {
    let map = try Image.spread(map, over: picture.shape, extent: steps[0].extent(picture.shape))
    let values = map.floats()
    let largest = values.max() ?? 0
    guard largest > 0 else { return (map, 0) }
    return (try Tensor(map.shape, values.map { $0 / largest }), peak * largest)
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
