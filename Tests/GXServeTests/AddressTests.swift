import Testing

@testable import GXServe

@Suite struct Addresses {
  @Test(arguments: [
    ("192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:DB8::0:1", "2001:db8::1"),
  ])
  func readsAndWrites(text: String, written: String) throws {
    #expect(try #require(Address(text)).description == written)
  }

  @Test(arguments: ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "g::1", "1.2.3.4 ", "localhost", "::1%eth0", "1.2.3.4\0"])
  func refuses(_ text: String) { #expect(Address(text) == nil) }

  @Test func limitsCountAnIPv6NetworkAsOne() throws {
    #expect(try #require(Address("2001:db8::1")).group == #require(Address("2001:db8::ffff:1")).group)
    #expect(try #require(Address("2001:db8:0:1::1")).group != #require(Address("2001:db8::1")).group)
    #expect(try #require(Address("192.0.2.1")).group != #require(Address("192.0.2.2")).group)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.0.2.1", "192.0.2.1", true),
    ("192.0.2.1", "192.0.2.0", false), ("0.0.0.0/0", "203.0.113.9", true), ("0.0.0.0/0", "2001:db8::1", false),
    ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::1", false), ("::/0", "192.0.2.1", true),
    ("2001:db8::/65", "2001:db8::8000:0:0:1", false), ("2001:db8::/65", "2001:db8::7000:0:0:1", true),
    ("127.0.0.1/32", "127.0.0.2", false),
  ])
  func ranges(range: String, address: String, isInside: Bool) throws {
    #expect(try #require(AddressRange(range)).contains(#require(Address(address))) == isInside)
  }

  @Test(arguments: ["10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::/129", "x/8", ""])
  func noRanges(_ text: String) { #expect(AddressRange(text) == nil) }

  /// Whom a request is from, by its peer and X-Forwarded-For; 10.0.0.0/8 are trusted proxies.
  @Test(arguments: [
    ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),  // a stranger's word counts for nothing
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["203.0.113.7, 198.51.100.1"], "198.51.100.1"),  // what the client itself had written
    ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),  // a chain of proxies
    ("10.0.0.1", ["203.0.113.7", "198.51.100.1"], "198.51.100.1"),  // the header twice
    ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ("10.0.0.1", ["198.51.100.1, rubbish"], "10.0.0.1"),
    ("10.0.0.1", [" 198.51.100.1:443 "], "198.51.100.1"),
    ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
    ("10.0.0.1", [","], "10.0.0.1"),
  ])
  func clients(peer: String, forwardedFor: [String], client: String) throws {
    let found = Client.address(
      peer: try #require(Address(peer)), forwardedFor: forwardedFor, trusted: [try #require(AddressRange("10.0.0.0/8"))]
    )
    #expect(found.description == client)
  }
}
