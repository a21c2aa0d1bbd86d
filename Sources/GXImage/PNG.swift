import CPNG
import GXCore
import Glibc

extension Image {
  static func decodePNG(_ bytes: UnsafeRawBufferPointer, maxPixels: Int) throws -> Tensor {
    let data = bytes.bindMemory(to: UInt8.self).baseAddress!
    guard let png = gx_png_open(data, bytes.count) else { throw GXError("PNG: no memory for a decoder") }
    defer { gx_png_close(png) }
    try check(png)
    let (width, height, channels) = (Int(png.pointee.width), Int(png.pointee.height), Int(png.pointee.channels))
    try check(width: width, height: height, maxPixels: maxPixels, "PNG")

    let samples = try Tensor(.u8, [height, width, channels]) { out in
      guard gx_png_read(png, out.baseAddress!.assumingMemoryBound(to: UInt8.self)) != 0 else {
        try check(png)
        return
      }
    }
    let stored = channels == 3 ? samples : try rgb(samples)
    var count: UInt32 = 0
    guard let exif = gx_png_exif(png, &count) else { return stored }
    return try Orientation(exif: UnsafeRawBufferPointer(start: exif, count: Int(count))).apply(stored)
  }

  private static func check(_ png: UnsafePointer<gx_png>) throws {
    let message = withUnsafeBytes(of: png.pointee.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if !message.isEmpty { throw GXError("PNG: \(message)") }
  }

  /// Grey, grey and alpha, or RGB and alpha to RGB; what is transparent shows black.
  private static func rgb(_ samples: Tensor) throws -> Tensor {
    let channels = samples.shape[2]
    let hasAlpha = channels == 2 || channels == 4
    return try Tensor(.u8, [samples.shape[0], samples.shape[1], 3]) { out in
      samples.withElements(of: UInt8.self) { pixels in
        for i in 0..<pixels.count / channels {
          let p = pixels.baseAddress! + i * channels
          for c in 0..<3 {
            let value = p[channels > 2 ? c : 0]
            out[i * 3 + c] = hasAlpha ? scaled(value, by: p[channels - 1]) : value
          }
        }
      }
    }
  }

  /// A PNG file of a u8 picture with 1 or 3 channels.
  public static func encodePNG(_ picture: Tensor) throws -> [UInt8] {
    let size = try encodable(picture, "PNG")
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    image.width = UInt32(size.width)
    image.height = UInt32(size.height)
    image.format = size.channels == 1 ? 0 : png_uint_32(PNG_FORMAT_FLAG_COLOR)
    // An upper bound: the pixels uncompressed, with zlib's and the chunks' overhead.
    var count = picture.byteCount + size.height + picture.byteCount / 1000 + 4096
    var out = [UInt8](repeating: 0, count: count)
    let ok = picture.withBytes { png_image_write_to_memory(&image, &out, &count, 0, $0.baseAddress!, 0, nil) }
    defer { png_image_free(&image) }
    guard ok != 0 else {
      throw GXError(
        "PNG: " + withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    out.removeLast(out.count - count)
    return out
  }
}
