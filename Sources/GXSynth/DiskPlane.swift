import Glibc

/// A disk's numbers as its inner loop wants them: single precision, inverses taken, nothing optional.
struct DiskPlane {
  private let light: Bands
  private let brightness: Float
  private let scale: Float
  private let axisRatio: Float
  private let truncation: Float
  private let lopsidedness: Float
  private let side: SIMD2<Float>
  private let bars: [BarPlane]
  private let ring: Ring?
  private let arms: ArmsPlane?
  private let lane: (depth: Float, offset: Float, width: Float)

  init(_ disk: Disk) {
    light = disk.light
    brightness = Float(disk.brightness)
    scale = Float(disk.scale)
    axisRatio = Float(disk.axisRatio)
    truncation = Float(disk.truncation)
    lopsidedness = Float(disk.lopsidedness)
    side = SIMD2(Float(cos(disk.side)), Float(sin(disk.side)))
    bars = disk.bars.map(BarPlane.init)
    ring = disk.ring
    arms = disk.arms.map(ArmsPlane.init)
    // The lane shows where the plane is seen within some 25 degrees of its edge, on the near side.
    lane = (
      Float(disk.laneDepth) * smoothStep((0.42 - axisRatio) / 0.2), 0.2 * scale * axisRatio,
      scale * (0.04 + 0.2 * axisRatio)
    )
  }

  /// What is seen where `behind` stands already: that and the disk's light, dimmed by the disk's dust.
  /// - Parameter u, v: place in the picture along the major and the minor axis, in frame widths.
  @inline(__always)
  func shine(through behind: Bands, u: Float, v: Float) -> Bands {
    let q = v / axisRatio
    let distance = max((u * u + q * q).squareRoot(), 1e-5)
    let r = distance + lopsidedness * (u * side.x + q * side.y)
    let level = brightness * expf(-(r + 3 * max(0, r - truncation)) / scale)
    var depth: Float = 0
    var out = behind
    if let arms {
      let arm = arms.at(u, q, distance)
      out += level * (light * (1 - 0.3 * arm.presence) + arms.light * arm.ridge)
      depth = arm.dust
    } else {
      out += level * light
    }
    for bar in bars { out += bar.at(u, q) }
    if let ring {
      let z = (r - Float(ring.radius)) / Float(ring.width)
      out += Float(ring.brightness) * expf(-0.5 * z * z) * ring.light
    }
    if lane.depth > 0 {
      let z = (v - lane.offset) / lane.width
      depth += lane.depth * expf(-0.5 * z * z - abs(u) / (1.8 * scale))
    }
    // A quarter of the light stands before the dust.
    if depth > 0.01 { out *= 0.25 + 0.75 * exponential(-depth * extinction) }
    return out
  }
}

/// Dust's extinction in g, r, i relative to r (Schlafly & Finkbeiner 2011, R_V = 3.1).
private let extinction = Bands(1.445, 1, 0.743, 0)

private struct BarPlane {
  let along: SIMD2<Float>
  let across: SIMD2<Float>
  let exponent: Float
  let light: Bands

  init(_ bar: Bar) {
    let (s, c) = (Float(sin(bar.angle)), Float(cos(bar.angle)))
    along = SIMD2(c, s) / Float(bar.length)
    across = SIMD2(-s, c) / Float(bar.length * bar.axisRatio)
    exponent = Float(bar.exponent)
    light = bar.light * Float(bar.brightness)
  }

  @inline(__always) func at(_ u: Float, _ q: Float) -> Bands {
    let (x, y) = (u * along.x + q * along.y, u * across.x + q * across.y)
    let r2 = x * x + y * y
    return r2 < 1 ? powf(1 - r2, exponent) * light : .zero
  }
}

private struct ArmsPlane {
  let light: Bands
  let count: Float
  let phase: Float
  let sense: Float
  let winding: Float
  let start: Float
  let contrast: Float
  let sharpness: Float
  let dustDepth: Float
  let raggedness: Float
  let rags: [Wave]

  init(_ arms: Arms) {
    light = arms.light
    count = Float(arms.count)
    phase = Float(arms.phase)
    sense = Float(arms.sense)
    winding = Float(arms.sense / tan(arms.pitch))
    start = Float(arms.start)
    contrast = Float(arms.contrast)
    sharpness = Float(arms.sharpness)
    dustDepth = Float(arms.dustDepth)
    raggedness = Float(arms.raggedness)
    rags = arms.rags
  }

  /// At a place of the plane: how far the arms have set in (0 to 1), their brightness relative to the
  /// disk's, and the optical depth of their dust.
  @inline(__always) func at(_ u: Float, _ q: Float, _ r: Float) -> (presence: Float, ridge: Float, dust: Float) {
    let presence = smoothStep((r / start - 0.7) / 0.6)
    if presence == 0 { return (0, 0, 0) }
    let (theta, turns) = (atan2f(q, u), logf(r / start))
    let rag = rags.sum(at: SIMD2(theta, turns))
    let psi = count * (theta - winding * turns - phase) + raggedness * rag
    let ridge = expf(sharpness * (cosf(psi) - 1)) * max(0.2, 1 + 0.6 * raggedness * rag)
    // Dust lies on the inner edge: at the same angle, nearer to the centre.
    let dust = dustDepth > 0 ? dustDepth * expf(3 * sharpness * (cosf(psi - sense) - 1)) : 0
    return (presence, contrast * ridge * presence, dust * presence)
  }
}

extension [Wave] {
  @inline(__always) func sum(at p: SIMD2<Float>) -> Float {
    withUnsafeBufferPointer { waves in
      var sum: Float = 0
      for i in 0..<waves.count {
        sum += waves[i].amplitude * cosf((waves[i].frequency * p).sum() + waves[i].phase)
      }
      return sum
    }
  }
}

@inline(__always) private func exponential(_ x: Bands) -> Bands { Bands(expf(x[0]), expf(x[1]), expf(x[2]), 0) }

/// 0 up to 0, 1 from 1 on, smooth between.
@inline(__always) private func smoothStep(_ x: Float) -> Float {
  let t = min(max(x, 0), 1)
  return t * t * (3 - 2 * t)
}
