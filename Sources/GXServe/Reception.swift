import GXCore
import GXImage

/// What body readers share.
struct Reception: Sendable {
  let settings: Settings
  let budget: Budget
  let queue: ClassifyQueue
  /// Of the answer: what tells the client of its rate limits.
  let headers: [(name: String, value: String)]
  let wake: @Sendable () -> Void

  func fault(
    _ status: Int, error: String? = nil, _ message: String, _ rejection: Rejection,
    headers more: [(name: String, value: String)] = []
  ) -> Response {
    .fault(status, error: error, message, rejection, headers: headers + more)
  }

  var busy: Response {
    fault(
      503, "The server has as much to do as it can take; try again in a moment.", .queueFull,
      headers: [("Retry-After", "1")])
  }

  var noMemory: Response {
    fault(
      503, "The server holds as many uploads as it can; try again in a moment.", .memory,
      headers: [("Retry-After", "2")])
  }

  func tooLarge(_ limit: Int, _ what: String) -> Response {
    fault(413, "\(what) is over the limit of \(limit) bytes.", .tooLarge)
  }

  /// - Parameter wanted: What is taken, each with its Content-Type.
  func unsupported(_ head: RequestHead, _ wanted: String) -> Response {
    let came = head.mediaType.map { "'\($0.prefix(80))'" } ?? "a body without a Content-Type"
    return fault(415, "This path takes \(wanted), not \(came).", .mediaType)
  }

  func packed(_ coding: String) -> Response {
    fault(
      415, "The body has the Content-Encoding '\(coding.prefix(80))': send it as it is, without that header.",
      .mediaType, headers: [("Accept-Encoding", "identity")])
  }

  func malformed(_ error: GXError) -> Response { fault(400, "The form cannot be read: \(error.message).", .badRequest) }

  /// What a picture is sent as, for messages.
  static let ways =
    "a picture as the field '\(PictureReader.field)' of a form (Content-Type: multipart/form-data), or as the body "
    + "(Content-Type: \(PictureCodec.all.map(\.mediaTypes[0]).joined(separator: ", ")) or application/octet-stream)"

  func nothing(_ message: String) -> Response { fault(400, error: "No image provided", message, .badRequest) }

  /// What reads the request's form.
  func form(_ head: RequestHead) throws(GXError) -> Multipart {
    try Multipart(contentType: head.header("content-type") ?? "", headerLimit: settings.partHeaderBytes)
  }
}

/// Whether a file begins as pictures do that are read.
func beginsLikePicture(_ start: some Collection<UInt8>) -> Bool { PictureCodec(sniffing: start) != nil }
