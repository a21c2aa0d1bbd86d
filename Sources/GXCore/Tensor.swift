/// Element types of the tensor stream, by their NumPy names. All are little-endian.
public enum DType: String, CaseIterable, Sendable {
  case u8 = "|u1"
  case u16 = "<u2"
  case f16 = "<f2"
  case f32 = "<f4"

  /// Bytes an element.
  public var size: Int {
    switch self {
    case .u8: 1
    case .u16, .f16: 2
    case .f32: 4
    }
  }

  public var isFloat: Bool { self == .f16 || self == .f32 }

  /// The value that stands for white: 255, 65535, and 1 for floats.
  public var fullScale: Float {
    switch self {
    case .u8: 255
    case .u16: 65535
    case .f16, .f32: 1
    }
  }

  /// The name that options and `ops` use: `u8`, `u16`, `f16`, `f32`.
  public var name: String { String(describing: self) }

  public init?(name: String) {
    guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = found
  }
}

/// Sizes of an array, outermost first. Pictures are `[height, width, channels]`.
public typealias Shape = [Int]

public enum Limits {
  /// The largest tensor or tar member that is taken into memory, in bytes.
  public static let tensorBytes = 1 << 30
  /// The most dimensions of a tensor.
  public static let rank = 8
}

/// Bytes that a tensor stands on: its own, or a view into something kept alive (a mapped file).
public final class Storage: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let count: Int
  private let owner: AnyObject?

  /// Own memory, aligned to 64 bytes and not initialised.
  public init(count: Int) {
    self.count = count
    base = .allocate(byteCount: max(count, 1), alignment: 64)
    owner = nil
  }

  /// Own memory that holds `bytes`.
  public convenience init(_ bytes: [UInt8]) {
    self.init(count: bytes.count)
    bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: base, count: count).copyMemory(from: $0) }
  }

  /// A view. `owner` is kept until the view goes; the bytes must never be written to.
  public init(viewing bytes: UnsafeRawBufferPointer, of owner: AnyObject) {
    base = UnsafeMutableRawPointer(mutating: bytes.baseAddress!)
    count = bytes.count
    self.owner = owner
  }

  deinit { if owner == nil { base.deallocate() } }
}

/// A dense array in C order. Immutable once made, so it is shared, never copied.
public struct Tensor: Sendable {
  public let dtype: DType
  public let shape: Shape
  private let storage: Storage

  public var count: Int { shape.reduce(1, *) }
  public var byteCount: Int { count * dtype.size }

  /// Bytes that `shape` takes, or an error that names the limit. Never overflows.
  public static func byteCount(_ dtype: DType, _ shape: Shape) throws(GXError) -> Int {
    guard shape.count <= Limits.rank else {
      throw GXError("tensor has \(shape.count) dimensions; the limit is \(Limits.rank)")
    }
    var bytes = dtype.size
    for n in shape {
      guard n >= 0 else { throw GXError("tensor has a negative dimension: \(n)") }
      let (product, overflow) = bytes.multipliedReportingOverflow(by: n)
      guard !overflow, product <= Limits.tensorBytes else {
        throw GXError("tensor of shape \(shape) is larger than the limit of \(Limits.tensorBytes) bytes")
      }
      bytes = product
    }
    return bytes
  }

  /// A tensor over `storage`, which must hold exactly the bytes of `shape`.
  public init(_ dtype: DType, _ shape: Shape, storage: Storage) throws(GXError) {
    let expected = try Self.byteCount(dtype, shape)
    guard storage.count == expected else {
      throw GXError("tensor of shape \(shape) needs \(expected) bytes, there are \(storage.count)")
    }
    self.dtype = dtype
    self.shape = shape
    self.storage = storage
  }

  /// A new tensor whose bytes `fill` writes, all of them. Throws if the shape is over the limits.
  public init(
    _ dtype: DType, _ shape: Shape, filling fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws {
    let storage = Storage(count: try Self.byteCount(dtype, shape))
    try fill(UnsafeMutableRawBufferPointer(start: storage.base, count: storage.count))
    try self.init(dtype, shape, storage: storage)
  }

  /// A new f32 tensor of these values, which must be as many as `shape` asks for.
  public init(_ shape: Shape, _ values: [Float]) throws {
    guard values.count == shape.reduce(1, *) else {
      throw GXError("\(values.count) values do not fill shape \(shape)")
    }
    try self.init(.f32, shape) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
  }

  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExtendedLifetime(storage) {
      try body(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
    }
  }

  /// The elements as `T`, which must be the type that `dtype` names. The storage of a foreign
  /// archive may be misaligned for `T`; then the elements are copied first.
  public func withElements<T: BitwiseCopyable, R>(
    of type: T.Type, _ body: (UnsafeBufferPointer<T>) throws -> R
  ) rethrows -> R {
    precondition(MemoryLayout<T>.size == dtype.size, "element type does not match \(dtype.name)")
    return try withBytes { bytes in
      if Int(bitPattern: bytes.baseAddress!) % MemoryLayout<T>.alignment == 0 {
        return try body(bytes.assumingMemoryBound(to: T.self))
      }
      let copy = UnsafeMutableBufferPointer<T>.allocate(capacity: count)
      defer { copy.deallocate() }
      UnsafeMutableRawBufferPointer(copy).copyMemory(from: bytes)
      return try body(UnsafeBufferPointer(copy))
    }
  }

  /// The values as Float, not rescaled: u8 100 becomes 100.0.
  public func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { out, filled in
      copyFloats(to: UnsafeMutableBufferPointer(rebasing: out[0..<count]))
      filled = count
    }
  }

  /// Writes the values as Float, not rescaled, into `out` (of `count` elements).
  public func copyFloats(to out: UnsafeMutableBufferPointer<Float>) {
    precondition(out.count == count)
    switch dtype {
    case .u8: withElements(of: UInt8.self) { for i in 0..<$0.count { out[i] = Float($0[i]) } }
    case .u16: withElements(of: UInt16.self) { for i in 0..<$0.count { out[i] = Float($0[i]) } }
    case .f16: withElements(of: Float16.self) { for i in 0..<$0.count { out[i] = Float($0[i]) } }
    case .f32: withBytes { UnsafeMutableRawBufferPointer(out).copyMemory(from: $0) }
    }
  }
}

extension Tensor: Equatable {
  /// Same type, shape and bytes.
  public static func == (a: Tensor, b: Tensor) -> Bool {
    a.dtype == b.dtype && a.shape == b.shape && a.withBytes { x in b.withBytes { y in x.elementsEqual(y) } }
  }
}

extension Tensor {
  /// The same values as f32 or f16 (rounded to nearest).
  public func converted(to target: DType) throws -> Tensor {
    if dtype == target { return self }
    let values = floats()
    if target == .f32 { return try Tensor(shape, values) }
    precondition(target == .f16)
    return try Tensor(.f16, shape) { bytes in
      let out = bytes.bindMemory(to: Float16.self)
      for i in 0..<out.count { out[i] = Float16(values[i]) }
    }
  }
}
