import GXCore
import Glibc

/// Random changes that leave a galaxy's class alone, for gx-augment and for training.
///
/// What a SPEC may hold is said in `grammar`. All geometry, the crop too, is one affine map with one bilinear
/// sampling; then come contrast, brightness and noise. Whole-numbered types are rounded and clamped at the
/// end, floats are not clamped.
public struct Augmentation: Equatable, Sendable {
  /// The fields of a SPEC, as `--help` shows them.
  public static let grammar = """
    SPEC is a list of field=value, joined by commas, each field at most once:

      rotate=DEGREES      turn by an angle uniform in +-DEGREES (0...180)
      rotate=right        turn by 0, 90, 180 or 270 degrees, exactly
      flip=h|v|hv         mirror left-right, upside-down, or each of the two, with probability 1/2
      zoom=LOW:HIGH       enlarge by a factor uniform in LOW...HIGH (0.1...10; below 1 shrinks)
      shift=X or XxY      move by a part of width and height uniform in +-X, +-Y (0...1)
      shear=DEGREES       slant by an angle uniform in +-DEGREES (0...60)
      brightness=B        multiply by a factor uniform in 1-B...1+B (0...1)
      contrast=C          stretch about the picture's mean by a factor uniform in 1-C...1+C (0...1)
      noise=SIGMA         add normal noise of standard deviation SIGMA to every value (0...1)
      fill=reflect|nearest|LEVEL    what lies beyond the edges [reflect]
      crop=N or WxH       give the centre only, N pixels square or W by H

    LEVEL and SIGMA are in units of full scale: 1 is 255 for 8 bits, 65535 for 16, and 1 for floats.
    """

  public enum Rotation: Equatable, Sendable {
    /// Uniform in ± this many degrees.
    case degrees(Double)
    /// A multiple of a right angle.
    case right
  }

  public private(set) var rotation = Rotation.degrees(0)
  public private(set) var flipsHorizontally = false
  public private(set) var flipsVertically = false
  public private(set) var zoom: ClosedRange<Double> = 1...1
  public private(set) var shift = (x: 0.0, y: 0.0)
  public private(set) var shear = 0.0
  public private(set) var brightness = 0.0
  public private(set) var contrast = 0.0
  public private(set) var noise = 0.0
  public private(set) var fill = Fill.reflect
  /// The size of the results where it is not the source's.
  public private(set) var outputCrop: (width: Int, height: Int)?

  /// The repeatable step that stands for the random crop where nothing is random; nil if there is none.
  public var centreCrop: Crop? {
    get throws(GXError) {
      guard let outputCrop else { return nil }
      return try Crop(width: outputCrop.width, height: outputCrop.height)
    }
  }

  public static func == (a: Augmentation, b: Augmentation) -> Bool { a.json == b.json }

  /// - Throws: `GXError` naming the field of `spec` that is unknown, doubled or out of range.
  public init(spec: String) throws {
    var seen: Set<Substring> = []
    for part in spec.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2 else { throw GXError("augmentation: \"\(part)\" is not field=value") }
      guard seen.insert(pair[0]).inserted else { throw GXError("augmentation: \"\(pair[0])\" is given twice") }
      try set(pair[0], String(pair[1]))
    }
  }

  private mutating func set(_ field: Substring, _ value: String) throws(GXError) {
    func fault(_ wanted: String) -> GXError {
      GXError("augmentation: \(field)=\(value.prefix(40)) is not \(wanted)")
    }
    func number(in range: ClosedRange<Double>, _ text: some StringProtocol) throws(GXError) -> Double {
      guard let number = Double(text), range.contains(number) else {
        throw fault("in \(JSON.double(range.lowerBound).text)...\(JSON.double(range.upperBound).text)")
      }
      return number
    }
    func pair(_ separator: Character) -> (Substring, Substring)? {
      let parts = value.split(separator: separator, omittingEmptySubsequences: false)
      return parts.count == 2 ? (parts[0], parts[1]) : nil
    }
    switch field {
    case "rotate": rotation = value == "right" ? .right : .degrees(try number(in: 0...180, value))
    case "flip":
      guard ["h", "v", "hv", "vh"].contains(value) else { throw fault("h, v or hv") }
      flipsHorizontally = value.contains("h")
      flipsVertically = value.contains("v")
    case "zoom":
      guard let (low, high) = pair(":") else { throw fault("LOW:HIGH") }
      let range = (try number(in: 0.1...10, low), try number(in: 0.1...10, high))
      guard range.0 <= range.1 else { throw fault("LOW:HIGH with LOW <= HIGH") }
      zoom = range.0...range.1
    case "shift":
      let (x, y) = pair("x") ?? (value[...], value[...])
      shift = (try number(in: 0...1, x), try number(in: 0...1, y))
    case "shear": shear = try number(in: 0...60, value)
    case "brightness": brightness = try number(in: 0...1, value)
    case "contrast": contrast = try number(in: 0...1, value)
    case "noise": noise = try number(in: 0...1, value)
    case "fill":
      switch value {
      case "nearest": fill = .nearest
      case "reflect": fill = .reflect
      default:
        guard let level = Double(value), level.isFinite else { throw fault("reflect, nearest or a level") }
        fill = .constant(level)
      }
    case "crop":
      guard let size = pictureSize(value) else { throw fault("N or WxH in 1...\(Resize.sizeLimit)") }
      outputCrop = size
    default:
      throw GXError(
        "augmentation: unknown field \"\(field)\"; known are rotate, flip, zoom, shift, shear, brightness, "
          + "contrast, noise, fill and crop")
    }
  }

  /// What `init` reads, with every field but the flips that are not made.
  public var spec: String {
    func text(_ number: Double) -> String { JSON.double(number).text }
    var fields: [String] = []
    switch rotation {
    case .degrees(let degrees): fields.append("rotate=\(text(degrees))")
    case .right: fields.append("rotate=right")
    }
    let flips = (flipsHorizontally ? "h" : "") + (flipsVertically ? "v" : "")
    if !flips.isEmpty { fields.append("flip=\(flips)") }
    fields.append("zoom=\(text(zoom.lowerBound)):\(text(zoom.upperBound))")
    fields.append("shift=\(text(shift.x))x\(text(shift.y))")
    for (name, value) in [("shear", shear), ("brightness", brightness), ("contrast", contrast), ("noise", noise)] {
      fields.append("\(name)=\(text(value))")
    }
    switch fill {
    case .nearest: fields.append("fill=nearest")
    case .reflect: fields.append("fill=reflect")
    case .constant(let level): fields.append("fill=\(text(level))")
    }
    if let outputCrop { fields.append("crop=\(outputCrop.width)x\(outputCrop.height)") }
    return fields.joined(separator: ",")
  }

  /// The entry in a record's `ops`: marked as random, every parameter spelled out.
  public var json: JSON {
    var fields: JSONObject = ["op": "augment", "random": true]
    switch rotation {
    case .degrees(let degrees): fields["rotate"] = .double(degrees)
    case .right: fields["rotate"] = "right"
    }
    fields["flip"] = .string((flipsHorizontally ? "h" : "") + (flipsVertically ? "v" : ""))
    fields["zoom"] = [.double(zoom.lowerBound), .double(zoom.upperBound)]
    fields["shift"] = [.double(shift.x), .double(shift.y)]
    fields["shear"] = .double(shear)
    fields["brightness"] = .double(brightness)
    fields["contrast"] = .double(contrast)
    fields["noise"] = .double(noise)
    switch fill {
    case .nearest: fields["fill"] = "nearest"
    case .reflect: fields["fill"] = "reflect"
    case .constant(let level): fields["fill"] = .double(level)
    }
    return .object(fields)
  }

  /// A changed copy of a picture, `[height, width, channels]`, or of the size of `outputCrop`, of the same type.
  /// - Parameter random: where every choice comes from; seed it by galaxy, epoch and copy.
  /// - Throws: `GXError` where the crop is larger than the picture.
  public func apply(_ picture: Tensor, random: inout Random) throws -> Tensor {
    let size = try picture.pictureSize()
    let crop = outputCrop ?? (size.width, size.height)
    guard crop.width <= size.width, crop.height <= size.height else {
      throw GXError(
        "augmentation: crop \(crop.width)x\(crop.height) does not fit in a picture of \(size.width)x\(size.height)")
    }
    let output = PictureSize(height: crop.height, width: crop.width, channels: size.channels)
    let map = drawMap(size, output, &random)
    let gain = brightness > 0 ? 1 + random.uniform(-brightness, brightness) : 1
    let stretch = contrast > 0 ? 1 + random.uniform(-contrast, contrast) : 1
    let kernel = AugmentationKernel(
      source: size, output: output, map: map, fill: fill, fullScale: picture.dtype.fullScale, gain: Float(gain),
      stretch: Float(stretch), sigma: Float(noise) * picture.dtype.fullScale,
      noise: noise > 0 ? Random(seed: random.next()) : nil)
    return try picture.mapPicture(to: output, kernel)
  }

  private func drawMap(_ source: PictureSize, _ output: PictureSize, _ random: inout Random) -> Affine {
    // The middle of the window that a plain centre crop would take.
    let left = (source.width - output.width) / 2
    let top = (source.height - output.height) / 2
    let centre = (x: Double(output.width - 1) / 2, y: Double(output.height - 1) / 2)
    var cosine = 1.0
    var sine = 0.0
    switch rotation {
    case .degrees(0): break
    case .degrees(let degrees):
      let angle = random.uniform(-degrees, degrees) * .pi / 180
      (cosine, sine) = (cos(angle), sin(angle))
    case .right: (cosine, sine) = [(1, 0), (0, 1), (-1, 0), (0, -1)][random.below(4)]
    }
    let mirrorX = flipsHorizontally && random.chance(0.5) ? -1.0 : 1
    let mirrorY = flipsVertically && random.chance(0.5) ? -1.0 : 1
    let factor = zoom.lowerBound < zoom.upperBound ? random.uniform(zoom.lowerBound, zoom.upperBound) : zoom.lowerBound
    let slant = shear > 0 ? tan(random.uniform(-shear, shear) * .pi / 180) : 0
    let moveX = shift.x > 0 ? random.uniform(-shift.x, shift.x) * Double(source.width) : 0
    let moveY = shift.y > 0 ? random.uniform(-shift.y, shift.y) * Double(source.height) : 0
    // The inverse of: mirror, slant, turn, enlarge, move.
    return Affine(
      xx: mirrorX * (cosine + slant * sine) / factor, xy: mirrorX * (sine - slant * cosine) / factor,
      yx: mirrorY * -sine / factor, yy: mirrorY * cosine / factor,
      sourceX: centre.x + Double(left), sourceY: centre.y + Double(top),
      outputX: centre.x + moveX, outputY: centre.y + moveY)
  }
}

/// A picture turned about its centre by `count` angles, 360/`count` degrees apart; itself first.
///
/// Sampled as `Augmentation` does it: bilinearly, what lies beyond the edges mirrored. Right angles of a square are exact.
public enum Rotation {
  /// - Parameter picture: `[height, width, channels]` of any type; the views have the same type and size.
  public static func views(of picture: Tensor, count: Int) throws -> [Tensor] {
    precondition(count > 0, "no views")
    let size = try picture.pictureSize()
    let centre = (x: Double(size.width - 1) / 2, y: Double(size.height - 1) / 2)
    return try (0..<count).map { i in
      if i == 0 { return picture }
      let angle = 2 * Double.pi * Double(i) / Double(count)
      let (cosine, sine) =
        4 * i % count == 0 ? [(1, 0), (0, 1), (-1, 0), (0, -1)][4 * i / count] : (cos(angle), sin(angle))
      let map = Affine(
        xx: cosine, xy: sine, yx: -sine, yy: cosine, sourceX: centre.x, sourceY: centre.y, outputX: centre.x,
        outputY: centre.y)
      let kernel = AugmentationKernel(
        source: size, output: size, map: map, fill: .reflect, fullScale: picture.dtype.fullScale, gain: 1, stretch: 1,
        sigma: 0, noise: nil)
      return try picture.mapPicture(to: size, kernel)
    }
  }
}

private struct AugmentationKernel: PictureKernel {
  let source, output: PictureSize
  let map: Affine
  let fill: Fill
  let fullScale, gain, stretch, sigma: Float
  let noise: Random?

  func run<E: PixelElement>(_ pixels: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    // Four channels at a time, in groups that lie one after the other.
    let groups = (source.channels + 3) / 4
    let area = source.width * source.height
    let outputArea = output.width * output.height
    _ = try Tensor.byteCount(.f32, [area + outputArea * groups, 4])
    let plane = UnsafeMutablePointer<SIMD4<Float>>.allocate(capacity: area)
    let result = UnsafeMutablePointer<SIMD4<Float>>.allocate(capacity: outputArea * groups)
    defer {
      plane.deallocate()
      result.deallocate()
    }
    for g in 0..<groups {
      // Lanes without a channel stay 0, so that sums over all lanes are sums over the channels.
      var level = SIMD4<Float>.zero
      if case .constant(let part) = fill {
        for c in 0..<min(source.channels - g * 4, 4) { level[c] = Float(part) * fullScale }
      }
      load(pixels, group: g, area, to: plane)
      sample(
        plane, width: source.width, height: source.height, map, fill, level: level, to: result + g * outputArea,
        width: output.width, height: output.height)
    }
    // value · scale + offset is contrast about the mean, then brightness.
    let offset = stretch == 1 ? 0 : mean(result, groups, outputArea) * (1 - stretch) * gain
    store(result, groups, outputArea, scale: stretch * gain, offset: offset, to: target)
  }

  @inline(__always)
  private func load<E: PixelElement>(
    _ pixels: UnsafePointer<E>, group: Int, _ area: Int, to plane: UnsafeMutablePointer<SIMD4<Float>>
  ) {
    let channels = source.channels
    if channels == 3 {
      for i in 0..<area {
        let p = pixels + i &* 3
        plane[i] = SIMD4(p[0].float, p[1].float, p[2].float, 0)
      }
      return
    }
    for i in 0..<area {
      var value = SIMD4<Float>.zero
      for c in 0..<min(channels &- group &* 4, 4) { value[c] = pixels[i &* channels &+ group &* 4 &+ c].float }
      plane[i] = value
    }
  }

  private func mean(_ result: UnsafePointer<SIMD4<Float>>, _ groups: Int, _ area: Int) -> Float {
    var sum = SIMD4<Double>.zero
    for i in 0..<groups * area { sum += SIMD4<Double>(result[i]) }
    return Float(sum.sum() / Double(area * source.channels))
  }

  @inline(__always)
  private func store<E: PixelElement>(
    _ result: UnsafePointer<SIMD4<Float>>, _ groups: Int, _ area: Int, scale: Float, offset: Float,
    to target: UnsafeMutablePointer<E>
  ) {
    let channels = source.channels
    var random = noise
    let sigma = sigma
    for g in 0..<groups {
      let used = min(channels - g * 4, 4)
      for i in 0..<area {
        let value = result[g &* area &+ i] * scale + offset
        let p = target + (i &* channels &+ g &* 4)
        if random == nil {
          for c in 0..<used { p[c] = E(nearest: value[c]) }
        } else {
          for c in 0..<used { p[c] = E(nearest: value[c] + sigma * Float(random!.normal())) }
        }
      }
    }
  }
}
