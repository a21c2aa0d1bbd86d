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

  public func write(_ object: JSONObject) throws {
    line.removeAll(keepingCapacity: true)
    object.write(to: &line)
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

/// Reads one object a line. Blank lines are passed over, and so is a byte order mark.
public final class NDJSONReader {
  private let source: ByteSource
  private var buffer: [UInt8] = []
  /// The number of the line last read, from 1.
  public private(set) var line = 0

  public init(_ source: ByteSource) { self.source = source }

  /// What is wrong with one line; the lines after it can still be read.
  public struct BadLine: Error {
    public let fault: GXError
  }

  /// The next object, or nil at the end.
  /// - Throws: `BadLine` where a line is no JSON object; `GXError` where the text breaks off or can't be read.
  public func next() throws -> JSONObject? {
    while true {
      line += 1
      let place = "\(source.name), line \(line)"
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
      if line == 1, buffer.starts(with: [0xef, 0xbb, 0xbf]) { buffer.removeFirst(3) }  // a byte order mark
      if buffer.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { continue }
      do {
        let value = try buffer.withUnsafeBytes { try JSON(parsing: $0) }
        guard case .object(let object) = value else { throw GXError("not a JSON object") }
        return object
      } catch let error as GXError {
        throw BadLine(fault: error.at(place))
      }
    }
  }
}
