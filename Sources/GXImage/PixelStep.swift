import GXCore

/// One recorded, repeatable step on pixels: what a record's `ops` and a model's `ops` are made of.
///
/// All that anybody knows of a kind of step stands in its one file; `PixelSteps` lists the kinds. As JSON, a step is an
/// object: `op` names it and every parameter is spelled out, defaults too, in one fixed way, so that two steps do the
/// same exactly if their texts are equal:
///
///     {"op":"resize","width":96,"height":96,"filter":"bilinear","mode":"stretch","crop":1}
public protocol PixelStep: Sendable {
  /// What `op` calls it.
  static var name: String { get }

  /// Its parameters, as JSON has them after `op`.
  var fields: JSONObject { get }

  /// Reads what `fields` has, in any order; whoever calls it refuses what is left.
  /// - Throws: `GXError` naming the field that is missing or out of range.
  init(_ fields: inout JSONFields) throws(GXError)

  /// The picture after this step. Pure: the same picture gives the same bytes, on any thread.
  /// - Parameter picture: `[height, width, channels]` of any type.
  func apply(_ picture: Tensor) throws -> Tensor

  /// The shape that `apply` gives to a picture of `shape`, or the error that it would throw for the shape.
  func outputShape(_ shape: Shape) throws(GXError) -> Shape

  /// Which part of a picture of `shape` the outcome shows: what brings a place of the outcome back.
  func extent(_ shape: Shape) throws(GXError) -> Extent

  /// What brings the outcome's values back: the same picture in the units of the one that became it. Only what changes
  /// the units has anything to undo.
  func undo(_ picture: Tensor) throws -> Tensor

  /// What a person can see of the step: what it does to a picture but for the change of units that `undo` takes back.
  func visible(_ picture: Tensor) throws -> Tensor
}

extension PixelStep {
  public var json: JSON {
    var object: JSONObject = ["op": .string(Self.name)]
    object.merge(fields)
    return .object(object)
  }

  public func outputShape(_ shape: Shape) throws(GXError) -> Shape { try PictureSize(shape).shape }
  public func extent(_ shape: Shape) throws(GXError) -> Extent { .whole }
  public func undo(_ picture: Tensor) throws -> Tensor { picture }
  public func visible(_ picture: Tensor) throws -> Tensor { try apply(picture) }
}

/// The kinds of steps there are.
public enum PixelSteps {
  static let all: [any PixelStep.Type] = [Resize.self, Crop.self, Denoise.self, Normalize.self]

  /// Reads what a step's `json` wrote, fields in any order.
  /// - Throws: `GXError` naming the op and the field that is missing, unknown or out of range.
  public static func step(_ json: JSON) throws(GXError) -> any PixelStep {
    guard let object = json.objectValue, let name = object["op"]?.stringValue else {
      throw GXError("an op is a JSON object with a string \"op\", not \(json.text.prefix(80))")
    }
    guard let kind = all.first(where: { $0.name == name }) else {
      throw GXError("unknown op \"\(name)\"; known are \(all.map { $0.name }.joined(separator: ", "))")
    }
    var fields = try JSONFields(object, "op \(name)")
    _ = try fields.required("op", .string)
    let step = try kind.init(&fields)
    try fields.finish()
    return step
  }

  /// A picture that went through `ops`, in the units that it had before. Ops of other kinds, which have no units to
  /// undo, are passed over.
  public static func undo(_ ops: some BidirectionalCollection<JSON>, _ picture: Tensor) throws -> Tensor {
    var picture = picture
    for op in ops.reversed() {
      if let step = try? step(op) { picture = try step.undo(picture) }
    }
    return picture
  }
}

extension [any PixelStep] {
  /// Which part of a picture of `shape` is left after these steps.
  /// - Throws: `GXError` where a step does not suit the shape.
  public func extent(_ shape: Shape) throws(GXError) -> Extent {
    var (whole, shape) = (Extent.whole, shape)
    for step in self {
      let next = try step.outputShape(shape)
      whole = try step.extent(shape).within(whole)
      shape = next
    }
    return whole
  }
}

/// A rectangle on a picture, in parts of the picture's width and height from its upper left corner. It reaches beyond
/// the picture (`left` below 0, say) where that was filled up.
public struct Extent: Equatable, Sendable {
  public var left, top, width, height: Double

  public static let whole = Extent(width: 1, height: 1)

  public init(left: Double, top: Double, width: Double, height: Double) {
    (self.left, self.top, self.width, self.height) = (left, top, width, height)
  }

  /// One whose centre is the picture's.
  public init(width: Double, height: Double) {
    self.init(left: (1 - width) / 2, top: (1 - height) / 2, width: width, height: height)
  }

  /// Whether its centre is the picture's, up to rounding.
  public var isCentred: Bool { abs(left + width / 2 - 0.5) < 1e-9 && abs(top + height / 2 - 0.5) < 1e-9 }

  /// The same rectangle, of which the picture is itself the rectangle `outer` of another one.
  func within(_ outer: Extent) -> Extent {
    Extent(
      left: outer.left + left * outer.width, top: outer.top + top * outer.height, width: width * outer.width,
      height: height * outer.height)
  }
}
