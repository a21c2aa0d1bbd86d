import GXCore

extension Limits {
  /// The longest line of NDJSON and the largest JSON member, in bytes.
  public static let jsonBytes = 16 << 20
}

/// Writes one object a line.
///
/// NDJSON has no end mark, so the last newline serves as one: it is held back until `finish`. What a
/// killed writer leaves behind then never ends in a newline, and `NDJSONReader` refuses it. (Pieces
/// are no larger than a pipe takes whole, so that a kill in the middle of a write can't break this.)
/// On a terminal, or `--unbuffered`, each line goes out whole and at once instead.
public final class NDJSONWriter {
  private let sink: ByteSink
  private var line: [UInt8] = []

  public init(_ sink: ByteSink) { self.sink = sink }

  public func write(_ row: Row) throws {
    line.removeAll(keepingCapacity: true)
    row.fields.write(to: &line)
    line.append(UInt8(ascii: "\n"))
    try sink.write(line)
    if sink.isImmediate {
      try sink.flush()
    } else if sink.pending > 1 << 16 {
      try sink.flushHoldingLast()
    }
  }

  public func finish() throws {
    try sink.flushHoldingLast()
    try sink.flush()
  }
}

/// Reads one row a line. Blank lines are passed over, and so is a byte order mark at the beginning.
public final class NDJSONReader {
  private let source: ByteSource
  private var buffer: [UInt8] = []
  private var row: Row?
  /// The number of the line last read, from 1.
  public private(set) var line = 0

  public init(_ source: ByteSource) { self.source = source }

  /// Where the row last read stands, for errors: file, line, and the row's id where it has one.
  public var place: String { "\(source.name), line \(line)" + (row?.id.map { " (\($0))" } ?? "") }

  /// What is wrong with one line; the lines after it can still be read.
  public struct BadLine: Error, CustomStringConvertible {
    public let fault: GXError
    /// What could be read of it all the same.
    public let row: Row?

    public init(fault: GXError, row: Row? = nil) { (self.fault, self.row) = (fault, row) }
    public var description: String { fault.description }
  }

  /// The next row, or nil at the end.
  /// - Throws: `BadLine` where a line is no row (see `Row.check`); `GXError` where the text breaks off or can't be read.
  public func next() throws -> Row? {
    while true {
      line += 1
      row = nil
      let ended: Bool
      do {
        guard let read = try source.line(limit: Limits.jsonBytes, into: &buffer) else { return nil }
        ended = read
      } catch let error as ByteSource.LineTooLong {
        throw BadLine(fault: GXError("\(error)").at(place))
      }
      guard ended else {
        throw GXError("\(place): breaks off without a newline; whatever wrote it did not finish")
      }
      do throws(GXError) {
        guard let object = try JSONObject(line: buffer, isFirst: line == 1) else { continue }
        row = Row(object)
        try row!.check()
        return row
      } catch {
        throw BadLine(fault: error.at(place), row: row)
      }
    }
  }

  /// The same for readers that a bad line ends.
  /// - Throws: `GXError`.
  public func nextOrFail() throws -> Row? {
    do { return try next() } catch let bad as BadLine { throw bad.fault }
  }
}

extension JSONObject {
  /// The object on a line of NDJSON; nil where the line is blank.
  /// - Parameter isFirst: Whether there may be a byte order mark.
  /// - Throws: `GXError` where there is something else.
  public init?(line: [UInt8], isFirst: Bool) throws(GXError) {
    let start = isFirst && line.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    if line[start...].allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { return nil }
    let value = line.withUnsafeBytes { bytes in
      Result { () throws(GXError) in try JSON(parsing: UnsafeRawBufferPointer(rebasing: bytes[start...])) }
    }
    guard case .object(let object) = try value.get() else { throw GXError("not a JSON object") }
    self = object
  }
}
