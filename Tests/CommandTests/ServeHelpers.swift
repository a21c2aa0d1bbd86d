import Foundation

/// A model that is learnt in a second, and pictures for it.
final class Galaxies: Sendable {
  static let shared = Galaxies()

  let scratch: Scratch
  /// PNG files of galaxies.
  let pictures: [Data]

  private init() {
    scratch = try! Scratch()
    let made = try! Run.shell(
      """
      set -e -o pipefail
      gx-synth -n 40 --size 32 | gx-resize 16 | gx-normalize > train.tar
      gx-train -q -j 1 --epochs 1 --batch 8 -o model < train.tar > log
      gx-train -q -j 1 --epochs 1 --batch 8 --seed 1 -o other < train.tar > log
      gx-synth -n 8 --size 40 --seed 3 --pictures pictures > manifest
      ls pictures/*/* > names
      """, in: scratch.url)
    precondition(made.status == 0, made.stderr)
    let names = try! String(contentsOf: scratch / "names", encoding: .utf8).split(separator: "\n")
    // Nothing that is static goes by itself.
    atexit { try? FileManager.default.removeItem(at: Galaxies.shared.scratch.url) }
    pictures = names.map { [scratch] in try! Data(contentsOf: scratch / String($0)) }
  }

  func path(_ name: String) -> String { (scratch / name).path }
}

/// A gx-serve of its own on a free port, killed with the test if it has not ended.
final class ServeProcess {
  let process = Process()
  let scratch = try! Scratch()
  private(set) var port: UInt16 = 0

  /// - Parameter model: nil where `arguments` name one, or none.
  init(_ arguments: String..., model: String? = Galaxies.shared.path("model")) throws {
    process.executableURL = Run.binaries.appendingPathComponent("gx-serve")
    process.arguments =
      (model.map { ["-m", $0] } ?? []) + ["--listen", "127.0.0.1:0", "-j", "2", "--keys", (scratch / "keys").path]
      + arguments
    try Data().write(to: scratch / "stderr")
    process.standardError = try FileHandle(forWritingTo: scratch / "stderr")
    process.standardOutput = FileHandle.nullDevice
    // Threads of the test runner block signals, and a child inherits that.
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
    guard wait(for: "listening on"), let port = stderr.firstMatch(of: /listening on https?:\/\/.*:([0-9]+)\//) else {
      throw Failed(stderr: stderr)
    }
    self.port = UInt16(port.1)!
  }

  struct Failed: Error { let stderr: String }

  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

  var stderr: String { (try? String(contentsOf: scratch / "stderr", encoding: .utf8)) ?? "" }

  /// How long is waited for what the server says, in seconds: under a sanitizer it takes its time.
  private static let patience = ProcessInfo.processInfo.environment["GX_PATIENCE"].flatMap { Int($0) } ?? 30

  /// Whether stderr holds `text`, `count` times, before patience is over or the server.
  func wait(for text: String, count: Int = 1) -> Bool {
    for _ in 0..<100 * Self.patience {
      if stderr.components(separatedBy: text).count > count { return true }
      if !process.isRunning { return stderr.components(separatedBy: text).count > count }
      usleep(10_000)
    }
    return false
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// How it ended.
  func end() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
  }

  /// One request on a connection of its own.
  func ask(
    _ method: String, _ target: String, _ headers: [String: String] = [:], body: Data? = nil
  ) throws -> Answer {
    let client = try Client(port)
    try client.send(method, target, headers, body: body)
    return try client.answer(isHead: method == "HEAD")
  }

  func classify(_ picture: Data, _ headers: [String: String] = [:]) throws -> Answer {
    let (body, type) = form([("image", "a.png", picture)])
    return try ask("POST", "/api/classify", headers.merging(["Content-Type": type]) { $1 }, body: body)
  }
}

/// A form and its Content-Type. A part without a filename is a plain field.
func form(_ parts: [(name: String, filename: String?, content: Data)]) -> (body: Data, type: String) {
  var body = Data()
  for part in parts {
    let filename = part.filename.map { "; filename=\"\($0)\"" } ?? ""
    body += Data("--X-X\r\nContent-Disposition: form-data; name=\"\(part.name)\"\(filename)\r\n\r\n".utf8)
    body += part.content + Data("\r\n".utf8)
  }
  return (body + Data("--X-X--\r\n".utf8), "multipart/form-data; boundary=X-X")
}

struct Answer {
  let status: Int
  /// By lower-case name.
  let headers: [String: String]
  let body: Data

  var text: String { String(decoding: body, as: UTF8.self) }
  var json: [String: Any] { (try? JSONSerialization.jsonObject(with: body) as? [String: Any]) ?? [:] }
  var rows: [[String: Any]] {
    text.split(separator: "\n").map {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) ?? [:]
    }
  }
  var error: String? { json["error"] as? String }
}

/// HTTP over a plain socket, so that a test decides about every byte.
class Client {
  struct Failed: Error { let what: String }

  let socket: Int32
  private var buffer = Data()

  init(_ port: UInt16, host: String = "127.0.0.1", from source: String? = nil) throws {
    socket = Glibc.socket(AF_INET, 1 /* SOCK_STREAM */, 0)
    var wait = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
    func call(_ host: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Bool {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      inet_pton(AF_INET, host, &address.sin_addr)
      return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
    }
    if let source, !call(source, 0, { bind(socket, $0, $1) }) { throw Failed(what: "bind") }
    guard call(host, port, { connect(socket, $0, $1) }) else { throw Failed(what: "connect") }
  }

  deinit { close(socket) }

  /// As send(2) and recv(2).
  func put(_ bytes: UnsafeRawBufferPointer) -> Int {
    Glibc.send(socket, bytes.baseAddress, bytes.count, 0x4000 /* MSG_NOSIGNAL */)
  }
  func get(_ bytes: UnsafeMutableRawBufferPointer) -> Int { recv(socket, bytes.baseAddress, bytes.count, 0) }

  func send(_ data: Data) throws {
    var rest = data[...]
    while !rest.isEmpty {
      let n = rest.withUnsafeBytes(put)
      guard n > 0 else { throw Failed(what: "send") }
      rest = rest.dropFirst(n)
    }
  }

  func send(_ text: String) throws { try send(Data(text.utf8)) }

  func send(_ method: String, _ target: String, _ headers: [String: String] = [:], body: Data? = nil) throws {
    var head = "\(method) \(target) HTTP/1.1\r\nHost: test\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    if let body { head += "Content-Length: \(body.count)\r\n" }
    try send(Data((head + "\r\n").utf8) + (body ?? Data()))
  }

  /// False at the end of the stream.
  private func fill() throws -> Bool {
    var piece = [UInt8](repeating: 0, count: 65536)
    let n = piece.withUnsafeMutableBytes(get)
    guard n >= 0 else { throw Failed(what: "recv: \(n), \(errno)") }
    buffer += piece[..<n]
    return n > 0
  }

  private func line() throws -> String {
    while true {
      if let end = buffer.firstRange(of: Data("\r\n".utf8)) {
        defer { buffer = Data(buffer[end.upperBound...]) }
        return String(decoding: buffer[..<end.lowerBound], as: UTF8.self)
      }
      guard try fill() else { throw Failed(what: "closed") }
    }
  }

  private func take(_ count: Int) throws -> Data {
    while buffer.count < count { guard try fill() else { throw Failed(what: "closed within a body") } }
    defer { buffer = Data(buffer.dropFirst(count)) }
    return Data(buffer.prefix(count))
  }

  /// The next answer on this connection.
  func answer(isHead: Bool = false) throws -> Answer {
    let status = try line().split(separator: " ")
    guard status.count >= 2, status[0].hasPrefix("HTTP/1."), let code = Int(status[1]) else {
      throw Failed(what: "no status line: \(status)")
    }
    var headers: [String: String] = [:]
    while true {
      let line = try line()
      if line.isEmpty { break }
      guard let colon = line.firstIndex(of: ":") else { throw Failed(what: "no header: \(line)") }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    if code == 100 { return try answer(isHead: isHead) }
    var body = Data()
    if isHead {
    } else if headers["transfer-encoding"] == "chunked" {
      while let size = Int(try line(), radix: 16) {
        body += try take(size)
        _ = try line()
        if size == 0 { break }
      }
    } else if let length = headers["content-length"].flatMap({ Int($0) }) {
      body = try take(length)
    }
    return Answer(status: code, headers: headers, body: body)
  }

  /// What else comes until the server closes the connection; nil if it does not.
  var rest: String? {
    while let more = try? fill() {
      if !more { return String(decoding: buffer, as: UTF8.self) }
    }
    return nil
  }

  /// Whether the server ends the connection, with nothing more to say.
  var isClosed: Bool { (try? fill()) == false && buffer.isEmpty }
}
