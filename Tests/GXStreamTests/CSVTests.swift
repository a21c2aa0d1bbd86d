import Foundation
import GXCore
import Testing

@testable import GXStream

/// A source on a temporary file with these bytes.
private func source(_ bytes: [UInt8], map: Bool = true) throws -> ByteSource {
  let file = FileManager.default.temporaryDirectory.appendingPathComponent("gx-csv-\(UUID().uuidString)")
  try Data(bytes).write(to: file)
  let descriptor = open(file.path, O_RDONLY)
  unlink(file.path)
  return ByteSource(descriptor: descriptor, name: "x.csv", map: map)
}

private func rows(_ bytes: [UInt8], map: Bool = true) throws -> [[String]] {
  let reader = CSVReader(try source(bytes, map: map))
  var rows: [[String]] = []
  while let row = try reader.next() { rows.append(row) }
  return rows
}

private func rows(_ text: String) throws -> [[String]] { try rows(Array(text.utf8)) }

@Suite struct CSVTests {
  @Test func plain() throws {
    #expect(try rows("a,b\n1,2\n") == [["a", "b"], ["1", "2"]])
    #expect(try rows("a,b\r\n1,2") == [["a", "b"], ["1", "2"]])
    #expect(try rows(",\n,,\n") == [["", ""], ["", "", ""]])
    #expect(try rows("\n\r\na\n\n") == [["a"]])
    #expect(try rows("") == [] && rows("\n\n") == [])
    #expect(try rows("\u{feff}path,label\n") == [["path", "label"]])
    #expect(try rows(" a , b\n") == [[" a ", " b"]])
  }

  @Test func quoted() throws {
    #expect(try rows("\"a,b\",\"say \"\"hi\"\"\",\"\"\n") == [["a,b", "say \"hi\"", ""]])
    #expect(try rows("\"two\nlines\",1\nx,2\n") == [["two\nlines", "1"], ["x", "2"]])
    #expect(try rows("\"a\r\nb\"\r\n") == [["a\r\nb"]])
    #expect(try rows("\"\n\n\"") == [["\n\n"]])
  }

  @Test func otherSeparators() throws {
    #expect(try rows("path\tlabel\na, b\tS\n") == [["path", "label"], ["a, b", "S"]])
    #expect(try rows("path;label\n1,5;S\n") == [["path", "label"], ["1,5", "S"]])
    #expect(try rows("\"a\t\t\",b\n") == [["a\t\t", "b"]])
  }

  @Test func linesAreCountedWhereRowsBegin() throws {
    let reader = CSVReader(try source(Array("a\n\n\"b\nc\"\nd\n".utf8)))
    var lines: [Int] = []
    while try reader.next() != nil { lines.append(reader.line) }
    #expect(lines == [1, 3, 5])
  }

  @Test(arguments: [
    ("a\n\"b", "x.csv, line 2: a quoted field is never closed"),
    ("\"a\nb\nc", "x.csv, line 1: a quoted field is never closed"),
    ("a,b\"c\n\"", "x.csv, line 1: a quote inside a field that does not begin with one"),
    ("a,\"b\"c\n", "x.csv, line 1: text behind a closing quote"),
    ("a\nb\u{0}\n", "x.csv, line 2: a NUL byte"),
  ]) func badText(_ text: String, _ message: String) {
    #expect(throws: GXError(message)) { try rows(text) }
  }

  @Test func notUTF8() {
    #expect(throws: GXError("x.csv, line 2: not UTF-8")) { try rows([0x61, 0x0a, 0xff, 0x0a]) }
    #expect(throws: GXError("x.csv, line 1: not UTF-8")) { try rows([0x22, 0xc3, 0x22]) }
  }

  @Test func limits() throws {
    let commas = [UInt8](repeating: UInt8(ascii: ","), count: Limits.csvFields)
    #expect(throws: GXError("x.csv, line 1: more than the limit of 4096 fields")) { try rows(commas) }
    #expect(try rows(Array(commas.dropLast())).first?.count == 4096)
    let long = [UInt8](repeating: UInt8(ascii: "a"), count: Limits.csvRowBytes + 1)
    #expect(throws: GXError("x.csv, line 1: line is longer than the limit of 1048576 bytes")) { try rows(long) }
    // A quoted field over many lines counts as one row.
    let lines = [UInt8](repeating: UInt8(ascii: "\n"), count: Limits.csvRowBytes + 10)
    #expect(throws: GXError("x.csv, line 1: row is longer than the limit of 1048576 bytes")) {
      try rows([0x22] + lines)
    }
  }

  /// Whatever the fields hold, quoted they come back.
  @Test func roundTrip() throws {
    var random = Random(seed: 8)
    let pieces = ["a", "\"", ",", "\n", "\r\n", ";", "\t", " ", "é", "\u{1f30c}", "10"]
    for _ in 0..<300 {
      let table = (0..<(1 + random.below(4))).map { _ in
        (0..<3).map { _ in (0..<random.below(6)).map { _ in pieces[random.below(pieces.count)] }.joined() }
      }
      let text = table.map { row in
        row.map { "\"" + $0.replacingOccurrences(of: "\"", with: "\"\"") + "\"" }.joined(separator: ",")
      }.joined(separator: random.chance(0.5) ? "\n" : "\r\n")
      #expect(try rows(Array(text.utf8), map: random.chance(0.5)) == table)
    }
  }

  /// Changed, cut and spliced text is read or refused with a line, never more; GX_FUZZ makes it longer.
  @Test func fuzz() throws {
    var random = Random(seed: 4)
    let seeds = [
      "path,label,split\nimages/a.jpg,\"spiral, barred\",train\nb.png,\"say \"\"S0\"\"\",\n",
      "\u{feff}GalaxyID,Class1.1,Class1.2\r\n100008,0.38,0.61\r\n\"100023\",0.32,\"0.66\"\r\n",
      "a\tb\n\"x\ny\"\t2\n\n",
    ].map { Array($0.utf8) }
    let special: [UInt8] = [0x22, 0x2c, 0x0a, 0x0d, 0x09, 0x3b, 0x00, 0xff, 0xc3]
    let loops = Int(ProcessInfo.processInfo.environment["GX_FUZZ"] ?? "") ?? 1500
    var (read, refused) = (0, 0)
    for _ in 0..<loops {
      var bytes = seeds[random.below(seeds.count)]
      for _ in 0..<(1 + random.below(4)) {
        switch random.below(4) {
        case 0: bytes[random.below(bytes.count)] = special[random.below(special.count)]
        case 1: bytes.insert(special[random.below(special.count)], at: random.below(bytes.count + 1))
        case 2: bytes.removeLast(random.below(bytes.count))
        default: bytes += seeds[random.below(seeds.count)]
        }
      }
      do {
        let found = try rows(bytes)
        #expect(found.allSatisfy { !$0.isEmpty && $0.count <= bytes.count + 1 })
        #expect(found.joined().reduce(0) { $0 + $1.utf8.count } <= bytes.count)
        read += 1
      } catch let error as GXError {
        #expect(error.message.hasPrefix("x.csv, line "))
        refused += 1
      }
    }
    #expect(read > loops / 20 && refused > loops / 20)
  }
}
