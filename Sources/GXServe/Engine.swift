import GXCore
import GXImage
import GXInfer
import GXModel
import GXStream

/// An ensemble that is ready to classify picture files. Safe from many threads.
public final class Engine: Sendable {
  /// `[height, width]` of the first model's pictures, in pixels.
  let inputSize: [Int]
  private let ensemble: Ensemble
  /// What a decoded picture still has to go through, for each model.
  private let steps: [[any PixelStep]]
  /// nil where the first model has no layer to explain by.
  private let explainer: EngineExplainer?

  /// The names of the classes.
  var classes: [String] { ensemble.classes }

  /// - Parameters:
  ///   - views: What each picture is classified by; nil is as each model says.
  ///   - calibration: Of their mean.
  /// - Throws: `GXError` where a model does not work, does not take pictures, or has other classes than the first, or
  ///   the calibration was made for something else.
  public init(_ models: [Model], views: Views? = nil, calibration: Ensemble.CalibrationSource = .model) throws {
    ensemble = try Ensemble(models, views: views, calibration: calibration)
    inputSize = Array(models[0].input.prefix(2))
    steps = try ensemble.steps(for: Self.record(Self.blank(64)))
    explainer = try? EngineExplainer(models[0], steps: steps[0])
  }

  /// A picture as the decoder gives it, with the history that says so.
  private static func record(_ picture: Tensor) -> Record { Record(id: "picture", meta: ["ops": []], tensor: picture) }

  private static func blank(_ size: Int) throws -> Tensor {
    try Tensor(.u8, [size, size, 3]) { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) }
  }

  /// Classifies and explains blank pictures on as many threads as will work at once, so that each has its network, and the first
  /// client does not wait for it to be built.
  /// - Throws: `GXError` where the model does not work.
  public func warmUp(threads: Int) throws {
    let picture = try Self.blank(max(64, inputSize.max() ?? 64))
    let gate = Monitor()
    nonisolated(unsafe) var running = 0
    nonisolated(unsafe) var finished = 0
    nonisolated(unsafe) var failure: (any Error)?
    for _ in 0..<threads {
      detachThread {
        gate.locked { running += 1 }
        do {
          // Once more for as long as another has not begun: only threads at work together need a network each.
          repeat { try self.tryOut(picture) } while gate.locked({ running < threads && failure == nil })
        } catch {
          gate.locked { failure = error }
        }
        gate.locked {
          finished += 1
          gate.signalAll()
        }
      }
    }
    try gate.locked {
      while finished < threads { gate.wait() }
      if let failure { throw failure }
    }
  }

  private func tryOut(_ picture: Tensor) throws {
    let prediction = try prediction(of: picture)
    _ = try explainer?.explain(picture, prediction, class: classes[0])
  }

  /// What a picture file shows: a probability for each class, 1 in sum.
  /// - Throws: `GXError` where it is no picture that can be decoded, or has more than `maxPixels` pixels.
  func classify(_ file: [UInt8], maxPixels: Int) throws -> Prediction {
    let picture = try file.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
    return try prediction(of: picture)
  }

  /// Where in a picture file the evidence for a class lies.
  /// - Parameter name: As the model names it, or as it is shown; nil is the likeliest.
  /// - Throws: `GXError` as `classify`, and `Unexplained`.
  func explain(_ file: [UInt8], class name: String?, maxPixels: Int) throws -> Explanation {
    guard let explainer else { throw Unexplained.model }
    let picture = try file.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
    let prediction = try prediction(of: picture)
    guard let name else { return try explainer.explain(picture, prediction, class: prediction.ranking[0].name) }
    guard let found = classes.first(where: { $0 == name || GalaxyTypes.shown($0) == name }) else {
      throw Unexplained.noClass
    }
    return try explainer.explain(picture, prediction, class: found)
  }

  /// Why there is no explanation, where the picture is not at fault.
  enum Unexplained: Error {
    /// It has no layer to explain by.
    case model
    case noClass
  }

  private func prediction(of picture: Tensor) throws -> Prediction {
    let result = try ensemble.classify(picture, after: steps)
    return Prediction(
      ranking: result.ranking.map { (classes[$0], result.probabilities[$0]) },
      set: result.set.map { $0.map { classes[$0] } }, isUncertain: result.isUncertain)
  }
}

/// What was found out about a picture.
struct Prediction: Sendable {
  /// Classes and their probabilities, the likeliest first; equals in the model's order.
  let ranking: [(name: String, probability: Float)]
  /// The conformal set, the likeliest first; nil where the model has none.
  let set: [String]?
  /// Whether the confidence is below what the model asks for a prediction; nil where it asks nothing.
  let isUncertain: Bool?

  /// The fields that every answer about a picture has.
  var json: JSONObject {
    let best = ranking[0]
    var fields: JSONObject = [
      "success": true, "galaxy_type": .string(GalaxyTypes.shown(best.name)), "confidence": .float(best.probability),
      "confidence_percentage": .string(Self.percentage(best.probability)),
      "all_predictions": .array(
        ranking.map {
          [
            "class": .string(GalaxyTypes.shown($0.name)), "probability": .float($0.probability),
            "percentage": .string(Self.percentage($0.probability)),
          ]
        }),
    ]
    // Beside what clients of the original know: `galaxy_type` stays the likeliest class, however uncertain.
    if let set { fields["set"] = .array(set.map { .string(GalaxyTypes.shown($0)) }) }
    if let isUncertain { fields["uncertain"] = .bool(isUncertain) }
    return fields
  }

  /// A probability as `93.00%`.
  static func percentage(_ probability: Float) -> String {
    let hundredths = Int((Double(probability) * 10000).rounded())
    let (whole, rest) = hundredths.quotientAndRemainder(dividingBy: 100)
    return "\(whole).\(rest < 10 ? "0" : "")\(rest)%"
  }
}

/// A value that can be replaced while others use it: who has read it keeps what was there.
final class Live<Value: Sendable>: @unchecked Sendable {
  private let monitor = Monitor()
  private var value: Value

  init(_ value: Value) { self.value = value }

  var now: Value {
    get { monitor.locked { value } }
    set { monitor.locked { value = newValue } }
  }
}
