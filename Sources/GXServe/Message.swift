import GXCore

/// A request's line and headers, as they came.
struct RequestHead: Sendable {
  let method: String
  /// The target up to the question mark, not decoded: routes are plain ASCII, so what needs decoding is none.
  let path: String
  /// What follows it, not decoded.
  let query: String
  let headers: [(name: String, value: String)]
  /// The address at the other end of the connection.
  let peer: Address

  init(method: String, target: String, headers: [(name: String, value: String)], peer: Address) {
    self.method = method
    let target = Self.origin(target)
    let mark = target.utf8.firstIndex(of: UInt8(ascii: "?"))
    path = String(target[..<(mark ?? target.endIndex)])
    query = mark.map { String(target[target.index(after: $0)...]) } ?? ""
    self.headers = headers
    self.peer = peer
  }

  /// A target without scheme and authority, which every server must take (RFC 9112, 3.2.2).
  private static func origin(_ target: String) -> Substring {
    guard let scheme = ["http://", "https://"].first(where: { target.prefix($0.count).lowercased() == $0 }) else {
      return Substring(target)
    }
    let rest = target.dropFirst(scheme.count)
    return rest.firstIndex { $0 == "/" || $0 == "?" }.map { rest[$0...] } ?? "/"
  }

  /// All values of a header, by its lower-case name.
  func values(_ name: String) -> [String] { headers.filter { $0.name == name }.map(\.value) }

  /// The first value of a header, by its lower-case name.
  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// The media type in lower case, without parameters; nil where the request names none.
  var mediaType: String? { header("content-type").flatMap { GXServe.mediaType($0) } }

  /// What the body is packed with, as the client names it; nil where it comes as it is.
  var contentCoding: String? {
    values("content-encoding").flatMap { $0.split(separator: ",") }.map { String(trimmed($0)) }
      .first { !$0.isEmpty && $0.lowercased() != "identity" }
  }

  /// Bytes that the body is to have; nil where that is not told.
  var contentLength: Int? { header("content-length").flatMap { Int($0) } }

  var hasBody: Bool { header("transfer-encoding") != nil || contentLength ?? 0 > 0 }

  /// What leaves open where the request ends, so that a proxy in front might see another one behind it (RFC 9112, 6.3
  /// and 11.2); nil where nothing does.
  var framingFault: String? {
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"))
    if lengths.count + codings.count > 1 { return "It tells more than once how long its body is." }
    if lengths.contains(where: { $0.isEmpty || Int($0) == nil || !$0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) {
      return "Its Content-Length is no number of bytes."
    }
    if codings.contains(where: { $0.lowercased() != "chunked" }) { return "Its Transfer-Encoding is not 'chunked'." }
    if headers.contains(where: { $0.name.last == " " || $0.name.last == "\t" }) {
      return "A header's name ends in a blank."
    }
    return nil
  }

  /// A parameter of the query, decoded; nil where it is not there, or no UTF-8.
  func parameter(_ name: String) -> String? {
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard percentDecoded(parts[0], plusIsSpace: true) == name else { continue }
      return percentDecoded(parts.count == 2 ? parts[1] : "", plusIsSpace: true)
    }
    return nil
  }

  /// Whether the client would rather have `type` than `other`: as `Accept` orders them by weight (RFC 9110, 12.5.1).
  func prefers(_ type: String, to other: String) -> Bool {
    let accept = values("accept").joined(separator: ",")
    guard !accept.isEmpty else { return false }
    func weight(_ type: String) -> Double {
      // The most specific range that matches decides.
      var best = (rank: 0, weight: 0.0)
      for item in accept.split(separator: ",").prefix(32) {
        let parts = item.split(separator: ";").map { trimmed($0).lowercased() }
        guard let range = parts.first else { continue }
        let rank = range == type ? 3 : range == type.prefix { $0 != "/" } + "/*" ? 2 : range == "*/*" ? 1 : 0
        guard rank > best.rank else { continue }
        let q = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
        best = (rank, q)
      }
      return best.weight
    }
    return weight(type) > weight(other)
  }
}

/// Without blanks at both ends.
func trimmed(_ text: some StringProtocol) -> Substring {
  var text = Substring(text)
  while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
  while let last = text.last, last == " " || last == "\t" { text.removeLast() }
  return text
}

/// A percent-encoded text; nil where what it encodes is no UTF-8. A lone `%` stands for itself.
func percentDecoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
  func digit(_ byte: UInt8) -> UInt8? { Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) } }
  let bytes = Array(text.utf8)
  var out: [UInt8] = []
  var i = 0
  while i < bytes.count {
    if bytes[i] == UInt8(ascii: "%"), i + 2 < bytes.count, let high = digit(bytes[i + 1]), let low = digit(bytes[i + 2])
    {
      out.append(high << 4 | low)
      i += 3
    } else {
      out.append(plusIsSpace && bytes[i] == UInt8(ascii: "+") ? UInt8(ascii: " ") : bytes[i])
      i += 1
    }
  }
  return String(validating: out, as: UTF8.self)
}

/// An answer.
struct Response: Sendable {
  enum Body: Sendable {
    case bytes([UInt8])
    case rows(any RowSource)
  }

  var status: Int
  var headers: [(name: String, value: String)]
  var body: Body
  /// Why a request was turned away, for the metrics; nil where it was not.
  var rejection: Rejection?

  /// - Parameter maxAge: Seconds for which it may be kept by the client; nil is not at all.
  init(
    _ status: Int, type: String, _ body: Body, headers: [(name: String, value: String)] = [], maxAge: Int? = nil
  ) {
    self.status = status
    let caching = maxAge.map { "max-age=\($0)" } ?? "no-store"
    self.headers = [("Content-Type", type), ("Cache-Control", caching)] + headers
    self.body = body
  }

  static func json(_ object: JSONObject, status: Int = 200) -> Response {
    Response(status, type: "application/json", .bytes(JSON.object(object).bytes + [UInt8(ascii: "\n")]))
  }

  /// - Parameters:
  ///   - error: The short reason; the status' own name where nil.
  ///   - message: For people. Holds nothing of the server's own: no path, no address.
  static func fault(
    _ status: Int, error: String? = nil, _ message: String, _ rejection: Rejection,
    headers: [(name: String, value: String)] = []
  ) -> Response {
    var response = json(["error": .string(error ?? reason(status)), "message": .string(message)], status: status)
    response.headers += headers
    response.rejection = rejection
    return response
  }

  /// The phrases of RFC 9110 for what this server answers.
  static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 503: "Service Unavailable"
    default: "Internal Server Error"
    }
  }
}

/// Why requests are turned away, as the metrics name it.
enum Rejection: String, CaseIterable, Sendable {
  case badRequest = "bad_request"
  case badPicture = "bad_picture"
  case noKey = "no_key"
  case wrongKey = "wrong_key"
  case scope
  case notFound = "not_found"
  case method
  case tooLarge = "too_large"
  case mediaType = "media_type"
  case rateLimit = "rate_limit"
  case timeout
  case queueFull = "queue_full"
  case memory
  case connections
}

/// What an answer is streamed from.
protocol RowSource: AnyObject, Sendable {
  /// Copies what there is into `out` and returns how many bytes that was; 0 where the next are not there yet (the
  /// request is woken once they are), nil at the end.
  func read(into out: UnsafeMutableRawBufferPointer) -> Int?
}

/// What takes a request's body and answers it. Called on the network's thread, one call at a time: nothing may block.
protocol BodyReader: AnyObject {
  /// Takes bytes of the body, in order, and returns how many; fewer than there are where it must wait first. The
  /// request sleeps then until it is woken, and the rest comes again.
  func take(_ bytes: UnsafeRawBufferPointer) -> Int
  /// Set where the rest of the body is of no use: it is answered with this at once.
  var refusal: Response? { get }
  /// The whole body has come: the answer, or nil where it is being worked on; asked again once the request is woken.
  func answer() -> Response?
  /// The request ended before its answer did.
  func abandon()
}
