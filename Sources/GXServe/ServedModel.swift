import GXCore
import GXImage
import GXInfer
import GXModel
import GXStream

/// What the server classifies picture files by: one model or several. Safe from many threads.
public final class ServedModel: Sendable {
  /// `[height, width]` of the first model's pictures, in pixels.
  let inputSize: [Int]
  private let ensemble: Ensemble
  /// nil where the first model has no layer to explain by.
  private let explainer: Explainer?
  /// What a decoded picture still has to go through, for each model.
  private let steps: [[any PixelStep]]

  /// The names of the classes.
  var classes: [String] { ensemble.classes }

  /// - Parameters:
  ///   - views: What each picture is classified by; nil is as each model says.
  ///   - calibration: Of their mean.
  /// - Throws: `GXError` where a model does not work, does not take pictures, or has other classes than the first, or
  ///   the calibration was made for something else.
  public init(_ models: [Model], views: Views? = nil, calibration: Ensemble.CalibrationSource = .model) throws {
    explainer = try? Explainer(models, views: views, calibration: calibration)
    ensemble = try explainer?.ensemble ?? Ensemble(models, views: views, calibration: calibration)
    inputSize = Array(models[0].input.prefix(2))
    steps = try ensemble.steps(for: Self.record(Self.blank(64)))
  }

  /// A picture as the decoder gives it, with the history that says so.
  private static func record(_ picture: Tensor) -> Record { Record(id: "picture", meta: ["ops": []], tensor: picture) }

  private static func blank(_ size: Int) throws -> Tensor {
    try Tensor(.u8, [size, size, 3]) { _ = $0.initializeMemory(as: UInt8.self, repeating: 0) }
  }

  /// Classifies and explains blank pictures on as many threads as will work at once, so that each has its network, and
  /// the first client does not wait for it to be built.
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
    guard let explainer else { return _ = try ensemble.classify(picture, after: steps) }
    _ = try explainer.explain(picture, after: steps)
  }

  /// What a picture file shows.
  /// - Throws: `GXError` where it is no picture that can be decoded, or has more than `maxPixels` pixels.
  func classify(_ file: [UInt8], maxPixels: Int) throws -> Prediction {
    try ensemble.classify(decoded(file, maxPixels: maxPixels), after: steps)
  }

  /// What a picture file shows, and where in it the evidence for a class lies.
  /// - Parameter name: As the model names it; nil is the likeliest.
  /// - Throws: `GXError` as `classify`, and `Unexplained`.
  func explain(_ file: [UInt8], class name: String?, maxPixels: Int) throws -> ShownExplanation {
    guard let explainer else { throw Unexplained.model }
    if let name, !classes.contains(name: name) { throw Unexplained.noClass }
    let picture = try decoded(file, maxPixels: maxPixels)
    return ShownExplanation(
      explanation: try explainer.explain(picture, after: steps, class: name), method: explainer.method.name,
      layer: explainer.node, seen: try explainer.seen(picture, after: steps),
      extent: try steps[0].extent(picture.shape))
  }

  /// Why there is no explanation, where the picture is not at fault.
  enum Unexplained: Error {
    /// It has no layer to explain by.
    case model
    case noClass
  }

  private func decoded(_ file: [UInt8], maxPixels: Int) throws -> Tensor {
    try file.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
  }
}
