import GXCore
import GXModel
import Testing

@testable import GXInfer
@testable import GXServe

@Suite struct Documents {
  let routes = Routes(files: Page.files())

  @Test func everyRouteIsDescribedAndNoOther() throws {
    let document = OpenAPI.document(routes, classes: ["spiral", "elliptical"], isPublic: false)
    let paths = try #require(document["paths"]?.objectValue)
    #expect(Set(paths.map(\.key)) == Set(routes.all.map(\.path)))
    for route in routes.all {
      let item = try #require(paths[route.path]?.objectValue)
      #expect(Set(item.map(\.key)) == Set(route.methods.map { $0.lowercased() }))
      for method in route.methods {
        let operation = try #require(item[method.lowercased()]?.objectValue)
        let responses = try #require(operation["responses"]?.objectValue)
        let wanted = method == "OPTIONS" ? [200] : route.statuses
        for status in wanted + [405] { #expect(responses[String(status)] != nil, "\(method) \(route.path) \(status)") }
        let security = try #require(operation["security"]?.arrayValue)
        #expect(security.isEmpty == (route.scope == nil || method == "OPTIONS"))
      }
    }
  }

  /// What is referred to is there.
  @Test func referencesLeadSomewhere() throws {
    let document = JSON.object(OpenAPI.document(routes, classes: ["spiral"], isPublic: true))
    func check(_ value: JSON) throws {
      switch value {
      case .object(let object):
        if let reference = object["$ref"]?.stringValue {
          var place: JSON? = document
          for step in reference.split(separator: "/").dropFirst() { place = place?.objectValue?[String(step)] }
          #expect(place != nil, "\(reference)")
        }
        for (_, inner) in object { try check(inner) }
      case .array(let items): for item in items { try check(item) }
      default: break
      }
    }
    try check(document)
  }

  @Test func metricsAreText() {
    let metrics = ServerMetrics()
    metrics.count(route: "/api/classify", status: 200, seconds: 0.03, nil)
    metrics.count(route: "/api/classify", status: 429, seconds: 0.001, .rateLimit)
    metrics.count(picture: "a \"b\"\\\n")
    metrics.count(picture: nil)
    metrics.count(reload: false)
    metrics.watch("gx_queue_depth", "Waiting.") { 3 }
    let lines = metrics.text.split(separator: "\n").map(String.init)
    for line in [
      #"gx_requests_total{route="/api/classify",status="200"} 1"#,
      #"gx_request_seconds_bucket{route="/api/classify",le="0.005"} 1"#,
      #"gx_request_seconds_bucket{route="/api/classify",le="0.05"} 2"#,
      #"gx_request_seconds_bucket{route="/api/classify",le="10"} 2"#,
      #"gx_request_seconds_bucket{route="/api/classify",le="+Inf"} 2"#,
      #"gx_request_seconds_count{route="/api/classify"} 2"#, #"gx_rejections_total{reason="rate_limit"} 1"#,
      #"gx_pictures_total{class="a \"b\"\\\n"} 1"#, "gx_pictures_failed_total 1",
      #"gx_reloads_total{outcome="failed"} 1"#, "gx_queue_depth 3",
    ] { #expect(lines.contains(line), "\(line)") }
    // Each line is a comment, or a name, labels and a number.
    #expect(lines.allSatisfy { $0.hasPrefix("# ") || $0.wholeMatch(of: /gx_[a-z_]+(\{.*\})? [0-9.e+-]+/) != nil })
  }

  @Test func percentagesHaveTwoDecimals() {
    for (value, text) in [(0.93, "93.00%"), (1, "100.00%"), (0, "0.00%"), (0.00004, "0.00%"), (0.00006, "0.01%")] {
      #expect(Prediction.percentage(Float(value)) == text)
    }
  }

  /// What a calibration adds, and that nothing else changes for clients of the original.
  @Test func predictionsTellTheirDoubts() throws {
    let logits: [Float] = [0, 1.1]
    let plain = try Prediction(classes: ["a", "b"], members: [logits]).answer
    #expect(plain["galaxy_type"] == "b" && plain["set"] == nil && plain["uncertain"] == nil)
    let calibration = try Calibration(
      json: [
        "classes": ["a", "b"], "temperature": 1, "conformal": ["method": "lac", "coverage": 0.9, "threshold": 0.9],
        "abstention": ["precision": 0.9, "threshold": 0.9],
      ])
    var json = try Prediction(classes: ["a", "b"], members: [logits], calibration: calibration).answer
    #expect(json["set"] == ["b", "a"] && json["uncertain"] == true)
    let document = OpenAPI.document(routes, classes: ["a", "b"], isPublic: true)
    let schemas = try #require(document["components"]?.objectValue?["schemas"]?.objectValue)
    for name in ["Classification", "Row"] {
      let schema = try #require(schemas[name]?.objectValue)
      for (field, _) in json { #expect(schema["properties"]?.objectValue?[field] != nil, "\(name).\(field)") }
      let required = try #require(schema["required"]?.arrayValue)
      #expect(!required.contains("set") && !required.contains("uncertain"))
    }
    (json["set"], json["uncertain"]) = (nil, nil)
    #expect(json == plain)
  }
}

@Suite struct Heads {
  func head(_ target: String, _ headers: [(name: String, value: String)] = []) -> RequestHead {
    RequestHead(method: "GET", target: target, headers: headers, peer: Address(high: 0, low: 0))
  }

  @Test func targets() {
    #expect(head("/a?b=c&d=%2B+e&f").path == "/a")
    #expect(head("/a?b=c&d=%2B+e&f").parameter("d") == "+ e")
    #expect(head("/a?b=c&d=%2B+e&f").parameter("f") == "")
    #expect(head("/a?b=c").parameter("c") == nil)
    #expect(head("/a?b=%ff").parameter("b") == nil)
    #expect(head("/a?b=%").parameter("b") == "%")
    #expect(head("HTTP://a.example:80/b?c=d").path == "/b" && head("http://a.example").path == "/")
    #expect(head("?").path == "" && head("").query == "")
  }

  @Test(arguments: [
    ("image/png", true), ("application/json", false), ("*/*", false), ("image/*", true), ("", false),
    ("image/png;q=0.5, application/json;q=0.9", false), ("application/json;q=0.1, image/*;q=0.2", true),
    ("image/png;q=0, */*", false), ("text/html, image/png", true),
  ])
  func accepts(accept: String, isPicture: Bool) {
    #expect(head("/", [("accept", accept)]).prefers("image/png", to: "application/json") == isPicture)
  }

  @Test func mediaTypes() {
    #expect(head("/", [("content-type", "Image/PNG ; a=b")]).mediaType == "image/png")
    #expect(head("/").mediaType == nil)
  }
}

@Suite struct Endpoints {
  @Test(arguments: ["127.0.0.1:5000", "[::1]:0", ":80", "localhost:65535"])
  func read(_ text: String) { #expect(Endpoint(text) != nil) }

  @Test(arguments: ["", "5000", "127.0.0.1", "::1:80", "[::1]", "127.0.0.1:65536", "example.org:80", "[x]:80", ":-1"])
  func refused(_ text: String) { #expect(Endpoint(text) == nil) }
}
