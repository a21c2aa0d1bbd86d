import GXCore
import Glibc

// What galaxies of each class are like. The ranges are round ones after nearby galaxies: Sérsic indices
// and bulge fractions after Graham & Worley (2008), pitch angles after Kennicutt (1981), colours after
// Fukugita et al. (2007); then set by eye and by the mean colours of each class until pictures stood beside
// SDSS's own. Classes overlap as they do on the sky: a lenticular seen face-on is much like an elliptical,
// an Sa like a lenticular.

extension Galaxy {
  /// The galaxy that `random` gives, of this class. `snr` (above 0) is drawn where it is nil.
  public init(_ kind: GalaxyClass, snr: Double? = nil, random: inout Random) {
    self.kind = kind
    isophote = 0.4 * exp(0.12 * random.normal())
    seeing = 0.009 * exp(random.uniform(0, 1.2))
    moffat = random.uniform(2.5, 4.5)
    self.snr = snr ?? 6 * exp(0.35 * random.normal())
    let angle = random.uniform(0, .pi)
    switch kind {
    case .elliptical: elliptical(positionAngle: angle, &random)
    case .lenticular: lenticular(positionAngle: angle, &random)
    case .spiral: spiral(positionAngle: angle, &random)
    case .irregular:
      if snr == nil { self.snr *= 0.65 }
      irregular(positionAngle: angle, &random)
    }
    addField(&random)
    parameters["position_angle"] = .rounded(angle * 180 / .pi)
    parameters["isophote_radius"] = .rounded(isophote)
    parameters["seeing_fwhm"] = .rounded(seeing)
    parameters["snr"] = .rounded(self.snr)
  }

  private mutating func elliptical(positionAngle: Double, _ random: inout Random) {
    // E0 to E7, most of them round.
    let ellipticity = 0.65 * pow(random.uniform(), 1.3)
    // Small ones are less concentrated.
    let index = random.chance(0.25) ? random.uniform(1.5, 3) : random.uniform(2.5, 6)
    let redness = random.normal(0.78, 0.04)
    var body = Sersic(
      index: index, radius: isophote / random.uniform(1.8, 4), axisRatio: 1 - ellipticity, positionAngle: positionAngle,
      brightness: 1, light: bands(gr: redness, ri: 0.5 * redness), boxiness: random.normal(0, 0.12))
    body.brightness = exp(body.b * (pow(isophote / body.radius, 1 / index) - 1))
    spheroids = [body]
    parameters["hubble"] = .string("E\(Int((10 * ellipticity).rounded()))")
    parameters["axis_ratio"] = .rounded(body.axisRatio)
    parameters["sersic_index"] = .rounded(index)
    parameters["effective_radius"] = .rounded(body.radius)
  }

  private mutating func lenticular(positionAngle: Double, _ random: inout Random) {
    var disk = Disk(
      positionAngle: positionAngle, isophote: isophote, scales: random.uniform(2.6, 4.2),
      thickness: random.uniform(0.2, 0.4),
      light: bands(gr: random.normal(0.72, 0.04), ri: 0.37), &random)
    disk.truncation *= random.uniform(1.1, 1.7)
    if random.chance(0.3) {
      disk.bars.append(.bar(in: disk, length: random.uniform(0.7, 1.4), strength: random.uniform(0.1, 0.5), &random))
    }
    if random.chance(0.25) {
      disk.bars.append(
        Bar(
          length: disk.scale * random.uniform(1.4, 2.3), axisRatio: random.uniform(0.85, 1),
          angle: random.uniform(0, .pi), exponent: 0.6, brightness: disk.brightness * random.uniform(0.1, 0.3),
          light: disk.light))
    }
    if random.chance(0.15) {
      disk.ring = Ring(
        radius: disk.scale * random.uniform(2, 2.8), width: disk.scale * random.uniform(0.15, 0.3),
        brightness: disk.brightness * random.uniform(0.03, 0.08), light: bands(gr: 0.6, ri: 0.3))
    }
    if random.chance(0.15) { disk.laneDepth = random.uniform(0.3, 1) }
    self.disk = disk
    addBulge(fraction: random.uniform(0.25, 0.85), index: random.uniform(1.5, 4.8), &random)
    parameters["hubble"] = disk.bars.contains { $0.axisRatio < 0.6 } ? "SB0" : "S0"
  }

  private mutating func spiral(positionAngle: Double, _ random: inout Random) {
    // de Vaucouleurs' stage: 1 is Sa, 6 is Scd.
    let stage = random.uniform(1, 6)
    let late = (stage - 1) / 5
    let redness = 0.71 - 0.24 * late + random.normal(0, 0.04)
    var disk = Disk(
      positionAngle: positionAngle, isophote: isophote, scales: random.uniform(2.8, 4.2), thickness: 0.2 - 0.08 * late,
      light: bands(gr: redness, ri: 0.05 + 0.45 * redness), &random)
    let barred = random.chance(0.45)
    if barred {
      disk.bars.append(.bar(in: disk, length: random.uniform(0.6, 1.3), strength: random.uniform(0.4, 1.2), &random))
    }
    disk.lopsidedness = abs(random.normal(0, 0.06 + 0.06 * late))
    disk.side = random.uniform(0, 2 * .pi)
    disk.laneDepth = random.chance(0.75) ? random.uniform(0.4, 1.8) : 0
    // Anemic spirals (van den Bergh 1976) have hardly more than a lenticular's disk.
    let anemic = random.chance(0.2 - 0.1 * late)
    let pitch = max(6, 9 + 16 * late + random.normal(0, 3)) * .pi / 180
    let count = [2, 2, 2, 3, 4][random.below(5)]
    let arms = Arms(
      count: count, pitch: pitch, phase: barred ? disk.bars[0].angle : random.uniform(0, 2 * .pi),
      sense: random.chance(0.5) ? 1 : -1,
      start: barred ? disk.bars[0].length * 0.9 : disk.scale * random.uniform(0.3, 0.7),
      contrast: (anemic ? 0.15 : 0.35 + 1.5 * late) * exp(random.normal(0, 0.5)), sharpness: random.uniform(1.2, 4),
      light: bands(gr: redness - random.uniform(0.2, 0.35), ri: 0.02 + 0.35 * redness),
      dustDepth: random.chance(0.6) ? random.uniform(0.2, 0.9) : 0,
      raggedness: random.uniform(0.2, 0.5) + 0.5 * late, rags: .rags(&random))
    disk.arms = arms
    self.disk = disk
    addBulge(
      fraction: min(0.6, 0.42 * exp(-2.2 * late) * exp(random.normal(0, 0.35))),
      index: random.uniform(1, 3.5 - 1.5 * late),
      &random)
    if !anemic { addArmClumps(Int(random.uniform(0, 20) + 70 * late * random.uniform()), &random) }
    parameters["hubble"] = .string((barred ? "SB" : "S") + ["a", "ab", "b", "bc", "c", "cd"][Int(stage - 0.5)])
    parameters["arms"] = .int(count)
    parameters["pitch_angle"] = .rounded(pitch * 180 / .pi)
    parameters["arm_contrast"] = .rounded(arms.contrast)
  }

  private mutating func irregular(positionAngle: Double, _ random: inout Random) {
    // Amorphous ones (Sandage & Brucato 1979) are smooth and redder.
    let amorphous = random.chance(0.2)
    let redness = random.normal(amorphous ? 0.5 : 0.36, 0.09)
    var disk = Disk(
      positionAngle: positionAngle, isophote: isophote, scales: random.uniform(1.7, 3.2), thickness: 0.25,
      light: bands(gr: redness, ri: 0.02 + 0.4 * redness), &random)
    disk.axisRatio = max(disk.axisRatio, random.uniform(0.25, 0.7))
    disk.truncation *= random.uniform(1.1, 1.6)
    disk.lopsidedness = random.uniform(0.08, 0.45)
    disk.side = random.uniform(0, 2 * .pi)
    if random.chance(0.5) {  // a Magellanic bar, beside the middle
      var bar = Bar.bar(in: disk, length: random.uniform(0.6, 1.2), strength: random.uniform(0.4, 1.2), &random)
      bar.light = bands(gr: redness, ri: 0.15)
      disk.bars.append(bar)
    }
    let armed = random.chance(0.3)
    if armed {  // Sm: ragged open arms, a trace of a bulge
      disk.lopsidedness *= 0.7
      disk.arms = Arms(
        count: 1 + random.below(2), pitch: random.uniform(25, 45) * .pi / 180, phase: random.uniform(0, 2 * .pi),
        sense: random.chance(0.5) ? 1 : -1, start: disk.scale * random.uniform(0.3, 0.7),
        contrast: random.uniform(0.5, 1.6), sharpness: random.uniform(1, 2.5),
        light: bands(gr: redness - 0.2, ri: 0.05), dustDepth: 0, raggedness: random.uniform(0.7, 1.2),
        rags: .rags(&random))
    } else {
      let shift = isophote * random.uniform(0, 0.2)
      disk.center = SIMD2(shift * cos(disk.side), shift * sin(disk.side))
    }
    self.disk = disk
    if armed {
      addBulge(fraction: random.uniform(0.01, 0.1), index: 1, &random)
      addArmClumps(random.below(60), &random)
    }
    addAssociations(few: amorphous || armed, &random)
    parameters["hubble"] = armed ? "Sm" : "Im"
    parameters["axis_ratio"] = .rounded(disk.axisRatio)
    parameters["scale_length"] = .rounded(disk.scale)
    parameters["lopsidedness"] = .rounded(disk.lopsidedness)
    parameters["clumps"] = .int(clumps.count)
  }

  /// A bulge with this share of the galaxy's light.
  private mutating func addBulge(fraction: Double, index: Double, _ random: inout Random) {
    let disk = self.disk!
    // Half-light radius over scale length: about 0.2, larger in earlier types (Graham & Worley 2008).
    let ratio = (0.13 + 0.5 * fraction) * exp(random.normal(0, 0.25))
    let redness = random.normal(0.79, 0.04)
    let flattening = random.uniform(0.55, 0.9)
    var bulge = Sersic(
      index: index, radius: disk.scale * ratio,
      // Seen face-on an oblate bulge is round too.
      axisRatio: max(disk.axisRatio, flattening), positionAngle: disk.positionAngle, brightness: 1,
      light: bands(gr: redness, ri: 0.5 * redness))
    let diskFlux = 2 * .pi * disk.brightness * disk.scale * disk.scale * disk.axisRatio
    bulge.brightness = diskFlux * fraction / (1 - fraction) / bulge.unitFlux
    spheroids = [bulge]
    parameters["bulge_to_total"] = .rounded(fraction)
    parameters["sersic_index"] = .rounded(index)
    parameters["effective_radius"] = .rounded(bulge.radius)
    parameters["scale_length"] = .rounded(disk.scale)
    parameters["inclination"] = .rounded(disk.inclination * 180 / .pi)
    parameters["bar"] = .bool(disk.bars.contains { $0.axisRatio < 0.6 })
  }

  /// Star-forming regions along the ridges of the arms.
  private mutating func addArmClumps(_ count: Int, _ random: inout Random) {
    guard let disk, let arms = disk.arms else { return }
    for _ in 0..<count {
      // R exp(-R/scale) dR, the disk's own distribution, outside the arms' start.
      let r = max(arms.start, 1.15 * disk.scale * -log((1 - random.uniform()) * (1 - random.uniform())))
      guard r < disk.truncation else { continue }
      let ridge = arms.phase + Double(random.below(arms.count)) * 2 * .pi / Double(arms.count)
      let theta =
        arms.sense * (log(r / arms.start) / tan(arms.pitch)) + ridge + random.normal(0, 0.35 / Double(arms.count))
      clumps.append(
        Clump(
          center: disk.sky(r * cos(theta), r * sin(theta)), width: isophote * 0.022 * exp(random.normal(0, 0.35)),
          brightness: disk.brightness * exp(-r / (1.3 * disk.scale)) * exp(random.normal(0, 0.7)),
          light: bands(gr: random.normal(0.12, 0.12), ri: random.normal(0, 0.08))))
    }
  }

  /// Complexes anywhere in an irregular's disk, and in them its brightest clusters.
  private mutating func addAssociations(few: Bool, _ random: inout Random) {
    let disk = self.disk!
    for _ in 0..<(few ? 1 + random.below(4) : 5 + random.below(14)) {
      let r = 0.85 * disk.scale * -log((1 - random.uniform()) * (1 - random.uniform()))
      let theta = random.uniform(0, 2 * .pi)
      let size = isophote * exp(random.uniform(-2.9, -1.5))
      let brightness = disk.brightness * exp(-r / (1.6 * disk.scale))
      let redness = random.normal(0.26, 0.12)
      clumps.append(
        Clump(
          center: disk.sky(r * cos(theta), r * sin(theta)), width: size,
          brightness: brightness * exp(random.normal(-0.7, 0.4)), light: bands(gr: redness, ri: 0.3 * redness)))
      guard random.chance(0.6) else { continue }
      for _ in 0..<(1 + random.below(8)) {
        let x = r * cos(theta) + random.normal(0, 1.3 * size)
        let y = r * sin(theta) + random.normal(0, 1.3 * size)
        clumps.append(
          Clump(
            center: disk.sky(x, y), width: isophote * 0.025 * exp(random.normal(0, 0.4)),
            brightness: brightness * exp(random.normal(-0.1, 0.7)),
            light: bands(gr: random.normal(0.14, 0.14), ri: random.normal(0, 0.1))))
      }
    }
  }

  /// Foreground stars and far galaxies.
  private mutating func addField(_ random: inout Random) {
    func place(_ random: inout Random) -> SIMD2<Double> { SIMD2(random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)) }
    for _ in 0..<random.poisson(5) {
      // Counts rise by 10^0.25 a magnitude or so; g - r from blue turn-off stars to red dwarfs.
      let flux = min(2e-3 * pow(1 - random.uniform(), -1.3), 0.5)
      let redness = random.chance(0.65) ? random.normal(0.5, 0.15) : random.normal(1.25, 0.15)
      let star = Star(
        center: place(&random), flux: flux,
        light: bands(gr: redness, ri: redness > 0.9 ? random.uniform(0.4, 1) : 0.4 * redness))
      stars.append(star)
    }
    for _ in 0..<random.poisson(2.5) {
      let redness = random.uniform(0.3, 1.3)
      background.append(
        Sersic(
          index: random.uniform(0.8, 3), radius: 0.008 * exp(random.uniform(0, 1.1)),
          axisRatio: random.uniform(0.3, 1), positionAngle: random.uniform(0, .pi), center: place(&random),
          brightness: 3 * exp(random.normal(0, 0.7)), light: bands(gr: redness, ri: 0.4 * redness)))
    }
  }
}

extension Disk {
  /// A disk of this many scale lengths, at a random inclination.
  /// - Parameter thickness: intrinsic axis ratio, seen where it is edge-on.
  fileprivate init(
    positionAngle: Double, isophote: Double, scales: Double, thickness: Double, light: Bands, _ random: inout Random
  ) {
    let cosine = random.uniform()
    inclination = acos(cosine)
    scale = isophote / scales
    // Hubble (1926).
    axisRatio = (thickness * thickness + (1 - thickness * thickness) * cosine * cosine).squareRoot()
    self.positionAngle = positionAngle
    brightness = exp(scales)
    self.light = light
    truncation = isophote * random.uniform(1.05, 1.5)
  }

  /// Where a point of the plane, given along its major and minor axis, stands in the picture.
  fileprivate func sky(_ x: Double, _ y: Double) -> SIMD2<Double> {
    let (u, v) = (x, y * axisRatio)
    let (s, c) = (sin(positionAngle), cos(positionAngle))
    return center + SIMD2(-s * u + c * v, -c * u - s * v)
  }
}

extension Bar {
  /// A bar of this many scale lengths and this share of the disk's central brightness.
  fileprivate static func bar(in disk: Disk, length: Double, strength: Double, _ random: inout Random) -> Bar {
    Bar(
      length: disk.scale * length, axisRatio: random.uniform(0.22, 0.42), angle: random.uniform(0, .pi), exponent: 1.5,
      brightness: disk.brightness * strength, light: bands(gr: 0.74, ri: 0.37))
  }
}

extension [Wave] {
  /// Deviations of arms over (theta, ln R): whole frequencies in theta, so that they close.
  fileprivate static func rags(_ random: inout Random) -> [Wave] {
    (0..<5).map { i in
      Wave(
        frequency: SIMD2(Float(1 + random.below(3 + i / 2)), Float(random.normal(0, 3))),
        phase: Float(random.uniform(0, 2 * .pi)), amplitude: Float(random.normal(0, 0.5)))
    }
  }
}

extension Random {
  fileprivate mutating func normal(_ mean: Double, _ deviation: Double) -> Double { mean + deviation * normal() }

  /// A Poisson number (Knuth's method), for means of a few.
  fileprivate mutating func poisson(_ mean: Double) -> Int {
    let floor = exp(-mean)
    var (count, product) = (0, uniform())
    while product > floor {
      count += 1
      product *= uniform()
    }
    return count
  }
}

extension JSON {
  /// Four decimals: these numbers describe, they do not reproduce.
  fileprivate static func rounded(_ value: Double) -> JSON { .double((value * 1e4).rounded() / 1e4) }
}
