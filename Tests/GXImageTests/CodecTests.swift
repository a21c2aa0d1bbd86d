import Foundation
import GXCore
import GXImage
import Testing

@Suite struct CodecTests {
  func decode(_ bytes: [UInt8], maxPixels: Int = Image.pixelLimit) throws -> Tensor {
    try bytes.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
  }

  /// Every kind of file of each format, against Pillow's pixels, or those from which the file was made.
  @Test(arguments: Fixture.codecs) func equalsTheReference(folder: String, least: Int) throws {
    let cases = try Fixture.json("\(folder)/cases.json").arrayValue!
    #expect(cases.count > least)
    for entry in cases {
      let name = entry.objectValue!["file"]!.stringValue!
      let expected = try Fixture.npy("\(folder)/\(name).npy")
      let result = try decode(Fixture.bytes("\(folder)/\(name)"))
      #expect(result.dtype == expected.dtype && result.shape == expected.shape, "\(name)")
      guard result.shape == expected.shape else { continue }
      let (largest, count) = difference(result, expected)
      #expect(
        Double(largest) <= entry.objectValue!["tolerance"]!.doubleValue!, "\(name): \(count) values, up to \(largest)")
    }
  }
}

/// What can be wrong with a file.
@Suite struct BadPictureTests {
  func decode(_ bytes: [UInt8], maxPixels: Int = Image.pixelLimit) throws -> Tensor {
    try bytes.withUnsafeBytes { try Image.decode($0, maxPixels: maxPixels) }
  }

  /// A file that ends anywhere before its end is refused, and so is what lacks only its end mark.
  @Test(arguments: [
    "codec/420.jpg", "codec/markers.jpg", "codec/422-progressive.jpg", "codec/cmyk.jpg", "codec/rgb8.png",
    "codec/palette4-interlaced.png",
    "webp/lossy.webp", "webp/lossless-alpha.webp", "webp/exif6.webp", "webp/animated.webp",
    "tiff/jpeg.tif", "tiff/rgb-u1-lzw.tif", "tiff/rgb-f4-predictor-big.tif",
  ])
  func everyTruncationIsAnError(name: String) throws {
    let bytes = try Fixture.bytes(name)
    for count in 0..<bytes.count {
      #expect(throws: GXError.self, "\(name) cut to \(count) of \(bytes.count) bytes") {
        try decode(Array(bytes[..<count]))
      }
    }
  }

  @Test func whatIsNoPictureIsNamed() {
    #expect(throws: GXError("the file is empty")) { try decode([]) }
    for (start, what) in [(Array("GIF89a".utf8), "a GIF, "), ([0xff], ""), ([UInt8](repeating: 0, count: 100_000), "")]
    {
      let error = #expect(throws: GXError.self) { try decode(start) }
      #expect(error!.message.hasPrefix("\(what)neither a JPEG"), "\(error!.message)")
    }
  }

  /// Sizes are refused from the header, before memory is taken for pixels.
  @Test func sizesAreLimited() throws {
    let jpeg = try Fixture.bytes("codec/444.jpg")
    let png = try Fixture.bytes("codec/rgb8.png")
    #expect(try decode(jpeg, maxPixels: 13 * 19).shape == [13, 19, 3])
    #expect(throws: GXError("JPEG: 19x13 pixels are more than the limit of 246")) {
      try decode(jpeg, maxPixels: 13 * 19 - 1)
    }
    #expect(throws: GXError("PNG: 19x13 pixels are more than the limit of 246")) {
      try decode(png, maxPixels: 13 * 19 - 1)
    }
    // The frame header (0xFFC0) tells 65500 x 65500.
    var hugeJPEG = jpeg
    let frame = try #require((0..<jpeg.count - 9).first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    hugeJPEG.replaceSubrange(frame + 5..<frame + 9, with: [0xff, 0xdc, 0xff, 0xdc])
    // IHDR tells 2^31 - 1 squared, with a checksum that fits.
    for huge in [hugeJPEG, pngHeader(width: 0x7fff_ffff, height: 0x7fff_ffff)] {
      let error = #expect(throws: GXError.self) { try decode(huge) }
      #expect(error!.message.contains("more than the limit of 100000000"), "\(error!.message)")
      // Nor is more than a tensor may hold taken where the user allows any number of pixels.
      let tensor = #expect(throws: GXError.self) { try decode(huge, maxPixels: Int.max) }
      #expect(tensor!.message.contains("limit"), "\(tensor!.message)")
    }
  }

  @Test func tiffSizesAreLimited() throws {
    let tiff = try Fixture.bytes("tiff/rgb-u1.tif")
    #expect(throws: GXError("TIFF: 19x13 pixels are more than the limit of 246")) { try decode(tiff, maxPixels: 246) }
    /// The file with another value of a tag of its first directory, which is little-endian.
    func with(_ tag: UInt16, _ value: UInt32, in name: String = "tiff/rgb-u1.tif") throws -> [UInt8] {
      var bytes = try Fixture.bytes(name)
      let directory = Int(bytes[4]) | Int(bytes[5]) << 8
      let entry = try #require(
        (0..<Int(bytes[directory])).map { directory + 2 + 12 * $0 }
          .first { UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8 == tag })
      bytes[entry + 2] = 4  // a long
      for i in 0..<4 { bytes[entry + 8 + i] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(i))) }
      return bytes
    }
    for (tag, value) in [(256, 0x7fff_ffff), (257, 0xffff_fff0), (257, 100_000)] as [(UInt16, UInt32)] {
      #expect(throws: GXError.self, "\(tag)") { try decode(with(tag, value), maxPixels: Int.max) }
    }
    // Tiles of 2^32 pixels in a picture of 247.
    for value in [0x1_0000, 0x7fff_fff0] as [UInt32] {
      #expect(throws: GXError.self) { try decode(with(322, value, in: "tiff/rgb-u1-tiles.tif")) }
      #expect(throws: GXError.self) { try decode(with(323, value, in: "tiff/rgb-u1-tiles.tif")) }
    }
    #expect(throws: GXError("TIFF: compression 34887 is not read; LZW, deflate, PackBits, JPEG and fax are")) {
      try decode(with(259, 34887))
    }
  }

  /// A float that is no number has no place in a picture; the error says where it is.
  @Test func floatsMustBeNumbers() throws {
    let tiff = try Fixture.bytes("tiff/grey-f4.tif")
    let pixels = try Fixture.npy("tiff/grey-f4.tif.npy").floats()
    let value = pixels[3 * (2 * 19 + 5)].bitPattern
    let place = try #require(
      (0..<tiff.count - 4).first { at in
        (0..<4).allSatisfy { tiff[at + $0] == UInt8(truncatingIfNeeded: value >> (8 * $0)) }
      })
    for bad in [Float.nan, .infinity, -.infinity] {
      var bytes = tiff
      for i in 0..<4 { bytes[place + i] = UInt8(truncatingIfNeeded: bad.bitPattern >> (8 * i)) }
      #expect(throws: GXError("TIFF: pixel x=5 y=2, channel 0 is \(bad), not a finite number")) { try decode(bytes) }
    }
  }

  @Test func webPSizesAreLimited() throws {
    let webp = try Fixture.bytes("webp/lossless.webp")
    #expect(throws: GXError("WebP: 19x13 pixels are more than the limit of 246")) { try decode(webp, maxPixels: 246) }
    // VP8X tells 2^24 x 2^24 pixels of an animation.
    var huge = try Fixture.bytes("webp/animated.webp")
    huge.replaceSubrange(24..<30, with: [UInt8](repeating: 0xff, count: 6))
    #expect(throws: GXError.self) { try decode(huge, maxPixels: Int.max) }
    // A frame that does not fit into its animation.
    var outside = try Fixture.bytes("webp/animated-part.webp")
    let frame = try #require((0..<outside.count - 4).first { outside[$0..<$0 + 4].elementsEqual("ANMF".utf8) })
    outside[frame + 8] = 200
    #expect(throws: GXError("WebP: a frame that is larger than the animation")) { try decode(outside) }
  }

  /// Compressed texts and profiles, which can unpack to any size, are passed over: even nonsense in their
  /// place is never looked at, though all other damage is an error.
  @Test(arguments: [("zTXt", "Comment\0\0"), ("iCCP", "profile\0\0"), ("iTXt", "Comment\0\u{1}\0\0\0")])
  func compressedTextsAreNotUnpacked(name: String, prefix: String) throws {
    let png = try Fixture.bytes("codec/rgb8.png")
    let behindHeader = 8 + 25
    let nonsense = chunk(name, Array(prefix.utf8) + [UInt8](repeating: 0xff, count: 50_000))
    let picture = try decode(Array(png[..<behindHeader]) + nonsense + Array(png[behindHeader...]))
    #expect(picture == (try decode(png)))
  }

  /// Bytes that belong to nothing, between a scan that is whole and the end mark: cameras and web sites write such files.
  @Test(arguments: ["420.jpg", "444-progressive.jpg", "grey.jpg", "cmyk.jpg", "restart.jpg", "exif6.jpg"])
  func extraneousBytesBeforeTheEndDoNoHarm(name: String) throws {
    let whole = try Fixture.bytes("codec/\(name)")
    let pixels = try decode(whole)
    let end = whole.count - 2
    #expect(Array(whole[end...]) == [0xff, 0xd9])
    for extra in [[0x7f], [0, 0, 0, 0, 0, 0, 0], [UInt8](repeating: 0x7f, count: 300)] as [[UInt8]] {
      #expect(try decode(whole[..<end] + extra + whole[end...]) == pixels, "\(extra.count) bytes")
    }
    // They hide no damage that libjpeg warns of before them.
    var damaged = whole[..<(whole.count - 40)] + [0xff, 0x00] + [UInt8](repeating: 0xff, count: 30)
    damaged += [0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0xff, 0xd9]
    #expect(throws: GXError.self) { try decode(Array(damaged)) }
  }

  @Test func extraneousBytesBeforeARestartMarkerAreAnError() throws {
    let whole = try Fixture.bytes("codec/markers.jpg")
    let marker = try #require((0..<whole.count - 1).first { whole[$0] == 0xff && whole[$0 + 1] == 0xd0 })
    let error = #expect(throws: GXError.self) {
      try decode(whole[..<marker] + [UInt8](repeating: 0x7f, count: 9) + whole[marker...])
    }
    #expect(error!.message.contains("marker 0xd0"), "\(error!.message)")
  }

  /// What is wrong with a chunk that says nothing of the pixels does no harm; a critical chunk's checksum must hold, and
  /// so must those of transparency and orientation.
  @Test func badAncillaryChunksDoNoHarm() throws {
    let png = try Fixture.bytes("codec/rgb8.png")
    let pixels = try decode(png)
    let behindHeader = 8 + 25
    func with(_ chunk: [UInt8], before place: Int = behindHeader) throws -> Tensor {
      try decode(png[..<place] + chunk + png[place...])
    }
    func broken(_ chunk: [UInt8]) -> [UInt8] { chunk.dropLast() + [chunk.last! ^ 1] }
    for name in ["tEXt", "gAMA", "iCCP", "abCd", "acTL", "fdAT", "tIME", "sRGB"] {
      for data in [[], [1], [UInt8](repeating: 7, count: 99)] as [[UInt8]] {
        #expect(try with(chunk(name, data)) == pixels, "\(name)")
        #expect(try with(broken(chunk(name, data))) == pixels, "\(name) with a wrong checksum")
        #expect(try with(broken(chunk(name, data)), before: png.count - 12) == pixels, "\(name) at the end")
      }
    }
    let large = bigEndian(3_000_000) + Array("tEXt".utf8) + [UInt8](repeating: 7, count: 3_000_000) + [0, 0, 0, 0]
    #expect(try with(large) == pixels)
    // Nonsense in eXIf is upright, as in a JPEG; two of them are none too many.
    #expect(try with(chunk("eXIf", [1, 2, 3])) == pixels)
    #expect(try with(chunk("eXIf", Array("nonsense".utf8)) + chunk("eXIf", [])) == pixels)
    for name in ["eXIf", "tRNS"] {
      #expect(throws: GXError("PNG: \(name): CRC error")) { try with(broken(chunk(name, [0, 1, 0, 2, 0, 3]))) }
    }
    for name in ["IHDR", "IDAT", "IEND"] {
      let at = try #require((8..<png.count - 4).first { png[$0..<$0 + 4].elementsEqual(name.utf8) })
      var bytes = png
      bytes[at + 4 + bytes[at - 4..<at].reduce(0) { $0 << 8 | Int($1) }] ^= 1
      #expect(throws: GXError.self, "\(name)") { try decode(bytes) }
    }
    // An unknown critical chunk may change everything.
    #expect(throws: GXError.self) { try with(chunk("ABCD", [1])) }
  }

  /// Any mutation either decodes or is an error; it neither crashes nor hangs. GX_FUZZ_SECONDS makes it
  /// last longer.
  @Test func mutationsDoNoHarm() throws {
    let seconds = ProcessInfo.processInfo.environment["GX_FUZZ_SECONDS"].flatMap(Double.init) ?? 3
    let files = try Fixture.codecs.flatMap { folder, _ in
      try Fixture.json("\(folder)/cases.json").arrayValue!
        .map { try Fixture.bytes("\(folder)/\($0.objectValue!["file"]!.stringValue!)") }
    }
    var random = Random(seed: 2)
    var decoded = 0
    var refused = 0
    let end = Date.now + seconds
    while Date.now < end {
      for var bytes in files {
        mutate(&bytes, &random)
        do {
          let picture = try decode(bytes, maxPixels: 1 << 20)
          #expect(picture.shape.count == 3 && picture.shape[2] == 3)
          decoded += 1
        } catch is GXError {
          refused += 1
        }
      }
    }
    #expect(decoded > 0 && refused > 0)
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout Random) {
    for _ in 0..<1 + random.below(4) {
      let at = random.below(bytes.count)
      switch random.below(6) {
      case 0: bytes[at] ^= 1 << UInt8(random.below(8))
      case 1: bytes[at] = UInt8(truncatingIfNeeded: random.next())
      case 2: bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)]
      case 3: bytes.removeSubrange(at..<min(at + 1 + random.below(8), bytes.count - 1))
      case 4: bytes.insert(contentsOf: bytes[at..<min(at + 16, bytes.count)], at: random.below(bytes.count))
      default: bytes.removeLast(random.below(bytes.count / 2))
      }
    }
    // Most mutations of a PNG fail at a checksum: half of them get right ones, to come further.
    if bytes.starts(with: [0x89, 0x50]), random.chance(0.5) { fixChecksums(&bytes) }
  }

  private func fixChecksums(_ png: inout [UInt8]) {
    var at = 8
    while at + 12 <= png.count {
      let length = png[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      guard at + 12 + length <= png.count else { return }
      png.replaceSubrange(at + 8 + length..<at + 12 + length, with: bigEndian(crc(png[at + 4..<at + 8 + length])))
      at += 12 + length
    }
  }

  private func pngHeader(width: UInt32, height: UInt32) -> [UInt8] {
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
      + chunk("IHDR", bigEndian(width) + bigEndian(height) + [8, 2, 0, 0, 0]) + chunk("IDAT", [0x78, 0x9c])
  }

  private func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return bigEndian(UInt32(data.count)) + body + bigEndian(crc(body[...]))
  }

  private func bigEndian(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  private func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(UInt32.max) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ value >> 1 : value >> 1 }
    }
  }
}

@Suite struct EncoderTests {
  @Test(arguments: [1, 3]) func pngComesBackAsItWas(channels: Int) throws {
    let source = try picture(.u8, [5, 7, channels], (0..<35 * channels).map { Float($0 * 13 % 256) })
    let back = try Image.encodePNG(source).withUnsafeBytes { try Image.decode($0) }
    #expect(back.shape == [5, 7, 3])
    let values = source.floats()
    #expect(
      back.floats() == (0..<35).flatMap { i in (0..<3).map { values[i * channels + (channels == 1 ? 0 : $0)] } })
  }

  @Test func jpegComesBackNearly() throws {
    let source = try Fixture.npy("resize/rgb.npy")
    let back = try Image.encodeJPEG(source, quality: 100).withUnsafeBytes { try Image.decode($0) }
    #expect(difference(source, back).largest <= 6)
    let small = try Image.encodeJPEG(source, quality: 30)
    #expect(small.count < (try Image.encodeJPEG(source, quality: 95)).count)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let float = try Tensor([1, 1, 3], [0, 0, 0])
    #expect(throws: GXError("PNG: needs u8 pixels in 1 or 3 channels, not f32 in 3")) { try Image.encodePNG(float) }
    #expect(throws: GXError("JPEG: quality 0 is not in 1...100")) {
      try Image.encodeJPEG(picture(.u8, [1, 1, 1], [0]), quality: 0)
    }
  }
}
