import CCodecs
import GXCore

private let library = Library<gx_webp>(file: gx_webp_soname, package: gx_webp_package, names: gx_webp_functions)

extension PictureCodec {
  /// By libwebp: lossy and lossless, u8.
  static let webp = PictureCodec(
    name: "WebP", suffixes: ["webp"], mediaTypes: ["image/webp"], about: "Of an animation, the first picture.",
    beginnings: [Array("RIFF".utf8) + [nil, nil, nil, nil] + Array("WEBP".utf8)]
  ) { try WebPFile($0) }
}

/// RFC 9649. A file is a list of chunks: four letters, a length, a payload, and a byte of padding where that is odd.
private final class WebPFile: PictureFile {
  private let webp: UnsafePointer<gx_webp>
  private let chunks: UnsafeRawBufferPointer
  /// What libwebp decodes, and where that lies on the picture: all of it, or the first frame of an animation.
  private let frame: UnsafeRawBufferPointer
  private let features: WebPBitstreamFeatures
  private var (left, top) = (0, 0)
  let width, height: Int
  let dtype = DType.u8

  init(_ bytes: UnsafeRawBufferPointer) throws {
    webp = try library.functions()
    let size = bytes.count < 12 ? 0 : Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    guard size >= 4, bytes.count >= 8 + size else { throw GXError("ends too early") }
    chunks = UnsafeRawBufferPointer(rebasing: bytes[12..<8 + size])
    let canvas = try headerFeatures(of: bytes, webp)
    (width, height) = (Int(canvas.width), Int(canvas.height))
    guard canvas.has_animation != 0 else {
      (frame, features) = (bytes, canvas)
      return
    }
    // Of a frame: left and top by two, width and height less 1, in 3 bytes each, 4 bytes of other matters, its chunks.
    guard let first = chunk("ANMF", in: chunks), first.count > 16 else {
      throw GXError("an animation without a picture")
    }
    func number(_ at: Int) -> Int { Int(first[at]) | Int(first[at + 1]) << 8 | Int(first[at + 2]) << 16 }
    frame = UnsafeRawBufferPointer(rebasing: first[16...])
    features = try headerFeatures(of: frame, webp)
    (left, top) = (2 * number(0), 2 * number(3))
    guard left + Int(features.width) <= width, top + Int(features.height) <= height else {
      throw GXError("a frame that is larger than the animation")
    }
  }

  var orientation: Orientation {
    guard let exif = chunk("EXIF", in: chunks) else { return .upright }
    // Some writers keep what stands before EXIF in a JPEG.
    let prefix = Array("Exif\0\0".utf8)
    return Orientation(exif: exif.starts(with: prefix) ? UnsafeRawBufferPointer(rebasing: exif[prefix.count...]) : exif)
  }

  func pixels() throws -> Tensor {
    let channels = features.has_alpha != 0 ? 4 : 3
    let (frameWidth, frameHeight) = (Int(features.width), Int(features.height))
    let picture = try Tensor(.u8, [frameHeight, frameWidth, channels]) { out in
      var config = WebPDecoderConfig()
      guard webp.pointee.WebPInitDecoderConfigInternal(&config, WEBP_DECODER_ABI_VERSION) != 0 else {
        throw GXError("libwebp is of another version than its headers")
      }
      config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB
      config.output.is_external_memory = 1
      config.output.u.RGBA.rgba = out.baseAddress!.assumingMemoryBound(to: UInt8.self)
      config.output.u.RGBA.stride = Int32(frameWidth * channels)
      config.output.u.RGBA.size = out.count
      let data = frame.bindMemory(to: UInt8.self).baseAddress!
      try check(webp.pointee.WebPDecode(data, frame.count, &config))
    }.rgb()
    return (frameWidth, frameHeight) == (width, height) ? picture : try placed(picture)
  }

  /// An animation's frame where it belongs; around it nothing is, which is shown black.
  private func placed(_ picture: Tensor) throws -> Tensor {
    try Tensor(.u8, [height, width, 3]) { out in
      out.initializeMemory(as: UInt8.self, repeating: 0)
      let row = picture.shape[1] * 3
      picture.withBytes { pixels in
        for y in 0..<picture.shape[0] {
          UnsafeMutableRawBufferPointer(rebasing: out[((top + y) * width + left) * 3..<out.count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: pixels[y * row..<(y + 1) * row]))
        }
      }
    }
  }
}

/// The payload of the first chunk of that name.
private func chunk(_ name: String, in chunks: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
  var at = 0
  while at + 8 <= chunks.count {
    let size = Int(UInt32(littleEndian: chunks.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)))
    guard at + 8 + size <= chunks.count else { return nil }
    if chunks[at..<at + 4].elementsEqual(name.utf8) {
      return UnsafeRawBufferPointer(rebasing: chunks[at + 8..<at + 8 + size])
    }
    at += 8 + size + size % 2
  }
  return nil
}

private func headerFeatures(of data: UnsafeRawBufferPointer, _ webp: UnsafePointer<gx_webp>) throws
  -> WebPBitstreamFeatures
{
  var features = WebPBitstreamFeatures()
  let bytes = data.bindMemory(to: UInt8.self).baseAddress!
  try check(webp.pointee.WebPGetFeaturesInternal(bytes, data.count, &features, WEBP_DECODER_ABI_VERSION))
  return features
}

private func check(_ status: VP8StatusCode) throws {
  switch status {
  case VP8_STATUS_OK: return
  case VP8_STATUS_OUT_OF_MEMORY: throw GXError("no memory for a decoder")
  case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED: throw GXError("ends too early")
  case VP8_STATUS_UNSUPPORTED_FEATURE: throw GXError("of a kind that is not read")
  default: throw GXError("damaged")
  }
}
