import CSystem
import GXCore
import GXStream
import Glibc

/// Where the server listens.
public struct Endpoint: Sendable, Equatable {
  let host: String
  let port: UInt16

  /// `127.0.0.1:5000`, `[::1]:5000`, or `:5000` for every address.
  public init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.first == "[" && host.last == "]" {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard host.isEmpty || host == "localhost" || Address(host) != nil else { return nil }
    (self.host, self.port) = (host == "localhost" ? "127.0.0.1" : String(host), port)
  }
}

/// Sockets that listen.
enum ListenSocket {
  /// Opens one. An empty host is every address, of IPv4 and IPv6.
  static func open(_ endpoint: Endpoint) throws(GXError) -> Int32 {
    let isV6 = endpoint.host.isEmpty || endpoint.host.contains(":")
    var address = sockaddr_storage()
    let size: Int
    if isV6 {
      var v6 = sockaddr_in6()
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = endpoint.port.bigEndian
      inet_pton(AF_INET6, endpoint.host.isEmpty ? "::" : endpoint.host, &v6.sin6_addr)
      withUnsafeMutableBytes(of: &address) { $0.storeBytes(of: v6, as: sockaddr_in6.self) }
      size = MemoryLayout<sockaddr_in6>.size
    } else {
      var v4 = sockaddr_in()
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = endpoint.port.bigEndian
      inet_pton(AF_INET, endpoint.host, &v4.sin_addr)
      withUnsafeMutableBytes(of: &address) { $0.storeBytes(of: v4, as: sockaddr_in.self) }
      size = MemoryLayout<sockaddr_in>.size
    }
    let socket = gx_stream_socket(isV6 ? AF_INET6 : AF_INET)
    var on: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    if isV6 {
      var isV6Only: Int32 = endpoint.host.isEmpty ? 0 : 1
      setsockopt(
        socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &isV6Only, socklen_t(MemoryLayout<Int32>.size))
    }
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, socklen_t(size)) == 0 }
    }
    guard socket >= 0, isBound, listen(socket, SOMAXCONN) == 0 else {
      let error = errno
      if socket >= 0 { close(socket) }
      throw GXError("\(endpoint.host):\(endpoint.port): \(systemError(error))")
    }
    return socket
  }

  /// A socket's own address and port, as a URL shows them.
  static func name(_ socket: Int32) -> String {
    var address = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        guard getsockname(socket, pointer, &size) == 0, let address = Address(pointer) else { return "?" }
        // The port stands at the same place in both kinds.
        let port = UInt16(bigEndian: UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self).sin_port)
        return address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
      }
    }
  }
}

/// What systemd hands over and wants to know (sd_listen_fds(3), sd_notify(3)), without its library.
enum Systemd {
  /// The sockets that systemd listens on for this process; none where it does not.
  static func sockets() -> [Int32] {
    func number(_ name: String) -> Int32? { getenv(name).flatMap { Int32(String(cString: $0)) } }
    guard number("LISTEN_PID") == getpid(), let count = number("LISTEN_FDS"), (1...64).contains(count) else {
      return []
    }
    let sockets = Array(3..<3 + count)
    for socket in sockets { _ = fcntl(socket, F_SETFD, FD_CLOEXEC) }
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
    return sockets
  }

  /// Tells the state, such as `READY=1`; nothing happens where systemd does not listen.
  static func notify(_ state: String) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), let first = path.utf8.first,
      first == UInt8(ascii: "/") || first == UInt8(ascii: "@")
    else { return }
    var address = sockaddr_un()
    var bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let socket = gx_datagram_socket()
    guard socket >= 0 else { return }
    defer { close(socket) }
    let size = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
    let text = Array(state.utf8)
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = sendto(socket, text, text.count, 0, $0, size)
      }
    }
  }
}
