import Foundation
import GXCore
import GXStream
import Testing

@Suite struct Decode {
  let scratch = try! Scratch()
  static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("GXImageTests/Fixtures/codec")

  /// Copies a picture of the codec's tests into the scratch folder.
  func place(_ name: String, as other: String) throws {
    let target = scratch / other
    try FileManager.default.createDirectory(at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(contentsOf: Self.pictures.appendingPathComponent(name)).write(to: target)
  }

  func rows(_ line: String) throws -> (status: Int32, rows: [String], stderr: String) {
    let run = try Run.shell("\(line) | gx-cat --to ndjson; exit ${PIPESTATUS[0]}", in: scratch.url)
    return (run.status, run.lines, run.stderr)
  }

  @Test func aLiveManifestIsNotWaitedFor() throws {
    try place("444.jpg", as: "b.jpg")
    let run = try Run.shell(
      """
      mkfifo rows; (printf '{"path":"b.jpg"}\\n'; sleep 5) > rows &
      gx-decode --unbuffered < rows > out &
      for i in $(seq 40); do [ -s out ] && break; sleep 0.1; done
      [ -s out ] && jobs -r | wc -l; kill %1
      """, in: scratch.url)
    #expect(run.lines == ["2"], "the record came only when the manifest had ended")
  }

  @Test func pathsBecomeRecordsInTheirOrder() throws {
    try place("444.jpg", as: "b.jpg")
    try place("rgba8.png", as: "sub/J0946.5+01.png")
    let (status, rows, _) = try rows("gx-decode sub/J0946.5+01.png ./b.jpg")
    #expect(status == 0)
    #expect(
      rows == [
        #"{"id":"sub/J0946.5+01","path":"sub/J0946.5+01.png","ops":[]}"#, #"{"id":"b","path":"./b.jpg","ops":[]}"#,
      ])
    let names = try Run.shell("gx-decode sub/J0946.5+01.png b.jpg | tar tf -", in: scratch.url).lines
    #expect(names == ["sub/J0946%2E5+01.json", "sub/J0946%2E5+01.npy", "b.json", "b.npy"])
  }

  @Test func pixelsAreThoseOfTheDecoder() throws {
    try place("rgb8.png", as: "a.png")
    let run = try Run.shell("gx-decode a.png | tar xOf - a.npy", in: scratch.url)
    let expected = try Data(contentsOf: Self.pictures.appendingPathComponent("rgb8.png.npy"))
    #expect(run.stdout.suffix(13 * 19 * 3) == expected.suffix(13 * 19 * 3))
  }

  @Test func aManifestKeepsItsFieldsAndFailuresTravelOn() throws {
    try place("420.jpg", as: "in/a.jpg")
    try Data("no picture".utf8).write(to: scratch / "in/text.jpg")
    let manifest = [
      #"{"path":"a.jpg","label":"spiral","z":0.10,"id":"NGC 1"}"#, #"{"path":"missing.png","label":"S0"}"#,
      #"{"path":"text.jpg"}"#, #"{"label":"nothing"}"#, #"{"id":"old","error":"not in the folder","path":"a.jpg"}"#,
      "{",
    ]
    try Data((manifest.joined(separator: "\n") + "\n").utf8).write(to: scratch / "list.ndjson")
    let (status, rows, stderr) = try rows("gx-decode --root in < list.ndjson")
    #expect(status == 3)
    #expect(rows.count == 6)
    #expect(rows[0] == #"{"path":"a.jpg","label":"spiral","z":0.10,"id":"NGC 1","ops":[]}"#)
    #expect(rows[1].contains(#""label":"S0","id":"missing","error":"in/missing.png: No such file or directory""#))
    #expect(rows[2].contains("in/text.jpg: neither a JPEG nor a PNG"))
    #expect(rows[3].contains("no \\\"path\\\" in line 4"))
    #expect(rows[4].contains("not in the folder"))
    #expect(rows[5].contains("line 6"))
    #expect(stderr.contains("5 of 6 records failed"))
    #expect(try Run.shell("gx-decode --root in --max-errors 5 < list.ndjson > x", in: scratch.url).status == 0)
    #expect(try Run.shell("gx-decode --root in --max-errors 80% < list.ndjson > x", in: scratch.url).status == 3)
  }

  @Test func aShardOfPicturesIsAStream() throws {
    try place("444.jpg", as: "s/g1.jpg")
    try place("grey8.png", as: "s/g2.png")
    try Data("2\n".utf8).write(to: scratch / "s/g1.cls")
    try Data(#"{"label":"spiral","seen":true}"#.utf8).write(to: scratch / "s/g2.json")
    try Data("7".utf8).write(to: scratch / "s/g2.cls")
    try Data("text".utf8).write(to: scratch / "s/g3.txt")
    let line = "tar cf - -C s g1.jpg g1.cls g2.json g2.png g2.cls g3.txt | gx-decode"
    let run = try Run.shell("\(line) | gx-cat --to ndjson", in: scratch.url)
    #expect(run.lines[0] == #"{"id":"g1","label":"2","ops":[]}"#)
    #expect(run.lines[1] == #"{"id":"g2","label":"spiral","seen":true,"ops":[]}"#)
    #expect(run.lines[2].contains("the record has no picture"))
  }

  @Test func onePictureOnStdinIsARecord() throws {
    for name in ["440.jpg", "palette8.png"] {
      let picture = try Data(contentsOf: Self.pictures.appendingPathComponent(name))
      let run = try Run.shell("gx-decode | tar tf -", input: picture)
      #expect(run.lines == ["stdin.json", "stdin.npy"])
      #expect(try Run.shell("cat | gx-decode | tar tf -", input: picture).lines == run.lines)
    }
    #expect(try Run.gx("gx-decode").stderr.contains("stdin is empty"))
    #expect(try Run.gx("gx-decode").status == 1)
    #expect(try Run.gx("gx-decode", input: Data("hello".utf8)).status == 1)
  }

  @Test func oneDamagedPictureInAThousandIsOneErrorRow() throws {
    try place("420.jpg", as: "good.jpg")
    let good = try Data(contentsOf: scratch / "good.jpg")
    try good.prefix(good.count - 40).write(to: scratch / "bad.jpg")
    let run = try Run.shell(
      """
      for i in $(seq 1000); do [ $i = 500 ] && echo '{"id":"500","path":"bad.jpg"}' || echo '{"id":"'$i'","path":"good.jpg"}'; done |
        gx-decode | gx-resize 8 | gx-normalize | gx-cat --to ndjson > rows; echo ${PIPESTATUS[@]}
      wc -l < rows; grep -c error rows; sed -n 500p rows
      """, in: scratch.url)
    #expect(run.lines[0] == "0 3 3 3 3")
    #expect(run.lines[1...2] == ["1000", "1"])
    #expect(run.lines[3].contains("bad.jpg: JPEG: "))
  }

  @Test func theBytesAreTheSameForAnyNumberOfThreads() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.pictures.path).sorted()
      .filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") }
    for name in names { try place(name, as: name) }
    let line = "gx-decode *.jpg *.png nothing.jpg"
    let runs = try ["-j1", "-j2", "-j7"].map { jobs in
      try Run.shell(
        "\(line) \(jobs) | gx-resize \(jobs) 16 --mode cover | gx-augment \(jobs) rotate=90,noise=0.1 --copies 3 | sha256sum",
        in: scratch.url)
    }
    #expect(runs[0].stdout == runs[1].stdout && runs[0].stdout == runs[2].stdout)
    #expect(runs[0].text.count > 60)
  }

  /// Many pictures, most of them damaged, in an address space that has no room for leaks (10 kB each would do).
  @Test func nothingLeaks() throws {
    for name in ["420.jpg", "cmyk.jpg", "rgba16-interlaced.png", "exif6.png"] { try place(name, as: name) }
    let line = """
      for f in *.jpg *.png; do head -c $(($(stat -c %s $f) * 2 / 3)) $f > cut-$f; done
      for i in $(seq 1500); do for f in *.jpg *.png; do echo '{"path":"'$f'"}'; done; done > list.ndjson
      ulimit -v 60000; gx-decode -j1 < list.ndjson 2> log | gx-cat --to ndjson | grep -c error
      echo ${PIPESTATUS[@]}; sort log | uniq -c
      """
    let run = try Run.shell(line, in: scratch.url)
    #expect(run.lines[0...1] == ["6000", "3 3 0"], "\(run.lines)")
  }

  @Test func largePicturesAreRefusedByTheOption() throws {
    try place("444.jpg", as: "a.jpg")
    let (status, rows, _) = try rows("gx-decode --max-pixels 246 a.jpg")
    #expect(status == 3)
    #expect(rows[0].contains("19x13 pixels are more than the limit of 246"))
  }
}
