import GXCore

/// The centre of a picture. Where an odd number of pixels goes, the right and the lower edge lose one more.
public struct Crop: PixelStep, Equatable {
  public static let name = "crop"

  public let width, height: Int

  /// - Throws: `GXError` where a size is not positive.
  public init(width: Int, height: Int) throws(GXError) {
    guard width > 0, height > 0 else { throw GXError("crop: \(width)x\(height) is no size") }
    self.width = width
    self.height = height
  }

  public var fields: JSONObject { ["width": .int(width), "height": .int(height)] }

  public init(_ fields: inout JSONFields) throws(GXError) {
    try self.init(width: try fields.required("width", .int), height: try fields.required("height", .int))
  }

  /// - Throws: `GXError` where the picture is smaller.
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
    guard width <= size.width, height <= size.height else {
      throw GXError("crop: \(width)x\(height) does not fit in a picture of \(size.width)x\(size.height)")
    }
    return Cut(
      size: size, left: (size.width - width) / 2, top: (size.height - height) / 2, width: width, height: height)
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
