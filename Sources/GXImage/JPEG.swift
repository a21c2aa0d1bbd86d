import CJPEG
import GXCore
import Glibc

extension Image {
  /// Damage that libjpeg-turbo only warns of (a bad code, an early end) is an error here. Warnings that
  /// say nothing of the pixels are passed over; as they come with the header, one of them being the last
  /// warning means that there was no other.
  private static let harmless = ["Unknown Adobe color transform code", "Warning: unknown JFIF revision number"]

  static func decodeJPEG(_ bytes: UnsafeRawBufferPointer, maxPixels: Int) throws -> Tensor {
    guard let handle = tjInitDecompress() else { throw GXError("JPEG: no memory for a decoder") }
    defer { tjDestroy(handle) }
    let data = bytes.bindMemory(to: UInt8.self).baseAddress!
    let count = UInt(bytes.count)

    var width: Int32 = 0
    var height: Int32 = 0
    var sampling: Int32 = -1
    var colours: Int32 = -1
    let status = tjDecompressHeader3(handle, data, count, &width, &height, &sampling, &colours)
    // Also an unusual sampling is reported as a failure; sizes and colours are then known all the same.
    guard status == 0 || (width > 0 && height > 0 && colours >= 0) else { throw fault(handle) }
    try check(width: Int(width), height: Int(height), maxPixels: maxPixels, "JPEG")

    let shape = [Int(height), Int(width)]
    func decompress(_ channels: Int, _ format: TJPF) throws -> Tensor {
      try Tensor(.u8, shape + [channels]) { out in
        let flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
        let pixels = out.baseAddress!.assumingMemoryBound(to: UInt8.self)
        guard tjDecompress2(handle, data, count, pixels, width, 0, height, Int32(format.rawValue), flags) == 0 else {
          let error = fault(handle)
          let isWarning = tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue)
          if isWarning && harmless.contains(where: { error.message.contains($0) }) { return }
          throw error
        }
      }
    }
    let isCMYK = colours == Int32(TJCS_CMYK.rawValue) || colours == Int32(TJCS_YCCK.rawValue)
    let stored = isCMYK ? try rgb(invertedCMYK: decompress(4, TJPF_CMYK)) : try decompress(3, TJPF_RGB)
    return try Orientation(jpeg: bytes).apply(stored)
  }

  private static func fault(_ handle: tjhandle) -> GXError {
    GXError("JPEG: " + String(cString: tjGetErrorStr2(handle)))
  }

  /// Adobe stores inks inverted, 255 for none: so each is a share of what black leaves.
  private static func rgb(invertedCMYK picture: Tensor) throws -> Tensor {
    try Tensor(.u8, [picture.shape[0], picture.shape[1], 3]) { out in
      picture.withElements(of: UInt8.self) { inks in
        for i in 0..<inks.count / 4 {
          let light = inks[i * 4 + 3]
          for c in 0..<3 { out[i * 3 + c] = light &- scaled(255 &- inks[i * 4 + c], by: light) }
        }
      }
    }
  }

  /// A JPEG file (4:4:4) of a u8 picture with 1 or 3 channels.
  /// - Parameter quality: 1...100.
  public static func encodeJPEG(_ picture: Tensor, quality: Int = 95) throws -> [UInt8] {
    let size = try encodable(picture, "JPEG")
    guard (1...100).contains(quality) else { throw GXError("JPEG: quality \(quality) is not in 1...100") }
    guard max(size.width, size.height) <= 65500 else {
      throw GXError("JPEG: \(size.width)x\(size.height) is over the format's limit of 65500")
    }
    guard let handle = tjInitCompress() else { throw GXError("JPEG: no memory for an encoder") }
    defer { tjDestroy(handle) }
    var out: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    defer { tjFree(out) }
    let grey = size.channels == 1
    let status = picture.withElements(of: UInt8.self) {
      tjCompress2(
        handle, $0.baseAddress!, Int32(size.width), 0, Int32(size.height),
        Int32(grey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue), &out, &count,
        Int32(grey ? TJSAMP_GRAY.rawValue : TJSAMP_444.rawValue), Int32(quality), TJFLAG_ACCURATEDCT)
    }
    guard status == 0 else { throw fault(handle) }
    return Array(UnsafeBufferPointer(start: out, count: Int(count)))
  }

  static func encodable(_ picture: Tensor, _ kind: String) throws(GXError) -> PictureSize {
    let size = try picture.pictureSize()
    guard picture.dtype == .u8, size.channels == 1 || size.channels == 3 else {
      throw GXError("\(kind): needs u8 pixels in 1 or 3 channels, not \(picture.dtype.name) in \(size.channels)")
    }
    return size
  }
}
