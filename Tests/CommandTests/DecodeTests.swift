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
    #expect(rows[2].contains("in/text.jpg: text, neither a JPEG"))
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

  /// What is neither manifest, tar nor picture is named, with what may help.
  @Test(arguments: [
    ("[\n  {\"path\": \"a.jpg\"}\n]\n", "a JSON array; a manifest has one object a line: jq -c '.[]'"),
    ("{\n  \"path\": \"a.jpg\"\n}\n", "JSON spread over several lines; a manifest has one object a line: jq -c ."),
    ("\u{feff}{\r\n\t\"path\": 1}\r\n", "JSON spread over several lines"),
    ("./M31.jpg\nb c.PNG\n", "a list of paths; name them: xargs -d '\\n' gx-decode"),
    ("filename,label\na.jpg,spiral\n", "a table (CSV); gx-list --labels"),
    ("<!DOCTYPE html>\n<title>404</title>\n", "an HTML page"),
    ("GIF89a\u{1}\0", "a GIF; expected are a manifest, a tar"),
    ("SIMPLE  =                    T", "a FITS file"), ("%PDF-1.4\n", "a PDF"),
    ("PK\u{3}\u{4}", "a zip archive (unpack it first: unzip)"), ("hello", "text; expected"),
    ("\n \n", "text; expected"),
    ("version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer (fetch the file itself: git lfs pull)"),
  ]) func foreignInputIsNamed(text: String, message: String) throws {
    for line in ["gx-decode", "cat | gx-decode"] {
      let run = try Run.shell(line, input: Data(text.utf8), in: scratch.url)
      #expect(run.status == 1 && run.stdout.isEmpty)
      #expect(run.stderr.contains("stdin: \(message)"), "\(run.stderr)")
    }
  }

  /// Other filters, too, say what came instead of a tensor stream.
  @Test func noArchiveIsNamed() throws {
    for command in ["gx-resize 8", "gx-normalize", "gx-cat"] {
      let run = try Run.shell("printf '<html>404' | \(command)", in: scratch.url)
      #expect(run.status == 1)
      #expect(run.stderr.contains("stdin, byte 0: not a tar archive, but an HTML page"), "\(run.stderr)")
    }
  }

  /// As editors on Windows write it.
  @Test func aManifestMayHaveAByteOrderMark() throws {
    try place("444.jpg", as: "a.jpg")
    let run = try Run.shell(
      #"printf '\357\273\277{"path":"a.jpg"}\r\n' | gx-decode | gx-cat -t ndjson"#, in: scratch.url)
    #expect(run.lines == [#"{"path":"a.jpg","id":"a","ops":[]}"#])
  }

  /// Names that differ in the format alone are told apart, as gx-list does it; a name of both is no exception.
  @Test func oneNameInTwoFormatsIsTwoIds() throws {
    for name in ["M31.jpg", "M31.png", "M32.jpg", "M31.jpg.png"] {
      try place(name.hasSuffix("g.png") || name.hasSuffix("jpg") ? "444.jpg" : "rgb8.png", as: "p/\(name)")
    }
    let ids = "gx-cat -t ndjson | sed 's/.*\"id\":\"//; s/\".*//' | sort"
    let decoded = try Run.shell("cd p; gx-decode M31.jpg ./M31.png M32.jpg M31.jpg.png | \(ids)", in: scratch.url)
    #expect(decoded.lines == ["M31.jpg", "M31.jpg.png", "M31.png", "M32"])
    #expect(try Run.shell("gx-list p | gx-decode --root . | \(ids)", in: scratch.url).lines == decoded.lines)
    // One picture twice is one name.
    #expect(try Run.shell("cd p; gx-decode M32.jpg ./M32.jpg | \(ids)", in: scratch.url).lines == ["M32", "M32"])
    // Rows come one by one: the first has its id before the other is known.
    let rows = try Run.shell(
      #"cd p; printf '{"path":"M31.%s"}\n' jpg png jpg | gx-decode | gx-cat -t ndjson"#, in: scratch.url
    ).lines
    #expect(rows.count == 3 && rows[0].contains(#""id":"M31""#) && rows[2] == rows[0])
    #expect(rows[1].contains(#""id":"M31.png","error":"another row's path gives the same id, M31"#))
    // In a tar, members of one name are one record, as WebDataset has it.
    let tar = try Run.shell("tar cf - -C p M31.jpg M31.png | gx-decode | tar tf -", in: scratch.url).lines
    #expect(tar == ["M31.json", "M31.npy", "M31.png"])
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
