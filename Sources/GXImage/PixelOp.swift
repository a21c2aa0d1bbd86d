import GXCore

/// One recorded, repeatable step on pixels: what a record's `ops` and a model's `ops` are made of.
///
/// As JSON, an op is an object: `op` names it and every parameter is spelled out, defaults too, in one
/// fixed way, so that two ops do the same exactly if their texts are equal:
///
///     {"op":"resize","width":96,"height":96,"filter":"bilinear","mode":"stretch","crop":1}
///     {"op":"resize","width":96,"height":96,"filter":"lanczos","mode":"fit","fill":[0],"crop":0.8}
///     {"op":"crop","width":64,"height":64}
///     {"op":"normalize","method":"unit","dtype":"f32"}
///     {"op":"normalize","method":"standard","mean":[0.5],"std":[0.25],"dtype":"f16"}
public enum PixelOp: Equatable, Sendable {
  case resize(Resize)
  case crop(Crop)
  case normalize(Normalize)

  /// The picture after this step. Pure: the same picture gives the same bytes.
  /// - Parameter picture: `[height, width, channels]` of any type.
  public func apply(_ picture: Tensor) throws -> Tensor {
    switch self {
    case .resize(let resize): try resize.apply(picture)
    case .crop(let crop): try crop.apply(picture)
    case .normalize(let normalize): try normalize.apply(picture)
    }
  }

  /// How much of the width and height of a picture of `shape` the outcome shows, around its centre; more than 1 where
  /// it was filled up.
  public func extent(_ shape: Shape) -> (width: Double, height: Double) {
    switch self {
    case .resize(let resize): resize.extent(width: shape[1], height: shape[0])
    case .crop(let crop): (Double(crop.width) / Double(shape[1]), Double(crop.height) / Double(shape[0]))
    case .normalize: (1, 1)
    }
  }

  /// The shape that `apply` gives to a picture of `shape`, or the error that it would throw for the shape.
  public func outputShape(_ shape: Shape) throws(GXError) -> Shape {
    guard shape.count == 3 else { throw GXError("a tensor of shape \(shape) is no picture") }
    switch self {
    case .resize(let resize): return [resize.height, resize.width, shape[2]]
    case .crop(let crop):
      guard crop.height <= shape[0], crop.width <= shape[1] else {
        throw GXError("crop: \(crop.width)x\(crop.height) does not fit in a picture of \(shape[1])x\(shape[0])")
      }
      return [crop.height, crop.width, shape[2]]
    case .normalize: return shape
    }
  }

  public var json: JSON {
    switch self {
    case .resize(let resize):
      var fields: JSONObject = [
        "op": "resize", "width": .int(resize.width), "height": .int(resize.height),
        "filter": .string(resize.filter.rawValue),
      ]
      switch resize.mode {
      case .stretch: fields["mode"] = "stretch"
      case .cover: fields["mode"] = "cover"
      case .fit(let fill):
        fields["mode"] = "fit"
        fields["fill"] = .array(fill.map(JSON.double))
      }
      fields["crop"] = .double(resize.crop)
      return .object(fields)
    case .crop(let crop): return ["op": "crop", "width": .int(crop.width), "height": .int(crop.height)]
    case .normalize(let normalize):
      var fields: JSONObject = ["op": "normalize"]
      switch normalize.method {
      case .unit: fields["method"] = "unit"
      case .standard(let mean, let std):
        fields["method"] = "standard"
        fields["mean"] = .array(mean.map(JSON.double))
        fields["std"] = .array(std.map(JSON.double))
      }
      fields["dtype"] = .string(normalize.dtype.name)
      return .object(fields)
    }
  }

  /// Reads what `json` writes, fields in any order.
  /// - Throws: `GXError` naming the op and the field that is missing, unknown or out of range.
  public init(json: JSON) throws(GXError) {
    guard let fields = json.objectValue, let name = fields["op"]?.stringValue else {
      throw GXError("an op is a JSON object with a string \"op\", not \(json.text.prefix(80))")
    }
    var reader = OpReader(name: name, fields: fields)
    switch name {
    case "resize":
      let (width, height) = (try reader.int("width"), try reader.int("height"))
      let filter = try reader.choice("filter", Filter.allCases.map(\.rawValue))
      let modeName = try reader.choice("mode", ["stretch", "fit", "cover"])
      let mode: Resize.Mode =
        switch modeName {
        case "fit": .fit(fill: try reader.doubles("fill"))
        case "cover": .cover
        default: .stretch
        }
      self = .resize(
        try Resize(
          width: width, height: height, filter: Filter(rawValue: filter)!, mode: mode,
          crop: try reader.double("crop")))
    case "crop": self = .crop(try Crop(width: try reader.int("width"), height: try reader.int("height")))
    case "normalize":
      let methodName = try reader.choice("method", ["unit", "standard"])
      let method: Normalize.Method =
        methodName == "unit"
        ? .unit : .standard(mean: try reader.doubles("mean"), std: try reader.doubles("std"))
      let dtype = try reader.choice("dtype", [DType.f32.name, DType.f16.name])
      self = .normalize(try Normalize(method, dtype: DType(name: dtype)!))
    default: throw GXError("unknown op \"\(name)\"; known are resize, crop and normalize")
    }
    try reader.finish()
  }
}

/// Takes an op's fields one by one, and knows at the end which ones nobody asked for.
private struct OpReader {
  let name: String
  let fields: JSONObject
  var taken: Set<String> = ["op"]

  mutating func field<T>(_ key: String, _ kind: String, _ read: (JSON) -> T?) throws(GXError) -> T {
    taken.insert(key)
    guard let value = fields[key] else { throw GXError("op \(name): no \"\(key)\"") }
    guard let result = read(value) else {
      throw GXError("op \(name): \"\(key)\" is \(value.text.prefix(80)), not \(kind)")
    }
    return result
  }

  mutating func int(_ key: String) throws(GXError) -> Int { try field(key, "a whole number", \.intValue) }
  mutating func double(_ key: String) throws(GXError) -> Double { try field(key, "a number", \.doubleValue) }

  mutating func doubles(_ key: String) throws(GXError) -> [Double] {
    try field(key, "a list of numbers") { value in
      guard let items = value.arrayValue else { return nil }
      let numbers = items.compactMap(\.doubleValue)
      return numbers.count == items.count ? numbers : nil
    }
  }

  mutating func choice(_ key: String, _ choices: [String]) throws(GXError) -> String {
    try field(key, "one of \(choices.joined(separator: ", "))") { value in
      value.stringValue.flatMap { choices.contains($0) ? $0 : nil }
    }
  }

  func finish() throws(GXError) {
    for (key, _) in fields where !taken.contains(key) { throw GXError("op \(name): unknown field \"\(key)\"") }
  }
}

extension [PixelOp] {
  /// How much of the width and height of a picture of `shape` is left after these steps, around its centre; more than
  /// 1 where it was filled up.
  /// - Throws: `GXError` where a step does not suit the shape.
  public func extent(_ shape: Shape) throws(GXError) -> (width: Double, height: Double) {
    var (whole, shape) = ((width: 1.0, height: 1.0), shape)
    for step in self {
      let next = try step.outputShape(shape)
      let extent = step.extent(shape)
      whole = (whole.width * extent.width, whole.height * extent.height)
      shape = next
    }
    return whole
  }
}
