import GXCore
import GXImage
import GXInfer

extension Prediction {
  /// The fields that every answer about a picture has, in the original API's words.
  var answer: JSONObject {
    var fields: JSONObject = [
      "success": true, "galaxy_type": .string(name), "confidence": .float(confidence),
      "confidence_percentage": .string(Self.percentage(confidence)),
      "all_predictions": .array(
        ranking.map { place in
          [
            "class": .string(classes[place]), "probability": .float(probabilities[place]),
            "percentage": .string(Self.percentage(probabilities[place])),
          ]
        }),
    ]
    // Beside what clients of the original know: `galaxy_type` stays the likeliest class, however uncertain.
    if let set { fields["set"] = .array(set.map { .string(classes[$0]) }) }
    if let isUncertain { fields["uncertain"] = .bool(isUncertain) }
    return fields
  }

  /// A probability as `93.00%`.
  static func percentage(_ probability: Float) -> String { fixed(100 * Double(probability), 2) + "%" }
}

/// An explanation, with what is needed to show it.
struct ShownExplanation: Sendable {
  let explanation: Explanation
  let method: String
  /// The node of the graph whose value was looked at.
  let layer: String
  /// u8 `[height, width, 3]`: what the network sees of the picture.
  let seen: Tensor
  /// Which part of the picture that is.
  let extent: Extent

  var answer: JSONObject {
    let (prediction, map) = (explanation.prediction, explanation.map)
    let (height, width) = (map.shape[0], map.shape[1])
    let values = map.floats()
    return [
      "success": true, "galaxy_type": .string(prediction.name), "confidence": .float(prediction.confidence),
      "explained_class": .string(explanation.explained), "method": .string(method), "layer": .string(layer),
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
    try Image.encodePNG(Image.overlay(explanation.map, over: seen, opacity: Image.overlayOpacity))
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
