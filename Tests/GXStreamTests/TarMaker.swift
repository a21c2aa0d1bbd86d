import GXCore

@testable import GXStream

/// Makes archives as other programs do, and as none should.
struct TarMaker {
  var bytes: [UInt8] = []

  /// - Parameter size: what the header says, where that is not the content's size.
  mutating func add(
    _ name: String, _ content: [UInt8] = [], type: Character = "0", target: String = "", size: Int? = nil
  ) { add(bytes: Array(name.utf8), content, type: type, target: target, size: size) }

  mutating func add(
    bytes name: [UInt8], _ content: [UInt8] = [], type: Character = "0", target: String = "", size: Int? = nil
  ) {
    var header = TarHeader(name: name, size: size ?? content.count, type: type)
    header.bytes.replaceSubrange(157..<157 + target.utf8.count, with: target.utf8)
    Self.seal(&header.bytes[...])
    append(header.bytes, content)
  }

  /// A header as it is, and what follows it.
  mutating func append(_ header: [UInt8], _ content: [UInt8]) {
    bytes += header + content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
  }

  /// A pax header.
  mutating func pax(_ records: [(String, [UInt8])], type: Character = "x") {
    add("PaxHeaders/x", records.flatMap { Self.record($0, $1) }, type: type)
  }

  mutating func pax(_ key: String, _ value: String, type: Character = "x") {
    pax([(key, Array(value.utf8))], type: type)
  }

  static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
    let rest = Array(" \(key)=".utf8) + value + Array("\n".utf8)
    let length = (rest.count...).first { String($0).count + rest.count == $0 }!
    return Array(String(length).utf8) + rest
  }

  /// The archive with its end.
  var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

  /// Makes a header's checksum right.
  static func seal(_ header: inout ArraySlice<UInt8>) {
    let start = header.startIndex
    header.replaceSubrange(start + 148..<start + 156, with: Array("        ".utf8))
    let sum = String(header[start..<start + 512].reduce(0) { $0 + Int($1) }, radix: 8)
    header.replaceSubrange(
      start + 148..<start + 156, with: Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8))
  }
}
