import CCodecs
import GXCore

private let library = Library<gx_png>(file: gx_png_soname, package: gx_png_package, names: gx_png_functions)

extension PictureCodec {
  /// By libpng: all kinds, u8; of 16-bit samples the upper 8 bits stay.
  static let png = PictureCodec(
    name: "PNG", suffixes: ["png"], mediaTypes: ["image/png"],
    about: "Of 16 bits the upper 8 stay.",
    beginnings: [[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]]
  ) { try PNGFile($0) }
}

private final class PNGFile: PictureFile {
  private let bytes: UnsafeRawBufferPointer
  private let file: UnsafeMutablePointer<gx_png_file>
  let dtype = DType.u8

  init(_ bytes: UnsafeRawBufferPointer) throws {
    self.bytes = bytes
    let data = bytes.bindMemory(to: UInt8.self).baseAddress!
    guard let file = gx_png_open(try library.functions(), data, bytes.count) else {
      throw GXError("no memory for a decoder")
    }
    self.file = file
    try check()
  }

  deinit { gx_png_close(file) }

  var width: Int { Int(file.pointee.width) }
  var height: Int { Int(file.pointee.height) }

  /// What the first eXIf chunk tells. Chunks are a length, four letters, a payload and a checksum, which libpng has
  /// looked at.
  var orientation: Orientation {
    var at = 8
    while at + 12 <= bytes.count {
      let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)))
      guard at + 12 + length <= bytes.count else { break }
      if bytes[at + 4..<at + 8].elementsEqual("eXIf".utf8) {
        return Orientation(exif: UnsafeRawBufferPointer(rebasing: bytes[at + 8..<at + 8 + length]))
      }
      at += 12 + length
    }
    return .upright
  }

  func pixels() throws -> Tensor {
    let samples = try Tensor(.u8, [height, width, Int(file.pointee.channels)]) { out in
      if gx_png_read(file, out.baseAddress!.assumingMemoryBound(to: UInt8.self)) == 0 { try check() }
    }
    return try samples.rgb()
  }

  private func check() throws {
    let message = withUnsafeBytes(of: file.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if !message.isEmpty { throw GXError(message) }
  }
}

extension Image {
  /// A PNG file of a u8 picture with 1 or 3 channels.
  public static func encodePNG(_ picture: Tensor) throws -> [UInt8] {
    let size = try encodable(picture, "PNG")
    let png = try library.functions()
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    image.width = UInt32(size.width)
    image.height = UInt32(size.height)
    image.format = size.channels == 1 ? 0 : png_uint_32(PNG_FORMAT_FLAG_COLOR)
    // An upper bound: the pixels uncompressed, with zlib's and the chunks' overhead.
    var count = picture.byteCount + size.height + picture.byteCount / 1000 + 4096
    var out = [UInt8](repeating: 0, count: count)
    let ok = picture.withBytes {
      png.pointee.png_image_write_to_memory(&image, &out, &count, 0, $0.baseAddress!, 0, nil)
    }
    defer { png.pointee.png_image_free(&image) }
    guard ok != 0 else {
      throw GXError(
        "PNG: " + withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    out.removeLast(out.count - count)
    return out
  }
}
