import Foundation
import Testing

/// gx-cat and gx-shuffle, and the rules of the stream that every filter keeps.
@Suite struct CatAndShuffle {
  let scratch = try! Scratch()

  /// A stream of records from NDJSON rows and a .npy of pixels 0, 1, 2…
  private func stream(_ count: Int, named name: String = "in.tar") throws {
    var npy = Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0])
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(count), 2, 2, 3), }"
    npy += Data((header + String(repeating: " ", count: 117 - header.utf8.count) + "\n").utf8)
    npy += Data((0..<count * 12).map { UInt8(truncatingIfNeeded: $0) })
    try npy.write(to: scratch / "pixels.npy")
    let rows = (0..<count).map {
      #"{"id":"g.\#($0)","label":"\#(["spiral", "elliptical"][$0 % 2])","split":"\#(["train", "val", "test"][$0 % 3])","z":0.10}"#
    }
    try Data((rows.joined(separator: "\n") + "\n").utf8).write(to: scratch / "rows.ndjson")
    let run = try Run.gx("gx-cat", "--meta", "rows.ndjson", "pixels.npy", "-o", name, in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
  }

  @Test func npyAndRowsComeBackAsTheyWere() throws {
    try stream(9)
    let back = try Run.shell(
      "gx-cat --to npy -o again.npy < in.tar && cmp pixels.npy again.npy && gx-cat --to ndjson in.tar | cmp - rows.ndjson",
      in: scratch.url)
    #expect(back.status == 0, "\(back.stdout) \(back.stderr)")
  }

  @Test func tarListsAndUnpacksIt() throws {
    try stream(2)
    let names = try Run.shell("tar tf in.tar", in: scratch.url)
    #expect(names.lines == ["g%2E0.json", "g%2E0.npy", "g%2E1.json", "g%2E1.npy"])
    let again = try Run.shell(
      "mkdir x && tar xf in.tar -C x && tar cf - --sort=name -C x . | gx-cat --to ndjson | wc -l", in: scratch.url)
    #expect(again.text.trimmingCharacters(in: .whitespacesAndNewlines) == "2")
  }

  @Test func selectionsAllHold() throws {
    try stream(12)
    let run = try Run.shell("gx-cat --classes spiral --split train,val in.tar | gx-cat --to ndjson", in: scratch.url)
    #expect(run.lines.count == 4)
    #expect(run.lines.allSatisfy { $0.contains("spiral") && !$0.contains("test") })
    #expect(try Run.shell("gx-cat -n 5 in.tar in.tar | gx-cat --to ndjson", in: scratch.url).lines.count == 5)
    #expect(try Run.shell("cat in.tar in.tar | gx-cat --to ndjson", in: scratch.url).lines.count == 24)
  }

  @Test func shuffleIsAPermutationThatTheSeedDecides() throws {
    try stream(50)
    let folder = scratch.url
    for how in ["", "--buffer 8"] {
      let one = try Run.shell("gx-shuffle -s 1 \(how) < in.tar | gx-cat --to ndjson", in: folder)
      let same = try Run.shell("cat in.tar | gx-shuffle -s 1 \(how) | gx-cat --to ndjson", in: folder)
      let other = try Run.shell("gx-shuffle -s 2 \(how) < in.tar | gx-cat --to ndjson", in: folder)
      let rows = try Run.shell("cat rows.ndjson", in: folder)
      #expect(one.status == 0 && one.stdout == same.stdout)
      #expect(one.stdout != other.stdout && one.stdout != rows.stdout)
      #expect(one.lines.sorted() == rows.lines.sorted())
    }
    let order = try Run.shell("gx-shuffle < in.tar | gx-shuffle -s 3 | gx-shuffle | gx-cat --to ndjson", in: folder)
    #expect(order.stdout == (try Run.shell("gx-shuffle < in.tar | gx-cat --to ndjson", in: folder)).stdout)
  }

  @Test func aCutStreamFailsThePipeWithoutPipefail() throws {
    try stream(200)
    let run = try Run.shell(
      "head -c 20000 in.tar | gx-cat | gx-shuffle --buffer 4 | gx-cat -o out.tar; echo ${PIPESTATUS[@]}; ls out.tar*",
      in: scratch.url)
    #expect(run.lines.first == "0 1 1 1")
    #expect(run.lines.count == 1, "no output may appear")
    #expect(run.stderr.contains("did not finish") || run.stderr.contains("too early"))
  }

  @Test func emptyInputIsNoStream() throws {
    for command in ["gx-cat", "gx-shuffle", "gx-shuffle --buffer 3"] {
      let run = try Run.shell("\(command) < /dev/null", in: scratch.url)
      #expect(run.status == 1 && run.stderr.contains("empty"))
    }
  }

  @Test func aFullDiskLeavesTheOldFile() throws {
    try stream(5)
    let run = try Run.shell(
      "cp in.tar out.tar; ulimit -f 1; trap '' XFSZ; gx-cat in.tar in.tar -o out.tar; echo $?; cmp in.tar out.tar; ls",
      in: scratch.url)
    #expect(run.lines.first == "1")
    #expect(run.stderr.contains("out.tar: File too large"))
    #expect(Set(run.lines.dropFirst()) == ["in.tar", "out.tar", "pixels.npy", "rows.ndjson"])
    #expect(try Run.shell("gx-cat in.tar > /dev/full", in: scratch.url).stderr.contains("No space left"))
  }

  @Test func aReaderThatGoesAwayEndsItQuietly() throws {
    try stream(2000)
    let run = try Run.shell(
      "cat in.tar in.tar in.tar | gx-cat | head -c 100 > /dev/null; echo ${PIPESTATUS[1]}", in: scratch.url)
    #expect(run.lines == ["141"])
    #expect(run.stderr.isEmpty)
  }

  @Test func npyRefusesWhatCannotBeOneArray() throws {
    try stream(3)
    #expect(try Run.shell("gx-cat --to npy in.tar | cat", in: scratch.url).stderr.contains("needs a file"))
    let failed = try Run.shell(
      #"printf '{"id":"bad","error":"torn"}' > bad.json; tar cf bad.tar bad.json; gx-cat --to npy -o o.npy in.tar bad.tar"#,
      in: scratch.url)
    #expect(failed.status == 3)
    #expect(failed.stderr.contains("bad: left out"))
  }
}
