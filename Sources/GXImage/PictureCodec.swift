import GXCore

/// A format of picture files: all that is to be known of it. A format is a file of its own here, and a line in `all`.
public struct PictureCodec: Sendable {
  /// As people call it: "JPEG".
  public let name: String
  /// Of file names, in lower case and without the dot; the usual one first.
  public let suffixes: [String]
  /// IANA's name first, then others that are met.
  public let mediaTypes: [String]
  /// What becomes of its pixels, where that is not plain: whole sentences.
  public let about: String
  /// What a file may begin with; nil stands for any byte.
  let beginnings: [[UInt8?]]
  /// Reads a file's header. The bytes live as long as what is made of them.
  let open: @Sendable (UnsafeRawBufferPointer) throws -> any PictureFile

  /// The formats that are read, in the order in which they are spoken of.
  public static let all: [PictureCodec] = [
    .jpeg,
    .png,
    .webp,
    .tiff,
  ]
}

extension PictureCodec {
  /// The format of a file that begins with these bytes, `sniffLength` of them or all there are.
  public init?(sniffing start: some Collection<UInt8>) {
    guard let found = Self.all.first(where: { $0.recognises(start) }) else { return nil }
    self = found
  }

  /// How many of a file's first bytes tell its format.
  public static let sniffLength = all.flatMap(\.beginnings).map(\.count).max()!

  private func recognises(_ start: some Collection<UInt8>) -> Bool {
    beginnings.contains { beginning in
      start.count >= beginning.count && zip(start, beginning).allSatisfy { $1 == nil || $0 == $1 }
    }
  }

  /// Of all formats.
  public static let suffixes = all.flatMap(\.suffixes)

  /// Whether a file is named as pictures are.
  public static func isPicture(name: String) -> Bool {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
    return suffixes.contains(name[name.index(after: dot)...].lowercased())
  }

  /// All formats, in words: "JPEG, PNG and TIFF".
  /// - Parameter word: between the last two.
  public static func names(_ word: String) -> String { list(all.map(\.name), word) }

  private static func list(_ parts: [String], _ word: String) -> String {
    parts.dropLast().joined(separator: ", ") + " \(word) " + parts.last!
  }

  /// Decodes a whole file of any of the formats. See `Image.decode`.
  static func decode(_ bytes: UnsafeRawBufferPointer, maxPixels: Int) throws -> Tensor {
    guard !bytes.isEmpty else { throw GXError("the file is empty") }
    guard let codec = PictureCodec(sniffing: bytes.prefix(sniffLength)) else {
      let came = ForeignKind(sniffing: bytes.prefix(ForeignKind.sniffLength)).map { "\($0.description), " } ?? ""
      throw GXError(came + "neither " + list(all.map { "a \($0.name)" }, "nor"))
    }
    do {
      let file = try codec.open(bytes)
      try check(file, maxPixels: maxPixels)
      let stored = try file.pixels()
      let upright = try file.orientation.apply(stored)
      // What else a NaN could stand for (a masked pixel, a saturated one), none of these formats says.
      try upright.checkFinite()
      return upright
    } catch let error as GXError {
      throw error.at(codec.name)
    }
  }

  /// Refuses sizes that are over the limit or not positive.
  private static func check(_ file: any PictureFile, maxPixels: Int) throws(GXError) {
    let (width, height) = (file.width, file.height)
    guard width > 0, height > 0 else { throw GXError("\(width)x\(height) is no size") }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= maxPixels else {
      throw GXError("\(width)x\(height) pixels are more than the limit of \(maxPixels)")
    }
    _ = try Tensor.byteCount(file.dtype, [height, width, 3])
  }
}

/// A picture file of which the header has been read: no memory is taken for its pixels yet.
protocol PictureFile {
  /// Of the pixels as they are stored, before they are turned upright.
  var width: Int { get }
  var height: Int { get }
  /// The type that the pixels are decoded to.
  var dtype: DType { get }
  /// All pixels as they are stored, RGB: `[height, width, 3]`. What is transparent shows black.
  /// - Throws: where the file is damaged or ends too early, even if part of it could be shown.
  func pixels() throws -> Tensor
  /// How to turn them; asked for when the pixels have been read.
  var orientation: Orientation { get }
}

extension Tensor {
  /// A picture's samples in 1 to 4 channels (grey, grey and alpha, RGB, or RGB and alpha) as RGB: grey becomes equal
  /// R, G and B, what is transparent shows black.
  func rgb() throws -> Tensor {
    var size = try pictureSize()
    if size.channels == 3 { return self }
    let channels = size.channels
    size.channels = 3
    return try mapPicture(
      to: size, OnBlack(count: size.height * size.width, channels: channels, white: dtype.fullScale))
  }
}

private struct OnBlack: PictureKernel {
  let count, channels: Int
  let white: Float

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) {
    let hasAlpha = channels == 2 || channels == 4
    let share = 1 / Double(white)
    for i in 0..<count {
      let (p, out) = (source + i * channels, target + i * 3)
      for c in 0..<3 {
        let value = p[channels > 2 ? c : 0]
        out[c] = hasAlpha ? E(nearest: Double(value.float) * Double(p[channels - 1].float) * share) : value
      }
    }
  }
}
