import GXCore
import Glibc

/// Sky brightness in g, r, i in units of the r isophote: 21.9, 20.9, 20.2 mag/arcsec^2 (SDSS, York et al. 2000)
/// against 25.
private let sky = Bands(17, 44, 83, 0)

extension Galaxy {
  /// The galaxy as a survey shows it: u8 `[size, size, 3]`, RGB. `random` makes the noise.
  /// - Throws: `GXError` where `size` is not in `sizes`.
  public func render(size: Int, random: inout Random) throws -> Tensor {
    guard Self.sizes.contains(size) else {
      throw GXError("size \(size) is not in \(Self.sizes.lowerBound) to \(Self.sizes.upperBound) pixels")
    }
    let kernel = MoffatKernel(fwhm: seeing * Double(size), exponent: moffat)
    var canvas = Canvas(size: size, margin: kernel.radius)
    for spheroid in spheroids { canvas.add(spheroid) }
    if let disk { canvas.add(disk) }
    for clump in clumps { canvas.add(clump) }
    let level = canvas.levelInsideIsophote
    for far in background { canvas.add(far) }
    var picture = canvas.convolved(with: kernel)
    for star in stars { picture.add(star, fwhm: seeing, exponent: moffat) }
    picture.addNoise(electrons: snr * snr * (level + Double(sky[1])) / (level * level), &random)
    return try picture.rgb()
  }

  /// The sizes that can be rendered, in pixels. The time goes with the fourth power of the size.
  public static let sizes = 16...1024
}

/// A square picture in g, r, i with a margin around it, which lets light in from outside the frame
/// when the picture is blurred.
struct Canvas {
  let size: Int
  let margin: Int
  /// Pixels a row: size + 2 * margin.
  let width: Int
  var pixels: [Bands]

  init(size: Int, margin: Int) {
    self.size = size
    self.margin = margin
    width = size + 2 * margin
    pixels = [Bands](repeating: .zero, count: width * width)
  }

  /// The columns (or rows) that hold `low...high`, given in frame widths.
  private func span(_ low: Double, _ high: Double) -> Range<Int> {
    func pixel(_ x: Double) -> Double { (x + 0.5) * Double(size) + Double(margin) }
    let first = max(0, min(Double(width), pixel(low).rounded(.down)))
    return Int(first)..<Int(max(first, min(Double(width), pixel(high).rounded(.up))))
  }

  /// Calls `body` with every pixel of the box around `center` and where its middle stands from `center`.
  @inline(__always)
  private mutating func update(
    around center: SIMD2<Double>, within reach: Double, _ body: (inout Bands, SIMD2<Float>) -> Void
  ) {
    let columns = span(center.x - reach, center.x + reach)
    let step = 1 / Float(size)
    let left = Float((0.5 - Double(margin)) / Double(size) - 0.5 - center.x)
    let top = Float((0.5 - Double(margin)) / Double(size) - 0.5 - center.y)
    let (rows, width) = (span(center.y - reach, center.y + reach), width)
    pixels.withUnsafeMutableBufferPointer { pixels in
      for row in rows {
        let y = top + Float(row) * step
        for column in columns { body(&pixels[row &* width &+ column], SIMD2(left + Float(column) * step, y)) }
      }
    }
  }

  mutating func add(_ profile: Sersic) {
    let b = profile.b
    // Out to a fiftieth of the isophote.
    let reach = profile.radius * pow(max(0, 1 + log(max(profile.brightness, 1e-9) / 0.02) / b), profile.index)
    let (s, c) = (Float(sin(profile.positionAngle)), Float(cos(profile.positionAngle)))
    let (alongMajor, alongMinor) = (
      SIMD2(-s, -c) / Float(profile.radius), SIMD2(c, -s) / Float(profile.radius * profile.axisRatio)
    )
    let (light, brightness) = (profile.light, Float(profile.brightness))
    let (minusB, halfPower) = (Float(-b), Float(0.5 / profile.index))
    let (shape, boxy) = (Float(2 + profile.boxiness), profile.boxiness != 0)
    func brightnessAt(_ p: SIMD2<Float>, softening: Float = 0) -> Float {
      let (u, v) = ((p * alongMajor).sum(), (p * alongMinor).sum())
      let r2 = boxy ? powf(powf(abs(u), shape) + powf(abs(v), shape), 2 / shape) : u * u + v * v
      return brightness * expf(minusB * (powf(r2 + softening, halfPower) - 1))
    }
    // The light of a cusp is not that of its pixel's middle: near the centre, pixels are averaged over a
    // fine grid, on which in turn no point sees more of the cusp than its cell's share.
    let step = 1 / Float(size)
    let softening = powf(0.35 * step / 7, 2) / Float(profile.radius * profile.radius)
    update(around: profile.center, within: reach) { pixel, p in
      var value: Float = 0
      if (p * p).sum() > 9 * step * step {
        value = brightnessAt(p)
      } else {
        for i in 0..<49 {
          let (column, row) = (Float(i % 7) - 3, Float(i / 7) - 3)
          value += brightnessAt(p + SIMD2(column, row) * (step / 7), softening: softening) / 49
        }
      }
      pixel += value * light
    }
  }

  /// Adds a disk; its dust also dims what is there, so spheroids come first.
  mutating func add(_ disk: Disk) {
    let plane = DiskPlane(disk)
    let reach = disk.truncation + disk.scale * (log(disk.brightness / 0.02) / 4 + 1)
    let (s, c) = (Float(sin(disk.positionAngle)), Float(cos(disk.positionAngle)))
    update(around: disk.center, within: reach) { pixel, p in
      pixel = plane.shine(through: pixel, u: -s * p.x - c * p.y, v: c * p.x - s * p.y)
    }
  }

  mutating func add(_ clump: Clump) {
    // Never narrower than the grid can show.
    let sigma = max(clump.width, 0.45 / Double(size))
    let peak = Float(clump.brightness * clump.width * clump.width / (sigma * sigma))
    let (light, scale) = (clump.light * peak, Float(-0.5 / (sigma * sigma)))
    update(around: clump.center, within: 3.5 * sigma) { pixel, p in pixel += light * expf((p * p).sum() * scale) }
  }

  /// Adds a star as the point spread function shows it.
  mutating func add(_ star: Star, fwhm: Double, exponent: Double) {
    // A pixel is a blur as well.
    let seen = (fwhm * fwhm + 0.7 / Double(size * size)).squareRoot()
    let alpha = MoffatKernel.alpha(fwhm: seen, exponent: exponent)
    let peak = star.flux * (exponent - 1) / (.pi * alpha * alpha)
    let reach = alpha * max(1, pow(peak / 0.1, 1 / exponent)).squareRoot()
    let (light, scale, power) = (star.light * Float(peak), Float(1 / (alpha * alpha)), Float(-exponent))
    update(around: star.center, within: reach) { pixel, p in pixel += light * powf(1 + (p * p).sum() * scale, power) }
  }

  /// The frame without its margin, blurred.
  func convolved(with kernel: MoffatKernel) -> Canvas {
    precondition(kernel.radius == margin, "margin and kernel differ")
    var out = Canvas(size: size, margin: 0)
    let (size, width, span) = (size, width, 2 * kernel.radius + 1)
    pixels.withUnsafeBufferPointer { source in
      kernel.weights.withUnsafeBufferPointer { weights in
        out.pixels.withUnsafeMutableBufferPointer { target in
          for row in 0..<size {
            // Four pixels at a time, so that no sum has to wait for the one before.
            var column = 0
            while column &+ 4 <= size {
              var (a, b, c, d) = (Bands.zero, Bands.zero, Bands.zero, Bands.zero)
              for y in 0..<span {
                let line = (row &+ y) &* width &+ column
                for x in 0..<span {
                  let weight = weights[y &* span &+ x]
                  a += source[line &+ x] * weight
                  b += source[line &+ x &+ 1] * weight
                  c += source[line &+ x &+ 2] * weight
                  d += source[line &+ x &+ 3] * weight
                }
              }
              let place = row &* size &+ column
              (target[place], target[place &+ 1], target[place &+ 2], target[place &+ 3]) = (a, b, c, d)
              column &+= 4
            }
            while column < size {
              var sum = Bands.zero
              for y in 0..<span {
                let line = (row &+ y) &* width &+ column
                for x in 0..<span { sum += source[line &+ x] * weights[y &* span &+ x] }
              }
              target[row &* size &+ column] = sum
              column &+= 1
            }
          }
        }
      }
    }
    return out
  }

  /// The median r brightness inside the isophote, 1, which a bright nucleus does not move; where none is
  /// as bright, the brightest pixel's.
  var levelInsideIsophote: Double {
    var inside: [Float] = []
    var brightest: Float = 1e-3
    for pixel in pixels {
      brightest = max(brightest, pixel[1])
      if pixel[1] >= 1 { inside.append(pixel[1]) }
    }
    if inside.isEmpty { return Double(brightest) }
    inside.sort()
    return Double(inside[inside.count / 2])
  }

  /// Photon noise of galaxy and sky, the sky being taken off again. Counts are thousands, so
  /// Poisson's distribution is normal; read noise is small beside the sky's.
  /// - Parameter electrons: counted from one pixel of brightness 1.
  mutating func addNoise(electrons: Double, _ random: inout Random) {
    let scale = Float(1 / electrons)
    pixels.withUnsafeMutableBufferPointer { pixels in
      for i in pixels.indices {
        let deviation = ((pixels[i] + sky) * scale).squareRoot()
        pixels[i] += deviation * Bands(Float(random.normal()), Float(random.normal()), Float(random.normal()), 0)
      }
    }
  }

  /// The bands as colours, i red, r green, g blue, by the colour-preserving asinh of Lupton et al. (2004).
  func rgb() throws -> Tensor {
    // What SDSS does, in our unit: weights that show old stars as cream, softening 8, and a
    // stretch that shows the isophote at an eighth of white.
    let weights = Bands(1.76, 1.16, 0.97, 0)
    let (softening, stretch) = (Float(8), Float(8.5))
    return try Tensor(.u8, [size, size, 3]) { bytes in
      for (i, pixel) in pixels.enumerated() {
        let scaled = pixel * weights
        let mean = max(scaled.sum() / 3, 1e-4)
        let x = softening * mean / stretch
        let color = scaled * (logf(x + (x * x + 1).squareRoot()) / (softening * mean))  // asinh(x)
        // A colour brighter than white keeps its hue.
        let scale = 255 / max(1, color[0], color[1], color[2])
        for channel in 0..<3 { bytes[3 &* i &+ channel] = UInt8(max(0, color[2 &- channel]) * scale + 0.5) }
      }
    }
  }
}

/// A point spread function of Moffat's (1969) form (1 + (r / alpha)^2)^-exponent, integrated over pixels.
struct MoffatKernel {
  /// It reaches this many pixels to each side.
  let radius: Int
  /// `(2 radius + 1)^2` of them, which sum to 1.
  let weights: [Float]

  static func alpha(fwhm: Double, exponent: Double) -> Double { fwhm / 2 / (pow(2, 1 / exponent) - 1).squareRoot() }

  /// - Parameter fwhm: full width at half maximum in pixels.
  init(fwhm: Double, exponent: Double) {
    radius = max(1, Int((2 * fwhm).rounded(.up)))
    let scale = 1 / pow(Self.alpha(fwhm: fwhm, exponent: exponent), 2)
    // Enough points a pixel to follow a narrow peak.
    let points = max(1, Int((6 / fwhm).rounded(.up)))
    var sums: [Double] = []
    for y in -radius...radius {
      for x in -radius...radius {
        var sum = 0.0
        for i in 0..<points {
          for j in 0..<points {
            let dx = Double(x) + (Double(i) + 0.5) / Double(points) - 0.5
            let dy = Double(y) + (Double(j) + 0.5) / Double(points) - 0.5
            sum += pow(1 + (dx * dx + dy * dy) * scale, -exponent)
          }
        }
        sums.append(sum)
      }
    }
    let total = sums.reduce(0, +)
    weights = sums.map { Float($0 / total) }
  }
}
