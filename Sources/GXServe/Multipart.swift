import GXCore
import GXImage
import Glibc

/// Reads multipart/form-data (RFC 7578) as it comes in, in pieces of any size, holding no more than one part's headers.
///
/// libmicrohttpd's own post processor is not used: it needs a live connection (so nothing can be tried on it by
/// itself), does not tell an empty part from none, cannot count parts, and takes a form that breaks off for a whole one.
final class Multipart {
  struct Part: Equatable, Sendable {
    /// The form field's; nil where the part names none.
    var name: String?
    /// nil where the part names none, which RFC 7578 leaves to the client; empty where no file was chosen.
    var filename: String?
    /// The media type in lower case, without parameters; nil where the part names none.
    var type: String?

    /// Whether the part is a file and no plain field, by all that a client may leave out: it has a filename, or a type
    /// that is no text's, or begins with what no text begins with.
    /// - Parameter start: The part's first bytes, `Part.sniffLength` of them or all there are.
    func isFile(beginning start: some Collection<UInt8>) -> Bool {
      if filename != nil { return true }
      if let type, !type.hasPrefix("text/") { return true }
      return beginsLikePicture(start) || start.contains(0)
    }

    /// Whether it stands for a file that was not chosen: browsers send an empty one then.
    func isUnchosen(count: Int) -> Bool { filename?.isEmpty == true && count == 0 }

    static let sniffLength = max(512, PictureCodec.sniffLength)
  }

  enum Event {
    case begin(Part)
    /// A piece of the part's content. Valid until the next call.
    case data(UnsafeRawBufferPointer)
    case end
    /// Behind the last part: what follows is of no meaning.
    case finished
  }

  private enum State {
    /// Inside a part, or before the first one.
    case content(isPart: Bool)
    /// Behind a delimiter, where `--`, or blanks and a line's end, come.
    case delimiter
    case headers
    case epilogue
  }

  /// CR LF `--` boundary. Only its first byte is a CR: a match that fails can begin anew nowhere inside of it.
  private let delimiter: UnsafeMutableRawBufferPointer
  private let headerLimit: Int
  private var state = State.content(isPart: false)
  /// Bytes of the delimiter that were met. The first delimiter may stand at the body's very beginning, and one right
  /// behind a part's headers: the line's end that it begins with is then `borrowed`, and no content if it is none.
  private var matched = 2
  private var borrowed = 2
  private var line: [UInt8] = []

  /// - Parameters:
  ///   - contentType: The request's header.
  ///   - headerLimit: The most bytes of a part's headers.
  /// - Throws: `GXError` where it names no boundary that RFC 2046 allows.
  init(contentType: String, headerLimit: Int) throws(GXError) {
    guard let boundary = headerParameters(contentType)["boundary"], (1...70).contains(boundary.utf8.count),
      boundary.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }), boundary.last != " "
    else { throw GXError("the form's Content-Type names no boundary of 1 to 70 characters") }
    self.headerLimit = headerLimit
    let bytes = Array("\r\n--\(boundary)".utf8)
    delimiter = .allocate(byteCount: bytes.count, alignment: 1)
    delimiter.copyBytes(from: bytes)
  }

  deinit { delimiter.deallocate() }

  var isFinished: Bool { if case .epilogue = state { true } else { false } }

  /// Reads from the front of `input` up to the next event; nil once all of it is read.
  /// - Throws: `GXError` where this is no form.
  func next(_ input: inout UnsafeRawBufferPointer) throws(GXError) -> Event? {
    while !input.isEmpty {
      switch state {
      case .content(let isPart):
        if let event = content(&input, isPart: isPart) { return event }
      case .delimiter:
        if let event = try delimiterEnd(&input) { return event }
      case .headers:
        if let event = try header(&input) { return event }
      case .epilogue:
        input = UnsafeRawBufferPointer(rebasing: input[input.count...])
      }
    }
    return nil
  }

  private func take(_ input: inout UnsafeRawBufferPointer, _ count: Int) -> UnsafeRawBufferPointer {
    defer { input = UnsafeRawBufferPointer(rebasing: input[count...]) }
    return UnsafeRawBufferPointer(rebasing: input[..<count])
  }

  private func content(_ input: inout UnsafeRawBufferPointer, isPart: Bool) -> Event? {
    if matched == 0 {
      let plain = plainBytes(input)
      if plain > 0 {
        let piece = take(&input, plain)
        return isPart ? .data(piece) : nil
      }
    }
    guard input[0] == delimiter[matched] else {
      // What looked like a delimiter is content.
      let piece = UnsafeRawBufferPointer(rebasing: delimiter[borrowed..<matched])
      (matched, borrowed) = (0, 0)
      return isPart && !piece.isEmpty ? .data(piece) : nil
    }
    matched += 1
    _ = take(&input, 1)
    guard matched == delimiter.count else { return nil }
    (matched, borrowed) = (0, 0)
    state = .delimiter
    line.removeAll(keepingCapacity: true)
    return isPart ? .end : nil
  }

  /// Bytes before the next place where a delimiter stands, or may begin.
  private func plainBytes(_ input: UnsafeRawBufferPointer) -> Int {
    var at = 0
    while let found = memchr(input.baseAddress! + at, 0x0d, input.count - at) {
      at = input.baseAddress!.distance(to: UnsafeRawPointer(found))
      let left = min(delimiter.count, input.count - at)
      if memcmp(found, delimiter.baseAddress!, left) == 0 { return at }
      at += 1
      if at == input.count { break }
    }
    return input.count
  }

  private func delimiterEnd(_ input: inout UnsafeRawBufferPointer) throws(GXError) -> Event? {
    let byte = take(&input, 1)[0]
    line.append(byte)
    if line == Array("--".utf8) {
      state = .epilogue
      return .finished
    }
    if byte == UInt8(ascii: "\n"), line.count >= 2, line[line.count - 2] == UInt8(ascii: "\r") {
      state = .headers
      line.removeAll(keepingCapacity: true)
      return nil
    }
    let isAllowed =
      switch line.count {
      case 1: [UInt8(ascii: "-"), UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t")].contains(byte)
      default:
        // Only blanks may stand before the line's end.
        line[0] != UInt8(ascii: "-") && line[line.count - 2] != UInt8(ascii: "\r")
          && [UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t")].contains(byte)
      }
    guard isAllowed, line.count <= 80 else { throw GXError("the form has text behind a boundary") }
    return nil
  }

  private func header(_ input: inout UnsafeRawBufferPointer) throws(GXError) -> Event? {
    let byte = take(&input, 1)[0]
    line.append(byte)
    guard line.count <= headerLimit else {
      throw GXError("the headers of a part of the form are over the limit of \(headerLimit) bytes")
    }
    guard byte == UInt8(ascii: "\n"), line == [13, 10] || line.suffix(4) == [13, 10, 13, 10] else { return nil }
    state = .content(isPart: true)
    (matched, borrowed) = (2, 2)
    return .begin(try part(line))
  }

  private func part(_ headers: [UInt8]) throws(GXError) -> Part {
    var part = Part()
    for line in String(decoding: headers, as: UTF8.self).split(separator: "\r\n") {
      guard let colon = line.firstIndex(of: ":") else { throw GXError("a part's header has no colon") }
      let value = line[line.index(after: colon)...]
      switch trimmed(line[..<colon]).lowercased() {
      case "content-disposition":
        let parameters = headerParameters(String(value))
        part.name = parameters["name"].map(unescaped)
        part.filename = parameters["filename*"].flatMap(extended) ?? parameters["filename"].map(unescaped)
      case "content-type": part.type = mediaType(String(value))
      default: continue
      }
    }
    return part
  }

  /// HTML escapes three characters of a name, and only these.
  private func unescaped(_ name: String) -> String {
    name.replacing("%22", with: "\"").replacing("%0D", with: "\r").replacing("%0A", with: "\n")
  }

  /// RFC 5987: `UTF-8''percent-encoded`.
  private func extended(_ value: String) -> String? {
    let parts = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].lowercased() == "utf-8" else { return nil }
    return percentDecoded(parts[2])
  }
}

/// The media type in a Content-Type, in lower case and without parameters; nil where it is empty.
func mediaType(_ value: String) -> String? {
  let type = trimmed(value.prefix { $0 != ";" }).lowercased()
  return type.isEmpty ? nil : type
}

/// The parameters of a header's value, `VALUE; NAME=TEXT; NAME="TEXT"`, by lower-case name; the first of equal ones.
func headerParameters(_ value: String) -> [String: String] {
  var found: [String: String] = [:]
  var rest = Array(value.utf8)[...]
  func skip(_ isSkipped: (UInt8) -> Bool) { while let byte = rest.first, isSkipped(byte) { rest.removeFirst() } }
  skip { $0 != UInt8(ascii: ";") }
  while rest.popFirst() != nil {
    skip { $0 == 0x20 || $0 == 0x09 }
    let name = rest.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
    rest = rest[name.endIndex...]
    guard rest.first == UInt8(ascii: "=") else { continue }
    rest.removeFirst()
    skip { $0 == 0x20 || $0 == 0x09 }
    var text: [UInt8] = []
    if rest.first == UInt8(ascii: "\"") {
      rest.removeFirst()
      while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
        // Browsers write backslashes as they are; only these two are escapes.
        if byte == UInt8(ascii: "\\"), let next = rest.first, next == UInt8(ascii: "\"") || next == byte {
          text.append(next)
          rest.removeFirst()
        } else {
          text.append(byte)
        }
      }
      skip { $0 != UInt8(ascii: ";") }
    } else {
      text = Array(trimmed(String(decoding: rest.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)).utf8)
      skip { $0 != UInt8(ascii: ";") }
    }
    let key = trimmed(String(decoding: name, as: UTF8.self)).lowercased()
    if !key.isEmpty, found[key] == nil { found[key] = String(decoding: text, as: UTF8.self) }
  }
  return found
}
