import Foundation
import Testing

@Suite struct Serving {
  let galaxies = Galaxies.shared
  let server: ServeProcess

  init() throws {
    server = try ServeProcess("--public", "--max-body", "1", "--max-batch", "2", "--max-pixels", "10000")
  }

  @Test func classifies() throws {
    let answer = try server.classify(galaxies.pictures[0])
    #expect(answer.status == 200 && answer.headers["content-type"] == "application/json")
    let json = answer.json
    #expect(json["success"] as? Bool == true)
    let predictions = try #require(json["all_predictions"] as? [[String: Any]])
    let probabilities = predictions.compactMap { $0["probability"] as? Double }
    #expect(probabilities.count == 4 && abs(probabilities.reduce(0, +) - 1) < 1e-5)
    #expect(probabilities == probabilities.sorted(by: >))
    #expect(json["confidence"] as? Double == probabilities[0])
    #expect(json["galaxy_type"] as? String == predictions[0]["class"] as? String)
    #expect(
      Set(predictions.compactMap { $0["class"] as? String }) == ["elliptical", "irregular", "lenticular", "spiral"])
    #expect(json["confidence_percentage"] as? String == predictions[0]["percentage"] as? String)
    let info = try #require(json["galaxy_info"] as? [String: Any])
    #expect((info["description"] as? String)?.isEmpty == false && (info["examples"] as? [String])?.isEmpty == false)
    let time = try #require(json["timestamp"] as? String)
    #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/) != nil)

    // The same as in a pipe, and as a body of its own.
    let piped = try Run.shell("gx-decode | gx-infer -m model", input: galaxies.pictures[0], in: galaxies.scratch.url)
    let row = try #require(JSONSerialization.jsonObject(with: piped.stdout) as? [String: Any])
    #expect((row["confidence"] as? Double) == (json["confidence"] as? Double))
    for type in ["image/png", "image/x-whatever", "application/octet-stream"] {
      let raw = try server.ask("POST", "/api/classify", ["Content-Type": type], body: galaxies.pictures[0])
      #expect(raw.json["confidence"] as? Double == json["confidence"] as? Double)
    }
  }

  /// Each format that gx-decode reads, by form and as a body of its own; the document and the page name them.
  @Test(arguments: [
    "codec/420.jpg", "codec/rgba8.png", "webp/lossy-alpha.webp", "tiff/rgb-u2-lzw.tif", "tiff/grey-f4.tif",
  ])
  func everyFormatIsTaken(name: String) throws {
    let file = try Data(contentsOf: Decode.pictures.deletingLastPathComponent().appendingPathComponent(name))
    let suffix = name.split(separator: ".").last!
    let type = ["jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "tif": "image/tiff"][String(suffix)]!
    let answer = try server.classify(file)
    #expect(answer.status == 200, "\(answer.json)")
    let raw = try server.ask("POST", "/api/classify", ["Content-Type": type], body: file)
    #expect(raw.json["confidence"] as? Double == answer.json["confidence"] as? Double)
    let explained = try server.ask(
      "POST", "/api/explain", ["Content-Type": type, "Accept": "image/png"], body: file)
    #expect(explained.status == 200 && explained.headers["content-type"] == "image/png")
    #expect(try server.ask("GET", "/api/openapi.json").text.contains("\"\(type)\""))
    #expect(try server.ask("GET", "/").text.contains(".\(suffix)"))
  }

  /// Bodies in pieces: byte by byte, and chunked.
  @Test func bodiesComeInPieces() throws {
    let (body, type) = form([("text", nil, Data("x".utf8)), ("image", "a.png", galaxies.pictures[1])])
    let whole = try server.ask("POST", "/api/classify", ["Content-Type": type], body: body)
    let client = try Client(server.port)
    let head = "POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Type: \(type)\r\n"
    try client.send(head + "Content-Length: \(body.count)\r\n\r\n")
    for byte in body.prefix(300) { try client.send(Data([byte])) }
    try client.send(body.dropFirst(300))
    #expect(try client.answer().json["confidence"] as? Double == whole.json["confidence"] as? Double)
    try client.send(head + "Transfer-Encoding: chunked\r\n\r\n")
    for start in stride(from: 0, to: body.count, by: 500) {
      let piece = body[start..<min(start + 500, body.count)]
      try client.send(Data("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Data("\r\n".utf8))
    }
    try client.send("0\r\n\r\n")
    #expect(try client.answer().json["confidence"] as? Double == whole.json["confidence"] as? Double)
  }

  @Test func faultsOfTheRequestAreTold() throws {
    func check(
      _ status: Int, _ error: String, _ headers: [String: String], _ body: Data?, target: String = "/api/classify"
    ) throws {
      let answer = try server.ask("POST", target, headers, body: body)
      #expect(answer.status == status && answer.error == error, "\(answer.status) \(answer.text)")
      #expect((answer.json["message"] as? String)?.isEmpty == false)
    }
    func check(_ status: Int, _ error: String, form parts: [(String, String?, Data)]) throws {
      let (body, type) = form(parts)
      try check(status, error, ["Content-Type": type], body)
    }
    let picture = galaxies.pictures[0]
    let png = ["Content-Type": "image/png"]
    try check(400, "No image provided", [:], nil)
    try check(400, "No image provided", form: [("picture", "a.png", picture)])
    try check(400, "No image provided", form: [("image", nil, Data("a.png".utf8))])
    try check(400, "No image provided", ["Content-Type": "application/x-www-form-urlencoded"], Data("image=x".utf8))
    try check(400, "No image selected", form: [("image", "", Data())])
    try check(400, "Invalid image", form: [("image", "a.png", Data())])
    try check(400, "Invalid image", form: [("image", "a.png", Data("text".utf8))])
    try check(400, "Invalid image", png, picture.prefix(picture.count / 2))
    try check(400, "Bad Request", ["Content-Type": "multipart/form-data"], Data("x".utf8))
    try check(400, "Bad Request", ["Content-Type": "multipart/form-data; boundary=a"], Data("--a\r\n".utf8))
    try check(400, "Bad Request", ["Content-Type": "multipart/form-data; boundary=a"], Data("--ab\r\n\r\n".utf8))
    try check(415, "Unsupported Media Type", ["Content-Type": "application/json"], Data("{}".utf8))
    try check(413, "Content Too Large", png, Data(count: 1 << 20 + 1))
    try check(413, "Content Too Large", png, Data(count: 8 << 20))
    try check(415, "Unsupported Media Type", png, picture, target: "/api/classify/batch")
    try check(400, "No image provided", ["Content-Type": form([]).type], form([]).body, target: "/api/classify/batch")
    try check(
      413, "Content Too Large", ["Content-Type": "application/x-tar"], Data(count: 3 << 20),
      target: "/api/classify/batch")
    try check(
      400, "Bad Request", ["Content-Type": "application/x-tar"], Data(count: 700), target: "/api/classify/batch")

    // More pixels than the limit, which the header alone tells.
    let large = try Run.shell("gx-synth -n 1 --size 128 --pictures p > m && cat p/*/*.png", in: server.scratch.url)
      .stdout
    let answer = try server.classify(large)
    #expect(answer.status == 400 && (answer.json["message"] as? String)?.contains("128x128") == true, "\(answer.text)")
    #expect(try server.classify(picture).status == 200)
  }

  @Test func routesAndMethods() throws {
    for (method, target, status) in [
      ("GET", "/api/nothing", 404), ("GET", "/api/health/", 404), ("GET", "/../etc/passwd", 404),
      ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404), ("GET", "//api/health", 404), ("GET", "/api/health?x=y", 200),
      ("POST", "/api/health", 405), ("GET", "/api/classify", 405), ("DELETE", "/", 405), ("BREW", "/metrics", 405),
      ("TRACE", "/api/info", 405), ("HEAD", "/api/classify", 405), ("OPTIONS", "/api/classify", 200),
      ("OPTIONS", "/nothing", 404), ("GET", "/", 200), ("GET", "/samples/spiral.png", 200), ("GET", "/metrics", 200),
    ] {
      let answer = try server.ask(method, target)
      #expect(answer.status == status, "\(method) \(target): \(answer.status)")
      #expect((answer.headers["allow"] != nil) == (status == 405 || method == "OPTIONS" && status == 200))
      #expect(answer.headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true)
      #expect(answer.headers["x-content-type-options"] == "nosniff")
      #expect(answer.headers["access-control-allow-origin"] == "*")
      #expect(!answer.text.contains(server.scratch.url.path) && !answer.text.contains(galaxies.scratch.url.path))
    }
    for target in ["/", "/api/health", "/api/info", "/metrics", "/api/openapi.json", "/samples/irregular.png"] {
      let client = try Client(server.port)
      try client.send("HEAD", target)
      let head = try client.answer(isHead: true)
      try client.send("GET", target)
      let whole = try client.answer()
      #expect(head.status == 200 && whole.status == 200, "\(target)")
      if target != "/metrics" { #expect(head.headers["content-length"] == whole.headers["content-length"]) }
    }
  }

  @Test func healthInfoAndMetrics() throws {
    let health = try server.ask("GET", "/api/health").json
    #expect(health["status"] as? String == "healthy" && health["model_loaded"] as? Bool == true)
    #expect((health["version"] as? String)?.isEmpty == false)
    let info = try server.ask("GET", "/api/info").json
    #expect(info["classes"] as? [String] == ["elliptical", "irregular", "lenticular", "spiral"])
    #expect(info["num_classes"] as? Int == 4 && info["input_size"] as? [Int] == [16, 16])
    #expect((info["galaxy_types"] as? [String: Any])?.count == 4)
    _ = try server.classify(galaxies.pictures[0])
    _ = try server.classify(Data("x".utf8))
    let metrics = try server.ask("GET", "/metrics").text.split(separator: "\n")
    #expect(metrics.contains(#"gx_requests_total{route="/api/classify",status="200"} 1"#))
    #expect(metrics.contains(#"gx_requests_total{route="/api/classify",status="400"} 1"#))
    #expect(metrics.contains(#"gx_rejections_total{reason="bad_picture"} 1"#))
    #expect(metrics.contains("gx_pictures_failed_total 1"))
  }

  @Test func pagesMaySendTheHeadersTheyAskFor() throws {
    for (wanted, allowed) in [
      ("x-requested-with, content-type", "x-requested-with, content-type"),
      ("a<b>", "Accept, Authorization, Content-Type"),
    ] {
      let answer = try server.ask(
        "OPTIONS", "/api/classify", ["Origin": "https://a.example", "Access-Control-Request-Headers": wanted])
      #expect(answer.status == 200 && answer.headers["access-control-allow-headers"] == allowed)
    }
  }

  @Test func explains() throws {
    let (body, type) = form([("image", "a.png", galaxies.pictures[0])])
    let answer = try server.ask("POST", "/api/explain?class=spiral", ["Content-Type": type], body: body).json
    #expect(answer["explained_class"] as? String == "spiral" && answer["method"] as? String == "gradcam")
    let map = try #require(answer["map"] as? [String: Any])
    let values = try #require(map["values"] as? [[Double]])
    #expect(values.count == map["height"] as? Int && values.allSatisfy { $0.count == map["width"] as? Int })
    #expect(map["extent"] as? [String: Double] == ["width": 1, "height": 1])
    let largest = values.joined().max() ?? -1
    #expect((largest == 1 || largest == 0) && values.joined().allSatisfy { (0...1).contains($0) })
    #expect(
      answer["galaxy_type"] as? String == (try server.classify(galaxies.pictures[0])).json["galaxy_type"] as? String)
    let picture = try server.ask(
      "POST", "/api/explain", ["Content-Type": type, "Accept": "image/png"], body: body)
    #expect(picture.headers["content-type"] == "image/png")
    // Its width and height stand in the header.
    #expect(picture.body.dropFirst(16).prefix(8).elementsEqual([0, 0, 0, 16, 0, 0, 0, 16]))
    let unknown = try server.ask("POST", "/api/explain?class=ring", ["Content-Type": type], body: body)
    #expect(unknown.status == 400 && unknown.text.contains("spiral"))
  }

  @Test func batches() throws {
    var parts: [(String, String?, Data)] = galaxies.pictures.enumerated().map { ("f", "\($0)\\\".png", $1) }
    parts.insert(("f", "broken.png", Data("x".utf8)), at: 3)
    parts.insert(("f", "cut.png", galaxies.pictures[0].dropLast(40)), at: 5)
    parts.insert(("f", "large.png", Data(count: 1 << 20 + 1)), at: 6)
    parts.append(("note", nil, Data("no picture".utf8)))
    let (body, type) = form(parts)
    let answer = try server.ask("POST", "/api/classify/batch", ["Content-Type": type], body: body)
    #expect(answer.status == 200 && answer.headers["content-type"] == "application/x-ndjson", "\(answer.text)")
    #expect(
      answer.rows.map { $0["success"] as? Bool } == [true, true, true, false, true, false, false]
        + [Bool](repeating: true, count: 4))
    #expect(answer.rows[0]["id"] as? String == "0\".png" && answer.rows[3]["id"] as? String == "broken.png")
    #expect(answer.rows[6]["error"] as? String == "Content Too Large")
    for (row, picture) in zip(answer.rows.prefix(3), galaxies.pictures) {
      let single = try server.classify(picture).json
      #expect(row["confidence"] as? Double == single["confidence"] as? Double)
      #expect(row["galaxy_type"] as? String == single["galaxy_type"] as? String)
      #expect(row["galaxy_info"] == nil && row["timestamp"] == nil)
    }
  }

  @Test func archives() throws {
    let tar = try Run.shell("tar c pictures names", in: galaxies.scratch.url).stdout
    let names = try Run.shell("tar t | grep -v '/$'", input: tar).lines
    let type = ["Content-Type": "application/x-tar"]
    let answer = try server.ask("POST", "/api/classify/batch", type, body: tar)
    #expect(answer.status == 200, "\(answer.text)")
    // A name without an extension is no record of a shard.
    #expect(answer.rows.map { $0["id"] as? String } == names.filter { $0 != "names" }.map { String($0.dropLast(4)) })
    #expect(answer.rows.allSatisfy { $0["success"] as? Bool == true })
    for cut in [100, 600, tar.count / 2] {
      let broken = try server.ask("POST", "/api/classify/batch", type, body: tar.prefix(cut))
      #expect(broken.status == 400 && broken.error == "Bad Request", "\(broken.text)")
    }
  }
}
