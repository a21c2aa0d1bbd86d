/// What is done with a request once its head is there.
enum Intake {
  case answer(Response)
  /// Answered too, but nothing that follows on the connection can be trusted.
  case refuse(Response)
  /// The body goes to a reader, which answers.
  case read(any BodyReader)
}

/// What a request is known by, once its head is there.
struct Tag: Sendable {
  /// The route's path; `other` where there is no such.
  var route = "other"
  var client: Address
  /// The name of its key.
  var key: String?
}

/// What an exchange came to, for the log and the metrics.
struct Outcome: Sendable {
  /// nil where no head ever came.
  let head: RequestHead?
  let tag: Tag
  /// nil where libmicrohttpd answered what was no HTTP, or nobody answered.
  let status: Int?
  let bytesIn: Int
  let bytesOut: Int
  let seconds: Double
  let rejection: Rejection?
}

/// What stands behind the protocol. Called on the network's thread: nothing may block.
protocol Application: AnyObject, Sendable {
  /// - Parameter wake: calls a sleeping request's reader again, from any thread.
  func begin(_ head: RequestHead, wake: @escaping @Sendable () -> Void) -> (Tag, Intake)
  func finished(_ outcome: Outcome)
  /// A connection was refused, for its address has too many.
  func turnedAway()
  /// Headers of every answer.
  var commonHeaders: [(name: String, value: String)] { get }
}
