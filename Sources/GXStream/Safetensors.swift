import CSystem
import GXCore
import Glibc

/// A safetensors file: named tensors and a map of texts.
///
/// The layout (https://github.com/huggingface/safetensors#format): the header's length as a
/// little-endian u64, the header as a JSON object (`name` to `dtype`, `shape`, `data_offsets`, and
/// `__metadata__`), then the tensors' bytes, which the offsets must cover without gap or overlap.
public struct Safetensors: Sendable {
  /// In file order; no name twice.
  public var tensors: [(name: String, tensor: Tensor)]
  public var metadata: [(key: String, value: String)]
  /// The tensors of types that gx cannot read, and these types' names.
  public internal(set) var unread: [(name: String, type: String)] = []

  /// The largest file that is read, and the largest header in it, in bytes (the header's is the format's own).
  public static let byteLimit = 2 << 30
  public static let headerLimit = 100_000_000

  public init(
    tensors: [(name: String, tensor: Tensor)], metadata: [(key: String, value: String)] = []
  ) {
    self.tensors = tensors
    self.metadata = metadata
  }

  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name }?.tensor }

  public func metadata(_ key: String) -> String? { metadata.first { $0.key == key }?.value }

  static let dtypeNames: [(name: String, dtype: DType)] = [
    ("F32", .f32), ("F16", .f16), ("U16", .u16), ("U8", .u8),
  ]
}

// MARK: Reading

extension Safetensors {
  /// Reads a file whole.
  /// - Throws: `GXError` that names the file, and the tensor or offset at fault.
  public init(path: String) throws(GXError) {
    do throws(GXError) {
      try self.init(parsing: try readWhole(path, limit: Self.byteLimit))
    } catch {
      throw error.at(path)
    }
  }

  /// Reads a file that is in memory; the tensors are views into `file`. BF16 and F64 become f32; tensors of types that gx
  /// has no other for are left `unread`.
  public init(parsing file: Storage) throws(GXError) {
    let bytes = UnsafeRawBufferPointer(start: file.base, count: file.count)
    let fields: JSONObject
    let dataStart: Int
    do throws(GXError) { (fields, dataStart) = try Self.header(bytes) } catch { throw Self.mistaken(bytes) ?? error }

    metadata = []
    var entries: [Entry] = []
    for (name, value) in fields {
      if name == "__metadata__" {
        guard let texts = value.objectValue else { throw GXError("__metadata__ is no JSON object") }
        for (key, value) in texts {
          guard let text = value.stringValue else { throw GXError("__metadata__: '\(key)' is no string") }
          metadata.append((key, text))
        }
      } else {
        do { entries.append(try Entry(name: name, value)) } catch {
          throw error.at("tensor '\(name)'")
        }
      }
    }

    entries.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    tensors = []
    var at = 0
    for entry in entries {
      guard entry.start == at else {
        throw GXError(
          "tensor '\(entry.name)': begins at byte \(entry.start) of the data, where \(at) was expected")
      }
      guard entry.end <= bytes.count - dataStart else {
        throw GXError(
          "tensor '\(entry.name)': ends at byte \(entry.end) of the data; the file has \(bytes.count - dataStart)")
      }
      let view = UnsafeRawBufferPointer(rebasing: bytes[dataStart + entry.start..<dataStart + entry.end])
      switch entry.type {
      case .own(let dtype):
        let storage = Storage(viewing: view, of: file)
        tensors.append((entry.name, try Tensor(dtype, entry.shape, storage: storage)))
      case .bf16: tensors.append((entry.name, try Self.converted(view, entry.shape, Self.bf16)))
      case .f64: tensors.append((entry.name, try Self.converted(view, entry.shape) { Float(Double(bitPattern: $0)) }))
      case .other(let type): unread.append((entry.name, type))
      }
      at = entry.end
    }
    guard at == bytes.count - dataStart else {
      throw GXError("\(bytes.count - dataStart - at) bytes at the end belong to no tensor")
    }
  }

  /// The header's fields, and where the data begins.
  private static func header(_ bytes: UnsafeRawBufferPointer) throws(GXError) -> (JSONObject, Int) {
    guard bytes.count >= 8 else { throw GXError("\(bytes.count) bytes are no safetensors file") }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= headerLimit else {
      throw GXError("safetensors header of \(length) bytes is larger than the limit of \(headerLimit)")
    }
    guard length <= bytes.count - 8 else {
      throw GXError("safetensors header of \(length) bytes does not fit a file of \(bytes.count) bytes")
    }
    let end = 8 + Int(length)
    let header: JSON
    do { header = try JSON(parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<end])) } catch {
      throw error.at("safetensors header")
    }
    guard let fields = header.objectValue else { throw GXError("safetensors header is no JSON object") }
    return (fields, end)
  }

  /// What came in a safetensors file's place, and what to do with it; nil where that is unknown.
  private static func mistaken(_ bytes: UnsafeRawBufferPointer) -> GXError? {
    switch ForeignKind(sniffing: bytes.prefix(ForeignKind.sniffLength)) {
    case nil, .safetensors: nil
    case .pytorch: GXError("this is a PyTorch file: convert it with scripts/convert/pytorch.py")
    case .pickle: GXError("this is a Python pickle; if PyTorch wrote it, convert it with scripts/convert/pytorch.py")
    case .lfsPointer: GXError("this is a Git LFS pointer, not the file itself: git lfs pull fetches that")
    case let kind?: GXError("this is \(kind.description), not a safetensors file")
    }
  }

  /// - Throws: `GXError` naming the first tensor that holds no weights: one of a type that is not read, or with a value
  ///   that is not finite.
  public func checkWeights() throws(GXError) {
    for (name, type) in unread { throw GXError("tensor '\(name)': is of type \(type), which gx cannot read") }
    for (name, tensor) in tensors {
      do { try tensor.checkFinite() } catch { throw error.at("tensor '\(name)'") }
    }
  }

  private static func bf16(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// An f32 tensor of little-endian elements of another type.
  private static func converted<Bits: FixedWidthInteger>(
    _ bytes: UnsafeRawBufferPointer, _ shape: Shape, _ value: (Bits) -> Float
  ) throws(GXError) -> Tensor {
    let storage = Storage(count: try Tensor.byteCount(.f32, shape))
    let size = MemoryLayout<Bits>.size
    for i in 0..<storage.count / 4 {
      let bits = Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: i * size, as: Bits.self))
      storage.base.storeBytes(of: value(bits), toByteOffset: 4 * i, as: Float.self)
    }
    return try Tensor(.f32, shape, storage: storage)
  }

  /// What an element is.
  private enum ElementType {
    case own(DType)
    case bf16, f64
    case other(String)

    init(named name: String) {
      switch name {
      case "BF16": self = .bf16
      case "F64": self = .f64
      default: self = dtypeNames.first { $0.name == name }.map { .own($0.dtype) } ?? .other(name)
      }
    }

    /// Bytes of an array of `shape`; nil where that is not known.
    func byteCount(_ shape: Shape) throws(GXError) -> Int? {
      switch self {
      case .own(let dtype): try Tensor.byteCount(dtype, shape)
      case .bf16: try Tensor.byteCount(.f16, shape)
      case .f64: try 2 * Tensor.byteCount(.f32, shape)
      case .other: nil
      }
    }
  }

  /// One tensor's line in the header.
  private struct Entry {
    let name: String
    let type: ElementType
    let shape: Shape
    let start: Int
    let end: Int

    init(name: String, _ json: JSON) throws(GXError) {
      self.name = name
      guard let fields = json.objectValue else { throw GXError("is no JSON object") }
      guard let dtypeName = fields["dtype"]?.stringValue else { throw GXError("has no dtype") }
      type = ElementType(named: dtypeName)
      shape = try Self.integers(fields["shape"], "shape")
      let offsets = try Self.integers(fields["data_offsets"], "data_offsets")
      guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0] else {
        throw GXError("data_offsets \(offsets) are no range")
      }
      (start, end) = (offsets[0], offsets[1])
      if let needed = try type.byteCount(shape), end - start != needed {
        throw GXError("\(dtypeName) of shape \(shape) needs \(needed) bytes, data_offsets give \(end - start)")
      }
    }

    private static func integers(_ json: JSON?, _ what: String) throws(GXError) -> [Int] {
      guard let items = json?.arrayValue else { throw GXError("has no \(what)") }
      var out: [Int] = []
      for item in items {
        guard let n = item.intValue else { throw GXError("\(what) holds \(item.text), which is no integer") }
        out.append(n)
      }
      return out
    }
  }
}

/// A file's bytes. A model is read rather than mapped: it is small, and a mapping would crash the
/// reader when another program shortens the file.
package func readWhole(_ path: String, limit: Int) throws(GXError) -> Storage {
  let fd = gx_open(path, O_RDONLY | O_CLOEXEC, 0)
  guard fd >= 0 else { throw GXError(String(cString: strerror(errno))) }
  defer { close(fd) }
  var info = stat()
  guard fstat(fd, &info) == 0 else { throw GXError(String(cString: strerror(errno))) }
  guard info.st_mode & S_IFMT == S_IFREG else { throw GXError("is no regular file") }
  guard info.st_size <= limit else { throw GXError("\(info.st_size) bytes are more than the limit of \(limit)") }
  let storage = Storage(count: Int(info.st_size))
  var at = 0
  while at < storage.count {
    let n = pread(fd, storage.base + at, storage.count - at, off_t(at))
    if n < 0 && errno == EINTR { continue }
    guard n > 0 else {
      throw GXError(n == 0 ? "became shorter while it was read" : String(cString: strerror(errno)))
    }
    at += n
  }
  return storage
}

// MARK: Writing

extension Safetensors {
  /// Hands over the file's bytes, piece by piece and in order. The same content gives the same bytes.
  ///
  /// Tensors with larger elements come first, so that each is aligned to its element's size, and the
  /// data begins at a multiple of 8, as other readers expect; otherwise the order is kept.
  /// - Throws: `GXError` if a name or key is there twice; and what `write` throws.
  public func write(_ write: (UnsafeRawBufferPointer) throws -> Void) throws {
    let ordered = DType.bySize.flatMap { dtype in tensors.filter { $0.tensor.dtype == dtype } }
    var header = JSONObject()
    if !metadata.isEmpty {
      var texts = JSONObject()
      for (key, value) in metadata {
        guard texts[key] == nil else { throw GXError("safetensors metadata '\(key)' is there twice") }
        texts[key] = .string(value)
      }
      header["__metadata__"] = .object(texts)
    }
    var names = Set(["__metadata__"])
    var at = 0
    for (name, tensor) in ordered {
      guard names.insert(name).inserted else { throw GXError("tensor '\(name)' is there twice") }
      let end = at + tensor.byteCount
      header[name] = [
        "dtype": .string(Self.dtypeNames.first { $0.dtype == tensor.dtype }!.name),
        "shape": .array(tensor.shape.map(JSON.int)),
        "data_offsets": [.int(at), .int(end)],
      ]
      at = end
    }
    var head = [UInt8](repeating: 0, count: 8)
    header.write(to: &head)
    while head.count % 8 != 0 { head.append(UInt8(ascii: " ")) }
    let length = UInt64(head.count - 8).littleEndian
    try head.withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: length, as: UInt64.self)
      try write(UnsafeRawBufferPointer(bytes))
    }
    for (_, tensor) in ordered { try tensor.withBytes(write) }
  }
}

extension DType {
  /// Largest elements first.
  fileprivate static let bySize: [DType] = [.f32, .f16, .u16, .u8]
}

extension Safetensors {
  /// Writes the file; it appears whole or not at all.
  public func write(path: String) throws {
    let file = try AtomicFile(path: path)
    let sink = ByteSink(descriptor: file.descriptor, name: path)
    try write { try sink.write($0) }
    try sink.flush()
    try file.commit()
  }
}
