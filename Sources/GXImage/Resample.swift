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
/// The algorithm is Pillow's (`Resample.c`).
struct AxisWeights {
  let output: Int
  /// Weights kept for an output pixel; its last ones may be unused.
  let taps: Int
  /// First input pixel and number of input pixels of each output pixel.
  private(set) var spans: [(first: Int, count: Int)] = []
  /// `taps` weights for each output pixel; those used sum to 1, the others are 0.
  private(set) var weights: [Double]

  /// The input pixels needed, from first to last.
  var needed: Range<Int> { spans[0].first..<(spans[output - 1].first + spans[output - 1].count) }

  /// - Parameter range: the part of the input's 0...`input` that is spread over `output` pixels.
  init(_ filter: Filter, input: Int, range: ClosedRange<Double>, output: Int) throws {
    let scale = (range.upperBound - range.lowerBound) / Double(output)
    let widening = max(scale, 1)
    let support = filter.support * widening
    self.output = output
    taps = min(Int(support.rounded(.up)) * 2 + 1, input)
    // Weights, and what `ByteMixer` makes of them.
    _ = try Tensor.byteCount(.f32, [output, taps + 1, 6])
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
      for i in 0..<count where sum != 0 { weights[row + i] /= sum }
    }
  }
}

/// Separable resampling in two passes, along rows and along columns. In between, values are kept as the
/// picture's type would keep them, so the order of the passes matters a little. It is Pillow's (13): rows
/// first, unless the height shrinks by more than twice what the width does.
struct Resampler: PictureKernel {
  let size: PictureSize
  let across: AxisWeights
  let down: AxisWeights

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    if E.self == UInt8.self {
      try run(
        ByteMixer(across), ByteMixer(down), UnsafeRawPointer(source).assumingMemoryBound(to: UInt8.self),
        UnsafeMutableRawPointer(target).assumingMemoryBound(to: UInt8.self))
    } else {
      try run(ValueMixer<E>(across), ValueMixer<E>(down), source, target)
    }
  }

  private func run<M: Mixer>(
    _ across: M, _ down: M, _ source: UnsafePointer<M.Element>, _ target: UnsafeMutablePointer<M.Element>
  ) throws {
    let (width, height, channels) = (size.width, size.height, size.channels)
    let (columns, rows) = (self.across.output, self.down.output)
    let groups = (channels + 3) / 4
    let downFirst = rows < height && height - rows > 2 * (width - columns)
    // `ring` holds the rows that one output row is made of, before or after the pass along rows, in cells
    // of rows that are neighbours. `pixels` has room for one cell's rows, `line` for one row's cells.
    let stride = (downFirst ? width : columns) * groups
    let slots = self.down.taps / M.width + 2
    let longest = max(width, columns) * groups
    _ = try Tensor.byteCount(.f32, [slots * stride + (M.width + 1) * (longest + M.width), 8])
    let ring = UnsafeMutablePointer<M.Cell>.allocate(capacity: slots * stride)
    let line = UnsafeMutablePointer<M.Cell>.allocate(capacity: longest)
    let pixels = UnsafeMutablePointer<M.Pixel>.allocate(capacity: M.width * longest + 1)
    defer {
      ring.deallocate()
      line.deallocate()
      pixels.deallocate()
    }
    var next = self.down.needed.lowerBound / M.width
    for y in 0..<rows {
      let span = self.down.spans[y]
      while next * M.width < span.first + span.count {
        for part in 0..<M.width {
          // Behind the last row it stands for the one that is missing, whose weight is 0.
          let row = min(next * M.width + part, height - 1)
          let out = pixels + part * longest
          M.load(source + row * width * channels, width, channels, to: out)
          if !downFirst {
            M.join(out, groups, count: width, to: line)
            across.mixAcross(line, groups, to: out)
          }
        }
        M.join(pixels, apart: longest, count: stride, to: ring + next % slots * stride)
        next += 1
      }
      down.mixDown(ring, y, stride, slots, to: pixels)
      if downFirst {
        M.join(pixels, groups, count: width, to: line)
        across.mixAcross(line, groups, to: pixels)
      }
      M.store(pixels, columns, channels, to: target + y * columns * channels)
    }
  }
}

/// The arithmetic along one axis, for one kind of element. A row of pixels is worked on in groups of four
/// channels, and to be mixed along an axis, neighbours along it are joined to cells of `width` pixels.
private protocol Mixer {
  associatedtype Element: PixelElement
  /// One group of one pixel. What is in lanes without a channel does not matter.
  associatedtype Pixel
  associatedtype Cell
  /// 1 or 2.
  static var width: Int { get }

  init(_ axis: AxisWeights)

  static func load(
    _ source: UnsafePointer<Element>, _ count: Int, _ channels: Int, to: UnsafeMutablePointer<Pixel>)
  static func store(
    _ pixels: UnsafePointer<Pixel>, _ count: Int, _ channels: Int, to target: UnsafeMutablePointer<Element>)
  /// Joins `count` pixels in each of `width` rows that lie `apart` from each other.
  static func join(_ rows: UnsafePointer<Pixel>, apart: Int, count: Int, to cells: UnsafeMutablePointer<Cell>)
  /// Joins the `count` pixels of one row to each other; the last may stand for one that is missing.
  static func join(_ row: UnsafePointer<Pixel>, _ groups: Int, count: Int, to cells: UnsafeMutablePointer<Cell>)
  /// One row's pass, to this axis' output pixels.
  func mixAcross(_ line: UnsafePointer<Cell>, _ groups: Int, to pixels: UnsafeMutablePointer<Pixel>)
  /// Output row `y` of the pass down rows that lie in a ring: cell n of rows, `stride` long, in slot n modulo `slots`.
  func mixDown(
    _ ring: UnsafePointer<Cell>, _ y: Int, _ stride: Int, _ slots: Int, to pixels: UnsafeMutablePointer<Pixel>)
}

/// In double precision, for all types but bytes.
private struct ValueMixer<Element: PixelElement>: Mixer {
  typealias Pixel = SIMD4<Double>
  typealias Cell = SIMD4<Double>
  static var width: Int { 1 }
  let axis: AxisWeights

  init(_ axis: AxisWeights) { self.axis = axis }

  static func load(
    _ source: UnsafePointer<Element>, _ count: Int, _ channels: Int, to pixels: UnsafeMutablePointer<Pixel>
  ) {
    let groups = (channels + 3) / 4
    for x in 0..<count {
      for c in 0..<channels { pixels[x &* groups &+ c / 4][c % 4] = Double(source[x &* channels &+ c].float) }
    }
  }

  static func store(
    _ pixels: UnsafePointer<Pixel>, _ count: Int, _ channels: Int, to out: UnsafeMutablePointer<Element>
  ) {
    let groups = (channels + 3) / 4
    for x in 0..<count {
      for c in 0..<channels { out[x &* channels &+ c] = Element(nearest: pixels[x &* groups &+ c / 4][c % 4]) }
    }
  }

  static func join(_ rows: UnsafePointer<Pixel>, apart: Int, count: Int, to cells: UnsafeMutablePointer<Cell>) {
    cells.update(from: rows, count: count)
  }

  static func join(_ row: UnsafePointer<Pixel>, _ groups: Int, count: Int, to cells: UnsafeMutablePointer<Cell>) {
    cells.update(from: row, count: count * groups)
  }

  func mixAcross(_ line: UnsafePointer<Cell>, _ groups: Int, to pixels: UnsafeMutablePointer<Pixel>) {
    axis.weights.withUnsafeBufferPointer { weights in
      for (x, span) in axis.spans.enumerated() {
        let row = weights.baseAddress! + x * axis.taps
        for g in 0..<groups {
          var at = line + (span.first &* groups &+ g)
          var sum = Pixel.zero
          for i in 0..<span.count {
            sum += at.pointee * row[i]
            at += groups
          }
          pixels[x &* groups &+ g] = kept(sum)
        }
      }
    }
  }

  func mixDown(
    _ ring: UnsafePointer<Cell>, _ y: Int, _ stride: Int, _ slots: Int, to pixels: UnsafeMutablePointer<Pixel>
  ) {
    let span = axis.spans[y]
    pixels.update(repeating: .zero, count: stride)
    for i in 0..<span.count {
      let row = ring + (span.first + i) % slots * stride
      let weight = Pixel(repeating: axis.weights[y * axis.taps + i])
      for x in 0..<stride { pixels[x] += row[x] * weight }
    }
    for x in 0..<stride { pixels[x] = kept(pixels[x]) }
  }

  /// As a picture of this type would keep it; floats lose nothing that matters.
  @inline(__always)
  private func kept(_ pixel: Pixel) -> Pixel {
    guard Element.self == UInt16.self else { return pixel }
    var pixel = pixel
    for c in 0..<4 { pixel[c] = Double(UInt16(nearest: pixel[c])) }
    return pixel
  }
}

/// In Pillow's fixed point, for bytes: weights are multiples of 2^-22, sums are exact, halves round up.
///
/// Two pixels are mixed at a time, by products of 16-bit numbers that are added in pairs (one instruction
/// on most machines). A weight is too wide for that and is cut in two: weight = high * 2^15 + low. Sums
/// may wrap around on the way, the total fits.
private struct ByteMixer: Mixer {
  typealias Element = UInt8
  /// 0...255.
  typealias Pixel = SIMD4<Int32>
  /// Two pixels' channels, alternating.
  typealias Cell = SIMD8<Int16>
  static var width: Int { 2 }

  /// The weights of a cell's two pixels, alternating, once for each channel.
  private struct Weights {
    var low, high: Cell
  }
  private var weights: [Weights] = []
  /// For each output pixel its first cell, and its range of `weights`.
  private var ranges: [(cell: Int, start: Int, count: Int)] = []

  init(_ axis: AxisWeights) {
    for (x, span) in axis.spans.enumerated() {
      let start = weights.count
      let end = span.first + span.count
      for cell in span.first / 2...(end - 1) / 2 {
        func weight(_ i: Int) -> Int32 {
          guard i >= span.first, i < end else { return 0 }
          return Int32((axis.weights[x * axis.taps + i - span.first] * 0x1p22).rounded())
        }
        let (even, odd) = (Pixel(repeating: weight(2 * cell)), Pixel(repeating: weight(2 * cell + 1)))
        weights.append(Weights(low: Self.cell(even & 0x7fff, odd & 0x7fff), high: Self.cell(even &>> 15, odd &>> 15)))
      }
      ranges.append((span.first / 2, start, weights.count - start))
    }
  }

  @inline(__always)
  private static func cell(_ even: Pixel, _ odd: Pixel) -> Cell {
    unsafeBitCast((even & 0xffff) | (odd &<< 16), to: Cell.self)
  }

  static func load(
    _ source: UnsafePointer<UInt8>, _ count: Int, _ channels: Int, to pixels: UnsafeMutablePointer<Pixel>
  ) {
    let groups = (channels + 3) / 4
    var start = 0
    if channels == 3 {
      // Takes four bytes for a pixel, but not for the row's last, behind which there may be none.
      start = count - 1
      for x in 0..<start {
        let four = UnsafeRawPointer(source + (x &* 3)).loadUnaligned(as: SIMD4<UInt8>.self)
        pixels[x] = Pixel(truncatingIfNeeded: four)
      }
    }
    for x in start..<count {
      for c in 0..<channels { pixels[x &* groups &+ c / 4][c % 4] = Int32(source[x &* channels &+ c]) }
    }
  }

  static func store(
    _ pixels: UnsafePointer<Pixel>, _ count: Int, _ channels: Int, to out: UnsafeMutablePointer<UInt8>
  ) {
    if channels == 3 {
      for x in 0..<count {
        let (pixel, at) = (pixels[x], out + (x &* 3))
        for c in 0..<3 { at[c] = UInt8(truncatingIfNeeded: pixel[c]) }
      }
      return
    }
    let groups = (channels + 3) / 4
    for x in 0..<count {
      for c in 0..<channels {
        out[x &* channels &+ c] = UInt8(truncatingIfNeeded: pixels[x &* groups &+ c / 4][c % 4])
      }
    }
  }

  static func join(_ rows: UnsafePointer<Pixel>, apart: Int, count: Int, to cells: UnsafeMutablePointer<Cell>) {
    let second = rows + apart
    for i in 0..<count { cells[i] = cell(rows[i], second[i]) }
  }

  static func join(_ row: UnsafePointer<Pixel>, _ groups: Int, count: Int, to cells: UnsafeMutablePointer<Cell>) {
    for g in 0..<groups {
      var (at, out) = (row + g, cells + g)
      for _ in 0..<count / 2 {
        out.pointee = cell(at.pointee, at[groups])
        at += 2 &* groups
        out += groups
      }
      if count % 2 == 1 { out.pointee = cell(at.pointee, at.pointee) }
    }
  }

  func mixAcross(_ line: UnsafePointer<Cell>, _ groups: Int, to pixels: UnsafeMutablePointer<Pixel>) {
    weights.withUnsafeBufferPointer { weights in
      for g in 0..<groups {
        var out = pixels + g
        for range in ranges {
          var at = line + (range.cell &* groups &+ g)
          var weight = weights.baseAddress! + range.start
          var low = Pixel.zero
          var high = Pixel.zero
          for _ in 0..<range.count {
            low &+= Self.dot(at.pointee, weight.pointee.low)
            high &+= Self.dot(at.pointee, weight.pointee.high)
            at += groups
            weight += 1
          }
          out.pointee = Self.rounded(low, high)
          out += groups
        }
      }
    }
  }

  func mixDown(
    _ ring: UnsafePointer<Cell>, _ y: Int, _ stride: Int, _ slots: Int, to pixels: UnsafeMutablePointer<Pixel>
  ) {
    let range = ranges[y]
    let first = range.cell % slots
    // The part of the rows up to the ring's end, and that from its beginning.
    let straight = min(range.count, slots - first)
    weights.withUnsafeBufferPointer { weights in
      for x in 0..<stride {
        var weight = weights.baseAddress! + range.start
        var low = Pixel.zero
        var high = Pixel.zero
        for (start, count) in [(first, straight), (0, range.count - straight)] {
          var at = ring + (start &* stride &+ x)
          for _ in 0..<count {
            low &+= Self.dot(at.pointee, weight.pointee.low)
            high &+= Self.dot(at.pointee, weight.pointee.high)
            at += stride
            weight += 1
          }
        }
        pixels[x] = Self.rounded(low, high)
      }
    }
  }

  /// a0 b0 + a1 b1, a2 b2 + a3 b3, …
  @inline(__always) private static func dot(_ a: Cell, _ b: Cell) -> Pixel {
    let products = SIMD8<Int32>(truncatingIfNeeded: a) &* SIMD8<Int32>(truncatingIfNeeded: b)
    return products.evenHalf &+ products.oddHalf
  }

  @inline(__always) private static func rounded(_ low: Pixel, _ high: Pixel) -> Pixel {
    let value = ((high &<< 15) &+ low &+ (1 << 21)) &>> 22
    let notNegative = value.replacing(with: 0, where: value .< 0)
    return notNegative.replacing(with: 255, where: notNegative .> 255)
  }
}
