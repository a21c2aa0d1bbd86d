import CCodecs
import GXCore

private let library = Library<gx_tiff>(file: gx_tiff_soname, package: gx_tiff_package, names: gx_tiff_functions)

extension PictureCodec {
  /// By libtiff: whole-numbered samples of up to 8 bits as u8, of 16 as u16, floats of 16 and 32 bits as f16 and f32.
  static let tiff = PictureCodec(
    name: "TIFF", suffixes: ["tif", "tiff"], mediaTypes: ["image/tiff"],
    about: "Of several pages, the first. 16-bit and float samples stay what they are (floats are white at 1).",
    // Both byte orders, and each as BigTIFF.
    beginnings: [[0x49, 0x49, 42, 0], [0x4d, 0x4d, 0, 42], [0x49, 0x49, 43, 0], [0x4d, 0x4d, 0, 43]]
  ) { try TIFFFile($0) }
}

/// The kinds that are read: grey, palette, and RGB (YCbCr where JPEG makes RGB of it), with or without an alpha channel.
private final class TIFFFile: PictureFile {
  private static let compressions = [
    COMPRESSION_NONE, COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4, COMPRESSION_LZW,
    COMPRESSION_JPEG, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE, COMPRESSION_PACKBITS,
  ]
  /// The most samples of a pixel, and the most pixels of a block that is larger than its picture.
  private static let (sampleLimit, blockLimit) = (16, 1 << 22)

  private let tiff: UnsafePointer<gx_tiff>
  private let file: UnsafeMutablePointer<gx_tiff_file>
  private let isPalette, isInverted: Bool
  /// Of a pixel's samples, how many are taken: those of colour, and alpha where the colours are not multiplied by it.
  private let taken: Int
  let dtype: DType

  init(_ bytes: UnsafeRawBufferPointer) throws {
    tiff = try library.functions()
    let data = bytes.bindMemory(to: UInt8.self).baseAddress!
    guard let file = gx_tiff_open(tiff, data, bytes.count) else { throw GXError("no memory for a decoder") }
    self.file = file
    let (tag, photometric) = (file.pointee, Int32(file.pointee.photometric))
    isPalette = photometric == PHOTOMETRIC_PALETTE
    isInverted = photometric == PHOTOMETRIC_MINISWHITE
    let colours = photometric == PHOTOMETRIC_RGB ? 3 : 1
    let hasAlpha = tag.samples > colours && Int32(tag.extra) == EXTRASAMPLE_UNASSALPHA && !isPalette
    taken = colours + (hasAlpha ? 1 : 0)
    let type: DType? =
      switch (Int32(tag.format), tag.bits) {
      case (SAMPLEFORMAT_UINT, 1), (SAMPLEFORMAT_UINT, 2), (SAMPLEFORMAT_UINT, 4), (SAMPLEFORMAT_UINT, 8): .u8
      case (SAMPLEFORMAT_UINT, 16): isPalette ? nil : .u16
      case (SAMPLEFORMAT_IEEEFP, 16): .f16
      case (SAMPLEFORMAT_IEEEFP, 32): .f32
      default: nil
      }
    dtype = type ?? .u8
    try check()
    guard type != nil else { throw GXError("\(tag.bits)-bit samples of format \(tag.format) are not read") }
    guard [PHOTOMETRIC_MINISBLACK, PHOTOMETRIC_RGB].contains(photometric) || isPalette || isInverted else {
      throw GXError("colours of kind \(photometric) are not read; grey, RGB and palettes are")
    }
    guard Self.compressions.contains(Int32(tag.compression)) else {
      throw GXError("compression \(tag.compression) is not read; LZW, deflate, PackBits, JPEG and fax are")
    }
    guard tag.samples >= colours, tag.samples <= Self.sampleLimit, colours == 3 || tag.samples <= 2 else {
      throw GXError("\(tag.samples) samples a pixel are no picture")
    }
  }

  deinit { gx_tiff_close(tiff, file) }

  var width: Int { Int(file.pointee.width) }
  var height: Int { Int(file.pointee.height) }
  var orientation: Orientation { Orientation(rawValue: file.pointee.orientation) ?? .upright }

  func pixels() throws -> Tensor {
    let samples = try Tensor(dtype, [height, width, taken]) { out in
      try readBlocks(into: out)
      if isInverted { invert(out) }
    }
    return try isPalette ? colours(of: samples) : samples.rgb()
  }

  private func check() throws {
    let message = withUnsafeBytes(of: file.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if !message.isEmpty { throw GXError(message) }
  }

  private func readBlocks(into out: UnsafeMutableRawBufferPointer) throws {
    let tag = file.pointee
    let (bits, isSeparate) = (Int(tag.bits), Int32(tag.planar) == PLANARCONFIG_SEPARATE && tag.samples > 1)
    let (blockWidth, blockHeight) = (Int(tag.block_width), Int(tag.block_height))
    let samples = isSeparate ? 1 : Int(tag.samples)  // of a pixel in a block
    guard blockWidth > 0, blockHeight > 0 else { throw GXError("blocks of no size") }
    let (area, overflow) = blockWidth.multipliedReportingOverflow(by: blockHeight)
    guard !overflow, area <= max(width * height, Self.blockLimit) else {
      throw GXError("tiles of \(blockWidth)x\(blockHeight) pixels are larger than the picture")
    }
    let rowBytes = (blockWidth * samples * bits + 7) / 8
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: rowBytes * blockHeight, alignment: 16)
    defer { block.deallocate() }
    for plane in 0..<(isSeparate ? taken : 1) {
      for top in stride(from: 0, to: height, by: blockHeight) {
        for left in stride(from: 0, to: width, by: blockWidth) {
          let rows = tag.is_tiled != 0 ? blockHeight : min(blockHeight, height - top)
          let count = rowBytes * rows
          try read(block.baseAddress!, count, rows, UInt32(left), UInt32(top), UInt16(plane))
          for y in 0..<min(rows, height - top) {
            let row = UnsafeRawBufferPointer(rebasing: block[y * rowBytes..<(y + 1) * rowBytes])
            let first = (top + y) * width + left
            let columns = min(blockWidth, width - left)
            if isSeparate {
              copy(row, from: 1, taking: 1, to: out, at: first * taken + plane, columns)
            } else {
              copy(row, from: samples, taking: taken, to: out, at: first * taken, columns)
            }
          }
        }
      }
    }
  }

  private func read(
    _ out: UnsafeMutableRawPointer, _ count: Int, _ rows: Int, _ x: UInt32, _ y: UInt32, _ plane: UInt16
  ) throws {
    let (handle, library) = (file.pointee.tiff, tiff.pointee)
    let isTiled = file.pointee.is_tiled != 0
    let size = isTiled ? library.TIFFVTileSize64(handle, UInt32(rows)) : library.TIFFVStripSize64(handle, UInt32(rows))
    guard size == UInt64(count) else { throw GXError("blocks of \(size) bytes where \(count) are expected") }
    let number =
      isTiled ? library.TIFFComputeTile(handle, x, y, 0, plane) : library.TIFFComputeStrip(handle, y, plane)
    // Some decoders are content with less than there should be.
    let (end, overflow) = library.TIFFGetStrileOffset(handle, number)
      .addingReportingOverflow(library.TIFFGetStrileByteCount(handle, number))
    guard !overflow, end <= file.pointee.count else { throw GXError("the pixels from row \(y) on end too early") }
    let got =
      isTiled
      ? library.TIFFReadEncodedTile(handle, number, out, tmsize_t(count))
      : library.TIFFReadEncodedStrip(handle, number, out, tmsize_t(count))
    try check()
    guard got == count else { throw GXError("the pixels from row \(y) on end too early") }
  }

  /// Takes of each of a row's pixels the first `taken` of its `samples`. `place` counts samples in the picture.
  private func copy(
    _ row: UnsafeRawBufferPointer, from samples: Int, taking: Int, to out: UnsafeMutableRawBufferPointer, at place: Int,
    _ columns: Int
  ) {
    let size = dtype.size
    let bits = Int(file.pointee.bits)
    if bits >= 8 && samples == taken {
      UnsafeMutableRawBufferPointer(rebasing: out[place * size..<out.count])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: row[..<(columns * samples * size)]))
      return
    }
    let (mask, scale) = ((1 << min(bits, 8)) - 1, isPalette || bits >= 8 ? 1 : 255 / ((1 << bits) - 1))
    for x in 0..<columns {
      for c in 0..<taking {
        let (from, to) = (x * samples + c, place + x * taken + c)
        if bits < 8 {
          let bit = from * bits
          out[to] = UInt8((Int(row[bit / 8]) >> (8 - bits - bit % 8) & mask) * scale)
        } else {
          for k in 0..<size { out[to * size + k] = row[from * size + k] }
        }
      }
    }
  }

  /// Where 0 is white: the colour, not the alpha.
  private func invert(_ out: UnsafeMutableRawBufferPointer) {
    func run<E: PixelElement>(_ type: E.Type) {
      let pixels = out.bindMemory(to: type)
      for i in stride(from: 0, to: pixels.count, by: taken) {
        pixels[i] = E(nearest: dtype.fullScale - pixels[i].float)
      }
    }
    switch dtype {
    case .u8: run(UInt8.self)
    case .u16: run(UInt16.self)
    case .f16: run(Float16.self)
    case .f32: run(Float.self)
    }
  }

  /// Looked up in the palette; of its 16 bits the upper 8 stay, as in Pillow.
  private func colours(of places: Tensor) throws -> Tensor {
    let palette = file.pointee.palette
    return try Tensor(.u8, [height, width, 3]) { out in
      places.withElements(of: UInt8.self) { places in
        for (i, place) in places.enumerated() {
          out[3 * i] = UInt8(palette.0![Int(place)] >> 8)
          out[3 * i + 1] = UInt8(palette.1![Int(place)] >> 8)
          out[3 * i + 2] = UInt8(palette.2![Int(place)] >> 8)
        }
      }
    }
  }
}
