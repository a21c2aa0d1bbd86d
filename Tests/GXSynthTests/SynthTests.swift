import Foundation
import GXCore
import Testing

@testable import GXSynth

private let white = bands(gr: 0, ri: 0)

/// The r band of `canvas` and where its pixels' middles stand, in frame widths from the centre.
private func pixels(_ canvas: Canvas) -> [(x: Double, y: Double, light: Double)] {
  canvas.pixels.enumerated().map { i, pixel in
    (
      (Double(i % canvas.width) + 0.5) / Double(canvas.size) - 0.5,
      (Double(i / canvas.width) + 0.5) / Double(canvas.size) - 0.5,
      Double(pixel[1])
    )
  }
}

private func disk(axisRatio: Double = 1, positionAngle: Double = 0, arms: Arms? = nil) -> Disk {
  var disk = Disk(
    positionAngle: positionAngle, isophote: 0.3, scales: 5, thickness: axisRatio, light: white, truncation: 10)
  disk.arms = arms
  return disk
}

extension Disk {
  fileprivate init(
    positionAngle: Double, isophote: Double, scales: Double, thickness: Double, light: Bands, truncation: Double
  ) {
    self.init(
      scale: isophote / scales, axisRatio: thickness, positionAngle: positionAngle, brightness: 100, light: light,
      truncation: truncation)
  }
}

@Suite struct ModelTests {
  /// Against the inverse incomplete gamma function (SciPy's gammaincinv(2 n, 0.5)).
  @Test(arguments: [(1.0, 1.67834699), (2, 3.67206075), (4, 7.66924944), (8, 15.66792954)])
  func sersicB(_ index: Double, _ b: Double) {
    #expect(abs(profile(index: index).b - b) < 2e-4)
  }

  private func profile(index: Double, axisRatio: Double = 1) -> Sersic {
    Sersic(index: index, radius: 0.04, axisRatio: axisRatio, positionAngle: 0.7, brightness: 5, light: white)
  }

  @Test(arguments: [(0.7, 1.0), (1, 0.6), (2.5, 0.8)])
  func sersicHoldsHalfItsLightInsideItsRadius(_ index: Double, _ axisRatio: Double) {
    let body = profile(index: index, axisRatio: axisRatio)
    var canvas = Canvas(size: 256, margin: 0)
    canvas.add(body)
    let total = body.unitFlux * body.brightness * 256 * 256
    let (s, c) = (sin(body.positionAngle), cos(body.positionAngle))
    var (all, inside) = (0.0, 0.0)
    for p in pixels(canvas) {
      all += p.light
      let (u, v) = (-s * p.x - c * p.y, (c * p.x - s * p.y) / axisRatio)
      if hypot(u, v) < body.radius { inside += p.light }
    }
    #expect(abs(all / total - 1) < 0.02)
    #expect(abs(inside / total - 0.5) < 0.02)
  }

  @Test func cuspIsIntegratedOverItsPixels() {
    // The light of a de Vaucouleurs centre must not depend on where in a pixel it falls.
    func light(shift: Double) -> Double {
      var body = profile(index: 4)
      body.center = SIMD2(repeating: shift / 64)
      var canvas = Canvas(size: 64, margin: 0)
      canvas.add(body)
      return pixels(canvas).reduce(0) { $0 + (hypot($1.x - shift / 64, $1.y - shift / 64) < 0.2 ? $1.light : 0) }
    }
    #expect(abs(light(shift: 0.5) / light(shift: 0.02) - 1) < 0.03)
  }

  @Test(arguments: [(0.3, 0.4), (0.6, 2.0), (0.9, 2.9)])
  func diskIsAnEllipseAtItsPositionAngle(_ axisRatio: Double, _ angle: Double) {
    var canvas = Canvas(size: 192, margin: 0)
    canvas.add(disk(axisRatio: axisRatio, positionAngle: angle))
    var (xx, xy, yy) = (0.0, 0.0, 0.0)
    for p in pixels(canvas) {
      xx += p.light * p.x * p.x
      xy += p.light * p.x * p.y
      yy += p.light * p.y * p.y
    }
    let spread = ((xx - yy) * (xx - yy) / 4 + xy * xy).squareRoot()
    let (major, minor) = ((xx + yy) / 2 + spread, (xx + yy) / 2 - spread)
    #expect(abs((minor / major).squareRoot() - axisRatio) < 0.02)
    // From the top to the left: the direction (-sin, -cos) with y down.
    let (s, c) = (sin(angle), cos(angle))
    #expect(abs((xx * s * s + 2 * xy * s * c + yy * c * c) / major - 1) < 0.01)
  }

  /// A face-on spiral's light, Fourier-analysed over the angle, has its strongest term at the number of
  /// arms, and the term's phase turns with ln R by count / tan(pitch).
  @Test(arguments: [(2, 15.0, 1.0), (2, 30, -1), (3, 20, -1), (4, 25, 1)])
  func armsAreLogarithmicSpirals(_ count: Int, _ pitch: Double, _ sense: Double) {
    let arms = Arms(
      count: count, pitch: pitch * .pi / 180, phase: 0.4, sense: sense, start: 0.03, contrast: 2, sharpness: 2,
      light: white, dustDepth: 0, raggedness: 0, rags: [])
    var canvas = Canvas(size: 400, margin: 0)
    canvas.add(disk(arms: arms))
    func term(_ m: Int, _ radius: Double) -> (power: Double, phase: Double) {
      var (re, im) = (0.0, 0.0)
      for i in 0..<720 {
        let theta = Double(i) * .pi / 360
        // The disk's major axis points up, its minor axis right.
        let (x, y) = (radius * sin(theta), -radius * cos(theta))
        let pixel = canvas.pixels[Int((y + 0.5) * 400) * 400 + Int((x + 0.5) * 400)]
        re += Double(pixel[1]) * cos(Double(m) * theta)
        im += Double(pixel[1]) * sin(Double(m) * theta)
      }
      return (hypot(re, im), atan2(im, re))
    }
    let powers = (1...5).map { term($0, 0.15).power }
    #expect(powers.firstIndex(of: powers.max()!)! + 1 == count)
    let turn = term(count, 0.16).phase - term(count, 0.15).phase
    let expected = Double(count) * sense * log(0.16 / 0.15) / tan(arms.pitch)
    #expect(abs(remainder(turn - expected, 2 * .pi)) < 0.12)
  }

  @Test(arguments: [(0.7, 3.0), (2.5, 2.5), (6, 4.5)]) func moffatKernel(_ fwhm: Double, _ exponent: Double) {
    let kernel = MoffatKernel(fwhm: fwhm, exponent: exponent)
    #expect(abs(kernel.weights.reduce(0, +) - 1) < 1e-5)
    let span = 2 * kernel.radius + 1
    #expect(kernel.weights.count == span * span)
    if fwhm > 5 {  // where pixels no longer matter: half the peak at half the width
      let half = kernel.weights[kernel.radius * span + kernel.radius + Int(fwhm / 2)]
      #expect(abs(half / kernel.weights[kernel.radius * span + kernel.radius] - 0.5) < 0.03)
    }
  }

  @Test func convolutionKeepsLightAndPlace() {
    let kernel = MoffatKernel(fwhm: 2, exponent: 3)
    var canvas = Canvas(size: 32, margin: kernel.radius)
    canvas.add(Clump(center: SIMD2(0.1, -0.2), width: 0.03, brightness: 7, light: white))
    let blurred = canvas.convolved(with: kernel)
    let before = canvas.pixels.reduce(0) { $0 + Double($1[1]) }
    let (light, x, y) = pixels(blurred).reduce((0.0, 0.0, 0.0)) {
      ($0.0 + $1.light, $0.1 + $1.light * $1.x, $0.2 + $1.light * $1.y)
    }
    #expect(abs(light / before - 1) < 0.01)
    #expect(abs(x / light - 0.1) < 0.003 && abs(y / light + 0.2) < 0.003)
  }

  /// Inside the isophote, level over deviation is the ratio that was asked for.
  @Test(arguments: [2.0, 10, 40]) func noiseIsOfTheRatioAskedFor(_ snr: Double) {
    var canvas = Canvas(size: 64, margin: 0)
    for i in canvas.pixels.indices { canvas.pixels[i] = 5 * white }
    let level = canvas.levelInsideIsophote
    #expect(level == 5)
    var random = Random(seed: 3)
    canvas.addNoise(electrons: snr * snr * (level + 44) / (level * level), &random)
    let values = pixels(canvas).map(\.light)
    let mean = values.reduce(0, +) / Double(values.count)
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    #expect(abs(mean / deviation / snr - 1) < 0.05)
  }

  @Test func colours() throws {
    var canvas = Canvas(size: 16, margin: 0)
    canvas.pixels[0] = 20 * bands(gr: 0.8, ri: 0.4)  // old stars
    canvas.pixels[1] = 20 * bands(gr: 0, ri: -0.1)  // young ones
    canvas.pixels[2] = 1e6 * bands(gr: 0.8, ri: 0.4)  // far over white: the hue stays
    canvas.pixels[3] = Bands(repeating: -5)
    let bytes = try canvas.rgb().withBytes { Array($0) }
    #expect(bytes[0] > bytes[1] && bytes[1] > bytes[2])
    #expect(bytes[3] < bytes[4] && bytes[4] < bytes[5])
    #expect(bytes[6] == 255 && bytes[7] < 255 && bytes[8] < bytes[7])
    #expect(bytes[9...11].allSatisfy { $0 == 0 })
  }
}

@Suite struct SurveyTests {
  @Test func aGalaxyDependsOnSeedAndNumberAlone() throws {
    let survey = try Survey(seed: 5, size: 48)
    let forward = try (0..<8).map { try survey.galaxy($0).picture }
    for index in (0..<8).reversed() { #expect(try survey.galaxy(index).picture == forward[index]) }
    let other = try Survey(seed: 6, size: 48)
    for index in 0..<8 { #expect(try other.galaxy(index).picture != forward[index]) }
    #expect(Set((0..<8).map(survey.id) + (0..<8).map(other.id)).count == 16)
  }

  @Test func classesTakeTurns() throws {
    let survey = try Survey(seed: 0, classes: [.spiral, .elliptical], size: 32)
    #expect((0..<4).map(survey.kind) == [.spiral, .elliptical, .spiral, .elliptical])
    #expect(GalaxyClass.allCases.map(\.rawValue) == GalaxyClass.allCases.map(\.rawValue).sorted())
  }

  @Test(arguments: GalaxyClass.allCases) func everyClassShowsAGalaxy(_ kind: GalaxyClass) throws {
    for size in [16, 33, 64] {
      let survey = try Survey(seed: 9, classes: [kind], size: size)
      for index in 0..<12 {
        let (galaxy, picture) = try survey.galaxy(index)
        #expect(galaxy.kind == kind && picture.dtype == .u8 && picture.shape == [size, size, 3])
        let values = picture.floats()
        // Brighter in the middle than in the corners, and neither black nor white.
        func mean(_ rows: Range<Int>, _ columns: Range<Int>) -> Float {
          var sum: Float = 0
          for y in rows { for x in columns { for c in 0..<3 { sum += values[(y * size + x) * 3 + c] } } }
          return sum / Float(rows.count * columns.count * 3)
        }
        let middle = mean(size / 4..<3 * size / 4, size / 4..<3 * size / 4)
        let (near, far) = (0..<size / 8, size - size / 8..<size)
        let corner = (mean(near, near) + mean(near, far) + mean(far, near) + mean(far, far)) / 4
        #expect(middle > corner && middle > 8 && middle < 230, "\(kind) \(index) at \(size)")
        for field in ["hubble", "position_angle", "isophote_radius", "seeing_fwhm", "snr"] {
          #expect(galaxy.parameters[field] != nil, "\(field)")
        }
      }
    }
  }

  /// Old stars in ellipticals and lenticulars, young ones in irregulars.
  @Test func coloursTellOldFromYoung() throws {
    func redness(_ kind: GalaxyClass) throws -> Float {
      let survey = try Survey(seed: 1, classes: [kind], size: 32)
      var (red, blue): (Float, Float) = (0, 0)
      for index in 0..<40 {
        let values = try survey.galaxy(index).picture.floats()
        for i in stride(from: 0, to: values.count, by: 3) {
          red += values[i]
          blue += values[i + 2]
        }
      }
      return red / blue
    }
    let (e, l, s, i) = (
      try redness(.elliptical), try redness(.lenticular), try redness(.spiral), try redness(.irregular)
    )
    #expect(e > 1.3 && l > 1.3 && s < min(e, l) && i < s)
  }

  @Test func higherRatioLessNoise() throws {
    func roughness(_ snr: Double) throws -> Double {
      let values = try Survey(seed: 2, classes: [.elliptical], size: 64, snr: snr).galaxy(0).picture.floats()
      return (1..<64 * 8).reduce(0.0) { $0 + Double(abs(values[$1 * 3] - values[($1 - 1) * 3])) }
    }
    #expect(try roughness(3) > 2 * roughness(30))
  }

  @Test func refusals() {
    #expect(throws: GXError("size 8 is not in 16 to 1024 pixels")) { try Survey(seed: 0, size: 8) }
    #expect(throws: GXError("size 1025 is not in 16 to 1024 pixels")) { try Survey(seed: 0, size: 1025) }
    #expect(throws: GXError("no classes to render")) { try Survey(seed: 0, classes: []) }
    #expect(throws: GXError("signal-to-noise ratio 0.0 is not above 0")) { try Survey(seed: 0, snr: 0) }
    #expect(throws: GXError("signal-to-noise ratio nan is not above 0")) { try Survey(seed: 0, snr: .nan) }
  }
}
