import CCodecs
import GXCore
import Glibc

private let library = Library<gx_jpeg>(file: gx_jpeg_soname, package: gx_jpeg_package, names: gx_jpeg_functions)

extension PictureCodec {
  /// By libjpeg-turbo: baseline and progressive, u8.
  static let jpeg = PictureCodec(
    name: "JPEG", suffixes: ["jpg", "jpeg"], mediaTypes: ["image/jpeg"],
    about: "CMYK is converted.", beginnings: [[0xff, 0xd8, 0xff]]
  ) { try JPEGFile($0) }
}

private final class JPEGFile: PictureFile {
  private let bytes: UnsafeRawBufferPointer
  private let turbo: UnsafePointer<gx_jpeg>
  private let handle: tjhandle
  private let isCMYK: Bool
  let width, height: Int
  let dtype = DType.u8

  init(_ bytes: UnsafeRawBufferPointer) throws {
    self.bytes = bytes
    turbo = try library.functions()
    guard let handle = turbo.pointee.tjInitDecompress() else { throw GXError("no memory for a decoder") }
    self.handle = handle
    var width: Int32 = 0
    var height: Int32 = 0
    var sampling: Int32 = -1
    var colours: Int32 = -1
    let data = bytes.bindMemory(to: UInt8.self).baseAddress!
    let status = turbo.pointee.tjDecompressHeader3(
      handle, data, UInt(bytes.count), &width, &height, &sampling, &colours)
    (self.width, self.height) = (Int(width), Int(height))
    isCMYK = colours == Int32(TJCS_CMYK.rawValue) || colours == Int32(TJCS_YCCK.rawValue)
    // Also an unusual sampling is reported as a failure; sizes and colours are then known all the same.
    guard status == 0 || (width > 0 && height > 0 && colours >= 0) else { throw fault(turbo, handle) }
  }

  deinit { _ = turbo.pointee.tjDestroy(handle) }

  var orientation: Orientation { Orientation(jpeg: bytes) }

  func pixels() throws -> Tensor {
    isCMYK ? try rgb(invertedCMYK: decompress(4, TJPF_CMYK)) : try decompress(3, TJPF_RGB)
  }

  /// Damage that libjpeg-turbo only warns of (a bad code, an early end) is an error here. Warnings that say nothing of
  /// the pixels are passed over. What is told is the last warning alone: these come with the header, so that one of
  /// them being the last means that there was no other.
  private static let harmless = ["Unknown Adobe color transform code", "Warning: unknown JFIF revision number"]
  /// So ends the warning of bytes between the scan, which is whole, and the end mark. It can only be the last; that it
  /// is the first as well is seen by stopping there.
  private static let extraneous = "extraneous bytes before marker 0xd9"

  private func decompress(_ channels: Int, _ format: TJPF) throws -> Tensor {
    try Tensor(.u8, [height, width, channels]) { out in
      let pixels = out.baseAddress!.assumingMemoryBound(to: UInt8.self)
      let data = bytes.bindMemory(to: UInt8.self).baseAddress!
      func fault(stoppingAtWarnings flag: Int32 = 0) -> (error: GXError, isWarning: Bool)? {
        let status = turbo.pointee.tjDecompress2(
          handle, data, UInt(bytes.count), pixels, Int32(width), 0, Int32(height), Int32(format.rawValue),
          TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | flag)
        if status == 0 { return nil }
        let isWarning = turbo.pointee.tjGetErrorCode(handle) == Int32(TJERR_WARNING.rawValue)
        return (GXImage.fault(turbo, handle), isWarning)
      }
      guard let (error, isWarning) = fault() else { return }
      if isWarning && Self.harmless.contains(where: { error.message.contains($0) }) { return }
      if isWarning && error.message.hasSuffix(Self.extraneous) {
        let first = fault(stoppingAtWarnings: TJFLAG_STOPONWARNING)?.error
        if first == error { return }
        throw first ?? error
      }
      throw error
    }
  }
}

private func fault(_ turbo: UnsafePointer<gx_jpeg>, _ handle: tjhandle) -> GXError {
  GXError(String(cString: turbo.pointee.tjGetErrorStr2(handle)!))
}

/// Adobe stores inks inverted, 255 for none: so each is a share of what black leaves.
private func rgb(invertedCMYK picture: Tensor) throws -> Tensor {
  try Tensor(.u8, [picture.shape[0], picture.shape[1], 3]) { out in
    picture.withElements(of: UInt8.self) { inks in
      for i in 0..<inks.count / 4 {
        let light = inks[i * 4 + 3]
        for c in 0..<3 { out[i * 3 + c] = light &- scaled(255 &- inks[i * 4 + c], by: light) }
      }
    }
  }
}

/// a · b / 255, rounded to nearest, for a and b of 0...255.
@inline(__always) private func scaled(_ a: UInt8, by b: UInt8) -> UInt8 {
  let product = UInt32(a) * UInt32(b) + 128
  return UInt8(truncatingIfNeeded: (product + product >> 8) >> 8)
}

extension Image {
  /// A JPEG file (4:4:4) of a u8 picture with 1 or 3 channels.
  /// - Parameter quality: 1...100.
  public static func encodeJPEG(_ picture: Tensor, quality: Int = 95) throws -> [UInt8] {
    let size = try encodable(picture, "JPEG")
    guard (1...100).contains(quality) else { throw GXError("JPEG: quality \(quality) is not in 1...100") }
    guard max(size.width, size.height) <= 65500 else {
      throw GXError("JPEG: \(size.width)x\(size.height) is over the format's limit of 65500")
    }
    let turbo = try library.functions()
    guard let handle = turbo.pointee.tjInitCompress() else { throw GXError("JPEG: no memory for an encoder") }
    defer { _ = turbo.pointee.tjDestroy(handle) }
    var out: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    defer { turbo.pointee.tjFree(out) }
    let grey = size.channels == 1
    let status = picture.withElements(of: UInt8.self) {
      turbo.pointee.tjCompress2(
        handle, $0.baseAddress!, Int32(size.width), 0, Int32(size.height),
        Int32(grey ? TJPF_GRAY.rawValue : TJPF_RGB.rawValue), &out, &count,
        Int32(grey ? TJSAMP_GRAY.rawValue : TJSAMP_444.rawValue), Int32(quality), TJFLAG_ACCURATEDCT)
    }
    guard status == 0 else { throw fault(turbo, handle).at("JPEG") }
    return Array(UnsafeBufferPointer(start: out, count: Int(count)))
  }
}
