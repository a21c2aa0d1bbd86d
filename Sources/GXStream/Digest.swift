/// XXH64 (Collet 2014, https://github.com/Cyan4973/xxHash): a fast 64-bit fingerprint that is the same
/// on every machine. It tells data sets apart; it is no proof against forgery.
public func xxh64(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
  let count = bytes.count
  var at = 0
  func word(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
  var h: UInt64
  if count >= 32 {
    var a = seed &+ prime1 &+ prime2
    var b = seed &+ prime2
    var c = seed
    var d = seed &- prime1
    while at &+ 32 <= count {
      a = round(a, word(at))
      b = round(b, word(at &+ 8))
      c = round(c, word(at &+ 16))
      d = round(d, word(at &+ 24))
      at &+= 32
    }
    h = rotate(a, 1) &+ rotate(b, 7) &+ rotate(c, 12) &+ rotate(d, 18)
    for lane in [a, b, c, d] { h = (h ^ round(0, lane)) &* prime1 &+ prime4 }
  } else {
    h = seed &+ prime5
  }
  h &+= UInt64(count)
  while at + 8 <= count {
    h = rotate(h ^ round(0, word(at)), 27) &* prime1 &+ prime4
    at += 8
  }
  if at + 4 <= count {
    let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    h = rotate(h ^ UInt64(half) &* prime1, 23) &* prime2 &+ prime3
    at += 4
  }
  while at < count {
    h = rotate(h ^ UInt64(bytes[at]) &* prime5, 11) &* prime1
    at += 1
  }
  h = (h ^ (h >> 33)) &* prime2
  h = (h ^ (h >> 29)) &* prime3
  return h ^ (h >> 32)
}

/// A fingerprint as it is written: 16 hex digits.
package func hexDigits(_ digest: UInt64) -> String {
  let digits = String(digest, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

private let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
private let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
private let prime3: UInt64 = 0x1656_67b1_9e37_79f9
private let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
private let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

@inline(__always) private func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 &- k)) }
@inline(__always) private func round(_ h: UInt64, _ word: UInt64) -> UInt64 {
  rotate(h &+ word &* prime2, 31) &* prime1
}
