import Glibc

/// An IP address. IPv4 addresses are held as IPv4-mapped IPv6 ones, so that both sockets' views of a client are equal.
public struct Address: Hashable, Sendable, CustomStringConvertible {
  /// The 16 bytes of the IPv6 address, as two big-endian numbers.
  let high, low: UInt64

  private static let v4Prefix: UInt64 = 0xffff << 32

  init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

  /// From its text, such as `192.0.2.1` or `2001:db8::1`.
  public init?(_ text: some StringProtocol) {
    let text = String(text)
    guard text.utf8.count <= 45, !text.utf8.contains(0) else { return nil }
    var v4 = in_addr()
    if inet_pton(AF_INET, text, &v4) == 1 {
      self.init(v4)
      return
    }
    var v6 = in6_addr()
    guard inet_pton(AF_INET6, text, &v6) == 1 else { return nil }
    self.init(v6)
  }

  /// From a socket's; nil where it is no IP address.
  init?(_ socket: UnsafePointer<sockaddr>?) {
    guard let socket else { return nil }
    switch Int32(socket.pointee.sa_family) {
    case AF_INET: self.init(UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in.self).sin_addr)
    case AF_INET6: self.init(UnsafeRawPointer(socket).loadUnaligned(as: sockaddr_in6.self).sin6_addr)
    default: return nil
    }
  }

  private init(_ v4: in_addr) {
    self.init(high: 0, low: Self.v4Prefix | UInt64(UInt32(bigEndian: v4.s_addr)))
  }

  private init(_ v6: in6_addr) {
    let (high, low) = withUnsafeBytes(of: v6) {
      ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    self.init(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
  }

  var isV4: Bool { high == 0 && low >> 32 == 0xffff }

  /// What limits count as one: an IPv4 address, or a /64 of IPv6, which is what one customer gets.
  var group: Address { isV4 ? self : Address(high: high, low: 0) }

  public var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    if isV4 {
      var v4 = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
      inet_ntop(AF_INET, &v4, &text, socklen_t(text.count))
    } else {
      var bytes = (high.bigEndian, low.bigEndian)
      inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count))
    }
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single one.
public struct AddressRange: Sendable {
  private let base: Address
  /// Of the 128 bits of an address.
  private let bits: Int

  public init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let base = Address(parts[0]) else { return nil }
    let offset = base.isV4 ? 96 : 0
    var bits = 128
    if parts.count == 2 {
      guard let length = Int(parts[1]), (0...128 - offset).contains(length) else { return nil }
      bits = offset + length
    }
    (self.base, self.bits) = (base, bits)
  }

  public func contains(_ address: Address) -> Bool {
    let (high, low) = (base.high ^ address.high, base.low ^ address.low)
    // A shift by 64 or more gives 0.
    return high >> UInt64(max(0, 64 - bits)) == 0 && low >> UInt64(min(64, 128 - bits)) == 0
  }
}

/// Who a request is from.
enum Client {
  /// The address that sent it or, where that is a trusted proxy's, the last in its `X-Forwarded-For` that is not.
  ///
  /// Read from the right, for each proxy appends whom it was called by: what stands left of the first stranger is the
  /// stranger's own word. A list that is no list of addresses is believed up to where it breaks off.
  static func address(peer: Address, forwardedFor: [String], trusted: [AddressRange]) -> Address {
    var client = peer
    for entry in forwardedFor.flatMap({ $0.split(separator: ",") }).reversed() {
      guard trusted.contains(where: { $0.contains(client) }) else { return client }
      guard let address = parse(entry) else { return client }
      client = address
    }
    return client
  }

  /// An entry of the list: an address, by some proxies with a port.
  private static func parse(_ entry: Substring) -> Address? {
    var text = entry.drop { $0 == " " || $0 == "\t" }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    if let address = Address(text) { return address }
    if text.first == "[" { return text.firstIndex(of: "]").flatMap { Address(text[..<$0].dropFirst()) } }
    return text.lastIndex(of: ":").flatMap { Address(text[..<$0]) }
  }
}
