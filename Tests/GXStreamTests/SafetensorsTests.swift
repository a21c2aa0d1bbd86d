import Foundation
import GXCore
import TestSupport
import Testing

@testable import GXStream

@Suite struct SafetensorsTests {
  @Test func readsWhatTheReferenceImplementationWrote() throws {
    let file = try Safetensors(path: fixture("reference.safetensors"))
    #expect(file.tensors.count == 5)
    #expect(try file["stem.weight"] == Tensor([2, 3, 2, 2], (0..<24).map { Float($0) / 7 }))
    let half = try #require(file["half"])
    #expect(half.dtype == .f16 && half.floats() == [Float(Float16(0.1)), -2, 65504])
    #expect(file["bytes"]?.floats() == [0, 1, 2, 3, 4])
    #expect(file["empty"]?.shape == [0, 3])
    #expect(file["scalar"]?.shape == [] && file["scalar"]?.floats() == [1.5])
    #expect(file.metadata("text") == "é \"quoted\"\n")
  }

  @Test func writesWhatItReads() throws {
    let scratch = Scratch()
    let bytes = try Tensor(.u8, [3]) { $0.copyBytes(from: [7, 8, 9]) }
    let file = Safetensors(
      tensors: [
        ("bytes", bytes), ("w", try Tensor([2, 2], [1, -2, .infinity, .leastNonzeroMagnitude])),
        ("half", try bytes.half()),
      ],
      metadata: [("b", "2"), ("a", "é\"\n")])
    try file.write(path: scratch.path("x"))
    let written = try Data(contentsOf: URL(filePath: scratch.path("x")))
    let length = Int(written.prefix(8).enumerated().reduce(0) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) })
    #expect(length % 8 == 0, "data begins at a multiple of 8")

    let back = try Safetensors(path: scratch.path("x"))
    #expect(back.tensors.map(\.name) == ["w", "half", "bytes"], "wide elements first")
    for (name, tensor) in file.tensors { #expect(back[name] == tensor) }
    #expect(back.metadata("a") == "é\"\n" && back.metadata("b") == "2")

    try back.write(path: scratch.path("y"))
    #expect(try Data(contentsOf: URL(filePath: scratch.path("y"))) == written)
  }

  @Test func refusesNamesThatAreThereTwice() throws {
    let one = try Tensor([1], [1])
    let twice = Safetensors(tensors: [("w", one), ("w", one)])
    #expect(message { try twice.write { _ in } }.contains("'w' is there twice"))
    let keys = Safetensors(tensors: [], metadata: [("k", ""), ("k", "")])
    #expect(message { try keys.write { _ in } }.contains("'k' is there twice"))
  }

  static let bad: [(header: String, data: Int, wanted: String)] = [
    ("[]", 0, "no JSON object"),
    ("{", 0, "header"),
    (#"{"w":1}"#, 0, "tensor 'w': is no JSON object"),
    (#"{"w":{"shape":[1],"data_offsets":[0,4]}}"#, 4, "tensor 'w': has no dtype"),
    (#"{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,4]}}"#, 4, "needs 2 bytes"),
    (#"{"w":{"dtype":"F32","data_offsets":[0,4]}}"#, 4, "has no shape"),
    (#"{"w":{"dtype":"F32","shape":[1]}}"#, 4, "has no data_offsets"),
    (#"{"w":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}"#, 4, "no integer"),
    (#"{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "negative"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "no range"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "no range"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, 4, "no range"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "needs 8 bytes, data_offsets give 4"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3, "ends at byte 4 of the data; the file has 3"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5, "1 bytes at the end belong to no tensor"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "tensor 'w': begins at byte 4"),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
      6, "tensor 'b': begins at byte 2 of the data, where 4 was expected"
    ),
    (
      #"{"w":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,4]}}"#, 4, "larger than the limit"
    ),
    (#"{"__metadata__":{"k":1}}"#, 0, "__metadata__: 'k' is no string"),
  ]

  @Test(arguments: bad) func refuses(header: String, data: Int, wanted: String) {
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    bytes += Array(header.utf8) + [UInt8](repeating: 1, count: data)
    let said = message { _ = try Safetensors(parsing: Storage(bytes)) }
    #expect(said.contains(wanted), "\(said)")
  }

  @Test func refusesHeadersThatCannotBe() {
    #expect(message { _ = try Safetensors(parsing: Storage([1, 2, 3])) }.contains("no safetensors file"))
    let huge = [UInt8](repeating: 0xff, count: 16)
    #expect(message { _ = try Safetensors(parsing: Storage(huge)) }.contains("limit of 100000000"))
    let long: [UInt8] = [200, 0, 0, 0, 0, 0, 0, 0, 123, 125]
    #expect(message { _ = try Safetensors(parsing: Storage(long)) }.contains("does not fit"))
    #expect(message { _ = try Safetensors(path: "/no/such") }.hasPrefix("/no/such: "))
    #expect(message { _ = try Safetensors(path: "/") }.contains("no regular file"))
  }

  /// Whatever is done to the bytes, the reader gives tensors within the file or an error.
  @Test func survivesDamage() throws {
    let good = [UInt8](try Data(contentsOf: URL(filePath: fixture("reference.safetensors"))))
    for length in 0..<good.count {
      #expect(message { _ = try Safetensors(parsing: Storage(Array(good[..<length]))) } != "", "cut at \(length)")
    }
    let rounds = ProcessInfo.processInfo.environment["GX_FUZZ"].flatMap(Int.init) ?? 20_000
    var random = Random(seed: 11)
    var accepted = 0
    for _ in 0..<rounds {
      var bytes = good
      for _ in 0...random.below(4) {
        let place = random.chance(0.7) ? random.below(min(bytes.count, 420)) : random.below(bytes.count)
        switch random.below(3) {
        case 0: bytes[place] = UInt8(random.below(256))
        case 1: bytes[place] = Array("0123456789[]{},:\"".utf8)[random.below(17)]
        default: bytes[place] ^= 1 << UInt8(random.below(8))
        }
      }
      guard let file = try? Safetensors(parsing: Storage(bytes)) else { continue }
      accepted += 1
      #expect(file.tensors.reduce(0) { $0 + $1.tensor.byteCount } < bytes.count)
      for (_, tensor) in file.tensors { _ = tensor.floats() }
    }
    #expect(accepted > 0 && accepted < rounds)
  }
}

extension Tensor {
  func half() throws -> Tensor { try converted(to: .f16) }
}
