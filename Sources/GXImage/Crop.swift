import GXCore

/// The centre of a picture. Where an odd number of pixels goes, the right and the lower edge lose one more.
public struct Crop: Equatable, Sendable {
  public var width, height: Int

  /// - Throws: `GXError` where a size is not positive.
  public init(width: Int, height: Int) throws(GXError) {
    guard width > 0, height > 0 else { throw GXError("crop: \(width)x\(height) is no size") }
    self.width = width
    self.height = height
  }

  /// The central `[height, width, channels]` of a picture at least that large.
  public func apply(_ picture: Tensor) throws -> Tensor {
    let size = try picture.pictureSize()
    guard width <= size.width, height <= size.height else {
      throw GXError("crop: \(width)x\(height) does not fit in a picture of \(size.width)x\(size.height)")
    }
    if width == size.width && height == size.height { return picture }
    return try picture.mapPicture(
      to: PictureSize(height: height, width: width, channels: size.channels),
      Cut(
        size: size, left: (size.width - width) / 2, top: (size.height - height) / 2, width: width, height: height))
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
