import CGnuTLS
import CMicroHTTPD
import CSystem
import GXCore
import GXStream
import Glibc

/// The HTTP server: libmicrohttpd on one thread, which parses, takes bodies in and sends answers out, and never waits.
final class HTTPServer: @unchecked Sendable {
  struct Certificate: Sendable {
    /// PEM texts.
    let chain, key: String

    /// - Throws: `GXError` where a file cannot be read, or the two are not a certificate and its key.
    init(_ files: Server.CertificateFiles) throws(GXError) {
      chain = String(decoding: try readFile(files.chain, limit: 1 << 20), as: UTF8.self)
      key = String(decoding: try readFile(files.key, limit: 1 << 20), as: UTF8.self)
      var credentials: gnutls_certificate_credentials_t?
      guard gnutls_certificate_allocate_credentials(&credentials) == 0 else { throw GXError("TLS does not start") }
      defer { gnutls_certificate_free_credentials(credentials) }
      let status = Self.datum(chain) { chain in
        Self.datum(key) { gnutls_certificate_set_x509_key_mem(credentials, chain, $0, GNUTLS_X509_FMT_PEM) }
      }
      guard status >= 0 else {
        throw GXError(
          "\(files.chain), \(files.key): no certificate and its key, in PEM: \(String(cString: gnutls_strerror(status)))"
        )
      }
    }

    private static func datum<R>(_ text: String, _ body: (UnsafePointer<gnutls_datum_t>) -> R) -> R {
      var bytes = Array(text.utf8)
      return bytes.withUnsafeMutableBufferPointer { bytes in
        withUnsafePointer(to: gnutls_datum_t(data: bytes.baseAddress, size: UInt32(bytes.count)), body)
      }
    }
  }

  private let application: any Application
  private let settings: Settings
  private let isTLS: Bool
  let connections: Connections
  private var daemons: [OpaquePointer] = []
  private let monitor = Monitor()
  private var inFlight = 0
  private var isStopping = false

  /// Begins to accept.
  /// - Throws: `GXError` where libmicrohttpd does not start.
  init(_ sockets: [Int32], _ certificate: Certificate?, _ settings: Settings, _ application: any Application) throws {
    self.application = application
    self.settings = settings
    isTLS = certificate != nil
    let slow = Response.fault(408, "The request did not come in time.", .timeout)
    connections = Connections(settings, timeoutAnswer: Self.plain(slow, application.commonHeaders))
    for socket in sockets {
      var options = gx_http_options()
      options.listen_fd = socket
      options.connections = UInt32(settings.connections)
      options.connection_memory = settings.headBytes
      options.context = Unmanaged.passUnretained(self).toOpaque()
      options.accept = { context, address, _ in server(context).mayAccept(address) }
      options.connection = { context, handle, place, code in server(context).connection(handle!, place!, code) }
      options.target = { context, target, handle in server(context).begin(target, handle!) }
      options.request = { context, handle, _, method, _, bytes, count, place in
        server(context).handle(handle!, method, bytes, count!, place!)
      }
      options.completed = { context, handle, place, _ in server(context).end(place!) }
      let daemon = start(&options, certificate)
      guard let daemon else { throw GXError(isTLS ? "TLS does not start" : "HTTP does not start") }
      daemons.append(daemon)
    }
  }

  private func start(_ options: inout gx_http_options, _ certificate: Certificate?) -> OpaquePointer? {
    guard let certificate else { return gx_http_start(&options) }
    return certificate.chain.withCString { chain in
      certificate.key.withCString { key in
        (options.certificate, options.key) = (chain, key)
        return gx_http_start(&options)
      }
    }
  }

  /// Requests under way.
  var requests: Int { monitor.locked { inFlight } }

  /// Stops accepting, waits for the requests under way (but no longer than the settings say), and stops.
  func drain() {
    monitor.locked { isStopping = true }
    for daemon in daemons {
      let socket = MHD_quiesce_daemon(daemon)
      guard socket >= 0 else { continue }
      // Who has connected already is answered.
      _ = fcntl(socket, F_SETFL, O_NONBLOCK)
      while true {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let added = withUnsafeMutablePointer(to: &address) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            let client = gx_accept(socket, address, &size)
            return client >= 0 && MHD_add_connection(daemon, client, address, size) == .YES
          }
        }
        if !added { break }
      }
      close(socket)
    }
    let end = now() + settings.drainSeconds
    repeat {
      connections.endIdle()
      usleep(20_000)
    } while now() < end && (requests > 0 || connections.count > 0)
  }

  // MARK: The connection

  fileprivate func mayAccept(_ address: UnsafePointer<sockaddr>?) -> MHD_Result {
    guard let address = Address(address) else { return .NO }
    if connections.mayOpen(address) { return .YES }
    application.turnedAway()
    return .NO
  }

  fileprivate func connection(
    _ handle: OpaquePointer, _ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>,
    _ code: MHD_ConnectionNotificationCode
  ) {
    if code == .CONNECTION_NOTIFY_STARTED {
      let address = Address(gx_http_peer(handle)) ?? Address(high: 0, low: 0)
      let connection = connections.opened(socket: gx_http_socket(handle), address: address, isTLS: isTLS)
      place.pointee = Unmanaged.passRetained(connection).toOpaque()
    } else if let raw = place.pointee {
      connections.closed(Unmanaged<Connection>.fromOpaque(raw).takeRetainedValue())
      place.pointee = nil
    }
  }

  // MARK: The request

  /// The request's line is there.
  fileprivate func begin(_ target: UnsafePointer<CChar>?, _ handle: OpaquePointer) -> UnsafeMutableRawPointer? {
    guard let raw = gx_http_socket_context(handle) else { return nil }
    let connection = Unmanaged<Connection>.fromOpaque(raw).takeUnretainedValue()
    let text = target.map { String(decoding: UnsafeRawBufferPointer(start: $0, count: strlen($0)), as: UTF8.self) }
    monitor.locked { inFlight += 1 }
    connections.note(connection, .head)
    return Unmanaged.passRetained(Exchange(target: text ?? "", connection: connection, handle: handle)).toOpaque()
  }

  /// Called once the head is there, for each piece of the body, and behind it until there is an answer.
  fileprivate func handle(
    _ handle: OpaquePointer, _ method: UnsafePointer<CChar>?, _ bytes: UnsafePointer<CChar>?,
    _ count: UnsafeMutablePointer<Int>, _ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  ) -> MHD_Result {
    guard let raw = place.pointee else { return .NO }
    let exchange = Unmanaged<Exchange>.fromOpaque(raw).takeUnretainedValue()
    if exchange.head == nil { return head(exchange, handle, method) }
    if count.pointee > 0 {
      return body(exchange, handle, UnsafeRawBufferPointer(start: bytes, count: count.pointee), count)
    }
    guard let response = exchange.response ?? exchange.reader?.answer() else {
      connections.set(exchange.connection, .work, for: nil)
      exchange.sleep()
      return .YES
    }
    return queue(response, exchange, handle)
  }

  private func head(
    _ exchange: Exchange, _ handle: OpaquePointer, _ method: UnsafePointer<CChar>?
  ) -> MHD_Result {
    let method = method.map { String(cString: $0) } ?? ""
    let head = RequestHead(
      method: method, target: exchange.target, headers: headers(handle), peer: exchange.connection.address)
    exchange.head = head
    exchange.begin = now()
    let (tag, intake) = application.begin(head) { [weak exchange] in exchange?.wake() }
    exchange.tag = tag
    switch intake {
    case .read(let reader): exchange.reader = reader
    case .answer(let response):
      exchange.response = response
      // A short body is passed over, so that the connection can go on; a long one is not worth it.
      if head.hasBody, head.header("expect") != nil || head.contentLength.map({ $0 > 64 << 10 }) ?? true {
        return end(exchange, with: response, handle)
      }
    case .refuse(let response): return end(exchange, with: response, handle)
    }
    exchange.bodyBegin = now()
    if head.hasBody { connections.set(exchange.connection, .body, for: settings.bodySeconds) }
    return .YES
  }

  /// Answers, and closes the connection: what is still to come of the request is not read.
  private func end(_ exchange: Exchange, with response: Response, _ handle: OpaquePointer) -> MHD_Result {
    connections.cutShort(exchange.connection)
    exchange.isLast = true
    return queue(response, exchange, handle)
  }

  private func body(
    _ exchange: Exchange, _ handle: OpaquePointer, _ bytes: UnsafeRawBufferPointer,
    _ left: UnsafeMutablePointer<Int>
  ) -> MHD_Result {
    if exchange.sleepBegin > 0 {
      exchange.bodyBegin += now() - exchange.sleepBegin
      exchange.sleepBegin = 0
    }
    let taken = exchange.reader?.take(bytes) ?? bytes.count
    exchange.bytesIn += taken
    left.pointee = bytes.count - taken
    if let refusal = exchange.reader?.refusal {
      // libmicrohttpd answers in the midst of a body only by closing; so this is sent past it.
      sendPast(refusal, exchange, handle)
      return .NO
    }
    if taken < bytes.count {
      exchange.sleepBegin = now()
      connections.set(exchange.connection, .work, for: nil)
      exchange.sleep()
    } else {
      let allowed = settings.bodySeconds + Double(exchange.bytesIn) / settings.slowestBytesPerSecond
      connections.set(exchange.connection, .body, for: exchange.bodyBegin + allowed - now())
    }
    return .YES
  }

  private func headers(_ handle: OpaquePointer) -> [(name: String, value: String)] {
    final class List { var headers: [(name: String, value: String)] = [] }
    let list = List()
    MHD_get_connection_values(
      handle, .HEADER_KIND,
      { context, _, name, value in
        let list = Unmanaged<List>.fromOpaque(context!).takeUnretainedValue()
        guard let name else { return .YES }
        list.headers.append((String(cString: name).lowercased(), value.map { String(cString: $0) } ?? ""))
        return .YES
      }, Unmanaged.passUnretained(list).toOpaque())
    return list.headers
  }

  // MARK: The answer

  private func queue(_ response: Response, _ exchange: Exchange, _ handle: OpaquePointer) -> MHD_Result {
    exchange.response = response
    let answer: OpaquePointer?
    switch response.body {
    case .bytes(let bytes):
      exchange.bytesOut = exchange.head?.method == "HEAD" ? 0 : bytes.count
      answer = bytes.withUnsafeBytes {
        MHD_create_response_from_buffer($0.count, UnsafeMutableRawPointer(mutating: $0.baseAddress), .RESPMEM_MUST_COPY)
      }
      connections.set(
        exchange.connection, .answer, for: 30 + Double(bytes.count) / settings.slowestBytesPerSecond)
    case .rows(let rows):
      exchange.rows = rows
      answer = MHD_create_response_from_callback(
        UInt64.max, 32 << 10,
        { context, _, out, count in
          Unmanaged<RowFeed>.fromOpaque(context!).takeUnretainedValue().read(
            UnsafeMutableRawBufferPointer(start: out, count: count))
        }, Unmanaged.passRetained(RowFeed(self, exchange, rows)).toOpaque(),
        { Unmanaged<RowFeed>.fromOpaque($0!).release() })
    }
    guard let answer else { return .NO }
    defer { MHD_destroy_response(answer) }
    for (name, value) in application.commonHeaders + response.headers {
      MHD_add_response_header(answer, name, value)
    }
    if exchange.isLast || monitor.locked({ isStopping }) { MHD_add_response_header(answer, "Connection", "close") }
    exchange.status = response.status
    return MHD_queue_response(handle, UInt32(response.status), answer)
  }

  /// Feeds rows to libmicrohttpd, and puts the exchange to sleep where the next is not there yet.
  private final class RowFeed {
    private let server: HTTPServer
    private let exchange: Exchange
    private let rows: any RowSource

    init(_ server: HTTPServer, _ exchange: Exchange, _ rows: any RowSource) {
      (self.server, self.exchange, self.rows) = (server, exchange, rows)
    }

    func read(_ out: UnsafeMutableRawBufferPointer) -> Int {
      guard let count = rows.read(into: out) else { return -1 }  // MHD_CONTENT_READER_END_OF_STREAM
      if count == 0 {
        server.connections.set(exchange.connection, .work, for: nil)
        exchange.sleep()
      } else {
        exchange.bytesOut += count
        server.connections.set(exchange.connection, .answer, for: 30)
      }
      return count
    }
  }

  private func sendPast(_ response: Response, _ exchange: Exchange, _ handle: OpaquePointer) {
    exchange.response = response
    exchange.status = response.status
    connections.cutShort(exchange.connection)
    let bytes = Self.plain(response, application.commonHeaders)
    bytes.withUnsafeBytes {
      if let session = gx_http_tls(handle) {
        _ = gnutls_record_send(OpaquePointer(session), $0.baseAddress, $0.count)
      } else {
        _ = gx_send(exchange.connection.socket, $0.baseAddress, $0.count)
      }
    }
  }

  /// A whole answer as it goes over the wire, behind which the connection ends.
  private static func plain(_ response: Response, _ common: [(name: String, value: String)]) -> [UInt8] {
    guard case .bytes(let body) = response.body else { return [] }
    var text = "HTTP/1.1 \(response.status) \(Response.reason(response.status))\r\nConnection: close\r\n"
    for (name, value) in common + response.headers { text += "\(name): \(value)\r\n" }
    return Array((text + "Content-Length: \(body.count)\r\n\r\n").utf8) + body
  }

  /// The answer is sent, or the connection broke.
  fileprivate func end(_ place: UnsafeMutablePointer<UnsafeMutableRawPointer?>) {
    guard let raw = place.pointee else { return }
    place.pointee = nil
    let exchange = Unmanaged<Exchange>.fromOpaque(raw).takeRetainedValue()
    exchange.reader?.abandon()
    let isLate = exchange.status == nil && connections.hasTimedOut(exchange.connection)
    application.finished(
      Outcome(
        head: exchange.head, tag: exchange.tag, status: isLate ? 408 : exchange.status, bytesIn: exchange.bytesIn,
        bytesOut: exchange.bytesOut, seconds: now() - exchange.begin,
        rejection: isLate ? .timeout : exchange.response?.rejection))
    connections.set(exchange.connection, .idle, for: settings.headSeconds)
    monitor.locked { inFlight -= 1 }
  }
}

private func server(_ context: UnsafeMutableRawPointer?) -> HTTPServer {
  Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
}
