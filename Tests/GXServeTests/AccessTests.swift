import GXCore
import GXStream
import Glibc
import Testing

@testable import GXServe

/// A clock that goes on when it is told.
final class Clock: @unchecked Sendable {
  var time = 1000.0
}

@Suite struct RateLimits {
  @Test func aMinutesWorthAtOnceAndThenAtTheRate() {
    let clock = Clock()
    let limiter = RateLimiter<String>(perMinute: 60) { clock.time }
    for i in 1...60 {
      let verdict = limiter.take("a")
      #expect(verdict == .init(isAllowed: true, limit: 60, remaining: 60 - i, reset: i, retryAfter: 0))
    }
    #expect(limiter.take("a") == .init(isAllowed: false, limit: 60, remaining: 0, reset: 60, retryAfter: 1))
    #expect(limiter.take("b").isAllowed)
    clock.time += 0.5
    #expect(!limiter.take("a").isAllowed)
    clock.time += 0.5
    #expect(limiter.take("a").isAllowed)
    #expect(!limiter.take("a").isAllowed)
    clock.time += 1e6
    #expect(limiter.take("a").remaining == 59)
  }

  @Test func slowRatesTellHowLongToWait() {
    let clock = Clock()
    let limiter = RateLimiter<Int>(perMinute: 1) { clock.time }
    #expect(limiter.take(1).isAllowed)
    #expect(limiter.take(1).retryAfter == 60)
    clock.time += 45.5
    #expect(limiter.take(1).retryAfter == 15)
  }

  @Test func aBatchFallsIntoDebt() {
    let clock = Clock()
    let limiter = RateLimiter<Int>(perMinute: 60) { clock.time }
    #expect(limiter.take(1).isAllowed)
    limiter.charge(1, 100)
    #expect(limiter.take(1).retryAfter == 42)  // 41 in debt, and one for the request
    clock.time += 42
    #expect(limiter.take(1).isAllowed)
  }

  @Test func refusalsCostNothing() {
    let clock = Clock()
    let limiter = RateLimiter<Int>(perMinute: 1) { clock.time }
    #expect(limiter.take(1).isAllowed)
    for _ in 0..<100 { #expect(!limiter.take(1).isAllowed) }
    clock.time += 60
    #expect(limiter.take(1).isAllowed)
  }

  @Test func aClockThatGoesBackGivesNothing() {
    let clock = Clock()
    let limiter = RateLimiter<Int>(perMinute: 1) { clock.time }
    #expect(limiter.take(1).isAllowed)
    clock.time -= 500
    #expect(!limiter.take(1).isAllowed)
  }

  @Test func theTableIsBounded() {
    let limiter = RateLimiter<Int>(perMinute: 2, table: 100) { 0 }
    for client in 0..<10_000 { _ = limiter.take(client) }
    #expect(limiter.count <= 100)
    // Who comes often is not forgotten, however many others come.
    let busy = RateLimiter<Int>(perMinute: 2, table: 100) { 0 }
    let allowed = (1...10_000).filter { client in
      _ = busy.take(client)
      return client % 10 == 0 && busy.take(0).isAllowed
    }
    #expect(allowed.count == 2)
  }
}

@Suite struct Keys {
  let folder: String

  init() throws {
    var template = Array("/tmp/gx-keys.XXXXXX".utf8CString)
    folder = try #require(mkdtemp(&template).map { String(cString: $0) })
  }

  @Test func addedListedAndRemoved() throws {
    let path = folder + "/deep/er/keys.ndjson"
    let (one, text) = try APIKey.make(name: "one", scopes: [.read])
    let (two, other) = try APIKey.make(name: "two", scopes: [.read, .metrics])
    #expect(text != other && text.hasPrefix("gx_") && text.count == 67)
    try KeyStore.change(path: path) { try $0.add(one) }
    try KeyStore.change(path: path) { try $0.add(two) }
    let store = try KeyStore(path: path)
    #expect(store.keys == [one, two])
    #expect(store.find(text) == one && store.find(other) == two)
    for wrong in ["", "gx_", String(text.dropLast()), text + "0", text.uppercased()] {
      #expect(store.find(wrong) == nil)
    }
    #expect(throws: GXError.self) { try KeyStore.change(path: path) { try $0.add(one) } }

    let stored = String(decoding: try readFile(path), as: UTF8.self)
    #expect(!stored.contains(text.dropFirst(3)) && stored.contains("\"scopes\":[\"read\",\"metrics\"]"))
    var info = stat()
    #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o600)

    try KeyStore.change(path: path) { try $0.remove("one") }
    #expect(try KeyStore(path: path).keys == [two])
    #expect(throws: GXError.self) { try KeyStore.change(path: path) { try $0.remove("one") } }
  }

  /// The published digest of "abc" (FIPS 180-4).
  @Test func digestIsSHA256() {
    #expect(hexText(APIKey.sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: ["", "a b", "a/b", "a\n", "ä", String(repeating: "a", count: 65)])
  func badNames(_ name: String) { #expect(throws: GXError.self) { try APIKey.make(name: name, scopes: [.read]) } }

  @Test(arguments: [
    "{", "[]", "{\"name\":\"a\"}", #"{"name":"a","scopes":["all"],"sha256":""}"#,
    #"{"name":"a","scopes":["read"],"sha256":"00"}"#,
    #"{"name":"a","scopes":["read"],"sha256":"\#(String(repeating: "x", count: 64))"}"#,
  ])
  func brokenFiles(_ line: String) throws {
    let path = folder + "/keys.ndjson"
    let file = try AtomicFile(path: path)
    let sink = ByteSink(descriptor: file.descriptor)
    try sink.write(Array("\n\(line)\n".utf8))
    try sink.flush()
    try file.commit()
    let error = #expect(throws: GXError.self) { try KeyStore(path: path) }
    #expect(error?.message.contains("keys.ndjson, line 1") == true)
  }

  @Test func noFileIsNoKeys() throws { #expect(try KeyStore(path: folder + "/none").keys.isEmpty) }
}

@Suite struct Admission {
  let access: Access
  let read: String
  let metrics: String

  init() throws {
    var settings = Settings()
    (settings.keyRate, settings.addressRate) = (5, 8)
    var store = KeyStore()
    let (one, first) = try APIKey.make(name: "one", scopes: [.read])
    let (two, second) = try APIKey.make(name: "two", scopes: [.metrics])
    try store.add(one)
    try store.add(two)
    access = Access(settings, store)
    (read, metrics) = (first, second)
  }

  static let routes = Routes(files: [])

  func status(_ authorization: String?, _ path: String, address: String = "192.0.2.1") throws -> Int {
    let head = RequestHead(
      method: "GET", target: path, headers: authorization.map { [("authorization", $0)] } ?? [],
      peer: try #require(Address(address)))
    switch access.check(head, client: head.peer, for: try #require(Self.routes[path])) {
    case .pass: return 200
    case .refuse(let response, _): return response.status
    }
  }

  @Test func keysAndScopes() throws {
    #expect(try status("Bearer \(read)", "/api/info") == 200)
    #expect(try status("bearer  \(read) ", "/api/info") == 200)
    #expect(try status("Bearer \(read)", "/metrics", address: "192.0.2.2") == 403)
    #expect(try status("Bearer \(metrics)", "/metrics", address: "192.0.2.2") == 200)
    #expect(try status(nil, "/api/info", address: "192.0.2.3") == 401)
    for wrong in ["", "Bearer", "Bearer x", "Basic \(read)", read, "Bearer \(read)x"] {
      #expect(try status(wrong, "/api/info", address: "192.0.2.3") == 401)
    }
    #expect(try status(nil, "/api/health") == 200)
  }

  @Test func wrongKeysCannotBeTriedFast() throws {
    for _ in 0..<8 { #expect(try status("Bearer x", "/api/info", address: "192.0.2.9") == 401) }
    #expect(try status("Bearer x", "/api/info", address: "192.0.2.9") == 429)
    #expect(try status("Bearer \(read)", "/api/info", address: "192.0.2.9") == 429)
    #expect(try status("Bearer \(read)", "/api/info", address: "192.0.2.10") == 200)
  }

  @Test func aKeysLimitHoldsForAllItsAddresses() throws {
    for i in 0..<5 { #expect(try status("Bearer \(read)", "/api/info", address: "198.51.100.\(i)") == 200) }
    #expect(try status("Bearer \(read)", "/api/info", address: "198.51.100.99") == 429)
  }
}
