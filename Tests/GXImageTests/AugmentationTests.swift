import Foundation
import GXCore
import GXImage
import Testing

@Suite struct AugmentationTests {
  /// Every value is another, so that a permutation can be told from any change.
  func numbered(_ height: Int, _ width: Int, _ channels: Int = 3) throws -> Tensor {
    try Tensor([height, width, channels], (0..<height * width * channels).map { Float($0) })
  }

  /// A smooth picture of one channel: a bright ellipse off the centre.
  func ellipse(_ size: Int) throws -> Tensor {
    try Tensor(
      [size, size, 1],
      (0..<size * size).map { i in
        let x = (Double(i % size) - 0.55 * Double(size)) / (0.12 * Double(size))
        let y = (Double(i / size) - 0.45 * Double(size)) / (0.06 * Double(size))
        return Float(exp(-x * x - y * y))
      })
  }

  func apply(_ spec: String, _ picture: Tensor, seed: UInt64 = 1) throws -> Tensor {
    var random = Random(seed: seed)
    return try Augmentation(spec: spec).apply(picture, random: &random)
  }

  /// What a model tells of it makes the same one again.
  @Test(arguments: [
    "rotate=right,crop=12", "rotate=12.5,flip=hv,zoom=0.1:10,shift=0.1x0.2,shear=3,fill=0.25,crop=12x14",
    "flip=v,brightness=0.3,contrast=0.7,noise=0.01,fill=nearest", "flip=h",
  ]) func theSpecIsReadBack(_ text: String) throws {
    let augmentation = try Augmentation(spec: text)
    let again = try Augmentation(spec: augmentation.spec)
    #expect(again == augmentation && again.spec == augmentation.spec)
    #expect(again.outputCrop?.width == augmentation.outputCrop?.width)
    #expect(again.outputCrop?.height == augmentation.outputCrop?.height)
  }

  @Test func sameSeedSameBytes() throws {
    let source = try ellipse(32)
    let spec = "rotate=180,flip=hv,zoom=0.8:1.2,shift=0.1,shear=10,brightness=0.2,contrast=0.2,noise=0.05"
    #expect(try apply(spec, source, seed: 7) == apply(spec, source, seed: 7))
    #expect(try apply(spec, source, seed: 7) != apply(spec, source, seed: 8))
  }

  /// Flips and right turns give each of the square's eight symmetries, and nothing else, exactly.
  @Test(arguments: [6, 7]) func symmetriesAreExact(size: Int) throws {
    let source = try numbered(size, size)
    let pixels = source.floats()
    func at(_ y: Int, _ x: Int) -> [Float] { Array(pixels[(y * size + x) * 3..<(y * size + x) * 3 + 3]) }
    let last = size - 1
    let symmetries: [(Int, Int) -> [Float]] = [
      { at($0, $1) }, { at($0, last - $1) }, { at(last - $0, $1) }, { at(last - $0, last - $1) },
      { at($1, $0) }, { at($1, last - $0) }, { at(last - $1, $0) }, { at(last - $1, last - $0) },
    ]
    let expected = symmetries.map { symmetry in
      (0..<size).flatMap { y in (0..<size).flatMap { x in symmetry(y, x) } }
    }
    var met: Set<Int> = []
    for seed in 0..<100 {
      let result = try apply("rotate=right,flip=hv", source, seed: UInt64(seed)).floats()
      let which = expected.firstIndex(of: result)
      #expect(which != nil, "seed \(seed) gives no symmetry")
      if let which { met.insert(which) }
    }
    #expect(met.count == 8)
  }

  /// Without random geometry, a crop is what the op of the same size cuts out; also for odd remainders.
  @Test(arguments: [(8, 8, 4), (9, 8, 4), (8, 9, 5), (10, 7, 3)])
  func cropIsItsTwin(height: Int, width: Int, crop: Int) throws {
    let source = try numbered(height, width, 4)
    #expect(try apply("crop=\(crop)", source) == Crop(width: crop, height: crop).apply(source))
    #expect(try Augmentation(spec: "crop=5x3").outputCrop! == (5, 3))
    #expect(throws: GXError("augmentation: crop \(width + 1)x1 does not fit in a picture of \(width)x\(height)")) {
      try apply("crop=\(width + 1)x1", source)
    }
  }

  /// Moments of a smooth picture follow the map: centroid by shift, size by zoom, total by brightness.
  @Test func geometryDoesWhatItSays() throws {
    func moments(_ t: Tensor) -> (total: Double, x: Double, y: Double, spread: Double) {
      let size = t.shape[1]
      let values = t.floats().map(Double.init)
      let total = values.reduce(0, +)
      func mean(_ f: (Double, Double) -> Double) -> Double {
        values.enumerated().reduce(0) { $0 + $1.element * f(Double($1.offset % size), Double($1.offset / size)) }
          / total
      }
      let (x, y) = (mean { x, _ in x }, mean { _, y in y })
      return (total, x, y, mean { ($0 - x) * ($0 - x) + ($1 - y) * ($1 - y) })
    }
    let source = try ellipse(64)
    let before = moments(source)
    for seed in 0..<20 as Range<UInt64> {
      let zoomed = moments(try apply("zoom=1.25:1.25,fill=0", source, seed: seed))
      #expect(abs(zoomed.spread / before.spread - 1.25 * 1.25) < 0.02)
      // The picture's middle stays where it is.
      #expect(abs(zoomed.x - 31.5 - 1.25 * (before.x - 31.5)) < 0.02)
      let turned = moments(try apply("rotate=180,fill=0", source, seed: seed))
      #expect(abs(turned.spread / before.spread - 1) < 0.02 && abs(turned.total / before.total - 1) < 0.01)
      #expect(
        abs(hypot(turned.x - 31.5, turned.y - 31.5) - hypot(before.x - 31.5, before.y - 31.5)) < 0.05)
      let moved = moments(try apply("shift=0.1x0,fill=0", source, seed: seed))
      #expect(abs(moved.x - before.x) <= 6.4 && abs(moved.y - before.y) < 0.01)
      let slanted = moments(try apply("shear=20,fill=0", source, seed: seed))
      #expect(abs(slanted.y - before.y) < 0.02 && abs(slanted.total / before.total - 1) < 0.01)
      let brighter = moments(try apply("brightness=0.5", source, seed: seed))
      #expect(brighter.total / before.total >= 0.5 && brighter.total / before.total <= 1.5)
      let contrasted = moments(try apply("contrast=0.5", source, seed: seed))
      #expect(abs(contrasted.total / before.total - 1) < 1e-4)
    }
    let shifts = try (0..<50).map { moments(try apply("shift=0.1,fill=0", source, seed: $0)).x - before.x }
    #expect(shifts.max()! > 4 && shifts.min()! < -4)
  }

  @Test func fillsTheEdges() throws {
    let source = try Tensor([1, 4, 1], [1, 2, 3, 4])
    // Halved about the centre 1.5: the output pixels 0 and 3 come from -1.5 and 4.5.
    #expect(try apply("zoom=0.5:0.5,fill=nearest", source).floats() == [1, 1.5, 3.5, 4])
    #expect(try apply("zoom=0.5:0.5,fill=reflect", source).floats()[0] == 1.5)
    let level = try apply("zoom=0.25:0.25,fill=0.5", try Tensor([4, 4, 1], [Float](repeating: 9, count: 16))).floats()
    #expect(level[0] == 0.5 && level[15] == 0.5)
    let grey = try apply("zoom=0.1:0.1,fill=1", picture(.u8, [5, 5, 3], [Float](repeating: 0, count: 75)))
    #expect(grey.floats()[0] == 255)
  }

  @Test func noiseHasItsDeviation() throws {
    for (dtype, middle) in [(DType.f32, 0.5 as Float), (.u8, 128), (.u16, 30000)] {
      let source = try picture(dtype, [64, 64, 3], [Float](repeating: middle, count: 64 * 64 * 3))
      let values = try apply("noise=0.05", source).floats().map { Double(($0 - middle) / dtype.fullScale) }
      let mean = values.reduce(0, +) / Double(values.count)
      let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
      #expect(abs(mean) < 0.0025 && abs(deviation - 0.05) < 0.002)
    }
  }

  @Test func wholeNumbersAreClamped() throws {
    let source = try picture(.u8, [8, 8, 3], [Float](repeating: 250, count: 192))
    let values = try (0..<20).flatMap { try apply("brightness=1", source, seed: $0).floats() }
    #expect(values.max() == 255 && values.min()! < 100)
  }

  @Test func jsonSpellsEverything() throws {
    #expect(
      try Augmentation(spec: "rotate=180,flip=hv,zoom=0.9:1.1,crop=64").json.text
        == #"{"op":"augment","random":true,"rotate":180,"flip":"hv","zoom":[0.9,1.1],"shift":[0,0],"shear":0,"#
        + #""brightness":0,"contrast":0,"noise":0,"fill":"reflect"}"#)
  }

  @Test(arguments: [
    ("", "\"\" is not field=value"), ("rotate", "\"rotate\" is not field=value"),
    ("rotate=200", "rotate=200 is not in 0...180"), ("rotate=nan", "rotate=nan is not"),
    ("twist=3", "unknown field \"twist\""), ("flip=x", "flip=x is not h, v or hv"),
    ("zoom=1.1:0.9", "zoom=1.1:0.9 is not LOW:HIGH with"), ("zoom=2", "zoom=2 is not LOW:HIGH"),
    ("shift=0.1x", "shift=0.1x is not in 0...1"), ("crop=0", "crop=0 is not N or WxH"),
    ("crop=3x3x3", "crop=3x3x3 is not"), ("fill=blue", "fill=blue is not reflect, nearest or a level"),
    ("noise=0.1,noise=0.2", "\"noise\" is given twice"), ("rotate=5,", "\"\" is not field=value"),
  ])
  func faultsAreNamed(spec: String, message: String) {
    let error = #expect(throws: GXError.self) { try Augmentation(spec: spec) }
    #expect(error!.message.contains(message), "\(error!.message)")
  }
}
