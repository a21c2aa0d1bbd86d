import CGnuTLS
import Foundation
import Testing

/// HTTPS, with certificates that are made here and now: no tool is needed for it.
@Suite struct ServeTLS {
  let galaxies = Galaxies.shared
  let scratch = try! Scratch()

  /// A certificate of its own for 127.0.0.1, and its key, as PEM.
  private static func makeCertificate() throws -> (chain: Data, key: Data) {
    func check(_ status: Int32) throws {
      if status < 0 { throw Client.Failed(what: String(cString: gnutls_strerror(status))) }
    }
    func pem(_ export: (UnsafeMutablePointer<gnutls_datum_t>) -> Int32) throws -> Data {
      var datum = gnutls_datum_t()
      try check(export(&datum))
      defer { free(datum.data) }
      return Data(bytes: datum.data, count: Int(datum.size))
    }
    var key: gnutls_x509_privkey_t?
    try check(gnutls_x509_privkey_init(&key))
    defer { gnutls_x509_privkey_deinit(key) }
    // ECDSA over P-256.
    try check(
      gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, 1 << 31 | UInt32(GNUTLS_ECC_CURVE_SECP256R1.rawValue), 0))
    var certificate: gnutls_x509_crt_t?
    try check(gnutls_x509_crt_init(&certificate))
    defer { gnutls_x509_crt_deinit(certificate) }
    try check(gnutls_x509_crt_set_version(certificate, 3))
    try check(gnutls_x509_crt_set_serial(certificate, [1], 1))
    try check(gnutls_x509_crt_set_dn(certificate, "CN=gx test", nil))
    try check(gnutls_x509_crt_set_issuer_dn(certificate, "CN=gx test", nil))
    try check(gnutls_x509_crt_set_activation_time(certificate, time(nil) - 3600))
    try check(gnutls_x509_crt_set_expiration_time(certificate, time(nil) + 3600))
    try check(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, [127, 0, 0, 1] as [UInt8], 4, 0))
    try check(gnutls_x509_crt_set_basic_constraints(certificate, 1, -1))
    try check(gnutls_x509_crt_set_key(certificate, key))
    try check(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0))
    return (
      try pem { gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, $0) },
      try pem { gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, $0) }
    )
  }

  /// Writes a new pair as NAME.crt and NAME.key, and returns their paths and the certificate.
  private func write(_ name: String) throws -> (chain: String, key: String, pem: Data) {
    let made = try Self.makeCertificate()
    let (chain, key) = (scratch / "\(name).crt", scratch / "\(name).key")
    try made.chain.write(to: chain)
    try made.key.write(to: key)
    return (chain.path, key.path, made.chain)
  }

  @Test func classifiesOverTLS() throws {
    let files = try write("own")
    let server = try ServeProcess("--public", "--tls-cert", files.chain, "--tls-key", files.key, "--max-body", "1")
    #expect(server.stderr.contains("listening on https://127.0.0.1:"))
    let plain = try ServeProcess("--public").classify(galaxies.pictures[0])

    // Several requests on a connection; the second body is longer than a record of TLS.
    let client = try TLSClient(server.port, trusting: files.pem)
    let (body, type) = form([("image", "a.png", galaxies.pictures[0])])
    for filler in [0, 100_000] {
      let whole =
        filler == 0 ? body : form([("note", nil, Data(count: filler)), ("image", "a.png", galaxies.pictures[0])]).body
      try client.send("POST", "/api/classify", ["Content-Type": type], body: whole)
      let answer = try client.answer()
      #expect(answer.status == 200 && answer.json["success"] as? Bool == true, "\(answer.text)")
      #expect(answer.json["confidence"] as? Double == plain.json["confidence"] as? Double)
      #expect(answer.headers["strict-transport-security"] != nil && plain.headers["strict-transport-security"] == nil)
    }
    let many = form(galaxies.pictures.map { ("image", "a.png", $0) })
    try client.send("POST", "/api/classify/batch", ["Content-Type": many.type], body: many.body)
    #expect(try client.answer().rows.filter { $0["success"] as? Bool == true }.count == galaxies.pictures.count)
    // A refusal amid the body goes past libmicrohttpd, through the same session.
    try client.send(
      "POST /api/classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
    let chunk = Data("40000\r\n".utf8) + Data(count: 0x40000) + Data("\r\n".utf8)
    for _ in 0..<5 { try? client.send(chunk) }
    #expect(try client.answer().status == 413)
  }

  @Test func whoSpeaksNoTLSOrAnOldOneIsLetGoOf() throws {
    let files = try write("own")
    let server = try ServeProcess(
      "--public", "--tls-cert", files.chain, "--tls-key", files.key, "--head-timeout", "1")
    for version in ["1.0", "1.1"] {
      #expect(throws: Client.Failed.self) {
        try TLSClient(server.port, trusting: files.pem, priority: "NORMAL:-VERS-ALL:+VERS-TLS\(version)")
      }
    }
    for version in ["1.2", "1.3"] {
      let client = try TLSClient(server.port, trusting: files.pem, priority: "NORMAL:-VERS-ALL:+VERS-TLS\(version)")
      try client.send("GET", "/api/health")
      #expect(try client.answer().status == 200)
    }
    // One speaks plainly, one breaks off its hello, one is silent.
    let (plain, broken, silent) = (try Client(server.port), try Client(server.port), try Client(server.port))
    try plain.send("GET", "/api/health")
    try broken.send(Data([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
    #expect(plain.rest?.contains("HTTP/1.1 200") != true)
    #expect(broken.rest != nil && silent.isClosed)
    // A stranger's certificate is not taken for the server's.
    let other = try Self.makeCertificate()
    #expect(throws: Client.Failed.self) { try TLSClient(server.port, trusting: other.chain) }

    // It goes on, and a reload changes nothing for those who are there.
    let client = try TLSClient(server.port, trusting: files.pem)
    server.signal(SIGHUP)
    #expect(server.wait(for: "reloaded model and keys"))
    try client.send("GET", "/api/info")
    #expect(try client.answer().status == 200)
    server.signal(SIGTERM)
    #expect(server.end() == 0)
  }

  @Test func whatIsNoCertificateIsRefusedByName() throws {
    let (files, others) = (try write("own"), try write("other"))
    let none = scratch / "none.pem"
    try Data("no certificate".utf8).write(to: none)
    func refusal(_ chain: String, _ key: String) -> String {
      let error = #expect(throws: ServeProcess.Failed.self) {
        try ServeProcess("--public", "--tls-cert", chain, "--tls-key", key)
      }
      return error?.stderr ?? ""
    }
    let mixed = refusal(files.chain, others.key)
    #expect(mixed.contains("own.crt") && mixed.contains("other.key") && mixed.contains("do not match"), "\(mixed)")
    for text in [refusal(none.path, files.key), refusal(files.chain, none.path)] {
      #expect(text.contains("none.pem") && text.contains("in PEM"), "\(text)")
    }
    #expect(refusal(scratch.url.path + "/absent", files.key).contains("absent: No such file"))
    let alone = try Run.gx("gx-serve", "--public", "--tls-cert", files.chain)
    #expect(alone.status == 2 && alone.stderr.contains("go together"))
  }
}

/// A client that speaks TLS, and believes but one certificate.
final class TLSClient: Client {
  private var session: gnutls_session_t?
  private var credentials: gnutls_certificate_credentials_t?

  init(_ port: UInt16, trusting certificate: Data, priority: String = "NORMAL") throws {
    try super.init(port)
    gnutls_certificate_allocate_credentials(&credentials)
    certificate.withUnsafeBytes { bytes in
      var datum = gnutls_datum_t(
        data: UnsafeMutablePointer(mutating: bytes.bindMemory(to: UInt8.self).baseAddress), size: UInt32(bytes.count))
      _ = gnutls_certificate_set_x509_trust_mem(credentials, &datum, GNUTLS_X509_FMT_PEM)
    }
    gnutls_init(&session, UInt32(GNUTLS_CLIENT) | UInt32(GNUTLS_NO_SIGNAL))
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(credentials))
    gnutls_priority_set_direct(session, priority, nil)
    gnutls_transport_set_int2(session, socket, socket)
    // GnuTLS keeps the name where it is until the handshake is over.
    let status = "127.0.0.1".withCString { host in
      gnutls_session_set_verify_cert(session, host, 0)
      var status = gnutls_handshake(session)
      while status < 0 && gnutls_error_is_fatal(status) == 0 { status = gnutls_handshake(session) }
      return status
    }
    guard status == 0 else { throw Failed(what: String(cString: gnutls_strerror(status))) }
  }

  deinit {
    gnutls_deinit(session)
    gnutls_certificate_free_credentials(credentials)
  }

  override func put(_ bytes: UnsafeRawBufferPointer) -> Int {
    gnutls_record_send(session, bytes.baseAddress, bytes.count)
  }

  override func get(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    while true {
      let n = gnutls_record_recv(session, bytes.baseAddress, bytes.count)
      // A server that closes without a farewell has closed, too.
      if n == Int(GNUTLS_E_PREMATURE_TERMINATION) { return 0 }
      if n >= 0 || gnutls_error_is_fatal(Int32(n)) != 0 { return n }
    }
  }
}
