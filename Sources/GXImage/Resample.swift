import GXCore
import Glibc

/// A resampling filter. All are antialiased: in a reduction, the filter is widened by the reduction's factor.
public enum Filter: String, CaseIterable, Sendable {
  case box, bilinear, bicubic, lanczos

  /// How far the filter reaches from its centre, in pixels of the coarser grid.
  var support: Double {
    switch self {
    case .box: 0.5
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  /// The filter's height at `x`. Bicubic is Keys' (1981) with a = -0.5; Lanczos has three lobes.
  func callAsFunction(_ x: Double) -> Double {
    let d = abs(x)
    switch self {
    case .box: return x > -0.5 && x <= 0.5 ? 1 : 0
    case .bilinear: return d < 1 ? 1 - d : 0
    case .bicubic:
      let a = -0.5
      if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0
    case .lanczos: return d < 3 ? sinc(x) * sinc(x / 3) : 0
    }
  }
}

private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(x * .pi) / (x * .pi) }

/// One axis of a resampling: for every output pixel, the input pixels that it is a weighted mean of.
/// The algorithm is Pillow's (`Resample.c`), to the bit.
struct AxisWeights {
  let output: Int
  /// Weights kept for an output pixel; its last ones may be unused.
  let taps: Int
  /// First input pixel and number of input pixels of each output pixel.
  private(set) var spans: [(first: Int, count: Int)] = []
  /// `taps` weights for each output pixel; those used sum to 1.
  private(set) var weights: [Double]

  /// The input pixels needed, from first to last.
  var needed: Range<Int> { spans[0].first..<(spans[output - 1].first + spans[output - 1].count) }

  /// - Parameters:
  ///   - range: the part of the input's 0...`input` that is spread over `output` pixels.
  ///   - fixedPoint: round weights to multiples of 2^-22, as Pillow does for 8-bit pixels.
  init(_ filter: Filter, input: Int, range: ClosedRange<Double>, output: Int, fixedPoint: Bool) throws {
    let scale = (range.upperBound - range.lowerBound) / Double(output)
    let widening = max(scale, 1)
    let support = filter.support * widening
    self.output = output
    taps = min(Int(support.rounded(.up)) * 2 + 1, input)
    // The larger of the two tables that grow with the sizes asked for.
    _ = try Tensor.byteCount(.f32, [output, taps, 2])
    weights = [Double](repeating: 0, count: output * taps)
    spans.reserveCapacity(output)
    for x in 0..<output {
      let centre = range.lowerBound + (Double(x) + 0.5) * scale
      let first = max(Int(centre - support + 0.5), 0)
      let count = min(Int(centre + support + 0.5), input) - first
      spans.append((first, count))
      let row = x * taps
      var sum = 0.0
      for i in 0..<count {
        let weight = filter((Double(i + first) - centre + 0.5) / widening)
        weights[row + i] = weight
        sum += weight
      }
      for i in 0..<count where sum != 0 {
        weights[row + i] /= sum
        if fixedPoint { weights[row + i] = (weights[row + i] * 0x1p22).rounded(.toNearestOrAwayFromZero) * 0x1p-22 }
      }
    }
  }
}

/// Separable resampling in two passes, along rows and along columns; in between, values are kept as
/// the picture's type would keep them, so the order of the passes matters a little. It is Pillow's (13):
/// rows first, unless the height shrinks by more than twice what the width does.
///
/// Four channels are worked on at once, in double precision: with fixed-point weights every sum of
/// 8-bit pixels is then exact, so that rounding falls as it does in Pillow's integers.
struct Resampler: PictureKernel {
  typealias Pixel = SIMD4<Double>

  let size: PictureSize
  let across: AxisWeights
  let down: AxisWeights

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    let downFirst = down.output < size.height && size.height - down.output > 2 * (size.width - across.output)
    let groups = (size.channels + 3) / 4
    let columns = across.needed
    let outputStride = across.output * groups
    // The rows that one output row is made of, before or after the pass along rows.
    let stride = downFirst ? columns.count * groups : outputStride
    let rows = min(down.taps, down.needed.count)
    _ = try Tensor.byteCount(.f32, [rows * stride + columns.count * groups + stride + outputStride, 8])
    let line = UnsafeMutablePointer<Pixel>.allocate(capacity: columns.count * groups)
    let ring = UnsafeMutablePointer<Pixel>.allocate(capacity: rows * stride)
    let mixed = UnsafeMutablePointer<Pixel>.allocate(capacity: stride)
    let result = UnsafeMutablePointer<Pixel>.allocate(capacity: outputStride)
    defer {
      line.deallocate()
      ring.deallocate()
      mixed.deallocate()
      result.deallocate()
    }
    var next = down.needed.lowerBound
    for y in 0..<down.output {
      let span = down.spans[y]
      while next < span.first + span.count {
        let row = source + (next * size.width + columns.lowerBound) * size.channels
        let slot = ring + next % rows * stride
        if downFirst {
          load(row, columns.count, groups, to: slot)
        } else {
          load(row, columns.count, groups, to: line)
          mixAcross(line, from: columns.lowerBound, groups, E.self, to: slot)
        }
        next += 1
      }
      mixDown(ring, rows, stride, y, E.self, to: mixed)
      if downFirst { mixAcross(mixed, from: columns.lowerBound, groups, E.self, to: result) }
      store(downFirst ? result : mixed, groups, to: target + y * across.output * size.channels)
    }
  }

  /// Spreads `count` pixels over groups of four channels; channels that are not there are 0.
  @inline(__always)
  private func load<E: PixelElement>(
    _ source: UnsafePointer<E>, _ count: Int, _ groups: Int, to line: UnsafeMutablePointer<Pixel>
  ) {
    let channels = size.channels
    if channels == 3 {
      for x in 0..<count {
        let p = source + x &* 3
        line[x] = Pixel(Double(p[0].float), Double(p[1].float), Double(p[2].float), 0)
      }
      return
    }
    line.update(repeating: .zero, count: count * groups)
    let flat = UnsafeMutableRawPointer(line).assumingMemoryBound(to: Double.self)
    for x in 0..<count {
      for c in 0..<channels { flat[x &* groups &* 4 &+ c] = Double(source[x &* channels &+ c].float) }
    }
  }

  @inline(__always)
  private func store<E: PixelElement>(
    _ line: UnsafePointer<Pixel>, _ groups: Int, to out: UnsafeMutablePointer<E>
  ) {
    let channels = size.channels
    let flat = UnsafeRawPointer(line).assumingMemoryBound(to: Double.self)
    for x in 0..<across.output {
      for c in 0..<channels { out[x &* channels &+ c] = E(nearest: flat[x &* groups &* 4 &+ c]) }
    }
  }

  /// One row's pass: `line`, whose first pixel is the input's column `origin`, to the output's width.
  @inline(__always)
  private func mixAcross<E: PixelElement>(
    _ line: UnsafePointer<Pixel>, from origin: Int, _ groups: Int, _ type: E.Type,
    to out: UnsafeMutablePointer<Pixel>
  ) {
    across.weights.withUnsafeBufferPointer { weights in
      across.spans.withUnsafeBufferPointer { spans in
        var row = weights.baseAddress!
        for x in 0..<across.output {
          let span = spans[x]
          for g in 0..<groups {
            var sum = Pixel.zero
            var at = line + ((span.first &- origin) &* groups &+ g)
            for i in 0..<span.count {
              sum += at.pointee * row[i]
              at += groups
            }
            out[x &* groups &+ g] = settle(sum, E.self)
          }
          row += across.taps
        }
      }
    }
  }

  /// One output row's pass down its rows, which lie in `ring`, row n in slot n modulo `rows`.
  @inline(__always)
  private func mixDown<E: PixelElement>(
    _ ring: UnsafePointer<Pixel>, _ rows: Int, _ stride: Int, _ y: Int, _ type: E.Type,
    to out: UnsafeMutablePointer<Pixel>
  ) {
    let span = down.spans[y]
    out.update(repeating: .zero, count: stride)
    for i in 0..<span.count {
      let row = ring + (span.first &+ i) % rows &* stride
      let weight = Pixel(repeating: down.weights[y * down.taps + i])
      for x in 0..<stride { out[x] += row[x] * weight }
    }
    for x in 0..<stride { out[x] = settle(out[x], E.self) }
  }
}

/// Between the passes, values are kept as a picture of type `E` would keep them.
@inline(__always)
private func settle<E: PixelElement>(_ value: SIMD4<Double>, _ type: E.Type) -> SIMD4<Double> {
  if E.self == UInt8.self || E.self == UInt16.self {
    let top = SIMD4<Double>(repeating: E.self == UInt8.self ? 255 : 65535)
    var level = value.replacing(with: 0, where: value .< 0)
    level = level.replacing(with: top, where: level .> top)
    // Adding 1.5 * 2^52 leaves no bits for a fraction: it rounds to nearest, and what was added before
    // decides halves, which are exact in fixed point, upwards.
    let whole = SIMD4<Double>(repeating: 0x1.8p52)
    return (level + 0x1p-23 + whole) - whole
  }
  return value
}
