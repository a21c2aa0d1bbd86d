import Foundation
import Testing

/// Pipes that run for long: with `--unbuffered`, each record is answered before the next one comes.
@Suite struct LivePipes {
  let scratch = try! Scratch()

  /// Feeds `rows` to `pipe` one at a time, each once the one before has been answered, and returns the answers.
  private func answers(of pipe: String, to rows: [String]) throws -> Run.Result {
    try Run.shell(
      """
      set -euo pipefail
      mkfifo in out
      { \(pipe); } < in > out &
      exec 3> in 4< out
      while read -r row; do
        echo "$row" >&3
        read -t 60 -r answer <&4 || { echo "no answer to $row"; exit 9; }
        echo "$answer"
      done
      exec 3>&-
      ! read -r answer <&4
      wait $! || exit $?
      """, input: Data(rows.map { $0 + "\n" }.joined().utf8), in: scratch.url)
  }

  @Test(arguments: ["", " -j1", " -j3"]) func aChainAnswersEachPictureBeforeTheNext(_ jobs: String) throws {
    let made = try Run.shell("gx-synth -n 2 --size 40 --pictures . | tr -d '\\n'", in: scratch.url)
    #expect(made.status == 0, "\(made.stderr)")
    let pictures = try FileManager.default.subpathsOfDirectory(atPath: scratch.url.path).filter { $0.hasSuffix("png") }
    let rows = [pictures[0], "missing.png", pictures[1], pictures[0]].map { #"{"path":"\#($0)"}"# }
    let run = try answers(
      of: [
        "gx-decode", "gx-resize 160 --mode cover", "gx-normalize --mean 0.498 --std 0.502", "gx-infer",
      ].map { "\($0) --unbuffered\(jobs)" }.joined(separator: " | "), to: rows)
    #expect(run.lines.count == 4 && run.status == 3, "\(run.text) \(run.stderr)")
    for (row, answer) in zip(rows, run.lines) {
      #expect(answer.hasPrefix(String(row.dropLast())))
      #expect(answer.contains("\"prediction\"") != answer.contains("\"error\""))
    }
  }

  @Test func otherFiltersPassOnAtOnceToo() throws {
    let made = try Run.shell("gx-synth -n 1 --size 40 --pictures .", in: scratch.url)
    let path = try #require(
      FileManager.default.subpathsOfDirectory(atPath: scratch.url.path).first { $0.hasSuffix("png") }, "\(made.stderr)")
    let rows = (0..<3).map { #"{"path":"\#(path)","n":\#($0)}"# }
    let run = try answers(
      of: [
        "gx-decode", "gx-augment flip=h", "gx-cat", "gx-explain", "gx-cat --to ndjson",
      ].map { "\($0) --unbuffered" }.joined(separator: " | "), to: rows)
    #expect(run.status == 0 && run.lines.count == 3, "\(run.text) \(run.stderr)")
    for (row, answer) in zip(rows, run.lines) { #expect(answer.hasPrefix(String(row.dropLast()))) }
  }

  /// Only where records are passed on at once does the stream say so; tar reads both alike.
  @Test func theStreamIsTheSameButForItsMarks() throws {
    let run = try Run.shell(
      """
      gx-synth -n 3 --size 16 > plain.tar; gx-cat --unbuffered < plain.tar > marked.tar
      cmp <(tar tvf plain.tar 2>&1) <(tar tvf marked.tar 2>&1) && gx-cat < marked.tar | cmp - plain.tar && echo same
      gx-shuffle < marked.tar | gx-cat | cmp - <(gx-shuffle < plain.tar) && echo same
      """, in: scratch.url)
    #expect(run.lines == ["same", "same"], "\(run.stderr)")
  }
}

/// Archives that tar makes of odd folders, through real commands: nothing is lost, and stderr says what failed, once.
@Suite struct OddFolders {
  let scratch = try! Scratch()

  @Test func linksAreNamedOnceAndTheRestIsRead() throws {
    let run = try Run.shell(
      """
      gx-synth -n 1 --size 16 --pictures p > row; mkdir t; cp $(find p -name '*.png') t/a.png
      ln t/a.png t/b.png; ln -s a.png t/c.png; mkfifo t/d.png; cp t/a.png t/e.png
      tar cf t.tar -V survey -C t a.png b.png c.png d.png e.png
      gx-decode < t.tar | gx-resize 8 | gx-cat --to ndjson; echo ${PIPESTATUS[@]}
      """, in: scratch.url)
    #expect(run.lines.last == "3 3 3")
    let rows = run.lines.dropLast()
    #expect(rows.map { $0.contains("\"error\"") } == [false, true, true, true, false])
    for (id, word) in [("b", "--hard-dereference"), ("c", "'tar -h'"), ("d", "FIFO")] {
      let told = run.stderr.split(separator: "\n").filter { $0.contains(": \(id): ") }
      #expect(told.count == 1 && told[0].hasPrefix("gx-decode: ") && told[0].contains(word), "\(run.stderr)")
    }
  }

  @Test func sparseFilesAndFoldersListsAreNoEnd() throws {
    let run = try Run.shell(
      """
      gx-synth -n 1 --size 16 --pictures p > row; mkdir t; cp $(find p -name '*.png') t/a.png; cp t/a.png t/c.png
      cp t/a.png t/b.png; truncate -s 1M t/b.png
      for how in gnu 'posix --sparse-version=0.0' 'posix --sparse-version=0.1' 'posix --sparse-version=1.0'; do
        tar cSf - --format=$how -C t a.png b.png c.png | gx-decode -q 2> told | gx-cat -q --to ndjson
        grep -c 'b: .*sparse' told
      done
      tar cf - --listed-incremental=snapshot t | gx-decode | gx-cat --to ndjson
      """, in: scratch.url)
    #expect(run.lines.count == 4 * 4 + 3, "\(run.text) \(run.stderr)")
    for format in 0..<4 {
      let lines = run.lines[4 * format..<4 * format + 4]
      #expect(lines.map { $0.contains("\"error\"") } == [false, true, false, false] && lines.last == "1")
    }
    #expect(run.lines.suffix(3).allSatisfy { $0.hasPrefix(#"{"id":"t/"#) && !$0.contains("error\"") })
  }

  /// The names of files, one or two hops on, are those that they had: none is passed over, none is another's.
  @Test func namesSurviveEveryCommand() throws {
    let names = ["_1", "__2", "__a__/b", "50%", "%2E", "x@1", "a b", "é", "e\u{301}", "-x", "back\\slash", "n\nl"]
    for name in names {
      let url = scratch / "t/\(name).png"
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      let made = try Run.shell(
        "cat \"$(find p -name '*.png' 2> /dev/null || true)\" 2> /dev/null || { gx-synth -n 1 --size 16 --pictures p > row; cat $(find p -name '*.png'); }",
        in: scratch.url)
      try made.stdout.write(to: url)
    }
    let run = try Run.shell(
      """
      cd t; gx-list . | gx-decode | gx-cat --to ndjson > ../listed
      find . -name '*.png' -print0 | LC_ALL=C sort -z | tar cf - --null -T - --format=posix | gx-decode > ../tarred.tar
      gx-resize 8 < ../tarred.tar | gx-cat --to ndjson > ../tarred
      gx-decode -- * */*.png 2> /dev/null | gx-cat -q --to ndjson --drop-failed > ../named
      mkdir ../x; tar xf ../tarred.tar -C ../x; find ../x -name '*.json' | wc -l
      """, in: scratch.url)
    #expect(run.lines == ["\(names.count - 1)"], "\(run.stderr)")  // __a__ holds metadata, for WebDataset
    func ids(_ file: String) throws -> [[UInt8]] {
      try String(contentsOf: scratch / file, encoding: .utf8).split(separator: "\n").map {
        let row = try JSONSerialization.jsonObject(with: Data($0.utf8)) as! [String: Any]
        return Array((row["id"] as! String).utf8)
      }.sorted { $0.lexicographicallyPrecedes($1) }
    }
    let wanted = names.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
    #expect(try ids("listed") == wanted && ids("named") == wanted)
    #expect(try ids("tarred") == wanted.filter { $0 != Array("__a__/b".utf8) })
  }
}
