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
  // The pixel at a coordinate that may lie beyond the edge.
  @inline(never) func pixel(_ x: Int, _ y: Int) -> SIMD4<Float> {
    let inside = x >= 0 && x < width && y >= 0 && y < height
    if case .constant = fill, !inside { return level }
    return inside ? source[y * width + x] : source[folded(y, height, fill) * width + folded(x, width, fill)]
  }

  for y in 0..<outputHeight {
    let v = Double(y) - map.outputY
    let out = output + y &* outputWidth
    for x in 0..<outputWidth {
      let u = Double(x) - map.outputX
      let sx = map.xx * u + map.xy * v + map.sourceX
      let sy = map.yx * u + map.yy * v + map.sourceY
      var ix = Int(sx)
      var iy = Int(sy)
      if sx >= 0 && sy >= 0 && ix < width &- 1 && iy < height &- 1 {
        let fx = Float(sx - Double(ix))
        let fy = Float(sy - Double(iy))
        let p = source + (iy &* width &+ ix)
        let q = p + width
        let upper = p[0] + (p[1] - p[0]) * fx
        let lower = q[0] + (q[1] - q[0]) * fx
        out[x] = upper + (lower - upper) * fy
      } else {
        ix = Int(floor(sx))
        iy = Int(floor(sy))
        let fx = Float(sx - Double(ix))
        let fy = Float(sy - Double(iy))
        let upper = pixel(ix, iy) * (1 - fx) + pixel(ix + 1, iy) * fx
        let lower = pixel(ix, iy + 1) * (1 - fx) + pixel(ix + 1, iy + 1) * fx
        out[x] = upper * (1 - fy) + lower * fy
      }
    }
  }
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
