import GXCore

extension Limits {
  /// The longest row of a CSV in bytes, and the most fields in it.
  public static let csvRowBytes = 1 << 20
  public static let csvFields = 4096
}

/// Reads comma-separated values (RFC 4180): quoted fields may hold separators, line breaks and doubled
/// quotes. Lines end in LF or CRLF, the last may lack it; a byte order mark and blank lines are passed
/// over. Tabs or semicolons separate where the first row has more of them than of commas.
public final class CSVReader {
  private let source: ByteSource
  private var buffer: [UInt8] = []
  private var separator: UInt8?
  private var lines = 0
  /// The line on which the row last read begins, from 1.
  public private(set) var line = 0

  public init(_ source: ByteSource) { self.source = source }

  /// The fields of the next row, at least one; nil at the end.
  /// - Throws: `GXError` that names the line, where the text is no CSV, no UTF-8, or over a limit.
  public func next() throws -> [String]? {
    var row: [UInt8] = []
    repeat {
      guard try readLine() else { return nil }
      row = buffer
      if lines == 1 && row.starts(with: [0xef, 0xbb, 0xbf]) { row.removeFirst(3) }
      line = lines
      if separator == nil && !row.isEmpty { separator = Self.separator(of: row) }
    } while row.isEmpty || row == [0x0d]
    // An odd number of quotes: a quoted field goes on behind the line break.
    var open = row.count(where: { $0 == Self.quote }) % 2 == 1
    while open {
      guard try readLine() else { throw fault("a quoted field is never closed") }
      guard row.count + buffer.count < Limits.csvRowBytes else {
        throw fault("row is longer than the limit of \(Limits.csvRowBytes) bytes")
      }
      row.append(0x0a)
      row.append(contentsOf: buffer)
      if buffer.count(where: { $0 == Self.quote }) % 2 == 1 { open = false }
    }
    if row.last == 0x0d { row.removeLast() }
    return try fields(of: row)
  }

  private static let quote = UInt8(ascii: "\"")

  private func fault(_ what: String) -> GXError { GXError("\(source.name), line \(line): \(what)") }

  private func readLine() throws -> Bool {
    lines += 1
    do {
      return try source.line(limit: Limits.csvRowBytes, into: &buffer) != nil
    } catch let error as ByteSource.LineTooLong {
      throw GXError("\(error)").at("\(source.name), line \(lines)")
    }
  }

  /// The commonest separator outside quotes; a comma where there is none.
  private static func separator(of row: [UInt8]) -> UInt8 {
    var counts: [UInt8: Int] = [:]
    var quoted = false
    for byte in row {
      if byte == quote { quoted.toggle() } else if !quoted { counts[byte, default: 0] += 1 }
    }
    let candidates = [UInt8(ascii: ","), UInt8(ascii: "\t"), UInt8(ascii: ";")]
    let most = candidates.map { counts[$0] ?? 0 }.max()!
    return candidates.first { (counts[$0] ?? 0) == most }!
  }

  private func fields(of row: [UInt8]) throws -> [String] {
    var fields: [String] = []
    var at = 0
    while true {
      guard fields.count < Limits.csvFields else { throw fault("more than the limit of \(Limits.csvFields) fields") }
      fields.append(try field(of: row, &at))
      if at == row.count { return fields }
      at += 1  // the separator
    }
  }

  /// The field that begins at `at`, which is left on the separator behind it or at the row's end.
  private func field(of row: [UInt8], _ at: inout Int) throws -> String {
    var bytes: [UInt8] = []
    if at < row.count && row[at] == Self.quote {
      at += 1
      while true {
        guard at < row.count else { throw fault("a quoted field is never closed") }
        if row[at] != Self.quote {
          bytes.append(row[at])
        } else if at + 1 < row.count && row[at + 1] == Self.quote {
          bytes.append(Self.quote)
          at += 1
        } else {
          break
        }
        at += 1
      }
      at += 1
      guard at == row.count || row[at] == separator else { throw fault("text behind a closing quote") }
    } else {
      let start = at
      while at < row.count && row[at] != separator {
        guard row[at] != Self.quote else { throw fault("a quote inside a field that does not begin with one") }
        at += 1
      }
      bytes = Array(row[start..<at])
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw fault("not UTF-8") }
    guard !bytes.contains(0) else { throw fault("a NUL byte") }
    return text
  }
}
