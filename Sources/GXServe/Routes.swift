/// One path of the server, and what it takes to be let in.
struct Route: Sendable {
  enum Action: Sendable {
    case classify, batch, explain, health, info, metrics, openAPI
    case file(StaticFile)
  }

  let path: String
  /// `GET` (and so `HEAD`), or `POST`.
  let method: String
  let action: Action
  /// What a key must allow; nil where none is needed.
  let scope: Scope?
  let summary: String

  init(_ method: String, _ path: String, _ action: Action, _ scope: Scope? = nil, _ summary: String) {
    (self.method, self.path, self.action, self.scope, self.summary) = (method, path, action, scope, summary)
  }

  /// All methods that it answers.
  var methods: [String] { method == "GET" ? ["GET", "HEAD", "OPTIONS"] : [method, "OPTIONS"] }

  /// Whether its requests count for the rate limits: what works for the client, or lets it try keys.
  var isMetered: Bool { scope != nil }

  /// The statuses that its `method` answers with, beside 405 for other methods.
  var statuses: [Int] {
    var all: Set = [200]
    if scope != nil { all.formUnion([401, 403, 429]) }
    if method == "POST" { all.formUnion([400, 408, 413, 415, 503]) }
    if case .explain = action { all.insert(404) }
    return all.sorted()
  }
}

/// All that the server answers; the OpenAPI document is made of it.
struct Routes: Sendable {
  let all: [Route]
  private let byPath: [String: Route]

  init(files: [StaticFile]) {
    all =
      [
        Route("POST", "/api/classify", .classify, .read, "Classify a picture"),
        Route("POST", "/api/classify/batch", .batch, .read, "Classify many pictures"),
        Route("POST", "/api/explain", .explain, .read, "Where in a picture the evidence for a class lies"),
        Route("GET", "/api/health", .health, nil, "Whether the server is well"),
        Route("GET", "/api/info", .info, .read, "The model's classes and input"),
        Route("GET", "/api/openapi.json", .openAPI, nil, "This document"),
        Route("GET", "/metrics", .metrics, .metrics, "Metrics for Prometheus"),
      ] + files.map { Route("GET", $0.path, .file($0), nil, $0.summary) }
    byPath = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })
  }

  subscript(path: String) -> Route? { byPath[path] }
}

/// A file that is served as it is.
struct StaticFile: Sendable {
  let path: String
  let type: String
  let bytes: [UInt8]
  let summary: String
}
