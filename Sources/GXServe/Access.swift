import GXCore

/// Who may do what, and how often.
final class Access: Sendable {
  private let settings: Settings
  private let keys: Live<KeyStore>
  private let byKey: RateLimiter<String>?
  private let byAddress: RateLimiter<Address>?

  init(_ settings: Settings, _ keys: KeyStore) {
    self.settings = settings
    self.keys = Live(keys)
    byKey = settings.keyRate > 0 ? RateLimiter(perMinute: settings.keyRate) : nil
    byAddress = settings.addressRate > 0 ? RateLimiter(perMinute: settings.addressRate) : nil
  }

  func replace(keys new: KeyStore) { keys.now = new }

  /// What a request was let in with.
  struct Pass: Sendable {
    var key: String?
    /// What tells the client how much more it may ask for: the tighter one of its limits.
    var headers: [(name: String, value: String)] = []
  }

  enum Verdict {
    case pass(Pass)
    case refuse(Response, key: String?)
  }

  /// Every request counts for its address, so that keys cannot be tried out fast; with a key also for that.
  func check(_ head: RequestHead, client: Address, for route: Route) -> Verdict {
    guard let scope = route.scope else { return .pass(Pass()) }
    var tightest: (remaining: Int, headers: [(name: String, value: String)])?
    /// The refusal, if the limit says so.
    func note<ID>(_ limiter: RateLimiter<ID>?, _ id: ID, _ whose: String) -> Response? {
      guard let verdict = limiter?.take(id) else { return nil }
      let headers = [
        ("X-RateLimit-Limit", String(verdict.limit)), ("X-RateLimit-Remaining", String(verdict.remaining)),
        ("X-RateLimit-Reset", String(verdict.reset)),
      ]
      guard verdict.isAllowed else {
        return .fault(
          429, "\(whose) may ask \(verdict.limit) times a minute; go on in \(verdict.retryAfter) s.", .rateLimit,
          headers: [("Retry-After", String(verdict.retryAfter))] + headers)
      }
      if verdict.remaining < tightest?.remaining ?? .max { tightest = (verdict.remaining, headers) }
      return nil
    }
    if let refusal = note(byAddress, client.group, "An address") { return .refuse(refusal, key: nil) }
    guard let text = Self.presented(head) else {
      if settings.isPublic { return .pass(Pass(headers: tightest?.headers ?? [])) }
      return .refuse(
        .fault(
          401, "A key is needed: send 'Authorization: Bearer KEY'.", .noKey, headers: [("WWW-Authenticate", "Bearer")]),
        key: nil)
    }
    guard let key = keys.now.find(text) else {
      return .refuse(
        .fault(
          401, "This key is not known here.", .wrongKey,
          headers: [("WWW-Authenticate", "Bearer error=\"invalid_token\"")]), key: nil)
    }
    guard key.scopes.contains(scope) else {
      return .refuse(
        .fault(
          403, "This key does not allow '\(scope.rawValue)'.", .scope,
          headers: [("WWW-Authenticate", "Bearer error=\"insufficient_scope\", scope=\"\(scope.rawValue)\"")]),
        key: key.name)
    }
    if let refusal = note(byKey, key.name, "A key") { return .refuse(refusal, key: key.name) }
    return .pass(Pass(key: key.name, headers: tightest?.headers ?? []))
  }

  /// One more picture of a request that was let in.
  func charge(_ client: Address, key: String?) {
    byAddress?.charge(client.group, 1)
    if let key { byKey?.charge(key, 1) }
  }

  /// The key's text; nil where there is no Authorization at all. One of another scheme is a wrong key.
  private static func presented(_ head: RequestHead) -> String? {
    guard let value = head.header("authorization") else { return nil }
    let parts = value.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return "" }
    return String(trimmed(parts[1]))
  }
}
