import GXCore

/// A part of a picture, its pixels as they are.
public struct Crop: PixelStep, Equatable {
  /// Which part.
  public enum Window: Equatable, Sendable {
    /// So many pixels around the centre. Where an odd number of pixels goes, the right and the lower edge lose one more.
    case centre(width: Int, height: Int)
    /// So many pixels right of and below the pixel x, y, itself included; 0, 0 is the upper left one.
    case box(x: Int, y: Int, width: Int, height: Int)
    /// This part of the width and of the height, in (0, 1], around the centre as `centre` has it: rounded to whole
    /// pixels (halves up), at least one.
    case fraction(Double)
  }

  public static let name = "crop"
  /// The largest width, height or place that can be asked for, in pixels.
  public static let sizeLimit = Resize.sizeLimit

  public let window: Window

  /// - Throws: `GXError` naming the parameter that is out of range.
  public init(_ window: Window) throws(GXError) {
    switch window {
    case .centre(let width, let height): try Self.check(width, height)
    case .box(let x, let y, let width, let height):
      guard (0..<Self.sizeLimit).contains(x), (0..<Self.sizeLimit).contains(y) else {
        throw GXError("crop: \(x),\(y) is no place in a picture")
      }
      try Self.check(width, height)
    case .fraction(let fraction):
      guard fraction > 0, fraction <= 1 else { throw GXError("crop: fraction \(fraction) is not in (0, 1]") }
    }
    self.window = window
  }

  /// The centre.
  /// - Throws: `GXError` where a size is not positive, or over the limit.
  public init(width: Int, height: Int) throws(GXError) { try self.init(.centre(width: width, height: height)) }

  private static func check(_ width: Int, _ height: Int) throws(GXError) {
    guard (1...sizeLimit).contains(width), (1...sizeLimit).contains(height) else {
      throw GXError("crop: \(width)x\(height) is no size in 1...\(sizeLimit)")
    }
  }

  // MARK: JSON

  /// `width` and `height`; those and `x` and `y`; or `fraction`.
  public var fields: JSONObject {
    switch window {
    case .centre(let width, let height): ["width": .int(width), "height": .int(height)]
    case .box(let x, let y, let width, let height):
      ["x": .int(x), "y": .int(y), "width": .int(width), "height": .int(height)]
    case .fraction(let fraction): ["fraction": .double(fraction)]
    }
  }

  public init(_ fields: inout JSONFields) throws(GXError) {
    if fields.has("fraction") {
      try self.init(.fraction(try fields.required("fraction", .number)))
      return
    }
    let isBox = fields.has("x") || fields.has("y")
    let corner = isBox ? (x: try fields.required("x", .int), y: try fields.required("y", .int)) : nil
    let (width, height) = (try fields.required("width", .int), try fields.required("height", .int))
    try self.init(
      corner.map { .box(x: $0.x, y: $0.y, width: width, height: height) } ?? .centre(width: width, height: height))
  }

  // MARK: Pixels

  /// - Throws: `GXError` where it reaches beyond the picture.
  public func apply(_ picture: Tensor) throws -> Tensor {
    let size = try picture.pictureSize()
    let cut = try cut(size)
    if cut.width == size.width && cut.height == size.height { return picture }
    return try picture.mapPicture(
      to: PictureSize(height: cut.height, width: cut.width, channels: size.channels), cut)
  }

  public func outputShape(_ shape: Shape) throws(GXError) -> Shape {
    let cut = try cut(PictureSize(shape))
    return [cut.height, cut.width, shape[2]]
  }

  public func extent(_ shape: Shape) throws(GXError) -> Extent {
    let cut = try cut(PictureSize(shape))
    let (width, height) = (Double(shape[1]), Double(shape[0]))
    return Extent(
      left: Double(cut.left) / width, top: Double(cut.top) / height, width: Double(cut.width) / width,
      height: Double(cut.height) / height)
  }

  /// Its place in a picture of this size.
  private func cut(_ size: PictureSize) throws(GXError) -> Cut {
    func centre(_ width: Int, _ height: Int) -> Cut {
      Cut(
        size: size, left: (size.width - width) / 2, top: (size.height - height) / 2, width: width, height: height)
    }
    switch window {
    case .centre(let width, let height):
      guard width <= size.width, height <= size.height else {
        throw GXError("crop: \(width)x\(height) does not fit in a picture of \(size.width)x\(size.height)")
      }
      return centre(width, height)
    case .box(let x, let y, let width, let height):
      guard x + width <= size.width, y + height <= size.height else {
        throw GXError(
          "crop: \(width)x\(height) at \(x),\(y) does not fit in a picture of \(size.width)x\(size.height)")
      }
      return Cut(size: size, left: x, top: y, width: width, height: height)
    case .fraction(let fraction):
      func part(_ length: Int) -> Int { max(Int((Double(length) * fraction).rounded()), 1) }
      return centre(part(size.width), part(size.height))
    }
  }
}

private struct Cut: PictureKernel {
  let size: PictureSize
  let left, top, width, height: Int

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) {
    let channels = size.channels
    for y in 0..<height {
      (target + y * width * channels).update(
        from: source + ((top + y) * size.width + left) * channels, count: width * channels)
    }
  }
}
