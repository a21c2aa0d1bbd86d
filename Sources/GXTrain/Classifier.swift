import GXCore
import GXImage
import GXNet
import GXStream
import Glibc

/// A model at work: finishes a record's preparation and tells its class. Safe to use from many threads.
public final class Classifier: Sendable {
  /// What was found out about a picture.
  public struct Result: Sendable {
    /// `[classes]`: the network's, or of several views the logarithm of their mean probabilities.
    public let logits: [Float]
    /// `[classes]`, softmax of the logits: 1 in sum.
    public let probabilities: [Float]
    /// The likeliest class, by its place in the model's list; the first of equals.
    public let prediction: Int

    /// - Parameter views: the network's logits of each view, `[views, classes]`.
    /// - Throws: `GXError` where they are not finite.
    init(_ views: UnsafeBufferPointer<Float>, classes: Int) throws(GXError) {
      guard views.allSatisfy(\.isFinite) else { throw GXError("the network's logits are not finite") }
      let logits = views.count == classes ? Array(views) : logMeanProbabilities(views, classes: classes)
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
  public func steps(for record: Record) throws(GXError) -> [PixelOp] { try preparation.steps(for: record) }

  /// Applies `steps` to a picture and classifies it.
  /// - Throws: `GXError` where a step fails, or its outcome is not what the network takes.
  public func classify(_ picture: Tensor, after steps: [PixelOp]) throws -> Result {
    let views = try views.views(of: preparation.finish(picture, steps))
    let classes = model.classes.count
    return try networks.run(views) { try Result($0, classes: classes) }
  }
}

extension Classifier {
  /// The record as a row of predictions: its fields without `ops`, then `prediction`, `confidence` (the prediction's
  /// probability), `probabilities` by class, and if they are wanted `logits`. Failed records have their fields alone.
  ///
  /// What is wrong with the picture becomes the row's `error`.
  /// - Throws: `GXError` where the record was prepared otherwise than the model wants, or does not say how.
  public func row(of record: Record, withLogits: Bool) throws(GXError) -> JSONObject {
    var row = record.meta
    row["ops"] = nil
    guard record.error == nil else { return row }
    let steps = try steps(for: record)
    do {
      guard let picture = record.tensor else { throw GXError("has no pixels") }
      let result = try classify(picture, after: steps)
      func byClass(_ values: [Float]) -> JSON {
        var object = JSONObject()
        for (name, value) in zip(model.classes, values) { object[name] = .float(value) }
        return .object(object)
      }
      row["prediction"] = .string(model.classes[result.prediction])
      row["confidence"] = .float(result.probabilities[result.prediction])
      row["probabilities"] = byClass(result.probabilities)
      if withLogits { row["logits"] = byClass(result.logits) }
    } catch {
      row["error"] = .string("\(error)")
    }
    return row
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

/// log of the mean over rows of softmax(row), from `[rows, classes]`; finite even where a probability is not told from 0.
func logMeanProbabilities(_ logits: UnsafeBufferPointer<Float>, classes: Int) -> [Float] {
  let rows = logits.count / classes
  let norms = (0..<rows).map { row in
    logSumExp((0..<classes).map { Double(logits[row * classes + $0]) })
  }
  return (0..<classes).map { c in
    Float(logSumExp((0..<rows).map { Double(logits[$0 * classes + c]) - norms[$0] }) - log(Double(rows)))
  }
}

private func logSumExp(_ values: [Double]) -> Double {
  let highest = values.max()!
  return highest + log(values.reduce(0) { $0 + exp($1 - highest) })
}
