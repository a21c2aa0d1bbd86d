import GXCore

/// Picture files to pixels and back.
public enum Image {
  /// The kinds of file that are read, told apart by their first bytes.
  public enum Format: String, CaseIterable, Sendable {
    case jpeg, png

    /// How many of a file's first bytes `init(sniffing:)` needs.
    public static let sniffLength = 8

    public init?(sniffing bytes: some Collection<UInt8>) {
      if bytes.starts(with: [0xff, 0xd8, 0xff]) {
        self = .jpeg
      } else if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
        self = .png
      } else {
        return nil
      }
    }
  }

  /// The most pixels of a picture that is decoded, where nobody says otherwise.
  public static let pixelLimit = 100_000_000

  /// Decodes a whole JPEG or PNG file to RGB, upright: u8 `[height, width, 3]`.
  ///
  /// Grey becomes equal R, G and B; palettes are looked up; transparent parts show black; CMYK and YCCK
  /// (inverted, as Adobe writes them) become RGB as in Pillow; of 16-bit samples the upper 8 bits stay;
  /// gamma and colour profiles are not applied; EXIF's orientation is.
  /// - Throws: `GXError` where the file is of another kind, has more than `maxPixels` pixels (found before memory
  ///   is taken for them), is damaged, or ends too early, even if part of it could be shown.
  public static func decode(_ bytes: UnsafeRawBufferPointer, maxPixels: Int = pixelLimit) throws -> Tensor {
    guard !bytes.isEmpty else { throw GXError("the file is empty") }
    switch Format(sniffing: bytes.prefix(Format.sniffLength)) {
    case .jpeg: return try decodeJPEG(bytes, maxPixels: maxPixels)
    case .png: return try decodePNG(bytes, maxPixels: maxPixels)
    case nil: throw GXError("neither a JPEG nor a PNG")
    }
  }

  /// Refuses sizes that are over the limit or not positive.
  static func check(width: Int, height: Int, maxPixels: Int, _ kind: String) throws(GXError) {
    guard width > 0, height > 0 else { throw GXError("\(kind): \(width)x\(height) is no size") }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= maxPixels else {
      throw GXError("\(kind): \(width)x\(height) pixels are more than the limit of \(maxPixels)")
    }
    _ = try Tensor.byteCount(.u8, [height, width, 3])
  }
}

/// a · b / 255, rounded to nearest, for a and b of 0...255.
@inline(__always) func scaled(_ a: UInt8, by b: UInt8) -> UInt8 {
  let product = UInt32(a) * UInt32(b) + 128
  return UInt8(truncatingIfNeeded: (product + product >> 8) >> 8)
}
