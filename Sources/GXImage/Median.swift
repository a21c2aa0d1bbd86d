import GXCore

/// The median of a square around each pixel, in each channel; beyond its edges the picture is mirrored.
///
/// Of 3 x 3 and 5 x 5 pixels by a network of minima and maxima, a vector of neighbours at a time; of more by counting
/// what enters and leaves the window (Huang et al. 1979), in a histogram whose levels each tell 16 times more.
struct Median: PictureKernel {
  let size: PictureSize
  let radius: Int

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    if radius <= 2 { return try network(source, target) }
    let total = size.height * size.width * size.channels
    func pointers<T>(_ type: T.Type) -> (UnsafePointer<T>, UnsafeMutablePointer<T>) {
      let (from, to) = (UnsafeRawPointer(source), UnsafeMutableRawPointer(target))
      return (from.assumingMemoryBound(to: type), to.assumingMemoryBound(to: type))
    }
    if E.self == UInt8.self {
      let (from, to) = pointers(UInt8.self)
      count(from, to, bins: 1 << 8)
    } else if E.self == UInt16.self {
      let (from, to) = pointers(UInt16.self)
      count(from, to, bins: 1 << 16)
    } else if E.self == Float16.self {
      // As whole numbers in the same order.
      let (from, to) = pointers(UInt16.self)
      let keys = (0..<total).map { from[$0] & 0x8000 == 0 ? from[$0] | 0x8000 : ~from[$0] }
      count(keys, to, bins: 1 << 16)
      for i in 0..<total { to[i] = to[i] & 0x8000 == 0 ? ~to[i] : to[i] & 0x7fff }
    } else {
      try countRanks(source, pointers(UInt32.self).1, total)
    }
  }

  /// Floats by their places in the order of all there are, which are then turned back.
  private func countRanks<E: PixelElement>(
    _ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<UInt32>, _ total: Int
  ) throws {
    _ = try Tensor.byteCount(.f32, [total, 4])
    var keys = (0..<total).map { i in
      let bits = source[i].float.bitPattern
      return UInt64(bits >> 31 == 0 ? bits | 1 << 31 : ~bits) << 32 | UInt64(i)
    }
    keys.sort()
    var (ranks, values) = ([UInt32](repeating: 0, count: total), [Float]())
    for key in keys {
      let (place, value) = (Int(key & 0xffff_ffff), source[Int(key & 0xffff_ffff)].float)
      if values.last != value { values.append(value) }
      ranks[place] = UInt32(values.count - 1)
    }
    count(ranks, target, bins: values.count)
    for i in 0..<total { target[i] = values[Int(target[i])].bitPattern }
  }

  // MARK: Counting

  private func count<Key: FixedWidthInteger & UnsignedInteger>(
    _ source: UnsafePointer<Key>, _ target: UnsafeMutablePointer<Key>, bins: Int
  ) {
    let (side, width, channels) = (2 * radius + 1, size.width, size.channels)
    let histogram = Histogram(bins: bins)
    defer { histogram.free() }
    let (rows, columns) = (mirrored(size.height, radius: radius), mirrored(width, radius: radius))
    for c in 0..<channels {
      @inline(__always) func key(_ row: Int, _ column: Int) -> Int {
        Int(truncatingIfNeeded: source[(rows[row] &* width &+ columns[column]) &* channels &+ c])
      }
      histogram.clear()
      for dy in 0..<side { for dx in 0..<side { histogram.add(key(dy, dx), 1) } }
      // To and fro, so that the window always moves by one.
      var x = 0
      for y in 0..<size.height {
        if y > 0 {
          for dx in x..<x + side {
            histogram.add(key(y - 1, dx), .max)
            histogram.add(key(y - 1 + side, dx), 1)
          }
        }
        for step in 0..<width {
          if step > 0 {
            let (old, new) = y % 2 == 0 ? (x, x + side) : (x + side - 1, x - 1)
            for dy in y..<y + side {
              histogram.add(key(dy, old), .max)
              histogram.add(key(dy, new), 1)
            }
            x += y % 2 == 0 ? 1 : -1
          }
          target[(y &* width &+ x) &* channels &+ c] = Key(truncatingIfNeeded: histogram.key(at: side * side / 2))
        }
      }
    }
  }

  /// Counts of keys, and sums of 16 counts, and sums of 16 of those…
  private struct Histogram {
    private let counts: UnsafeMutablePointer<UInt16>
    private let total: Int
    /// The coarsest first: where its counts are, and how many bits of a key it does not tell.
    private let levels: [(start: Int, shift: Int)]

    init(bins: Int) {
      var (levels, total) = ([(start: Int, shift: Int)](), 0)
      var shift = 0
      while shift == 0 || (bins - 1) >> shift > 0 {
        levels.insert((total, shift), at: 0)
        total += ((bins - 1) >> shift + 16) / 16 * 16
        shift += 4
      }
      (self.levels, self.total) = (levels, total)
      counts = .allocate(capacity: total)
    }

    func free() { counts.deallocate() }
    func clear() { counts.initialize(repeating: 0, count: total) }

    /// - Parameter number: 1, or for -1 the largest there is.
    @inline(__always) func add(_ key: Int, _ number: UInt16) {
      for level in levels { counts[level.start &+ key >> level.shift] &+= number }
    }

    /// The key that `rank` smaller ones come before.
    @inline(__always) func key(at rank: Int) -> Int {
      var (key, left) = (0, rank)
      for level in levels {
        key <<= 4
        while true {
          let count = Int(counts[level.start &+ key])
          if count > left { break }
          left &-= count
          key &+= 1
        }
      }
      return key
    }
  }

  // MARK: Networks

  /// In f32, which holds all values of all types, and whose minima and maxima are single instructions everywhere.
  private func network<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws {
    let (side, channels, lanes) = (2 * radius + 1, size.channels, Lanes.scalarCount)
    let (length, margin) = (size.width * channels, radius * channels)
    let padded = (length + lanes - 1) / lanes * lanes + 2 * margin
    _ = try Tensor.byteCount(.f32, [side + 1, padded])
    // Line i has what is at place i in the order of each column of the window.
    let lines = UnsafeMutablePointer<Float>.allocate(capacity: (side + 1) * padded)
    lines.initialize(repeating: 0, count: (side + 1) * padded)
    defer { lines.deallocate() }
    @inline(__always) func load(_ at: UnsafePointer<Float>) -> Lanes {
      UnsafeRawPointer(at).loadUnaligned(as: Lanes.self)
    }
    @inline(__always) func store(_ vector: Lanes, _ at: UnsafeMutablePointer<Float>) {
      UnsafeMutableRawPointer(at).storeBytes(of: vector, as: Lanes.self)
    }
    let (rows, columns) = (mirrored(size.height, radius: radius), mirrored(size.width, radius: radius))
    for y in 0..<size.height {
      for i in 0..<side {
        let (from, to) = (source + rows[y + i] * length, lines + (i * padded + margin))
        for x in 0..<length { to[x] = from[x].float }
      }
      for start in stride(from: margin, to: margin + length, by: lanes) {
        let at = lines + start
        var (a, b, c) = (load(at), load(at + padded), load(at + 2 * padded))
        if side == 3 {
          sort(&a, &b, &c)
        } else {
          var (d, e) = (load(at + 3 * padded), load(at + 4 * padded))
          sort(&a, &b, &c, &d, &e)
          store(d, at + 3 * padded)
          store(e, at + 4 * padded)
        }
        store(a, at)
        store(b, at + padded)
        store(c, at + 2 * padded)
      }
      for i in 0..<side {
        let line = lines + i * padded + margin
        for x in [Int](-radius..<0) + [Int](size.width..<size.width + radius) {
          for c in 0..<channels { line[x * channels + c] = line[columns[x + radius] * channels + c] }
        }
      }
      let out = lines + side * padded
      for start in stride(from: 0, to: length, by: lanes) {
        @inline(__always) func at(_ order: Int, _ column: Int) -> Lanes {
          load(lines + (order &* padded &+ start &+ column &* channels))
        }
        store(side == 3 ? median9(at) : median25(at), out + start)
      }
      for x in 0..<length { target[y &* length &+ x] = E(nearest: out[x]) }
    }
  }

  /// - Parameter at: What is at a place in the order of one of three columns.
  @inline(__always) private func median9(_ at: (Int, Int) -> Lanes) -> Lanes {
    var (a, b, c) = (at(0, 0), at(0, 1), at(0, 2))
    var (d, e, f) = (at(1, 0), at(1, 1), at(1, 2))
    var (g, h, i) = (at(2, 0), at(2, 1), at(2, 2))
    sort(&a, &b, &c)
    sort(&d, &e, &f)
    sort(&g, &h, &i)
    // Sorted both ways, only this diagonal can hold the median.
    sort(&c, &e, &g)
    return e
  }

  /// The same of five: sorted both ways, twelve of the 25 are too small or too large for their place. Of the 13 left,
  /// the least and the largest of eight go, and so on with one more each time.
  @inline(__always) private func median25(_ at: (Int, Int) -> Lanes) -> Lanes {
    @inline(__always) func row(_ order: Int) -> (Lanes, Lanes, Lanes, Lanes, Lanes) {
      var row = (at(order, 0), at(order, 1), at(order, 2), at(order, 3), at(order, 4))
      sort(&row.0, &row.1, &row.2, &row.3, &row.4)
      return row
    }
    var ((_, _, _, a, b), (_, _, c, d, e), (_, f, g, h, _)) = (row(0), row(1), row(2))
    var ((i, j, k, _, _), (l, m, _, _, _)) = (row(3), row(4))
    // a and h of a…h.
    sort(&a, &b, and: &c, &d)
    sort(&e, &f, and: &g, &h)
    sort(&a, &c, and: &e, &g)
    sort(&b, &d, and: &f, &h)
    sort(&a, &e, and: &d, &h)
    // b and g of b…g and i.
    sort(&b, &c, and: &d, &e)
    sort(&f, &g, and: &b, &d)
    sort(&b, &f, and: &c, &g)
    sort(&e, &g, and: &b, &i)
    // c and j of c…f, i and j.
    sort(&i, &g, and: &c, &d)
    sort(&e, &f, and: &i, &j)
    sort(&c, &e, and: &d, &j)
    sort(&c, &i, and: &f, &j)
    // d and i of d, e, f, i and k.
    sort(&d, &e, and: &f, &i)
    sort(&d, &f, and: &e, &i)
    sort(&d, &k)
    sort(&k, &i)
    // e and l of e, f, k and l.
    sort(&e, &f, and: &k, &l)
    sort(&e, &k, and: &f, &l)
    sort(&f, &k, &m)
    return k
  }
}

private typealias Lanes = SIMD4<Float>

@inline(__always) private func sort(_ a: inout Lanes, _ b: inout Lanes) {
  let least = a.replacing(with: b, where: b .< a)
  b = a.replacing(with: b, where: a .< b)
  a = least
}

@inline(__always) private func sort(
  _ a: inout Lanes, _ b: inout Lanes, and c: inout Lanes, _ d: inout Lanes
) {
  sort(&a, &b)
  sort(&c, &d)
}

@inline(__always) private func sort(_ a: inout Lanes, _ b: inout Lanes, _ c: inout Lanes) {
  sort(&a, &b)
  sort(&b, &c)
  sort(&a, &b)
}

/// By nine exchanges, the fewest there are (Knuth, The Art of Computer Programming 3, 5.3.4).
@inline(__always) private func sort(
  _ a: inout Lanes, _ b: inout Lanes, _ c: inout Lanes, _ d: inout Lanes, _ e: inout Lanes
) {
  sort(&a, &d, and: &b, &e)
  sort(&a, &c, and: &b, &d)
  sort(&a, &b, and: &c, &e)
  sort(&b, &c, and: &d, &e)
  sort(&c, &d)
}
