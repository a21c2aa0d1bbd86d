import Foundation
import GXCore
import Testing

@Suite struct ListTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func make(_ paths: String..., text: String = "") throws {
    for path in paths {
      let file = scratch / path
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
  }

  private func list(_ line: String) throws -> (run: Run.Result, rows: [JSONObject]) {
    let run = try Run.shell("gx-list \(line)", in: scratch.url)
    return (run, try run.lines.map { try JSON(parsing: $0).objectValue! })
  }

  /// `field` of every row, or "-".
  private func column(_ field: String, _ rows: [JSONObject]) -> [String] { rows.map { $0[field]?.stringValue ?? "-" } }

  @Test func foldersAreListedInBytewiseOrder() throws {
    try make("g/b.jpg", "g/a/z.JPEG", "g/a.png", "g/B.png", "g/notes.txt", "g/.hidden.jpg", "g/.git/x.jpg", "g/a-b.jpg")
    let (run, rows) = try list("g")
    #expect(run.status == 0 && run.stderr.isEmpty)
    #expect(column("path", rows) == ["g/B.png", "g/a-b.jpg", "g/a.png", "g/a/z.JPEG", "g/b.jpg"])
    #expect(column("id", rows) == ["B", "a-b", "a", "a/z", "b"])
    #expect(try list("g/").run.stdout == run.stdout)
    #expect(column("path", try list(".").rows).first == "g/B.png")
  }

  @Test func operandsKeepTheirOrderAndCountOnce() throws {
    try make("x/1.jpg", "y/1.jpg", "odd.name")
    let (_, rows) = try list("y x/1.jpg x odd.name")
    #expect(column("path", rows) == ["y/1.jpg", "x/1.jpg", "odd.name"])
    #expect(column("id", rows) == ["y/1", "x/1", "odd"])
  }

  @Test func picturesThatDifferByExtensionKeepIt() throws {
    try make("g/a.jpg", "g/a.png", "g/J0946.5+01.jpg")
    #expect(column("id", try list("g").rows) == ["J0946.5+01", "a.jpg", "a.png"])
  }

  @Test func everyFormatIsFound() throws {
    try make("g/a.webp", "g/b.tif", "g/c.TIFF", "g/d.jpeg", "g/e.gif", "g/f.WebP")
    #expect(column("id", try list("g").rows) == ["a", "b", "c", "d", "f"])
  }

  @Test func linksAreFollowedButNotRound() throws {
    try make("g/a.jpg", "far/b.jpg")
    for (link, target) in [("g/loop", "../g"), ("g/far", "../far"), ("g/dead.png", "nowhere")] {
      try FileManager.default.createSymbolicLink(atPath: (scratch / link).path, withDestinationPath: target)
    }
    let (run, rows) = try list("g")
    #expect(column("path", rows) == ["g/a.jpg", "g/dead.png", "g/far/b.jpg"])
    #expect(run.status == 3 && rows[1]["error"] == "No such file or directory")
  }

  @Test func namesThatAreNotUTF8AreNamed() throws {
    try make("g/a.jpg")
    _ = try Run.shell("touch $'g/\\xff\\xfe.jpg'", in: scratch.url)
    let (run, rows) = try list("g")
    #expect(run.status == 3 && rows.count == 2 && run.stderr.contains("not UTF-8"))
  }

  @Test func aFolderThatIsNotThereIsAnError() throws {
    let (run, _) = try list("nowhere")
    #expect(run.status == 1 && run.stdout.isEmpty && run.stderr.contains("nowhere: No such file"))
    #expect(try list("").run.status == 2)
    try make("g/x.txt")
    let empty = try list("g").run
    #expect(empty.status == 0 && empty.stdout.isEmpty && empty.stderr.contains("no pictures"))
  }

  @Test func surveyLabelFileWorksFromAnywhere() throws {
    try make("images/NGC1.jpg", "images/NGC2.jpg")
    try make(
      "labels.csv", text: "path,label,split,hubble\nimages/NGC1.jpg,spiral,train,Sb\nimages/NGC2.jpg,elliptical,,E3\n")
    let here = try list("images --labels labels.csv").rows
    #expect(
      JSON.object(here[0]).text
        == #"{"id":"NGC1","path":"images/NGC1.jpg","label":"spiral","split":"train","hubble":"Sb"}"#)
    #expect(here[1]["split"] == nil)
    let there = try Run.shell("cd images; gx-list . --labels ../labels.csv", in: scratch.url)
    #expect(there.lines[0].contains(#""label":"spiral""#) && there.status == 0)
    let absolute = try list("\(scratch.url.path)/images --labels labels.csv")
    #expect(absolute.run.status == 0 && column("label", absolute.rows) == ["spiral", "elliptical"])
    // Without a folder, the rows themselves are listed.
    let alone = try list("--labels labels.csv").rows
    #expect(
      column("id", alone) == ["images/NGC1", "images/NGC2"]
        && column("path", alone) == ["images/NGC1.jpg", "images/NGC2.jpg"])
  }

  @Test(arguments: [
    ("a.jpg,Class1\nb.jpg,Class2\n", ""), ("filename,label\na.jpg,Class1\nb.jpg,Class2\n", ""),
    ("id,class\na,Class1\nb,Class2\n", ""), ("Label,File\nClass1,a\nClass2,b\n", ""),
    ("x,y,z\na,1,Class1\nb,2,Class2\n", "--header --path-column x --label-column z"),
    ("Class1,0,a\nClass2,0,b\n", "--path-column 3 --label-column 1"),
    ("name\tmorphology\na.jpg\tClass1\nb.jpg\tClass2\n", ""),
    ("label,a\nClass1,a\nClass2,b\n", "--path-column 2"),
  ]) func labelFilesOfManyKinds(_ csv: String, _ options: String) throws {
    try make("g/a.jpg", "g/b.jpg")
    try make("l.csv", text: csv)
    let (run, rows) = try list("g --labels l.csv --map Class1=spiral,Class2=elliptical \(options)")
    #expect(run.status == 0, "\(run.stderr)")
    #expect(column("label", rows) == ["spiral", "elliptical"])
  }

  @Test func votesGiveTheLabelOfTheHighest() throws {
    try make("g/100008.jpg", "g/100023.jpg", "g/100053.jpg")
    try make(
      "votes.csv",
      text: "GalaxyID,Class1.1,Class1.2,Class1.3\n100008,0.38,0.61,0.01\n100023,0.9,0.1,0\n100053,0,0,0\n")
    let (run, rows) = try list("g --labels votes.csv --map Class1.1=smooth,Class1.2=disk --classes smooth,disk")
    #expect(column("label", rows) == ["disk", "smooth", "-"])
    #expect(rows[0]["Class1.2"] == .number("0.61"))
    #expect(run.status == 3 && rows[2]["error"] == "has no label")
    try make("bad.csv", text: "GalaxyID,Class1.1,Class1.2\n100008,many,1\n")
    let bad = try list("g --labels bad.csv --map Class1.1=smooth").run
    #expect(
      bad.status == 1 && bad.stdout.isEmpty && bad.stderr.contains("bad.csv, line 2: Class1.1: 'many' is not a number"))
  }

  @Test func whatIsMissingOnEitherSideIsNamed() throws {
    try make("g/a.jpg", "g/b.jpg", "g/twice.jpg", "g/1/same.jpg", "g/2/same.jpg", "other/z.jpg")
    try make("l.csv", text: "path,label\ng/a.jpg,S\ngone.jpg,S\ntwice,S\ntwice.jpg,E\nsame.jpg,S\nother/z.jpg,E\n")
    let (run, rows) = try list("g --labels l.csv")
    let errors = Dictionary(uniqueKeysWithValues: rows.map { ($0["path"]!.stringValue!, $0["error"]?.stringValue) })
    #expect(run.status == 3)
    #expect(errors["g/a.jpg"] == .some(nil))
    #expect(errors["g/b.jpg"] == "has no row in l.csv")
    #expect(errors["gone.jpg"] == "l.csv, line 3: no such picture")
    #expect(errors["g/twice.jpg"] == "lines 4 and 5 of l.csv are both about it")
    #expect(errors["same.jpg"] == "l.csv, line 6: may be g/1/same.jpg or g/2/same.jpg")
    #expect(errors["other/z.jpg"] == nil)  // it is there, and was not asked for
    for (path, error) in errors { if let error { #expect(run.stderr.contains("\(path): \(error)")) } }
    #expect(try list("g --labels l.csv --max-errors 100%").run.status == 0)
  }

  @Test func rowsAboutOnePictureContradict() throws {
    try make("a.jpg", "b.jpg")
    try make("l.csv", text: ",path,label\n0,a.jpg,S\n1,b.jpg,S\n2,a,E\n")
    let (run, rows) = try list("--labels l.csv")
    #expect(run.status == 3)
    #expect(
      column("error", rows) == [
        "lines 2 and 4 of l.csv are both about it", "-", "lines 2 and 4 of l.csv are both about it",
      ])
    #expect(rows[1]["column1"] == 1)
  }

  @Test func errorsTravelThroughThePipe() throws {
    try make("l.csv", text: "path,label\ngone.jpg,S\n")
    let run = try Run.shell("gx-list --labels l.csv | gx-decode | gx-resize 8 | gx-cat --to ndjson", in: scratch.url)
    #expect(run.status == 3 && run.lines.count == 1 && run.text.contains("line 2 of the label file: no such file"))
  }

  @Test func unknownLabelsAreErrors() throws {
    try make("g/a.jpg", "g/b.jpg", "g/c.jpg")
    try make("l.csv", text: "file,label\na,S\nb,Sx\nc,\n")
    let (run, rows) = try list("g --labels l.csv --classes S,E")
    #expect(run.status == 3)
    #expect(column("error", rows) == ["-", "label 'Sx' is none of S, E", "has no label"])
    let free = try list("g --labels l.csv")
    #expect(free.run.status == 0 && column("label", free.rows) == ["S", "Sx", "-"])
    #expect(free.run.stderr.contains("1 of 3 pictures have no label"))
  }

  @Test func reservedColumnsAreSetAside() throws {
    try make("a.jpg")
    try make("l.csv", text: "path,label,id,ops,n,m\na.jpg,S,x,y,007,12\n")
    let rows = try list("--labels l.csv").rows
    #expect(
      JSON.object(rows[0]).text == #"{"id":"a","path":"a.jpg","label":"S","csv_id":"x","csv_ops":"y","n":"007","m":12}"#
    )
  }

  @Test(arguments: [
    ("path,label\na.jpg,S,x\n", 1, "l.csv, line 2: 3 fields, line 1 has 2"), ("", 1, "l.csv: no rows"),
    ("path,label\n\"a\n", 1, "l.csv, line 2: a quoted field is never closed"),
    ("path,a,b\na.jpg,1,2\n", 2, "which column of l.csv holds the label"),
  ]) func badLabelFiles(_ csv: String, _ status: Int, _ message: String) throws {
    try make("g/a.jpg")
    try make("l.csv", text: csv)
    let run = try list("g --labels l.csv").run
    #expect(run.status == Int32(status) && run.stdout.isEmpty && run.stderr.contains(message), "\(run.stderr)")
  }

  @Test(arguments: [
    "--labels l.csv --class-per-folder", "--labels l.csv --label-column 9", "--labels l.csv --path-column nope",
    "--labels l.csv --map S", "--labels l.csv --map =S", "--shares 70", "--shares a:b", "--shares 0:0",
    "--shares 1:-1:1",
  ]) func badUsage(_ options: String) throws {
    try make("g/a.jpg")
    try make("l.csv", text: "path,label\na.jpg,S\n")
    let run = try list("g \(options)").run
    #expect(run.status == 2 && run.stdout.isEmpty && !run.stderr.isEmpty)
  }

  @Test func foldersAreClasses() throws {
    try make("g/spiral/1.jpg", "g/elliptical/2.jpg", "g/deep/er/3.jpg")
    #expect(column("label", try list("g --class-per-folder").rows) == ["er", "elliptical", "spiral"])
    let inside = try Run.shell("cd g/spiral; gx-list . --class-per-folder --map spiral=S", in: scratch.url)
    #expect(inside.lines == [#"{"id":"1","path":"1.jpg","label":"S"}"#])
  }

  @Test func splitsAreExactReproducibleAndOfEachLabel() throws {
    for i in 0..<100 { try make("g/\(i < 60 ? "spiral" : "elliptical")/\(i).jpg") }
    let (run, rows) = try list("g --class-per-folder --shares 70:15:15 --seed 1")
    var counts: [String: Int] = [:]
    for row in rows { counts["\(row["label"]!.stringValue!) \(row["split"]!.stringValue!)", default: 0] += 1 }
    #expect(counts["spiral train"] == 42 && counts["spiral val"] == 9 && counts["spiral test"] == 9)
    #expect(counts["elliptical train"] == 28 && counts["elliptical val"] == 6 && counts["elliptical test"] == 6)
    #expect(try list("g --class-per-folder --shares 70:15:15 --seed 1").run.stdout == run.stdout)
    #expect(try list("g --class-per-folder --shares 70:15:15 --seed 2").run.stdout != run.stdout)
    let two = Set(column("split", try list("g --shares 80:20").rows))
    #expect(two == ["train", "val"])
  }

  @Test func splitsThatAreThereStay() throws {
    try make("g/a.jpg", "g/b.jpg", "g/c.jpg")
    try make("l.csv", text: "path,label,split\na,S,test\nb,S,\nc,S,holdout\n")
    #expect(column("split", try list("g --labels l.csv --shares 100:0").rows) == ["test", "train", "holdout"])
  }
}
