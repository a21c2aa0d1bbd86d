import GXCore

/// NumPy's .npy format: written as version 1.0, read as 1.0 to 3.0 (NEP 1), C order only.
public enum Npy {
  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let headerLimit = 1 << 16

  /// What stands before the elements, padded to `length` bytes, or so that they begin at a multiple of 64.
  public static func header(_ dtype: DType, _ shape: Shape, length: Int = 64) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array("{'descr': '\(dtype.rawValue)', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
    let unpadded = magic.count + 4 + text.count + 1
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (length - unpadded % length) % length))
    text.append(UInt8(ascii: "\n"))
    return magic + [1, 0, UInt8(text.count & 255), UInt8(text.count >> 8)] + text
  }

  /// The element type and shape that a header tells, and its length in bytes.
  /// - Parameter limits: the part of the shape that will be in memory at once.
  /// - Throws: naming the field, for what is no .npy, Fortran order, other element types, or a tensor over the limits.
  public static func parseHeader(
    _ bytes: UnsafeRawBufferPointer, limits: (Shape) -> Shape = { $0 }
  ) throws(GXError) -> (dtype: DType, shape: Shape, length: Int) {
    guard bytes.count >= 10, bytes[0..<6].elementsEqual(magic) else { throw GXError("not a .npy file") }
    let wide = bytes[6] >= 2
    guard (1...3).contains(bytes[6]), bytes.count >= (wide ? 12 : 10) else {
      throw GXError(".npy version \(bytes[6]).\(bytes[7]) is not known")
    }
    var size = Int(bytes[8]) | Int(bytes[9]) << 8
    if wide { size |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
    guard size <= headerLimit else { throw GXError(".npy header is longer than the limit of \(headerLimit) bytes") }
    let start = wide ? 12 : 10
    guard bytes.count >= start + size else { throw GXError(".npy ends within its header") }
    var fields = HeaderFields(text: Array(bytes[start..<start + size]))
    try fields.parse()
    guard let descr = fields.descr else { throw GXError(".npy header has no 'descr'") }
    guard let dtype = DType(rawValue: descr == "<u1" ? "|u1" : descr) else {
      throw GXError(".npy holds '\(descr)'; gx reads |u1 <u2 <f2 <f4")
    }
    guard let fortran = fields.fortranOrder, let shape = fields.shape else {
      throw GXError(".npy header has no '\(fields.shape == nil ? "shape" : "fortran_order")'")
    }
    guard !fortran else { throw GXError(".npy is in Fortran order; gx reads C order") }
    _ = try Tensor.byteCount(dtype, limits(shape))
    return (dtype, shape, start + size)
  }

  /// A tensor over the bytes of a whole .npy file, without a copy.
  public static func decode(_ file: Storage) throws(GXError) -> Tensor {
    let bytes = UnsafeRawBufferPointer(start: file.base, count: file.count)
    let (dtype, shape, length) = try parseHeader(bytes)
    let size = try Tensor.byteCount(dtype, shape)
    guard bytes.count - length == size else {
      throw GXError(".npy holds \(bytes.count - length) bytes of elements, its shape \(shape) asks for \(size)")
    }
    let elements = UnsafeRawBufferPointer(rebasing: bytes[length...])
    let storage = size == 0 ? Storage(count: 0) : Storage(viewing: elements, of: file)
    return try Tensor(dtype, shape, storage: storage)
  }
}

/// The Python dict literal of a .npy header. Only what NumPy writes: three known keys, in any order.
private struct HeaderFields {
  let text: [UInt8]
  var at = 0
  var descr: String?
  var fortranOrder: Bool?
  var shape: Shape?

  init(text: [UInt8]) { self.text = text }

  mutating func parse() throws(GXError) {
    try take("{")
    while !peek("}") {
      let key = try quoted()
      try take(":")
      switch key {
      case "descr":
        guard peek("'") || peek("\"") else { throw fault("structured element types are not read") }
        descr = try quoted()
      case "fortran_order": fortranOrder = try word() == "True"
      case "shape": shape = try tuple()
      default: throw fault("unknown key '\(key)'")
      }
      if peek(",") { at += 1 } else if !peek("}") { throw fault("expected ',' or '}'") }
    }
  }

  func fault(_ what: String) -> GXError { GXError(".npy header, byte \(at): \(what)") }

  mutating func skipSpace() { while at < text.count, text[at] == 0x20 || text[at] == 0x0a { at += 1 } }

  mutating func peek(_ c: Character) -> Bool {
    skipSpace()
    return at < text.count && text[at] == c.asciiValue!
  }

  mutating func take(_ c: Character) throws(GXError) {
    guard peek(c) else { throw fault("expected '\(c)'") }
    at += 1
  }

  mutating func quoted() throws(GXError) -> String {
    let quote: Character = peek("\"") ? "\"" : "'"
    try take(quote)
    let start = at
    while at < text.count, text[at] != quote.asciiValue! { at += 1 }
    defer { at += 1 }
    guard at < text.count else { throw fault("ends inside a string") }
    return String(decoding: text[start..<at], as: UTF8.self)
  }

  mutating func word() throws(GXError) -> String {
    skipSpace()
    let start = at
    while at < text.count, (65...90).contains(text[at] & 0xdf) { at += 1 }
    let word = String(decoding: text[start..<at], as: UTF8.self)
    guard word == "True" || word == "False" else { throw fault("expected True or False") }
    return word
  }

  mutating func tuple() throws(GXError) -> Shape {
    try take("(")
    var sizes: Shape = []
    while !peek(")") {
      let start = at
      while at < text.count, (48...57).contains(text[at]) { at += 1 }
      guard let size = Int(String(decoding: text[start..<at], as: UTF8.self)) else { throw fault("expected a size") }
      if at < text.count, text[at] == UInt8(ascii: "L") { at += 1 }  // Python 2 wrote 3L
      sizes.append(size)
      guard sizes.count <= Limits.rank else { throw fault("more than \(Limits.rank) dimensions") }
      if peek(",") { at += 1 } else if !peek(")") { throw fault("expected ',' or ')'") }
    }
    at += 1
    return sizes
  }
}

/// Reads the rows of one .npy array [N, …] as N tensors […], without holding the array.
public final class NpyRows {
  private let source: ByteSource
  private let dtype: DType
  private let shape: Shape
  private let count: Int
  public private(set) var taken = 0

  public init(_ source: ByteSource) throws {
    self.source = source
    let start = try source.peek(12)
    guard start.count >= 12 else { throw GXError("\(source.name): .npy ends within its header") }
    let size = start[6] >= 2 ? 12 + Int(start[8]) + Int(start[9]) << 8 : 10 + Int(start[8]) + Int(start[9]) << 8
    do {
      let header = try source.peek(min(size, 1 << 16))
      // The limits hold for a row; the whole array is never in memory.
      let (dtype, shape, length) = try Npy.parseHeader(header, limits: { Array($0.dropFirst()) })
      guard let count = shape.first else { throw GXError("a .npy of one number has no rows") }
      (self.dtype, self.shape, self.count) = (dtype, Array(shape.dropFirst()), count)
      try source.skip(length)
    } catch let error as GXError { throw error.at(source.name) }
  }

  public func next() throws -> Tensor? {
    guard taken < count else {
      guard try source.peek(1).isEmpty else { throw GXError("\(source.name): bytes behind the last row") }
      return nil
    }
    guard let row = try source.take(try Tensor.byteCount(dtype, shape)) else {
      throw GXError("\(source.name): ends at row \(taken) of \(count)")
    }
    taken += 1
    return try Tensor(dtype, shape, storage: row)
  }
}

/// Writes tensors of one shape as the rows of one .npy array. The number of rows is known only at the end,
/// so the output must be a file, whose header is then written again.
public final class NpyRowWriter {
  private let sink: ByteSink
  private var first: (dtype: DType, shape: Shape)?
  private var count = 0

  public init(_ sink: ByteSink) throws {
    self.sink = sink
    guard sink.canRewrite else { throw GXError("\(sink.name): one .npy needs a file to write to (-o FILE)") }
  }

  public func write(_ tensor: Tensor) throws {
    if let first {
      guard first.dtype == tensor.dtype, first.shape == tensor.shape else {
        throw GXError(
          "\(tensor.dtype.name) \(tensor.shape) does not fit an array of \(first.dtype.name) \(first.shape)")
      }
    } else {
      first = (tensor.dtype, tensor.shape)
      try sink.write(header(rows: 0))
    }
    try tensor.withBytes { try sink.write($0) }
    count += 1
  }

  public func finish() throws {
    guard first != nil else { throw GXError("no records, so no array") }
    try sink.flush()
    try sink.rewrite(header(rows: count))
  }

  /// As long for any number of rows: padded as if there were the most that can be.
  private func header(rows: Int) -> [UInt8] {
    let (dtype, shape) = first!
    let longest = Npy.header(dtype, [Int.max] + shape).count
    return Npy.header(dtype, [rows] + shape, length: longest)
  }
}
