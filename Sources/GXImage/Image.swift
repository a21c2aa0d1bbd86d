import GXCore

/// Picture files to pixels and back.
public enum Image {
  /// The most pixels of a picture that is decoded, where nobody says otherwise.
  public static let pixelLimit = 100_000_000

  /// Decodes a whole picture file, of any format that `PictureCodec.all` lists, to RGB, upright:
  /// `[height, width, 3]`, u8 where the format's file does not say otherwise.
  ///
  /// Grey becomes equal R, G and B; palettes are looked up; transparent parts show black; CMYK and YCCK
  /// (inverted, as Adobe writes them) become RGB as in Pillow; gamma and colour profiles are not applied; EXIF's
  /// orientation is.
  /// - Throws: `GXError` where the file is of another kind, has more than `maxPixels` pixels (found before memory
  ///   is taken for them), is damaged, or ends too early, even if part of it could be shown.
  public static func decode(_ bytes: UnsafeRawBufferPointer, maxPixels: Int = pixelLimit) throws -> Tensor {
    try PictureCodec.decode(bytes, maxPixels: maxPixels)
  }

  static func encodable(_ picture: Tensor, _ kind: String) throws(GXError) -> PictureSize {
    let size = try picture.pictureSize()
    guard picture.dtype == .u8, size.channels == 1 || size.channels == 3 else {
      throw GXError("\(kind): needs u8 pixels in 1 or 3 channels, not \(picture.dtype.name) in \(size.channels)")
    }
    return size
  }
}
