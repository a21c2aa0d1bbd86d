import GXCore
import GXImage
import Testing

@Suite struct OverlayTests {
  func picture(_ height: Int, _ width: Int) throws -> Tensor {
    try Tensor(.u8, [height, width, 3]) { out in for i in 0..<out.count { out[i] = UInt8(i * 7 % 256) } }
  }

  func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withBytes { Array($0) } }

  /// What the map's colours are, shown alone.
  func colors(_ map: Tensor, height: Int, width: Int) throws -> [UInt8] {
    bytes(try Image.overlay(map, over: picture(height, width), opacity: 1))
  }

  /// As matplotlib names them: #000004, #57106e, #bc3754, #f98e09 and #fcffa4, which is also for what is over 1.
  @Test func infernosColours() throws {
    let map = try Tensor([1, 6, 1], [0, 64 / 255, 128 / 255, 192 / 255, 1, 2])
    let expected: [UInt8] = [0, 0, 4, 87, 16, 110, 188, 55, 84, 249, 142, 9, 252, 255, 164, 252, 255, 164]
    #expect(try colors(map, height: 1, width: 6) == expected)
  }

  @Test func higherIsBrighter() throws {
    let map = try Tensor([1, 256, 1], (0..<256).map { Float($0) / 255 })
    let colors = try colors(map, height: 1, width: 256).map { Double($0) }
    // ITU-R BT.709's weights.
    let luma = (0..<256).map { (i: Int) -> Double in
      let (red, green, blue) = (colors[3 * i], colors[3 * i + 1], colors[3 * i + 2])
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
    for i in 1..<256 { #expect(luma[i] > luma[i - 1] - 0.5) }
    #expect(luma[0] < 1 && luma[255] > 230)
  }

  @Test func opacityFades() throws {
    let picture = try picture(6, 9)
    let map = try Tensor([2, 3, 1], [0, 0.2, 0.4, 0.6, 0.8, 1])
    #expect(try Image.overlay(map, over: picture, opacity: 0) == picture)
    let above = try colors(map, height: 6, width: 9)
    let mixed = bytes(try Image.overlay(map, over: picture, opacity: 0.25))
    for (i, below) in bytes(picture).enumerated() {
      let expected = 0.75 * Double(below) + 0.25 * Double(above[i])
      #expect(abs(Double(mixed[i]) - expected) <= 0.501)
    }
  }

  /// A map is spread from edge to edge: its corners' colours are in the picture's corners, and mirrored it gives the
  /// mirrored picture.
  @Test func isSpreadOverThePicture() throws {
    let map = try Tensor([2, 3, 1], [0, 0.5, 1, 0.25, 0.75, 0.1])
    let mirrored = try Tensor([2, 3, 1], [1, 0.5, 0, 0.1, 0.75, 0.25])
    let spread = try colors(map, height: 8, width: 12)
    let other = try colors(mirrored, height: 8, width: 12)
    func pixel(_ bytes: [UInt8], _ place: Int) -> [Int] { bytes[place * 3..<place * 3 + 3].map { Int($0) } }
    for y in 0..<8 {
      for x in 0..<12 {
        let (a, b) = (pixel(spread, y * 12 + x), pixel(other, y * 12 + 11 - x))
        for c in 0..<3 { #expect(abs(a[c] - b[c]) <= 3) }
      }
    }
    let small = try colors(map, height: 2, width: 3)
    for (place, corner) in [(0, 0), (11, 2), (84, 3), (95, 5)] { #expect(pixel(spread, place) == pixel(small, corner)) }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let (picture, map) = (try picture(4, 4), try Tensor([2, 2, 1], [0, 1, 1, 0]))
    func refusal(_ map: Tensor, _ picture: Tensor, _ opacity: Double = 0.5) -> String {
      do {
        _ = try Image.overlay(map, over: picture, opacity: opacity)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal(map, picture, 1.5) == "overlay: opacity 1.5 is not in 0...1")
    #expect(refusal(map, picture, .nan) == "overlay: opacity nan is not in 0...1")
    #expect(refusal(picture, picture) == "overlay: needs a map of f32 in 1 channel, not u8 of shape [4, 4, 3]")
    #expect(refusal(map, map) == "overlay: needs a picture of u8 in 3 channels, not f32 in 1")
    #expect(refusal(try Tensor([2, 2], [0, 1, 1, 0]), picture).contains("is no picture"))
    let strange = try Tensor([1, 2, 1], [.nan, -.infinity])
    let none = try Tensor([1, 2, 1], [0, 0])
    #expect(
      try Image.overlay(strange, over: picture, opacity: 1) == Image.overlay(none, over: picture, opacity: 1))
  }

  @Test func otherPicturesAreMadeDisplayable() throws {
    let picture = try picture(2, 2)
    #expect(try Image.displayable(picture) == picture)
    let grey = try Image.displayable(Tensor([1, 3, 1], [0, 0.5, 2]))
    #expect(bytes(grey) == [0, 0, 0, 128, 128, 128, 255, 255, 255] && grey.shape == [1, 3, 3])
    let deep = try Tensor(.u16, [1, 1, 3]) { out in
      out.bindMemory(to: UInt16.self).baseAddress!.update(from: [65535, 257, 0] as [UInt16], count: 3)
    }
    #expect(bytes(try Image.displayable(deep)) == [255, 1, 0])
    #expect(throws: GXError("a picture of 2 channels has no colours to show: 1 or 3 are needed")) {
      try Image.displayable(Tensor([1, 1, 2], [0, 1]))
    }
  }

  @Test(arguments: [Normalize.Method.unit, Normalize.imageNet]) func normalizationIsUndone(
    _ method: Normalize.Method
  ) throws {
    let picture = try picture(5, 4)
    for dtype in [DType.f32, .f16] {
      let step = try Normalize(method, dtype: dtype)
      #expect(try Image.displayable(step.undo(step.apply(picture))) == picture)
    }
  }

  /// Of what was cut off, a map knows nothing; what was filled up, it shows in vain.
  @Test func mapsLieWhereTheNetworkSaw() throws {
    let map = try Tensor([2, 4, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1])
    // A quarter of 12 is cut off on each side.
    let cut = try Image.spread(map, over: [3, 12, 3], extent: Extent(width: 0.5, height: 1))
    let inner = try Resize(width: 6, height: 3).apply(map).floats()
    #expect(cut.shape == [3, 12, 1] && cut.dtype == .f32)
    for (i, value) in cut.floats().enumerated() {
      let (y, x) = (i / 12, i % 12 - 3)
      #expect(value == ((0..<6).contains(x) ? inner[y * 6 + x] : 0))
    }
    // A picture of half the height of what the network saw: the map's rows are both half outside.
    let filled = try Image.spread(map, over: [6, 4, 3], extent: Extent(width: 1, height: 2))
    let rows = stride(from: 0, to: 24, by: 4).map { filled.floats()[$0] }
    // Centres of six rows, from 1/4 to 3/4 of a map whose two centres lie at 1/4 and 3/4.
    for (y, value) in rows.enumerated() { #expect(abs(value - (0.1 + 0.4 * (Float(y) + 0.5) / 6)) < 1e-6) }
    #expect(try Image.spread(map, over: [2, 4, 1], extent: .whole) == map)
    #expect(try Image.spread(map, over: [1, 1, 3], extent: Extent(width: 0.01, height: 0.01)).shape == [1, 1, 1])
  }

  /// The steps' own extents bring a map to the place that they took it from.
  @Test(arguments: [(30, 20), (20, 30), (25, 25)]) func mapsAreBroughtBack(_ height: Int, _ width: Int) throws {
    // A bright spot off the centre.
    let (top, left) = (height / 2 + 2, width / 2 - 4)
    let spot = try Tensor(
      [height, width, 1],
      (0..<height * width).map {
        (top..<top + 3).contains($0 / width) && (left..<left + 3).contains($0 % width) ? 1 : 0
      })
    for mode in [Resize.Mode.cover, .fit(fill: [0]), .stretch] {
      let steps: [any PixelStep] = [
        try Resize(width: 64, height: 64, mode: mode, crop: 0.9), try Crop(width: 60, height: 60),
      ]
      let seen = try steps.reduce(spot) { try $1.apply($0) }
      let back = try Image.spread(seen, over: spot.shape, extent: steps.extent(spot.shape)).floats()
      let brightest = back.indices.max { back[$0] < back[$1] }!
      #expect(abs(brightest / width - top - 1) <= 1 && abs(brightest % width - left - 1) <= 1, "\(mode): \(brightest)")
    }
  }
}
