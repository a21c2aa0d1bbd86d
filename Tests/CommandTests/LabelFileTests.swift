import Foundation
import GXCore
import Testing

/// Catalogues as people have them, to gx-list.
@Suite struct LabelFileTests {
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    for name in ["a", "b", "c", "d", "e"] { try Data().write(to: scratch / "\(name).jpg") }
  }

  private func list(_ csv: String, _ options: String = "") throws -> (run: Run.Result, rows: [JSONObject]) {
    try Data(csv.utf8).write(to: scratch / "l.csv")
    let run = try Run.shell("gx-list . --labels l.csv \(options)", in: scratch.url)
    return (run, try run.lines.map { try JSON(parsing: $0).objectValue! })
  }

  /// `field` of every row, or "-".
  private func column(_ field: String, _ rows: [JSONObject]) -> [String] { rows.map { $0[field]?.nameValue ?? "-" } }

  // MARK: Cells

  @Test(arguments: ["NA", "nan", "NaN", "null", "None", "N/A", "n/a", "#N/A", "<NA>", "-", "NULL", " ", "nil"])
  func wordsForNothingAreNoLabelAndNoSplit(_ word: String) throws {
    let (run, rows) = try list("file,label,split\na,S,train\nb,\(word),\(word)\nc,S,test\nd,E,val\ne,S,train\n")
    #expect(run.status == 0 && column("label", rows) == ["S", "-", "S", "E", "S"], "\(run.stderr)")
    #expect(column("split", rows) == ["train", "-", "test", "val", "train"])
    #expect(run.stderr.contains("1 of 5 pictures have no label"))
    if word != " " { #expect(run.stderr.contains("l.csv: '\(word)' (1) counts as no label"), "\(run.stderr)") }
  }

  @Test func suchAWordIsAClassWhereTheUserSaysSo() throws {
    let csv = "file,label\na,ring\nb,None\nc,ring\nd,NA\ne,\n"
    let known = try list(csv, "--classes ring,None --max-errors 9").rows
    #expect(column("label", known) == ["ring", "None", "ring", "-", "-"])
    #expect(column("label", try list(csv, "--map None=no-ring").rows) == ["ring", "no-ring", "ring", "-", "-"])
  }

  @Test func spaceOfAnyKindIsTrimmed() throws {
    let (run, rows) = try list(
      "\u{feff}file, label ,split\na,\"spiral\n\",train\u{a0}\n\" b\r\n\",\u{2003}spiral\t,\u{3000}train\n"
        + "c,\"barred\n  spiral\",train\nd,\"\r\n\",train\ne,\u{a0}spiral\u{a0},train\n")
    #expect(run.status == 0, "\(run.stderr)")
    #expect(column("label", rows) == ["spiral", "spiral", "barred spiral", "-", "spiral"])
    #expect(column("split", rows) == Array(repeating: "train", count: 5))
  }

  @Test func wholeNumbersThatDoublesLoseAreTexts() throws {
    let (_, rows) = try list(
      "file,label,specobjid,small,least,edge,minus,real\n"
        + "a,S,299491051364706305,12,9007199254740991,9007199254740992,-299491051364706305,1.10\nb,S,1,1,1,1,1,1\n",
      "--max-errors 9")
    #expect(
      JSON.object(rows[0]).text
        == #"{"id":"a","path":"a.jpg","label":"S","specobjid":"299491051364706305","small":12,"#
        + #""least":9007199254740991,"edge":"9007199254740992","minus":"-299491051364706305","real":1.10}"#)
  }

  @Test func numbersAreNamesByTheirDigits() throws {
    let csv = "file,class,set\na,1.0,0\nb,0.0,1.0\nc,,0\nd,1,1\ne,0,0\n"
    let (run, rows) = try list(csv)
    #expect(run.status == 0 && column("label", rows) == ["1", "0", "-", "1", "0"], "\(run.stderr)")
    #expect(column("split", rows) == ["0", "1", "0", "1", "0"])
    #expect(column("label", try list(csv, "--map 1=ring,0=none").rows) == ["ring", "none", "-", "ring", "none"])
  }

  // MARK: Columns

  @Test(arguments: [
    "iauname", "id_str", "dr8_id", "dr7objid", "objID", "specobjid", "GalaxyID", "IAUName", "file_loc", "Source_ID",
  ]) func idsOfCataloguesAreKnown(_ name: String) throws {
    let (run, rows) = try list("\(name),label\na,S\nb,E\nc,S\nd,S\ne,E\n")
    #expect(run.status == 0 && column("label", rows) == ["S", "E", "S", "S", "E"], "\(run.stderr)")
    #expect(run.stderr.contains("l.csv: pictures by '\(name)', labels by 'label'"), "\(run.stderr)")
    // Their votes are no labels, however many columns there are.
    for votes in ["smooth\na,0.37\nb,0.91\n", "smooth,featured\na,0.37,0.6\nb,1,0\n", "count\na,31\nb,12\n"] {
      let refused = try list("\(name),\(votes)")
      #expect(refused.run.status == 2 && refused.run.stdout.isEmpty, "\(votes): \(refused.run.text)")
    }
  }

  @Test(arguments: [
    ("my_galaxy,smooth\na,0.37\nb,0.91\n", "'column2' of l.csv holds numbers such as 0.37"),
    ("a.jpg,0.37\nb.jpg,0.91\n", "'column2' of l.csv holds numbers such as 0.37"),
    ("a,587722981741363294\nb,587722981741363295\n", "such as 587722981741363294"),
    ("file,smooth\na,3\nb,1\n", "'smooth' of l.csv holds numbers such as 3"),
    ("file,class\na,0.25\nb,0.5\n", "'class' of l.csv holds numbers such as 0.25"),
  ]) func votesAndIdsAreNoLabelsUnlessTheUserSaysSo(_ csv: String, _ message: String) throws {
    let (run, _) = try list(csv)
    #expect(run.status == 2 && run.stdout.isEmpty && run.stderr.contains(message), "\(run.stderr)")
    #expect(run.stderr.contains("--label-column 2 takes them for labels"))
    let forced = try list(csv, "--label-column 2")
    #expect(forced.run.status == 3 && column("label", forced.rows).contains { $0 != "-" }, "\(forced.run.stderr)")
  }

  @Test func smallWholeNumbersAreClasses() throws {
    let (run, rows) = try list("a.jpg,0\nb.jpg,1\nc.jpg,2\nd.jpg,0\ne.jpg,1\n")
    #expect(run.status == 0 && column("label", rows) == ["0", "1", "2", "0", "1"])
    #expect(run.stderr.contains("labels by 'column2'; no row of names"), "\(run.stderr)")
  }

  @Test func columnsThatAreThereTwiceAreToldOrRefused() throws {
    for csv in ["file,label,label\na,S,E\n", "file,Label,LABEL\na,S,E\n", "label,file,file\nS,a,b\n"] {
      let (run, _) = try list(csv)
      #expect(run.status == 2 && run.stdout.isEmpty, "\(run.stderr)")
      #expect(run.stderr.contains("columns 2 and 3 are both called"), "\(run.stderr)")
    }
    let (_, rows) = try list("file,label,label\na,S,E\n", "--label-column 3 --max-errors 9")
    #expect(rows[0]["label"] == "E")
    let (exact, exactRows) = try list("file,Label,label\na,S,E\n", "--label-column Label --max-errors 9")
    #expect(exact.status == 0 && exactRows[0]["label"] == "S" && exactRows[0]["csv_label"] == "E", "\(exact.stderr)")
    let (others, otherRows) = try list("file,label,ra,ra\na,S,1,2\n", "--max-errors 9")
    #expect(others.status == 0 && otherRows[0]["ra"] == 1)
    #expect(others.stderr.contains("there are several columns 'ra'; the first is taken"))
    let votes = try list("file,p,p\na,0.1,0.9\n", "--map p=S")
    #expect(votes.run.status == 2 && votes.run.stderr.contains("several columns are called 'p', which --map names"))
  }

  // MARK: Names

  @Test func picturesThatDifferByExtensionKeepTheirsInALabelFileToo() throws {
    try Data().write(to: scratch / "a.png")
    try Data("file,label\na.jpg,S\na.png,E\nb.jpg,S\n".utf8).write(to: scratch / "l.csv")
    let run = try Run.shell("gx-list --labels l.csv", in: scratch.url)
    #expect(run.lines.map { try! JSON(parsing: $0).objectValue!["id"]! } == ["a.jpg", "a.png", "b"])
  }

  @Test func namesInTwoNormalFormsAreTwo() throws {
    let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
    let csv = "file,label\na,\(composed)\nb,\(decomposed)\nc,\(composed)\n"
    let (run, rows) = try list(csv + "d,x\ne,x\n", "--map \(composed)=S,\(decomposed)=E")
    #expect(run.status == 0 && column("label", rows) == ["S", "E", "S", "x", "x"], "\(run.stderr)")
    let split = try list(csv + "d,\(decomposed)\ne,x\n", "--split 50:50").rows
    var shares: [[UInt8]: Int] = [:]
    for row in split { shares[Array((row["label"]!.stringValue! + row["split"]!.stringValue!).utf8), default: 0] += 1 }
    #expect(shares.count == 5 && shares.values.allSatisfy { $0 == 1 })
  }
}
