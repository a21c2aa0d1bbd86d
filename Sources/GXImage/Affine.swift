import GXCore
import Glibc

/// What lies beyond a picture's edge.
public enum Fill: Equatable, Sendable {
  /// The nearest pixel of the edge: `aaa|abc|ccc`.
  case nearest
  /// The picture mirrored at its edge: `cba|abc|cba`.
  case reflect
  /// A level in units of full scale: 0 is black, 1 is white.
  case constant(Double)
}

/// An affine map from an output picture's pixel coordinates to the source's:
/// source = matrix · (output - outputCentre) + sourceCentre. Pixel centres have whole coordinates.
struct Affine {
  var xx = 1.0, xy = 0.0, yx = 0.0, yy = 1.0
  var sourceX, sourceY, outputX, outputY: Double
}

/// Samples `source` (`width` x `height`) at the places of `output`'s pixels, between pixels bilinearly.
/// Whole coordinates give the pixel itself, so turns by right angles and flips are exact.
/// - Parameter level: the colour of `Fill.constant`.
func sample(
  _ source: UnsafePointer<SIMD4<Float>>, width: Int, height: Int, _ map: Affine, _ fill: Fill, level: SIMD4<Float>,
  to output: UnsafeMutablePointer<SIMD4<Float>>, width outputWidth: Int, height outputHeight: Int
) {
  for y in 0..<outputHeight {
    let v = Double(y) - map.outputY
    let startX = map.xy * v + map.sourceX
    let startY = map.yy * v + map.sourceY
    let out = output + (y &* outputWidth)
    for x in 0..<outputWidth {
      let u = Double(x) - map.outputX
      let sx = map.xx * u + startX
      let sy = map.yx * u + startY
      // Truncation is floor where it matters: coordinates below 0 take the other way.
      let ix = Int(truncating: sx)
      let iy = Int(truncating: sy)
      guard sx >= 0 && sy >= 0 && ix < width &- 1 && iy < height &- 1 else {
        out[x] = sampleAtEdge(source, width, height, sx, sy, fill, level)
        continue
      }
      let p = source + (iy &* width &+ ix)
      let q = p + width
      let (fx, fy) = (Float(sx - Double(ix)), Float(sy - Double(iy)))
      let (w0, w1, w2, w3) = ((1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy)
      out[x] = p[0] * w0 + p[1] * w1 + q[0] * w2 + q[1] * w3
    }
  }
}

extension Int {
  /// Without the checks of `Int(_:)`; for coordinates, which are small.
  @inline(__always) fileprivate init(truncating value: Double) { self = Int(Int32(value)) }
}

/// a where `t` is 0, b where it is 1, in between for t between.
@inline(__always)
private func mix(_ a: SIMD4<Float>, _ b: SIMD4<Float>, _ t: Float) -> SIMD4<Float> {
  a + (b - a) * SIMD4(repeating: t)
}

/// The same where not all four neighbours are pixels.
@inline(never)
private func sampleAtEdge(
  _ source: UnsafePointer<SIMD4<Float>>, _ width: Int, _ height: Int, _ sx: Double, _ sy: Double, _ fill: Fill,
  _ level: SIMD4<Float>
) -> SIMD4<Float> {
  func pixel(_ x: Int, _ y: Int) -> SIMD4<Float> {
    let inside = x >= 0 && x < width && y >= 0 && y < height
    if case .constant = fill, !inside { return level }
    return inside ? source[y * width + x] : source[folded(y, height, fill) * width + folded(x, width, fill)]
  }
  let (ix, iy) = (Int(floor(sx)), Int(floor(sy)))
  let (fx, fy) = (Float(sx - Double(ix)), Float(sy - Double(iy)))
  // Not asking for neighbours of weight 0 keeps them out even where they are not finite.
  let upper = fx == 0 ? pixel(ix, iy) : mix(pixel(ix, iy), pixel(ix + 1, iy), fx)
  if fy == 0 { return upper }
  let lower = fx == 0 ? pixel(ix, iy + 1) : mix(pixel(ix, iy + 1), pixel(ix + 1, iy + 1), fx)
  return mix(upper, lower, fy)
}

/// A coordinate inside 0..<`n` for one that may be outside.
private func folded(_ i: Int, _ n: Int, _ fill: Fill) -> Int {
  if fill == .reflect {
    let period = 2 * n
    let m = ((i % period) + period) % period
    return m < n ? m : period - 1 - m
  }
  return min(max(i, 0), n - 1)
}

/// For each place from -`radius` to `count` + `radius` - 1 the one inside 0..<`count` that is seen there, mirrored.
func mirrored(_ count: Int, radius: Int) -> [Int] {
  (-radius..<count + radius).map { folded($0, count, .reflect) }
}
