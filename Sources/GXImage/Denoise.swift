import GXCore
import Glibc

/// Noise taken off a picture by what lies around each pixel; every channel, of any type.
///
/// Beyond its edges a picture is mirrored, edge pixels twice: `cba|abc|cba`, as SciPy's "reflect" and OpenCV's
/// BORDER_REFLECT have it. Means are computed in f32; whole-numbered types are rounded once, at the end, halves up.
/// Values must be finite: a NaN spreads in means, and has no place in an order.
public struct Denoise: PixelStep, Equatable {
  public enum Method: Equatable, Sendable {
    /// The median of `size` x `size` pixels, in each channel: always a value that is there. `size` is odd.
    case median(size: Int)
    /// The mean weighted by a normal distribution of this standard deviation in pixels, cut off at four of them, as
    /// SciPy's gaussian_filter does by default.
    case gaussian(sigma: Double)
    /// The mean of the pixels in a circle of `diameter` (odd), weighted by normal distributions of their distance, in
    /// pixels, and of the sum of their channels' differences, in units of full scale (1 is white): it keeps edges.
    /// Tomasi & Manduchi 1998, with the norm and the circle of OpenCV's bilateralFilter.
    case bilateral(diameter: Int, sigmaColour: Double, sigmaSpace: Double)
  }

  public static let name = "denoise"
  /// The largest window's side, in pixels. Counts of its pixels fit in 16 bits.
  public static let sizeLimit = 255
  /// The largest standard deviation, in pixels.
  public static let sigmaLimit = 64.0

  public let method: Method

  /// - Throws: `GXError` naming the parameter that is out of range.
  public init(_ method: Method) throws(GXError) {
    func check(side: Int, _ name: String) throws(GXError) {
      guard (3...Self.sizeLimit).contains(side), side % 2 == 1 else {
        throw GXError("denoise: \(name) \(side) is no odd number in 3...\(Self.sizeLimit)")
      }
    }
    func check(sigma: Double, _ name: String, _ limit: Double) throws(GXError) {
      guard sigma > 0, sigma <= limit else { throw GXError("denoise: \(name) \(sigma) is not in (0, \(limit)]") }
    }
    switch method {
    case .median(let size): try check(side: size, "size")
    case .gaussian(let sigma): try check(sigma: sigma, "sigma", Self.sigmaLimit)
    case .bilateral(let diameter, let sigmaColour, let sigmaSpace):
      try check(side: diameter, "diameter")
      try check(sigma: sigmaColour, "sigma_colour", 1e6)
      try check(sigma: sigmaSpace, "sigma_space", 1e6)
    }
    self.method = method
  }

  // MARK: JSON

  private enum MethodName: String, CaseIterable { case median, gaussian, bilateral }

  public var fields: JSONObject {
    switch method {
    case .median(let size): ["method": "median", "size": .int(size)]
    case .gaussian(let sigma): ["method": "gaussian", "sigma": .double(sigma)]
    case .bilateral(let diameter, let sigmaColour, let sigmaSpace):
      [
        "method": "bilateral", "diameter": .int(diameter), "sigma_colour": .double(sigmaColour),
        "sigma_space": .double(sigmaSpace),
      ]
    }
  }

  public init(_ fields: inout JSONFields) throws(GXError) {
    switch try fields.required("method", .choice(MethodName.self)) {
    case .median: try self.init(.median(size: try fields.required("size", .int)))
    case .gaussian: try self.init(.gaussian(sigma: try fields.required("sigma", .number)))
    case .bilateral:
      try self.init(
        .bilateral(
          diameter: try fields.required("diameter", .int), sigmaColour: try fields.required("sigma_colour", .number),
          sigmaSpace: try fields.required("sigma_space", .number)))
    }
  }

  // MARK: Pixels

  public func apply(_ picture: Tensor) throws -> Tensor {
    let size = try picture.pictureSize()
    switch method {
    case .median(let side): return try picture.mapPicture(to: size, Median(size: size, radius: side / 2))
    case .gaussian(let sigma): return try picture.mapPicture(to: size, Gaussian(size: size, sigma: sigma))
    case .bilateral(let diameter, let sigmaColour, let sigmaSpace):
      let scale = sigmaColour * Double(picture.dtype.fullScale)
      return try picture.mapPicture(
        to: size, Bilateral(size: size, radius: diameter / 2, sigmaColour: scale, sigmaSpace: sigmaSpace))
    }
  }
}

// MARK: Gaussian

/// Separable: down the columns into a line, along that into the result.
private struct Gaussian: PictureKernel {
  let size: PictureSize
  /// Of the pixel itself, and of those 1, 2… away on either side; 1 in sum.
  let weights: [Float]

  init(size: PictureSize, sigma: Double) {
    self.size = size
    let radius = Int(4 * sigma + 0.5)
    let heights = (0...radius).map { exp(-0.5 * Double($0 * $0) / (sigma * sigma)) }
    let sum = heights[0] + 2 * heights.dropFirst().reduce(0, +)
    weights = heights.map { Float($0 / sum) }
  }

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    typealias Lanes = SIMD8<Float>
    let radius = weights.count - 1
    let (length, margin) = (size.width * size.channels, radius * size.channels)
    // Rows as floats in a ring, with room for the last lanes.
    let stride = (length + 7) / 8 * 8
    let slots = min(size.height, 2 * radius + 1)
    _ = try Tensor.byteCount(.f32, [slots + 2, stride + 2 * margin])
    let ring = UnsafeMutablePointer<Float>.allocate(capacity: slots * stride)
    let line = UnsafeMutablePointer<Float>.allocate(capacity: stride + 2 * margin)
    ring.initialize(repeating: 0, count: slots * stride)
    line.initialize(repeating: 0, count: stride + 2 * margin)
    defer {
      ring.deallocate()
      line.deallocate()
    }
    let (rows, columns) = (mirrored(size.height, radius: radius), mirrored(size.width, radius: radius))
    var next = 0
    weights.withUnsafeBufferPointer { weights in
      for y in 0..<size.height {
        while next < min(y + radius + 1, size.height) {
          let (from, to) = (source + next * length, ring + next % slots * stride)
          for i in 0..<length { to[i] = from[i].float }
          next += 1
        }
        for start in Swift.stride(from: 0, to: length, by: 8) {
          func lanes(_ row: Int) -> Lanes { load(ring + (rows[row] % slots &* stride &+ start)) }
          var sum = lanes(y + radius) * weights[0]
          for k in 1..<weights.count { sum += (lanes(y + radius - k) + lanes(y + radius + k)) * weights[k] }
          UnsafeMutableRawPointer(line + (margin &+ start)).storeBytes(of: sum, as: Lanes.self)
        }
        for x in -radius..<0 { copy(line + margin, from: columns[x + radius], to: x) }
        for x in size.width..<size.width + radius { copy(line + margin, from: columns[x + radius], to: x) }
        let out = target + y * length
        for start in Swift.stride(from: 0, to: length, by: 8) {
          let at = line + (margin &+ start)
          var sum = load(at) * weights[0]
          for k in 1..<weights.count {
            let away = k &* size.channels
            sum += (load(at - away) + load(at + away)) * weights[k]
          }
          for i in 0..<min(8, length &- start) { out[start &+ i] = E(nearest: sum[i]) }
        }
      }
    }
  }

  @inline(__always) private func load(_ at: UnsafePointer<Float>) -> SIMD8<Float> {
    UnsafeRawPointer(at).loadUnaligned(as: SIMD8<Float>.self)
  }

  private func copy(_ line: UnsafeMutablePointer<Float>, from: Int, to: Int) {
    for c in 0..<size.channels { line[to * size.channels + c] = line[from * size.channels + c] }
  }
}

// MARK: Bilateral

/// Eight pixels of a row at a time, each channel in rows of its own.
private struct Bilateral: PictureKernel {
  let size: PictureSize
  let radius: Int
  /// The colours' factor: weight = exp(factor · difference² + the place's part).
  let factor: Float
  /// Places in the circle, and the logarithm of their weight.
  let places: [(dy: Int, dx: Int, part: Float)]

  typealias Lanes = SIMD8<Float>

  init(size: PictureSize, radius: Int, sigmaColour: Double, sigmaSpace: Double) {
    (self.size, self.radius) = (size, radius)
    factor = Float(-0.5 / (sigmaColour * sigmaColour))
    places = (-radius...radius).flatMap { dy in
      (-radius...radius).compactMap { dx in
        let square = dy * dy + dx * dx
        return square > radius * radius ? nil : (dy, dx, Float(-0.5 * Double(square) / (sigmaSpace * sigmaSpace)))
      }
    }
  }

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    let (width, channels) = (size.width, size.channels)
    let padded = (width + 7) / 8 * 8 + 2 * radius
    let slots = min(size.height, 2 * radius + 1)
    _ = try Tensor.byteCount(.f32, [slots + 8, padded, channels])
    let ring = UnsafeMutablePointer<Float>.allocate(capacity: slots * channels * padded)
    let sums = UnsafeMutablePointer<Lanes>.allocate(capacity: channels)
    ring.initialize(repeating: 0, count: slots * channels * padded)
    defer {
      ring.deallocate()
      sums.deallocate()
    }
    let (rows, columns) = (mirrored(size.height, radius: radius), mirrored(width, radius: radius))
    var next = 0
    for y in 0..<size.height {
      while next < min(y + radius + 1, size.height) {
        for c in 0..<channels {
          let to = ring + (next % slots * channels + c) * padded
          for (x, column) in columns.enumerated() { to[x] = source[(next * width + column) * channels + c].float }
        }
        next += 1
      }
      func row(_ dy: Int) -> UnsafePointer<Float> {
        UnsafePointer(ring + rows[y + radius + dy] % slots * channels * padded)
      }
      let middle = row(0)
      for start in stride(from: 0, to: width, by: 8) {
        var total = Lanes.zero
        for c in 0..<channels { sums[c] = .zero }
        let centre = middle + (radius &+ start)
        for place in places {
          let near = row(place.dy) + (radius &+ start &+ place.dx)
          var difference = Lanes.zero
          for c in 0..<channels { difference += magnitude(load(near, c, padded) - load(centre, c, padded)) }
          let weight = exponential(difference * difference * factor + place.part)
          total += weight
          for c in 0..<channels { sums[c] += load(near, c, padded) * weight }
        }
        for c in 0..<channels {
          let mean = sums[c] / total
          for i in 0..<min(8, width &- start) {
            target[(y &* width &+ start &+ i) &* channels &+ c] = E(nearest: mean[i])
          }
        }
      }
    }
  }

  @inline(__always) private func load(_ at: UnsafePointer<Float>, _ channel: Int, _ padded: Int) -> Lanes {
    UnsafeRawPointer(at + channel &* padded).loadUnaligned(as: Lanes.self)
  }

  @inline(__always) private func magnitude(_ x: Lanes) -> Lanes {
    unsafeBitCast(unsafeBitCast(x, to: SIMD8<UInt32>.self) & 0x7fff_ffff, to: Lanes.self)
  }

  /// e to the power of numbers that are not positive (of less than -80, of -80), within 2 units in the last place: Cephes' expf, by arithmetic that
  /// every CPU has.
  @inline(__always) private func exponential(_ x: Lanes) -> Lanes {
    // Products with smaller weights would be subnormal, which is slow.
    let x = x.replacing(with: -80, where: x .< -80)
    // Adding 1.5 · 2^23 leaves the nearest whole number in the last bits.
    let shifted = x * 1.442_695_04 + 12_582_912
    let whole = shifted - 12_582_912
    let rest = x - whole * 0.693_359_375 + whole * 2.121_944_4e-4
    var sum = rest * 1.987_569_15e-4 + 1.398_199_950_7e-3
    sum = sum * rest + 8.333_451_907_3e-3
    sum = sum * rest + 4.166_579_589_4e-2
    sum = sum * rest + 0.166_666_654_59
    sum = sum * rest + 0.500_000_012_01
    let power = (unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &<< 23) &+ 0x3f80_0000
    return (sum * rest * rest + rest + 1) * unsafeBitCast(power, to: Lanes.self)
  }
}
