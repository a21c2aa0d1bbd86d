import GXCore
import GXImage
import Testing

@Suite struct DenoiseTests {
  /// SciPy's medians, to the bit; its Gaussian and OpenCV's bilateral filter, as near as f32 comes.
  @Test func equalsSciPyAndOpenCV() throws {
    let cases = try Fixture.json("denoise/cases.json").arrayValue!
    #expect(cases.count > 90)
    for entry in cases {
      let fields = entry.objectValue!
      let step = try PixelSteps.step(fields["op"]!)
      let source = try Fixture.npy("denoise/\(fields["input"]!.stringValue!).npy")
      let expected = try Fixture.npy("denoise/\(fields["expected"]!.stringValue!).npy")
      let result = try step.apply(source)
      #expect(result.dtype == source.dtype && result.shape == source.shape)
      let (largest, count) = difference(result, expected)
      if fields["op"]!.objectValue!["method"] == "median" {
        #expect(count == 0, "\(entry.text): \(count) values differ, by up to \(largest)")
        continue
      }
      switch source.dtype {
      // A rounding may tip: seldom, and by one.
      case .u8:
        #expect(largest <= 1 && count * 50 <= result.count, "\(entry.text): \(count) differ by up to \(largest)")
      case .u16:
        #expect(largest <= 1 && count * 20 <= result.count, "\(entry.text): \(count) differ by up to \(largest)")
      case .f16: #expect(largest <= 1 / 1024, "\(entry.text): off by \(largest)")
      case .f32: #expect(largest <= 2e-6, "\(entry.text): off by \(largest)")
      }
    }
  }

  /// Every kind of vector and its rest, and counting, against sorting.
  @Test(arguments: [(1, 1, 1), (3, 2, 1), (4, 33, 1), (9, 7, 3), (5, 16, 4), (6, 40, 2), (1, 20, 3)])
  func mediansAreThoseOfSorting(_ height: Int, _ width: Int, _ channels: Int) throws {
    var random = Random(seed: UInt64(height * 100 + width))
    for dtype in DType.allCases {
      let values = (0..<height * width * channels).map { _ -> Float in
        switch dtype {
        case .u8: Float(random.below(256))
        case .u16: Float(random.below(65536))
        case .f16: Float(Float16(random.uniform(-2, 2)))
        // Some of them equal.
        case .f32: random.chance(0.3) ? 0.5 : Float(random.uniform(-1e3, 1e3))
        }
      }
      let source = try picture(dtype, [height, width, channels], values)
      for side in [3, 5, 9] {
        let result = try Denoise(.median(size: side)).apply(source).floats()
        func mirror(_ i: Int, _ n: Int) -> Int {
          var i = i
          while !(0..<n).contains(i) { i = i < 0 ? -1 - i : 2 * n - 1 - i }
          return i
        }
        for place in values.indices {
          let (y, x, c) = (place / channels / width, place / channels % width, place % channels)
          let near = (0..<side * side).map { k in
            let (row, column) = (mirror(y + k / side - side / 2, height), mirror(x + k % side - side / 2, width))
            return values[(row * width + column) * channels + c]
          }
          #expect(result[place] == near.sorted()[side * side / 2], "\(dtype.name) \(side): \(y), \(x), \(c)")
        }
      }
    }
  }

  @Test func whatIsEvenStays() throws {
    for (dtype, level) in [(DType.u8, Float(255)), (.u16, 65535), (.f16, 0.25), (.f32, -3)] {
      let even = try picture(dtype, [7, 21, 3], [Float](repeating: level, count: 7 * 21 * 3))
      for method in [
        Denoise.Method.median(size: 255), .median(size: 3), .gaussian(sigma: 64), .gaussian(sigma: 0.01),
        .bilateral(diameter: 7, sigmaColour: 1e-6, sigmaSpace: 1e6),
      ] {
        let (largest, _) = difference(try Denoise(method).apply(even), even)
        #expect(largest <= abs(level) * 1e-6, "\(dtype.name) \(method): \(largest)")
      }
    }
  }

  /// Edges are kept by the bilateral filter and the median, a single hot pixel goes by the median alone.
  @Test func whatEachIsFor() throws {
    let edge = try picture(.u8, [9, 12, 1], (0..<108).map { $0 % 12 < 6 ? 20 : 200 })
    #expect(try Denoise(.bilateral(diameter: 5, sigmaColour: 0.05, sigmaSpace: 2)).apply(edge) == edge)
    #expect(try Denoise(.median(size: 5)).apply(edge) == edge)
    #expect(try Denoise(.gaussian(sigma: 1)).apply(edge) != edge)
    let hot = try picture(.f32, [5, 5, 1], (0..<25).map { $0 == 12 ? 9 : 1 })
    #expect(try Denoise(.median(size: 3)).apply(hot).floats() == [Float](repeating: 1, count: 25))
  }

  @Test(arguments: [
    #"{"op":"denoise","method":"median","size":4}"#, #"{"op":"denoise","method":"median","size":257}"#,
    #"{"op":"denoise","method":"median","size":1}"#, #"{"op":"denoise","method":"gaussian","sigma":0}"#,
    #"{"op":"denoise","method":"gaussian","sigma":65}"#, #"{"op":"denoise","method":"mean"}"#,
    #"{"op":"denoise","method":"gaussian","sigma":1,"size":3}"#,
    #"{"op":"denoise","method":"bilateral","diameter":5,"sigma_colour":-1,"sigma_space":1}"#,
  ]) func faultsAreNamed(_ text: String) throws {
    let json = try JSON(parsing: text)
    let error = #expect(throws: GXError.self) { try PixelSteps.step(json) }
    #expect(error!.message.contains("denoise"))
  }
}
