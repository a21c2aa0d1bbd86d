import GXCore
import GXImage
import Testing

@Suite struct PixelStepTests {
  static let texts = [
    #"{"op":"resize","width":96,"height":64,"filter":"bilinear","mode":"stretch","crop":1}"#,
    #"{"op":"resize","width":1,"height":1,"filter":"lanczos","mode":"fit","fill":[0.5],"crop":0.8}"#,
    #"{"op":"resize","width":7,"height":9,"filter":"box","mode":"fit","fill":[0,0.25,1],"crop":1}"#,
    #"{"op":"resize","width":7,"height":9,"filter":"bicubic","mode":"cover","crop":0.5}"#,
    #"{"op":"crop","width":64,"height":32}"#,
    #"{"op":"crop","x":0,"y":7,"width":64,"height":32}"#,
    #"{"op":"crop","fraction":0.75}"#,
    #"{"op":"denoise","method":"median","size":3}"#,
    #"{"op":"denoise","method":"gaussian","sigma":1.5}"#,
    #"{"op":"denoise","method":"bilateral","diameter":5,"sigma_colour":0.1,"sigma_space":2}"#,
    #"{"op":"normalize","method":"unit","dtype":"f32"}"#,
    #"{"op":"normalize","method":"standard","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],"dtype":"f16"}"#,
  ]

  @Test(arguments: texts) func jsonRoundTrip(text: String) throws {
    #expect(try PixelSteps.step(JSON(parsing: text)).json.text == text)
  }

  @Test func jsonIsCanonical() throws {
    let spelled = try PixelSteps.step(
      JSON(
        parsing: #"{"crop":1.0,"fill":[0.0,0,0e3],"mode":"fit","filter":"box","height":9.0,"width":7,"op":"resize"}"#))
    #expect(
      spelled.json.text
        == #"{"op":"resize","width":7,"height":9,"filter":"box","mode":"fit","fill":[0],"crop":1}"#)
  }

  @Test(arguments: [
    ("[]", "an op is a JSON object"),
    (#"{"op":"sharpen"}"#, "unknown op \"sharpen\""),
    (#"{"op":"crop","width":3}"#, "op crop: no \"height\""),
    (#"{"op":"crop","width":3,"height":"x"}"#, "op crop: \"height\" is \"x\", not a whole number"),
    (#"{"op":"crop","width":3,"height":0}"#, "crop: 3x0"),
    (#"{"op":"crop","width":3,"height":4,"z":1}"#, "op crop: unknown field \"z\""),
    (#"{"op":"crop","width":3,"height":4,"x":1}"#, "op crop: no \"y\""),
    (#"{"op":"crop","width":3,"height":4,"x":-1,"y":0}"#, "crop: -1,0 is no place"),
    (#"{"op":"crop","width":3,"height":4,"fraction":0.5}"#, "op crop: unknown field"),
    (#"{"op":"crop","fraction":0}"#, "crop: fraction 0"), (#"{"op":"crop","fraction":1.5}"#, "crop: fraction 1.5"),
    (#"{"op":"crop","width":3,"width":4,"height":4}"#, "op crop: field \"width\" stands twice"),
    (#"{"op":"normalize","method":"unit","dtype":"u8"}"#, "\"dtype\" is \"u8\", not one of f32, f16"),
    (#"{"op":"normalize","method":"standard","mean":[1],"std":[0],"dtype":"f32"}"#, "std is not positive"),
    (#"{"op":"normalize","method":"standard","mean":[1,2],"std":[1],"dtype":"f32"}"#, "2 means and 1 standard"),
    (#"{"op":"normalize","method":"unit","mean":[1],"dtype":"f32"}"#, "unknown field \"mean\""),
    (#"{"op":"resize","width":99999,"height":1,"filter":"box","mode":"cover","crop":1}"#, "width 99999"),
    (#"{"op":"resize","width":9,"height":1,"filter":"box","mode":"cover","crop":0}"#, "crop 0"),
    (#"{"op":"resize","width":9,"height":1,"filter":"sinc","mode":"cover","crop":1}"#, "\"filter\""),
  ])
  func faultsAreNamed(text: String, message: String) throws {
    let json = try JSON(parsing: text)
    let error = #expect(throws: GXError.self) { try PixelSteps.step(json) }
    #expect(error!.message.contains(message), "\(error!.message)")
  }

  @Test func extentsTellWhatIsLeftOfThePicture() throws {
    func extent(_ steps: any PixelStep...) throws -> Extent { try steps.extent([100, 200, 3]) }
    let normalize = try Normalize()
    #expect(try extent() == .whole)
    #expect(try extent(Resize(width: 64, height: 64), normalize) == .whole)
    #expect(try extent(Resize(width: 64, height: 64, crop: 0.5)) == Extent(width: 0.5, height: 0.5))
    #expect(try extent(Resize(width: 64, height: 64, mode: .cover)) == Extent(width: 0.5, height: 1))
    #expect(try extent(Resize(width: 64, height: 64, mode: .cover, crop: 0.5)) == Extent(width: 0.25, height: 0.5))
    #expect(try extent(Resize(width: 64, height: 64, mode: .fit(fill: [0]))) == Extent(width: 1, height: 2))
    #expect(try extent(Crop(width: 50, height: 100)) == Extent(width: 0.25, height: 1))
    #expect(
      try extent(Resize(width: 80, height: 80, mode: .cover), Crop(width: 40, height: 60))
        == Extent(width: 0.25, height: 0.75))
    #expect(throws: GXError.self) { try extent(Crop(width: 50, height: 101)) }
    // The middle of an odd number is half a pixel off.
    let odd = try extent(Crop(width: 51, height: 100))
    #expect(odd == Extent(left: 74.0 / 200, top: 0, width: 51.0 / 200, height: 1) && !odd.isCentred)
  }

  static let chains: [[String]] = [
    [#"{"op":"crop","width":21,"height":16}"#], [#"{"op":"resize","width":50,"height":24,"mode":"stretch"}"#],
    [#"{"op":"resize","width":45,"height":45,"mode":"cover"}"#, #"{"op":"crop","width":30,"height":33}"#],
    [#"{"op":"resize","width":45,"height":44,"mode":"fit","fill":[-9]}"#, #"{"op":"crop","width":44,"height":41}"#],
    [#"{"op":"crop","width":33,"height":20}"#, #"{"op":"resize","width":60,"height":60,"mode":"cover","crop":0.9}"#],
    [#"{"op":"normalize","method":"unit","dtype":"f32"}"#, #"{"op":"crop","width":7,"height":30}"#],
    [#"{"op":"crop","x":19,"y":2,"width":20,"height":15}"#],
    [#"{"op":"crop","fraction":0.61}"#, #"{"op":"crop","x":0,"y":3,"width":17,"height":16}"#],
    [
      #"{"op":"crop","x":3,"y":11,"width":37,"height":20}"#,
      #"{"op":"resize","width":40,"height":48,"mode":"fit","fill":[-9]}"#,
      #"{"op":"crop","x":5,"y":0,"width":33,"height":33}"#,
    ],
    [
      #"{"op":"crop","x":9,"y":0,"width":30,"height":30}"#, #"{"op":"resize","width":31,"height":20,"mode":"cover"}"#,
      #"{"op":"denoise","method":"gaussian","sigma":0.1}"#,
    ],
  ]

  /// A picture whose pixels hold their own places: after steps they still do, and the extent knows where they are.
  @Test(arguments: chains) func extentsBringPlacesBack(_ texts: [String]) throws {
    let (height, width) = (31, 40)
    let places = (0..<height * width).flatMap { [Float($0 % width), Float($0 / width)] }
    var picture = try Tensor([height, width, 2], places)
    let steps = try texts.map { text in
      var op = try JSON(parsing: text).objectValue!
      if op["op"] == "resize" {
        op["filter"] = "bilinear"
        op["crop"] = op["crop"] ?? 1
      }
      return try PixelSteps.step(.object(op))
    }
    let extent = try steps.extent(picture.shape)
    var shape = picture.shape
    for step in steps {
      shape = try step.outputShape(shape)
      picture = try step.apply(picture)
      #expect(picture.shape == shape)
    }
    let values = picture.floats()
    var seen = 0
    for place in 0..<shape[0] * shape[1] {
      let x = (extent.left + (Double(place % shape[1]) + 0.5) / Double(shape[1]) * extent.width) * Double(width) - 0.5
      let y = (extent.top + (Double(place / shape[1]) + 0.5) / Double(shape[0]) * extent.height) * Double(height) - 0.5
      // At edges, what is filled up or repeated has no place of its own.
      guard x > 1, y > 1, x < Double(width) - 2, y < Double(height) - 2, values[2 * place] != -9
      else { continue }
      seen += 1
      let found = (Double(values[2 * place]), Double(values[2 * place + 1]))
      #expect(abs(found.0 - x) < 0.1 && abs(found.1 - y) < 0.1, "\(found), not \(x), \(y)")
    }
    #expect(seen > 100)
  }

  @Test func cropTakesTheCentre() throws {
    let source = try Tensor([3, 5, 1], (0..<15).map(Float.init))
    #expect(try Crop(width: 3, height: 1).apply(source) == Tensor([1, 3, 1], [6, 7, 8]))
    #expect(try Crop(width: 2, height: 2).apply(source) == Tensor([2, 2, 1], [1, 2, 6, 7]))
    #expect(throws: GXError("crop: 6x1 does not fit in a picture of 5x3")) {
      try Crop(width: 6, height: 1).apply(source)
    }
  }

  @Test func noPictureIsNamed() throws {
    let flat = try Tensor([2, 2], [0, 1, 2, 3])
    for op in try Self.texts.map({ try PixelSteps.step(JSON(parsing: $0)) }) {
      let error = #expect(throws: GXError.self) { try op.apply(flat) }
      #expect(error!.message.contains("[2, 2]"))
    }
  }
}

@Suite struct NormalizeTests {
  @Test func unitDividesByFullScale() throws {
    for (dtype, values, expected) in [
      (DType.u8, [0, 51, 255] as [Float], [0, 51 / 255, 1] as [Float]),
      (.u16, [0, 257, 65535], [0, 257 / 65535, 1]), (.f32, [0, 0.3, 7], [0, 0.3, 7]),
    ] {
      let source = try picture(dtype, [1, 1, 3], values)
      #expect(try Normalize().apply(source) == Tensor([1, 1, 3], expected))
    }
  }

  /// torchvision's order of operations: (x / 255 - mean) / std.
  @Test func standardIsByChannel() throws {
    let source = try picture(.u8, [1, 2, 3], [0, 128, 255, 10, 20, 30])
    let result = try Normalize(Normalize.imageNet).apply(source).floats()
    let (mean, std) = ([0.485, 0.456, 0.406] as [Float], [0.229, 0.224, 0.225] as [Float])
    let expected = zip([0, 128, 255, 10, 20, 30] as [Float], 0..<6).map { ($0 / 255 - mean[$1 % 3]) / std[$1 % 3] }
    #expect(result == expected)
    let half = try Normalize(.standard(mean: [0.5], std: [0.25]), dtype: .f16).apply(source)
    #expect(half.dtype == .f16)
    #expect(half.floats()[2] == 2)
    #expect(throws: GXError("normalize: 3 means for 1 channels")) {
      try Normalize(Normalize.imageNet).apply(Tensor([1, 1, 1], [0]))
    }
  }
}

/// A picture of any type from its values.
func picture(_ dtype: DType, _ shape: Shape, _ values: [Float]) throws -> Tensor {
  try Tensor(dtype, shape) { bytes in
    switch dtype {
    case .u8: bytes.copyBytes(from: values.map { UInt8($0) })
    case .u16: values.map { UInt16($0) }.withUnsafeBytes { bytes.copyMemory(from: $0) }
    case .f16: values.map { Float16($0) }.withUnsafeBytes { bytes.copyMemory(from: $0) }
    case .f32: values.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
  }
}
