import GXCore
import Testing

@testable import GXServe

@Suite struct MultipartTests {
  struct File: Equatable {
    var name: String?
    var filename: String?
    var content: [UInt8] = []
  }

  static let type = "multipart/form-data; boundary=XX"

  /// The parts of a form that comes in pieces of `size` bytes.
  static func parts(
    _ body: [UInt8], type: String = type, size: Int, limit: Int = 4096
  ) throws -> (files: [File], isFinished: Bool) {
    let form = try Multipart(contentType: type, headerLimit: limit)
    var files: [File] = []
    var isOpen = false
    var start = 0
    while start < body.count {
      let end = min(body.count, start + size)
      // A copy of its own for each piece, so that a read beyond it is a fault that sanitizers see.
      try Array(body[start..<end]).withUnsafeBytes { piece in
        var rest = piece
        while let event = try form.next(&rest) {
          switch event {
          case .begin(let part):
            #expect(!isOpen)
            isOpen = true
            files.append(File(name: part.name, filename: part.filename))
          case .data(let bytes):
            #expect(isOpen && !bytes.isEmpty)
            files[files.count - 1].content += bytes
          case .end:
            #expect(isOpen)
            isOpen = false
          case .finished: #expect(!isOpen)
          }
        }
        #expect(rest.isEmpty)
      }
      start = end
    }
    return (files, form.isFinished)
  }

  static func parts(_ text: String, type: String = type) throws -> [File] {
    let body = Array(text.utf8)
    let (whole, isFinished) = try parts(body, type: type, size: body.count)
    for size in [1, 2, 3, 7, 64] { #expect(try parts(body, type: type, size: size) == (whole, isFinished)) }
    #expect(isFinished)
    return whole
  }

  static func disposition(_ parameters: String) -> String { "Content-Disposition: form-data; \(parameters)\r\n\r\n" }

  @Test func fieldsAndFiles() throws {
    let files = try Self.parts(
      "--XX\r\n" + Self.disposition(#"name="a""#) + "1\r\n--XX\r\nContent-Type: image/png\r\n"
        + Self.disposition(#"name="image"; filename="M 31.png""#) + "\r\n-\r\n--X\r\n\r\n--XX--\r\nepilogue")
    #expect(
      files == [
        File(name: "a", filename: nil, content: Array("1".utf8)),
        File(name: "image", filename: "M 31.png", content: Array("\r\n-\r\n--X\r\n".utf8)),
      ])
  }

  @Test(arguments: [
    (#"name="a"; filename="b.png""#, "b.png"), (#"name=a; filename=b.png"#, "b.png"),
    (#"NAME="a"; FileName="b.png""#, "b.png"), (#"filename=""; name="a""#, ""),
    (#"name="a"; filename="q\"uo\\te.png""#, #"q"uo\te.png"#), (#"name="a"; filename="C:\x\y.png""#, #"C:\x\y.png"#),
    (#"name="a"; filename="a%22b%0D%0A.png""#, "a\"b\r\n.png"), (#"name="a"; filename="100%.png""#, "100%.png"),
    (#"name="a"; filename="x"; filename*=UTF-8''%E2%98%85.png"#, "★.png"), (#"name="a"; filename="★;.png""#, "★;.png"),
    (#"name="a"; filename*=latin1''x; filename="y""#, "y"), (#"name="a"; filename="open"#, "open"),
  ])
  func names(parameters: String, filename: String) throws {
    let files = try Self.parts("--XX\r\n\(Self.disposition(parameters))x\r\n--XX--")
    #expect(files == [File(name: "a", filename: filename, content: Array("x".utf8))])
  }

  @Test(arguments: [
    // A preamble, blanks behind a boundary, empty parts, parts without headers, and no part at all.
    ("before\r\n--XX \t\r\n\r\nx\r\n--XX--", 1), ("--XX\r\n\(disposition("name=a"))--XX--", 1),
    ("--XX\r\n\(disposition("name=a"))\r\n--XX\r\n\(disposition("name=b"))\r\n--XX--", 2), ("--XX--", 0),
    ("--XX\r\n\r\n\r\n--XX--", 1),
  ])
  func unusualForms(text: String, count: Int) throws { #expect(try Self.parts(text).count == count) }

  @Test(arguments: [
    "--XXX\r\n\r\n", "--XX x\r\n", "--XX-x", "--XX\n\n", "--XX\r\nno colon\r\n\r\n", "--XX\r \n",
    "--XX\r\nA: " + String(repeating: "a", count: 5000), "--XX" + String(repeating: " ", count: 100),
  ])
  func malformed(_ text: String) {
    for size in [1, 5, 10_000] {
      #expect(throws: GXError.self) { try Self.parts(Array(text.utf8), size: size) }
    }
  }

  @Test(arguments: ["", "--XX", "--XX\r\n\(disposition("name=a"))x", "--XX\r\n\(disposition("name=a"))x\r\n--XX-"])
  func brokenOff(_ text: String) throws { #expect(try !Self.parts(Array(text.utf8), size: 3).isFinished) }

  @Test(arguments: [
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a \"",
    "multipart/form-data; boundary=" + String(repeating: "b", count: 71), "multipart/form-data; boundary=ä",
    "multipart/form-data; boundary=\"a\r\nb\"",
  ])
  func noBoundary(_ type: String) {
    #expect(throws: GXError.self) { try Multipart(contentType: type, headerLimit: 100) }
  }

  @Test func boundariesOfAllKinds() throws {
    for boundary in ["b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a'()+_,-./:=?b", String(repeating: "-", count: 70)]
    {
      let text = "--\(boundary)\r\n\r\n-\r\n--\r\n\(boundary)\r\n--\(boundary)--"
      let files = try Self.parts(text, type: "multipart/form-data; boundary=\"\(boundary)\"; charset=utf-8")
      #expect(files.count == 1)
    }
  }

  /// Any content comes out as it went in, whatever is in it and in whatever pieces it comes.
  @Test func contentsComeThrough() throws {
    var random = Random(seed: 5, id: "multipart")
    let alphabet = Array("\r\n-X\r\n--XY".utf8)
    for _ in 0..<300 {
      let contents = (0..<random.below(4)).map { _ in
        (0..<random.below(60)).map { _ in
          random.below(8) == 0 ? UInt8(random.below(256)) : alphabet[random.below(alphabet.count)]
        }
      }
      let delimiter = Array("\r\n--XX".utf8)
      let isClean = contents.allSatisfy { content in
        let bytes = [13, 10] + content + delimiter.dropLast()
        return bytes.indices.dropLast(delimiter.count - 1).allSatisfy { !bytes[$0...].starts(with: delimiter) }
      }
      guard isClean else { continue }
      var body: [UInt8] = []
      for content in contents { body += Array("--XX\r\n\r\n".utf8) + content + [13, 10] }
      body += Array("--XX--".utf8)
      let (files, isFinished) = try Self.parts(body, size: 1 + random.below(20))
      #expect(isFinished && files.map(\.content) == contents)
    }
  }

  /// Whatever comes, it is read or refused, and the same way in any pieces.
  @Test func rubbishIsReadOrRefused() {
    var random = Random(seed: 6, id: "multipart")
    let pieces = [
      "--XX", "\r\n", "--", "\r", "\n", "Content-Disposition: form-data; name=\"a\"; filename=\"", "\"", ";", "=", ":",
      "x",
      "\0", "\u{ff}", "\r\n\r\n", "\r\n--XX--",
    ].map { Array($0.utf8) }
    func outcome(_ body: [UInt8], _ size: Int) -> (files: [File], isFinished: Bool)? {
      try? Self.parts(body, size: size, limit: 100)
    }
    for _ in 0..<3000 {
      let body = Array("--XX\r\n".utf8) + (0..<random.below(20)).flatMap { _ in pieces[random.below(pieces.count)] }
      let whole = outcome(body, body.count)
      let split = outcome(body, 1 + random.below(5))
      #expect(whole?.files == split?.files && whole?.isFinished == split?.isFinished)
    }
  }
}
