import GXCore
import GXImage
import GXStream

/// Brings records to what a model's training pictures went through.
public struct Preparation: Sendable {
  private let wanted: [JSON]
  private let input: Shape
  private let assumed: Provenance.Assumption?

  /// - Parameter assumed: What to believe of records that do not say how they were prepared.
  public init(for model: Model, assuming assumed: Provenance.Assumption? = nil) {
    wanted = Provenance.deterministic(model.ops)
    input = model.input
    self.assumed = assumed
  }

  /// The steps that are still to be applied to `record`.
  /// - Throws: `GXError` where it was prepared otherwise than the model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [any PixelStep] {
    guard let tensor = record.tensor else { return [] }
    let history = Provenance.history(of: record)
    return try Provenance.missing(ops: history, dtype: tensor.dtype, model: wanted, assumed: assumed).map {
      (step) throws(GXError) in
      guard step != Provenance.foreign else {
        throw GXError("the model's training data did not say how it was prepared")
      }
      if let source = Provenance.features(step) {
        throw GXError(
          "the model takes features, the value of node \(source.node) of model \(source.model): "
            + "put gx-infer --features before")
      }
      return try PixelSteps.step(step)
    }
  }

  /// The picture after `steps`, `[height, width, channels]` of floats.
  /// - Throws: `GXError` where a step fails, or its outcome is not what the network takes; of a number that is not
  ///   finite with its place.
  public func finish(_ picture: Tensor, _ steps: [any PixelStep]) throws -> Tensor {
    let given = picture
    var picture = picture
    for step in steps { picture = try step.apply(picture) }
    guard picture.shape == input else { throw GXError("the picture is \(picture.shape), the model takes \(input)") }
    guard picture.dtype.isFloat else { throw GXError("pixels are \(picture.dtype.name), not floats") }
    do throws(GXError) { try picture.checkFinite() } catch {
      // Where it came with the picture, that place is of more use than the one that the steps took it to.
      try given.checkFinite()
      throw error.at("after its preparation")
    }
    return picture
  }

  /// What a person can see of `finish`: the picture after what can be seen of `steps`, u8 `[height, width, 3]`.
  /// - Throws: `GXError` where a step fails, or the picture has neither 1 nor 3 channels.
  package func seen(_ picture: Tensor, after steps: [any PixelStep]) throws -> Tensor {
    var picture = picture
    for step in steps { picture = try step.visible(picture) }
    return try shown(picture, before: steps)
  }

  /// The whole of a picture that `steps` are still to be applied to, to look at: u8 `[height, width, 3]` of its size.
  /// - Throws: `GXError` where the picture has neither 1 nor 3 channels.
  package func shown(_ picture: Tensor, before steps: [any PixelStep]) throws -> Tensor {
    // What the model wants and is no longer to be done was done before.
    try Image.displayable(PixelSteps.undo(wanted.dropLast(steps.count), picture))
  }
}
