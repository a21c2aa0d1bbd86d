/// Kinds of file that reach a program by mistake, known by their first bytes: so that an error can say what came, and
/// what to do with it. Kinds that some door of gx reads (a tar, a table) are among them for the sake of the others.
public enum ForeignKind: String, CaseIterable, Sendable {
  // Each with its article, as it stands in an error.
  case empty = "an empty file"
  case gzip = "a gzip file"
  case bzip2 = "a bzip2 file"
  case xz = "an xz file"
  case zstd = "a Zstandard file"
  case lz4 = "an LZ4 file"
  case compress = "a file of compress (.Z)"
  case pytorch = "a PyTorch file"
  case npz = "a NumPy archive (.npz)"
  case zip = "a zip archive"
  case sevenZip = "a 7-Zip archive"
  case rar = "a RAR archive"
  case tar = "a tar archive"
  case npy = "a NumPy array (.npy)"
  case hdf5 = "an HDF5 file"
  case safetensors = "a safetensors file"
  case gguf = "a GGUF model"
  case tflite = "a TensorFlow Lite model"
  case onnx = "an ONNX model"
  case pickle = "a Python pickle"
  case parquet = "a Parquet file"
  case sqlite = "an SQLite database"
  case fits = "a FITS file"
  case asdf = "an ASDF file"
  case gif = "a GIF"
  case bmp = "a BMP"
  case heif = "a HEIF or AVIF picture"
  case jpegXL = "a JPEG XL"
  case jpeg2000 = "a JPEG 2000"
  case photoshop = "a Photoshop file"
  case pdf = "a PDF"
  case postScript = "a PostScript file"
  case program = "a program"
  case lfsPointer = "a Git LFS pointer"
  case html = "an HTML page"
  case svg = "an SVG drawing"
  case xml = "an XML file"
  case jsonArray = "a JSON array"
  case json = "JSON"
  case utf16 = "text in UTF-16"
  case table = "a table (CSV)"
  case text = "text"

  /// How many of a file's first bytes tell all there is to tell.
  public static let sniffLength = 512

  /// What to do with it, whoever meets it; nil where that depends on what was wanted.
  public var remedy: String? {
    switch self {
    case .gzip, .compress: "unpack it first: gunzip"
    case .bzip2: "unpack it first: bunzip2"
    case .xz: "unpack it first: unxz"
    case .zstd: "unpack it first: unzstd"
    case .lz4: "unpack it first: unlz4"
    case .zip, .npz: "unpack it first: unzip"
    case .sevenZip: "unpack it first: 7z x"
    case .rar: "unpack it first: unrar x"
    case .lfsPointer: "fetch the file itself: git lfs pull"
    case .html: "perhaps the answer of a server that refused the download"
    case .utf16: "turn it into UTF-8: iconv -f UTF-16 -t UTF-8"
    default: nil
    }
  }

  /// Name and remedy: "a gzip file (unpack it first: gunzip)".
  public var description: String { rawValue + (remedy.map { " (\($0))" } ?? "") }

  /// What begins with these bytes, `sniffLength` of them or all there are; nil where that is unknown.
  public init?(sniffing start: some Collection<UInt8>) {
    let bytes = Array(start.prefix(Self.sniffLength))
    if bytes.isEmpty {
      self = .empty
    } else if let found = Self.signatures.first(where: { $0.matches(bytes) }) {
      self = found.kind == .zip ? Self.archive(bytes) : found.kind
    } else if let text = Self.text(bytes) {
      self.init(text: text, isCut: bytes.count == Self.sniffLength)
    } else {
      return nil
    }
  }

  private struct Signature {
    let kind: ForeignKind
    let offset: Int
    /// nil stands for any byte.
    let bytes: [UInt8?]

    init(_ kind: ForeignKind, at offset: Int = 0, _ bytes: [UInt8?]) {
      (self.kind, self.offset, self.bytes) = (kind, offset, bytes)
    }

    init(_ kind: ForeignKind, at offset: Int = 0, _ text: String) { self.init(kind, at: offset, Array(text.utf8)) }

    func matches(_ start: [UInt8]) -> Bool {
      start.count >= offset + bytes.count && Swift.zip(start[offset...], bytes).allSatisfy { $1 == nil || $0 == $1 }
    }
  }

  /// The first that matches counts.
  private static let signatures: [Signature] = [
    // An archive's first bytes are the name of its first member, which may be any.
    Signature(.tar, at: 257, "ustar"), Signature(.gzip, [0x1f, 0x8b]), Signature(.compress, [0x1f, 0x9d]),
    Signature(.bzip2, Array("BZh".utf8) + [nil, 0x31, 0x41, 0x59]),
    Signature(.xz, [0xfd, 0x37, 0x7a, 0x58, 0x5a]), Signature(.zstd, [0x28, 0xb5, 0x2f, 0xfd]),
    Signature(.lz4, [0x04, 0x22, 0x4d, 0x18]), Signature(.sevenZip, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]),
    Signature(.rar, "Rar!"),
    Signature(.zip, [0x50, 0x4b, 0x03, 0x04]), Signature(.zip, [0x50, 0x4b, 0x05, 0x06]),
    // PyTorch before 1.6: a pickle of the number 0x1950a86a20f9469cfc6c.
    Signature(.pytorch, [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]),
    Signature(.pickle, [0x80, 0x02]), Signature(.pickle, [0x80, 0x03]), Signature(.pickle, [0x80, 0x04, 0x95]),
    Signature(.pickle, [0x80, 0x05, 0x95]), Signature(.npy, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]),
    Signature(.hdf5, [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]),
    Signature(.safetensors, at: 4, [0, 0, 0, 0, UInt8(ascii: "{"), UInt8(ascii: "\"")]), Signature(.gguf, "GGUF"),
    Signature(.tflite, at: 4, "TFL3"), Signature(.parquet, "PAR1"), Signature(.sqlite, "SQLite format 3\0"),
    // Its version of the format, then the writer's name.
    Signature(.onnx, [0x08, nil, 0x12, nil]), Signature(.fits, "SIMPLE  ="), Signature(.fits, "XTENSION="),
    Signature(.asdf, "#ASDF "), Signature(.gif, "GIF8"), Signature(.bmp, [0x42, 0x4d, nil, nil, nil, nil, 0, 0, 0, 0]),
    Signature(.jpegXL, [0xff, 0x0a]), Signature(.jpegXL, at: 4, "JXL "), Signature(.jpeg2000, at: 4, "jP  "),
    Signature(.jpeg2000, [0xff, 0x4f, 0xff, 0x51]), Signature(.heif, at: 4, "ftyp"), Signature(.photoshop, "8BPS"),
    Signature(.pdf, "%PDF"), Signature(.postScript, "%!PS"), Signature(.program, [0x7f, 0x45, 0x4c, 0x46]),
    Signature(.program, [0x4d, 0x5a, nil, 0]), Signature(.program, "#!/"), Signature(.utf16, [0xff, 0xfe]),
    Signature(.utf16, [0xfe, 0xff]),
  ]

  /// The name of a zip archive's first member says who wrote it.
  private static func archive(_ bytes: [UInt8]) -> ForeignKind {
    guard bytes.count > 30 else { return .zip }
    let length = Int(bytes[26]) | Int(bytes[27]) << 8
    let name = String(decoding: bytes[30...].prefix(length), as: UTF8.self)
    if name.hasSuffix(".npy") { return .npz }
    return ["/data.pkl", "/.format_version", "/byteorder"].contains { name.hasSuffix($0) } ? .pytorch : .zip
  }

  /// The bytes as text without white space (and a byte order mark) at its beginning; nil where they are none.
  private static func text(_ bytes: [UInt8]) -> Substring? {
    let isPrintable = bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }
    guard isPrintable else { return nil }
    // What was cut off may end within a character.
    let ends = bytes.count == sniffLength ? 0...3 : 0...0
    let text = ends.lazy.compactMap { String(validating: bytes.dropLast($0), as: UTF8.self) }.first
    return text?.drop { $0.isWhitespace || $0 == "\u{feff}" }
  }

  private init(text: Substring, isCut: Bool) {
    func begins(_ prefixes: String...) -> Bool { prefixes.contains { text.lowercased().hasPrefix($0) } }
    if begins("version https://git-lfs.github.com/spec/") {
      self = .lfsPointer
    } else if begins("<!doctype html", "<html", "<head", "<body", "<title", "<script") {
      self = .html
    } else if begins("<svg") || (begins("<?xml", "<!--", "<!doctype") && text.contains("<svg")) {
      self = .svg
    } else if begins("<?xml", "<!--", "<!doctype") {
      self = ["<!doctype html", "<html"].contains { text.lowercased().contains($0) } ? .html : .xml
    } else if begins("[") {
      self = .jsonArray
    } else if begins("{") {
      self = .json
    } else {
      // A table has as many separators in its second line as in its first.
      var lines = text.split(whereSeparator: \.isNewline)
      if isCut && lines.count > 1 { lines.removeLast() }
      let counts = lines.prefix(2).map { line in
        ([",", ";", "\t"] as [Character]).map { separator in line.count { $0 == separator } }
      }
      let isTable = (0..<3).contains { i in counts.allSatisfy { $0[i] > 0 && $0[i] == counts[0][i] } }
      self = isTable && !counts.isEmpty ? .table : .text
    }
  }
}
