import GXCore

/// How a picture becomes one of another size.
public struct Resize: PixelStep, Equatable {
  /// What becomes of the picture's proportions.
  public enum Mode: Equatable, Sendable {
    /// They change to those of the target.
    case stretch
    /// The whole picture is fitted into the target, centred; what it leaves free is filled with levels
    /// in units of full scale (1 is white), one for all channels or one a channel.
    case fit(fill: [Double])
    /// The target is filled; what juts out on two sides is cut off, equally on both.
    case cover
  }

  public static let name = "resize"

  public var width, height: Int
  public var filter: Filter
  public var mode: Mode
  /// The part of the picture's width and height, around its centre, that is used: in (0, 1].
  public var crop: Double

  /// The largest width or height that can be asked for.
  public static let sizeLimit = 32768

  /// - Throws: `GXError` naming the parameter that is out of range.
  public init(
    width: Int, height: Int, filter: Filter = .bilinear, mode: Mode = .stretch, crop: Double = 1
  ) throws(GXError) {
    for (name, size) in [("width", width), ("height", height)] {
      guard (1...Self.sizeLimit).contains(size) else {
        throw GXError("resize: \(name) \(size) is not in 1...\(Self.sizeLimit)")
      }
    }
    guard crop > 0, crop <= 1 else { throw GXError("resize: crop \(crop) is not in (0, 1]") }
    self.width = width
    self.height = height
    self.filter = filter
    self.crop = crop
    self.mode = mode
    if case .fit(let fill) = mode {
      guard !fill.isEmpty, fill.allSatisfy(\.isFinite) else { throw GXError("resize: fill has no finite levels") }
      // One spelling for one meaning, for provenance is compared as text.
      if fill.allSatisfy({ $0 == fill[0] }) { self.mode = .fit(fill: [fill[0]]) }
    }
  }

  // MARK: JSON

  private enum ModeName: String, CaseIterable { case stretch, fit, cover }

  /// `fill` is there with mode "fit" alone.
  public var fields: JSONObject {
    var fields: JSONObject = [
      "width": .int(width), "height": .int(height), "filter": .string(filter.rawValue),
      "mode": .string(modeName.rawValue),
    ]
    if case .fit(let fill) = mode { fields["fill"] = .array(fill.map(JSON.double)) }
    fields["crop"] = .double(crop)
    return fields
  }

  private var modeName: ModeName {
    switch mode {
    case .stretch: .stretch
    case .fit: .fit
    case .cover: .cover
    }
  }

  public init(_ fields: inout JSONFields) throws(GXError) {
    let (width, height) = (try fields.required("width", .int), try fields.required("height", .int))
    let filter = try fields.required("filter", .choice(Filter.self))
    let mode: Mode =
      switch try fields.required("mode", .choice(ModeName.self)) {
      case .stretch: .stretch
      case .fit: .fit(fill: try fields.required("fill", .list(.number)))
      case .cover: .cover
      }
    try self.init(
      width: width, height: height, filter: filter, mode: mode, crop: try fields.required("crop", .number))
  }

  // MARK: Pixels

  /// The resized picture, `[height, width, channels]`, of the same type.
  public func apply(_ picture: Tensor) throws -> Tensor {
    let size = try picture.pictureSize()
    let (part, inner) = layout(size.width, size.height)
    func range(_ length: Int, _ part: Double) -> ClosedRange<Double> {
      let start = (Double(length) - part) / 2
      return start...(start + part)
    }
    let resized = try resample(
      picture, size, across: range(size.width, part.width), down: range(size.height, part.height),
      width: inner.width, height: inner.height)
    guard case .fit(let fill) = mode else { return resized }
    return try pad(
      resized, left: (width - inner.width) / 2, top: (height - inner.height) / 2, width: width, height: height,
      fill: fill)
  }

  public func outputShape(_ shape: Shape) throws(GXError) -> Shape {
    [height, width, try PictureSize(shape).channels]
  }

  /// What is shown of a picture; more than the whole of it, by what was filled.
  public func extent(_ shape: Shape) throws(GXError) -> Extent {
    let size = try PictureSize(shape)
    let (part, inner) = layout(size.width, size.height)
    let used = Extent(width: part.width / Double(size.width), height: part.height / Double(size.height))
    let (innerWidth, innerHeight) = (Double(inner.width), Double(inner.height))
    let frame = Extent(
      left: -Double((width - inner.width) / 2) / innerWidth, top: -Double((height - inner.height) / 2) / innerHeight,
      width: Double(width) / innerWidth, height: Double(height) / innerHeight)
    return frame.within(used)
  }

  /// The central part of a picture of this size that is used, in its pixels, and the central part of the result that
  /// it becomes.
  private func layout(
    _ sourceWidth: Int, _ sourceHeight: Int
  ) -> (part: (width: Double, height: Double), inner: (width: Int, height: Int)) {
    var part = (width: Double(sourceWidth) * crop, height: Double(sourceHeight) * crop)
    var inner = (width: width, height: height)
    // Compared as products, so that equal proportions are met exactly.
    let wide = part.width * Double(height)
    let tall = part.height * Double(width)
    func inside(_ length: Double, _ limit: Int) -> Int {
      min(max(Int(length.rounded(.toNearestOrEven)), 1), limit)
    }
    switch mode {
    case .stretch: break
    case .cover:
      if wide > tall { part.width = tall / Double(height) }
      if wide < tall { part.height = wide / Double(width) }
    case .fit:
      if wide < tall { inner.width = inside(part.width / part.height * Double(height), width) }
      if wide > tall { inner.height = inside(part.height / part.width * Double(width), height) }
    }
    return (part, inner)
  }

  /// A part of a picture, `across` its columns and `down` its rows, as one of another size.
  func resample(
    _ picture: Tensor, _ size: PictureSize, across: ClosedRange<Double>, down: ClosedRange<Double>, width: Int,
    height: Int
  ) throws -> Tensor {
    if size.width == width, size.height == height, across == 0...Double(width), down == 0...Double(height) {
      return picture
    }
    let kernel = Resampler(
      size: size, across: try AxisWeights(filter, input: size.width, range: across, output: width),
      down: try AxisWeights(filter, input: size.height, range: down, output: height))
    return try picture.mapPicture(to: PictureSize(height: height, width: width, channels: size.channels), kernel)
  }
}

/// A size as people write it: `N` for a square, or `WxH`. nil where it is neither, or not in 1...`Resize.sizeLimit`.
public func pictureSize(_ text: String) -> (width: Int, height: Int)? {
  let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
  guard (1...2).contains(parts.count), let width = parts[0], let height = parts[parts.count - 1],
    (1...Resize.sizeLimit).contains(width), (1...Resize.sizeLimit).contains(height)
  else { return nil }
  return (width, height)
}

/// `picture` with its corner at `left`, `top` of a larger one.
func pad(_ picture: Tensor, left: Int, top: Int, width: Int, height: Int, fill: [Double]) throws -> Tensor {
  let size = try picture.pictureSize()
  if size.width == width && size.height == height { return picture }
  guard fill.count == 1 || fill.count == size.channels else {
    throw GXError("resize: fill has \(fill.count) levels for \(size.channels) channels")
  }
  let levels = (0..<size.channels).map { fill[fill.count == 1 ? 0 : $0] * Double(picture.dtype.fullScale) }
  return try picture.mapPicture(
    to: PictureSize(height: height, width: width, channels: size.channels),
    Pad(size: size, left: left, top: top, width: width, height: height, levels: levels))
}

private struct Pad: PictureKernel {
  let size: PictureSize
  let left, top, width, height: Int
  let levels: [Double]

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) {
    let channels = size.channels
    let fill = levels.map { E(nearest: $0) }
    for i in 0..<width * height {
      for c in 0..<channels { target[i * channels + c] = fill[c] }
    }
    for y in 0..<size.height {
      (target + ((top + y) * width + left) * channels).update(
        from: source + y * size.width * channels, count: size.width * channels)
    }
  }
}
