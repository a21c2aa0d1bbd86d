import GXCore

extension Image {
  /// How much of an overlay is the map, where nobody says otherwise.
  public static let overlayOpacity = 0.5

  /// A map of numbers in 0...1 as colours (see `ColorMap`) over a picture.
  /// - Parameters:
  ///   - map: f32 `[height, width, 1]`; brought to the picture's size bilinearly, edge to edge.
  ///   - picture: u8 `[height, width, 3]`, as the result is.
  ///   - opacity: 0 shows the picture alone, 1 the map alone.
  public static func overlay(_ map: Tensor, over picture: Tensor, opacity: Double) throws -> Tensor {
    let size = try picture.pictureSize()
    guard picture.dtype == .u8, size.channels == 3 else {
      throw GXError("overlay: needs a picture of u8 in 3 channels, not \(picture.dtype.name) in \(size.channels)")
    }
    guard map.dtype == .f32, try map.pictureSize().channels == 1 else {
      throw GXError("overlay: needs a map of f32 in 1 channel, not \(map.dtype.name) of shape \(map.shape)")
    }
    guard (0...1).contains(opacity) else { throw GXError("overlay: opacity \(opacity) is not in 0...1") }
    let values = try Resize(width: size.width, height: size.height, filter: .bilinear).apply(map)
    let (above, below) = (Float(opacity), Float(1 - opacity))
    return try Tensor(.u8, picture.shape) { out in
      picture.withElements(of: UInt8.self) { pixels in
        values.withElements(of: Float.self) { values in
          for (i, value) in values.enumerated() {
            let color = ColorMap.color(value)
            for c in 0..<3 {
              out[3 * i + c] = UInt8(nearest: below * Float(pixels[3 * i + c]) + above * Float(color[c]))
            }
          }
        }
      }
    }
  }

  /// A map of what a network saw of a picture, laid out over the whole of it: bilinear, edge to edge of what was seen,
  /// and 0 outside.
  /// - Parameters:
  ///   - map: f32 `[height, width, 1]`.
  ///   - shape: Of the picture; the result is f32 of its height and width, in 1 channel.
  ///   - extent: Which part of the picture was seen. What is beyond the picture, which had been filled up, is cut off.
  public static func spread(_ map: Tensor, over shape: Shape, extent: Extent) throws -> Tensor {
    let size = try map.pictureSize()
    let (height, width) = (shape[0], shape[1])
    let across = Shadow(from: extent.left, length: extent.width, of: width, seenIn: size.width)
    let down = Shadow(from: extent.top, length: extent.height, of: height, seenIn: size.height)
    let inner = try Resize(width: across.count, height: down.count)
    let spread = try inner.resample(
      map, size, across: across.source, down: down.source, width: inner.width, height: inner.height)
    return try pad(spread, left: across.first, top: down.first, width: width, height: height, fill: [0])
  }

  /// Along one axis, the pixels of a picture that a map's part lies over.
  private struct Shadow {
    let first, count: Int
    /// In the map's pixels.
    let source: ClosedRange<Double>

    init(from start: Double, length: Double, of pixels: Int, seenIn mapPixels: Int) {
      let (low, high) = (max(start, 0), min(start + length, 1))
      // To whole pixels, around the same centre; a half goes to the left, as in a crop.
      count = min(max(Int((Double(pixels) * (high - low)).rounded()), 1), pixels)
      let corner = Double(pixels) * (low + high) / 2 - Double(count) / 2
      first = min(max(Int((corner + 1e-6).rounded(.down)), 0), pixels - count)
      let scale = Double(mapPixels) / length
      source =
        (start < 0 ? -start * scale : 0)...(start + length > 1 ? (1 - start) * scale : Double(mapPixels))
    }
  }

  /// A picture to look at: u8 `[height, width, 3]`. Of other types, full scale (65535, or 1 of floats) becomes 255;
  /// grey becomes equal R, G and B.
  /// - Throws: `GXError` where there are neither 1 nor 3 channels.
  public static func displayable(_ picture: Tensor) throws -> Tensor {
    let size = try picture.pictureSize()
    guard size.channels == 1 || size.channels == 3 else {
      throw GXError("a picture of \(size.channels) channels has no colours to show: 1 or 3 are needed")
    }
    if picture.dtype == .u8, size.channels == 3 { return picture }
    let values = picture.floats()
    let scale = 255 / picture.dtype.fullScale
    return try Tensor(.u8, [size.height, size.width, 3]) { out in
      for i in 0..<out.count { out[i] = UInt8(nearest: scale * values[size.channels == 3 ? i : i / 3]) }
    }
  }
}
