import Foundation
import Testing

/// Keys, limits, slow clients, and signals.
@Suite struct ServeGuards {
  let galaxies = Galaxies.shared

  @Test func withoutKeysItDoesNotStart() {
    let error = #expect(throws: ServeProcess.Failed.self) { try ServeProcess() }
    #expect(error?.stderr.contains("gx-serve keys add NAME") == true && error?.stderr.contains("--public") == true)
  }

  @Test func keysOpenWhatTheyAllow() throws {
    let scratch = try Scratch()
    let made = try Run.shell(
      """
      set -e
      export XDG_CONFIG_HOME=$PWD/config
      gx-serve keys add one -q
      gx-serve keys add two --scope metrics,read -q
      gx-serve keys add one -q && exit 9
      gx-serve keys add 'a b' -q && exit 9
      gx-serve keys add x --scope all -q && exit 9
      gx-serve keys list | grep -c sha256 && exit 9
      stat -c %a config/gx/keys.ndjson
      gx-serve keys list | wc -l
      """, in: scratch.url)
    #expect(made.lines.suffix(3) == ["0", "600", "2"], "\(made.text)\(made.stderr)")
    let (one, two) = (made.lines[0], made.lines[1])
    let path = (scratch / "config/gx/keys.ndjson").path
    #expect(try !String(contentsOfFile: path, encoding: .utf8).contains(one.dropFirst(3)))

    let server = try ServeProcess("--keys", path, "--rate-per-address", "0")
    func status(_ key: String?, _ target: String) throws -> Int {
      try server.ask("GET", target, key.map { ["Authorization": "Bearer \($0)"] } ?? [:]).status
    }
    #expect(try status(nil, "/api/health") == 200 && status(nil, "/api/openapi.json") == 200 && status(nil, "/") == 200)
    #expect(try status(nil, "/api/info") == 401 && status(nil, "/metrics") == 401)
    #expect(try status(one, "/api/info") == 200 && status(one, "/metrics") == 403 && status(two, "/metrics") == 200)
    #expect(try status(one + "0", "/api/info") == 401)
    let refused = try server.ask("GET", "/api/info")
    #expect(refused.headers["www-authenticate"] == "Bearer")
    #expect(try server.classify(galaxies.pictures[0]).status == 401)
    #expect(try server.classify(galaxies.pictures[0], ["Authorization": "Bearer \(one)"]).status == 200)

    // Keys that come and go while it runs.
    _ = try Run.shell("gx-serve keys --keys \(path) remove one -q", in: scratch.url)
    #expect(try status(one, "/api/info") == 200)
    server.signal(SIGHUP)
    #expect(server.wait(for: "reloaded"))
    #expect(try status(one, "/api/info") == 401 && status(two, "/api/info") == 200)
    #expect(server.stderr.contains("\"key\":\"one\"") && !server.stderr.contains(one) && !server.stderr.contains(two))
  }

  @Test func ratesAreLimited() throws {
    let server = try ServeProcess("--public", "--rate-per-address", "5")
    for left in (0..<5).reversed() {
      let answer = try server.ask("GET", "/api/info")
      #expect(answer.status == 200 && answer.headers["x-ratelimit-remaining"] == "\(left)")
      #expect(answer.headers["x-ratelimit-limit"] == "5" && answer.headers["x-ratelimit-reset"] != nil)
    }
    let refused = try server.ask("GET", "/api/info")
    #expect(refused.status == 429 && (1...12).contains(Int(refused.headers["retry-after"] ?? "") ?? 0))
    #expect(try server.ask("GET", "/api/health").status == 200)
    // Another address is another client; what one says of itself counts for nothing.
    let other = try Client(server.port, from: "127.0.0.2")
    try other.send("GET", "/api/info")
    #expect(try other.answer().status == 200)
    #expect(try server.ask("GET", "/api/info", ["X-Forwarded-For": "192.0.2.1"]).status == 429)
  }

  @Test func aTrustedProxyTellsWhoAsks() throws {
    let server = try ServeProcess("--public", "--rate-per-address", "1", "--trusted-proxy", "127.0.0.0/8")
    for client in ["192.0.2.1", "192.0.2.2"] {
      #expect(try server.ask("GET", "/api/info", ["X-Forwarded-For": "203.0.113.1, \(client)"]).status == 200)
      #expect(try server.ask("GET", "/api/info", ["X-Forwarded-For": "203.0.113.2, \(client)"]).status == 429)
    }
    #expect(server.wait(for: "\"address\":\"192.0.2.2\""))
  }

  @Test func slowClientsAreEnded() throws {
    let server = try ServeProcess("--public", "--head-timeout", "0.5", "--body-timeout", "0.5")
    let (silent, head, body, drip) = (
      try Client(server.port), try Client(server.port), try Client(server.port), try Client(server.port)
    )
    let start = "POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n"
    try head.send(start)
    try body.send(start + "\r\nabc")
    try drip.send(start + "\r\n")
    for _ in 0..<30 {
      usleep(50_000)
      if (try? drip.send("a")) == nil { break }
    }
    #expect(silent.isClosed)
    for client in [head, body, drip] {
      #expect(try client.answer().status == 408)
      #expect(client.isClosed)
    }
    #expect(try server.classify(galaxies.pictures[0]).status == 200)
  }

  @Test func connectionsOfAnAddressAreLimited() throws {
    let server = try ServeProcess("--public", "--max-connections-per-address", "4")
    let open = try (0..<4).map { _ in try Client(server.port) }
    try open[3].send("GET", "/api/health")
    #expect(try open[3].answer().status == 200)
    #expect(try Client(server.port).isClosed)
    let other = try Client(server.port, from: "127.0.0.2")
    try other.send("GET", "/api/health")
    #expect(try other.answer().status == 200)
  }

  @Test func whatIsNoHTTPIsRefusedAndForgotten() throws {
    let server = try ServeProcess("--public")
    let long = String(repeating: "a", count: 100_000)
    for text in [
      "GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /\(long) HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: \(long)\r\n\r\n",
      "POST /api/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n",
    ] {
      let client = try Client(server.port)
      try? client.send(text)
      if let answer = try? client.answer() { #expect((400..<600).contains(answer.status) && answer.status != 500) }
    }
    #expect(try server.classify(galaxies.pictures[0]).status == 200)
  }

  /// A proxy in front might see one request where another begins, and pass it on as somebody's.
  @Test(arguments: [
    "Content-Length: 5\r\nContent-Length: 60", "Content-Length: 60\r\nContent-Length: 5",
    "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Transfer-Encoding: gzip, chunked", "Content-Length: +5", "Content-Length: 0x5", "Content-Length: 5, 5",
    "Content-Length: 99999999999999999999", "Content-Length : 5",
  ]) func whatHasNoCertainEndIsTheLastOnItsConnection(headers: String) throws {
    let server = try ServeProcess("--public")
    let client = try Client(server.port)
    try client.send(
      "POST /api/classify HTTP/1.1\r\nHost: x\r\n\(headers)\r\n\r\n"
        + "0\r\n\r\nGET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
    // What libmicrohttpd refuses itself it answers with its head written twice.
    let answers = try #require(client.rest).matches(of: /HTTP\/1.1 ([0-9]+)/).map(\.1)
    #expect(!answers.isEmpty && answers.allSatisfy { $0.hasPrefix("4") }, "\(answers)")
  }

  @Test func whoHangsUpIsForgottenAtOnce() throws {
    let server = try ServeProcess("--public", "--max-connections-per-address", "4", "--head-timeout", "60")
    for _ in 0..<4 {
      let client = try Client(server.port)
      try client.send("GET /api/hea")
    }
    // They are closed by now, amid their heads, and their places free.
    usleep(1_500_000)
    let open = try (0..<4).map { _ in try Client(server.port) }
    for client in open {
      try client.send("GET", "/api/health")
      #expect(try client.answer().status == 200)
    }
  }

  @Test func requestsUnderWayAreAnsweredBeforeItStops() throws {
    let server = try ServeProcess("--public")
    let (body, type) = form([("image", "a.png", galaxies.pictures[0])])
    let clients = try (0..<20).map { _ in try Client(server.port) }
    let idle = try Client(server.port)
    for client in clients {
      try client.send("POST", "/api/classify", ["Content-Type": type, "Expect": ""], body: body)
    }
    // One has only begun.
    let slow = try Client(server.port)
    try slow.send(
      "POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n")
    try slow.send(body.prefix(100))
    #expect(server.wait(for: "\"path\":\"/api/classify\""))
    server.signal(SIGTERM)
    #expect(server.wait(for: "stopping"))
    usleep(100_000)
    try slow.send(body.dropFirst(100))
    for client in clients + [slow] { #expect(try client.answer().status == 200) }
    #expect(idle.isClosed)
    #expect(server.end() == 0)
  }

  @Test func aModelThatDoesNotLoadLeavesTheOldOne() throws {
    let scratch = try Scratch()
    let model = (scratch / "model").path
    try FileManager.default.copyItem(atPath: galaxies.path("model"), toPath: model)
    let server = try ServeProcess("-m", model, "--public", model: nil)
    let before = try server.classify(galaxies.pictures[0]).json["confidence"] as? Double
    try Data("no model".utf8).write(to: scratch / "model")
    server.signal(SIGHUP)
    #expect(server.wait(for: "not reloaded"))
    #expect(try server.classify(galaxies.pictures[0]).json["confidence"] as? Double == before)
    try Data(contentsOf: URL(fileURLWithPath: galaxies.path("other"))).write(to: scratch / "model")
    server.signal(SIGHUP)
    #expect(server.wait(for: "reloaded model and keys"))
    #expect(try server.classify(galaxies.pictures[0]).json["confidence"] as? Double != before)
    let metrics = try server.ask("GET", "/metrics").text
    #expect(metrics.contains("gx_reloads_total{outcome=\"done\"} 1") && metrics.contains("outcome=\"failed\"} 1"))
  }

  @Test func modelsTogetherGiveTheMean() throws {
    let server = try ServeProcess("-m", galaxies.path("other"), "--public")
    let alone = try ["model", "other"].map { name in
      let run = try Run.shell("gx-decode | gx-infer -m \(name)", input: galaxies.pictures[0], in: galaxies.scratch.url)
      return try #require(JSONSerialization.jsonObject(with: run.stdout) as? [String: Any])["probabilities"]
        as? [String: Double]
    }
    let predictions = try #require(
      try server.classify(galaxies.pictures[0]).json["all_predictions"] as? [[String: Any]])
    for prediction in predictions {
      let name = prediction["class"] as? String ?? ""
      let mean = alone.reduce(0) { $0 + ($1?[name] ?? .nan) } / 2
      #expect(abs((prediction["probability"] as? Double ?? .nan) - mean) < 1e-6)
    }
  }

  @Test func averagesOverViewsAsGxInferDoes() throws {
    let server = try ServeProcess("--public", "--tta", "dihedral")
    let run = try Run.shell(
      "gx-decode | gx-infer -m model --tta dihedral", input: galaxies.pictures[0], in: galaxies.scratch.url)
    let row = try #require(JSONSerialization.jsonObject(with: run.stdout) as? [String: Any])
    #expect(
      try server.classify(galaxies.pictures[0]).json["confidence"] as? Double == row["confidence"] as? Double)
    let bad = try Run.shell("gx-serve --tta twice --public", in: galaxies.scratch.url)
    #expect(bad.status == 2 && bad.stderr.contains("'twice' is none of none, dihedral"))
  }

  @Test func systemdHandsASocketOverAndLearnsThatItIsReady() throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") else {
      print("SKIPPED: python3 is not there to play systemd")
      return
    }
    let script = """
      import os, socket, sys
      notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
      notify.bind("\\0gx-test-%d" % os.getpid())
      listener = socket.socket()
      listener.bind(("127.0.0.1", 0))
      listener.listen()
      child = os.fork()
      if not child:
          os.dup2(listener.fileno(), 3)
          os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", NOTIFY_SOCKET="@gx-test-%d" % os.getppid())
          os.execvp("gx-serve", ["gx-serve", "-q", "--public", "-j", "1", "-m", sys.argv[1]])
      print(notify.recv(100).decode())
      client = socket.create_connection(listener.getsockname())
      client.sendall(b"GET /api/health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
      print(client.recv(100).decode().split("\\r")[0])
      os.kill(child, 15)
      print(notify.recv(100).decode())
      print(os.waitstatus_to_exitcode(os.wait()[1]))
      """
    let scratch = try Scratch()
    try Data(script.utf8).write(to: scratch / "play.py")
    let run = try Run.shell("python3 play.py \(galaxies.path("model"))", in: scratch.url)
    #expect(run.lines == ["READY=1", "HTTP/1.1 200 OK", "STOPPING=1", "0"], "\(run.text)\(run.stderr)")
  }
}
