import GXCore
import GXImage
import GXInfer
import GXModel

/// Where in a picture the evidence for a class lies.
struct Explanation: Sendable {
  let prediction: Prediction
  /// The class that evidence was looked for, as the model names it.
  let explained: String
  let method: String
  /// The node of the graph whose value was looked at.
  let layer: String
  /// f32 `[height, width, 1]`, 0...1.
  let map: Tensor
  /// u8 `[height, width, 3]`: what the network sees of the picture.
  let seen: Tensor
  /// Which part of the picture that is.
  let extent: Extent

  var json: JSONObject {
    let best = prediction.ranking[0]
    let (height, width) = (map.shape[0], map.shape[1])
    let values = map.floats()
    return [
      "success": true, "galaxy_type": .string(GalaxyTypes.shown(best.name)), "confidence": .float(best.probability),
      "explained_class": .string(GalaxyTypes.shown(explained)), "method": .string(method), "layer": .string(layer),
      "map": [
        "height": .int(height), "width": .int(width),
        "values": .array(
          (0..<height).map { y in .array(values[y * width..<(y + 1) * width].map(JSON.float)) }),
        "extent": .object(extent.json),
      ],
    ]
  }

  /// The map in colours over the picture, as a PNG file.
  func overlay() throws -> [UInt8] {
    try Image.encodePNG(Image.overlay(map, over: seen, opacity: Image.overlayOpacity))
  }
}

extension Extent {
  /// Where it begins is told of those alone that are not around the centre.
  fileprivate var json: JSONObject {
    var fields: JSONObject = ["width": .double(width), "height": .double(height)]
    if !isCentred { fields.merge(["left": .double(left), "top": .double(top)]) }
    return fields
  }
}

/// Explains by an ensemble's first model; of several, the class to explain is still what all of them say.
final class EngineExplainer: Sendable {
  private let explainer: Explainer
  private let steps: [any PixelStep]

  /// - Throws: `GXError` where the model has no layer to explain by.
  init(_ model: Model, steps: [any PixelStep]) throws {
    explainer = try Explainer(model)
    self.steps = steps
  }

  func explain(_ picture: Tensor, _ prediction: Prediction, class name: String) throws -> Explanation {
    let result = try explainer.explain(picture, after: steps, class: name)
    return Explanation(
      prediction: prediction, explained: name, method: explainer.method.name, layer: explainer.node,
      map: result.map, seen: try explainer.seen(picture, after: steps), extent: try steps.extent(picture.shape))
  }
}
