import Foundation
import Testing

/// gx-explain, mostly with the model in the box.
@Suite struct ExplainCommand {
  let scratch = try! Scratch()

  func shell(_ line: String) -> Run.Result { try! Run.shell("set -e -o pipefail\n\(line)", in: scratch.url) }
  func objects(_ run: Run.Result) throws -> [[String: Any]] {
    try run.lines.map { try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) }
  }

  /// Shape and values of an f32 .npy.
  func array(_ name: String) throws -> (shape: [Int], values: [Float]) {
    let data = try Data(contentsOf: scratch / name)
    let end = 10 + Int(data[8]) + Int(data[9]) << 8
    let header = String(decoding: data[10..<end], as: UTF8.self)
    #expect(header.contains("'<f4'"))
    let shape = try #require(header.firstMatch(of: /\(([0-9, ]+)\)/)).1.split(separator: ",").compactMap {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    let values = data[end...].withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    return (shape, values)
  }

  @Test func mapsJoinTheirRecords() throws {
    let run = shell(
      """
      gx-synth -q -n 3 --size 90 > in.tar
      gx-explain -j 1 < in.tar > out.tar
      tar tf out.tar; mkdir x; tar xf out.tar -C x
      gx-explain -j 3 -q < in.tar | cmp - out.tar
      gx-explain -q -o file.tar < in.tar; cmp file.tar out.tar
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.stderr.hasPrefix("gx-explain: no -m MODEL: the model in the box explains\n"))
    #expect(
      run.lines.count == 9 && run.lines.prefix(3).map { $0.drop { $0 != "." } } == [".json", ".npy", ".gradcam.npy"])
    for line in run.lines where line.hasSuffix(".gradcam.npy") {
      let map = try array("x/\(line)")
      #expect(map.shape == [90, 90, 1] && map.values.count == 8100)
      #expect(map.values.allSatisfy { (0...1).contains($0) } && map.values.max() == 1)
    }
    // What gx-infer says, and what was explained; the rest of the record is as it was.
    let rows = try objects(shell("gx-cat --to ndjson < out.tar"))
    let inferred = try objects(shell("gx-infer -q < in.tar"))
    for (row, expected) in zip(rows, inferred) {
      for (field, value) in expected { #expect(row[field] as? NSObject == value as? NSObject, "\(field)") }
      #expect((row["ops"] as? [Any])?.isEmpty == true)
      let explained = try #require((row["explained"] as? [String: [String: Any]])?["gradcam"])
      #expect(explained["class"] as? String == row["prediction"] as? String)
      #expect(explained["node"] as? String == "bn2.act" && explained["peak"] as? Double ?? 0 > 0)
    }
    #expect(rows.count == 3 && inferred.count == 3)
    #expect(shell("gx-cat --to npy -o a.npy < in.tar; gx-cat --to npy -o b.npy < out.tar; cmp a.npy b.npy").status == 0)
  }

  /// Each class, method and node has a map of its own, and a second run adds to the first's.
  @Test func whatIsAskedForIsShown() throws {
    let run = shell(
      """
      gx-synth -q -n 1 --size 64 > in.tar
      gx-explain -q --class spiral --node blocks.4.2.add < in.tar |
        gx-explain -q --class irregular --method hirescam --node blocks.4.2.add |
        gx-explain -q --class elliptical --method occlusion --patch 80 --stride 80 |
        gx-explain -q --class lenticular > out.tar
      mkdir x; tar xf out.tar -C x; mv x/*.gradcam.npy a.npy; mv x/*.hirescam.npy b.npy; mv x/*.occlusion.npy c.npy
      ls x
      gx-cat --to ndjson out.tar
      """)
    #expect(run.status == 0 && run.lines.count == 3, "\(run.stderr)")
    let row = try #require(JSONSerialization.jsonObject(with: Data(run.lines[2].utf8)) as? [String: Any])
    let explained = try #require(row["explained"] as? [String: [String: Any]])
    #expect(
      explained.mapValues { $0["class"] as? String } == [
        "gradcam": "lenticular", "hirescam": "irregular", "occlusion": "elliptical",
      ])
    #expect(
      explained.mapValues { $0["node"] as? String } == [
        "gradcam": "bn2.act", "hirescam": "blocks.4.2.add", "occlusion": "input",
      ])
    let maps = try ["a.npy", "b.npy", "c.npy"].map { try array($0) }
    #expect(maps.allSatisfy { $0.shape == [64, 64, 1] } && Set(maps.map(\.values)).count == 3)
  }

  @Test func pictures() throws {
    let run = shell(
      """
      gx-synth -q -n 2 --size 64 > in.tar
      echo nothing > 'broken.json'
      tar rf in.tar broken.json
      code=0; gx-explain -q --overlay deep/maps < in.tar > rows || code=$?; echo $code
      code=0; gx-explain -q --tar < in.tar > maps.tar || code=$?; echo $code
      tar tf maps.tar | grep -v json
      (cd deep/maps; find . -type f | sort)
      mkdir x; tar xf maps.tar -C x; for each in x/*.png; do cmp $each deep/maps/${each#x/}; done
      gx-decode deep/maps/*.png | gx-cat --to ndjson | wc -l
      gx-decode < maps.tar | gx-infer -q | wc -l || true
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let names = run.lines.filter { $0.hasSuffix(".png") }.map { $0.replacing("./", with: "") }
    #expect(run.lines[0] == "3" && run.lines[1] == "3" && names.count == 4 && Set(names).count == 2)
    #expect(run.lines.suffix(2).map { $0.trimmingCharacters(in: .whitespaces) } == ["2", "3"])
    let rows = try objects(shell("cat rows"))
    #expect(rows.count == 3)
    for (row, name) in zip(rows.prefix(2), names) {
      #expect(row["overlay"] as? String == "deep/maps/\(name)" && row["ops"] == nil && row["explained"] != nil)
    }
    #expect(rows[2]["error"] != nil && rows[2]["overlay"] == nil)
  }

  /// Names come from strangers: none leaves the folder, and one that cannot be written costs no other.
  @Test func namesStayInTheFolder() throws {
    let run = shell(
      """
      gx-synth -q -n 1 --size 48 | tar xf -
      mv *.json k.json; mv *.npy k.npy
      long=$(printf 'n%.0s' {1..300})
      for name in ../evil "$PWD/evil" a/../../evil $long fine; do tar cPf part.tar --transform "s,^k,$name," k.json k.npy; cat part.tar; done > in.tar
      mkdir -p inner/maps
      code=0; gx-explain -q --overlay inner/maps < in.tar > rows || code=$?; echo $code
      cat rows | wc -l; grep -c '"overlay"' rows; grep -c 'File name too long' rows
      find . -name '*.png' | grep -vc '^./inner/maps/' || true
      find . -name '*.png' | grep -c fine.png
      gx-explain -q --tar < in.tar | tar tf - | grep -c '^/\\|^\\.\\.\\|/\\.\\.' || true
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.lines.map { $0.trimmingCharacters(in: .whitespaces) } == ["3", "5", "4", "1", "0", "1", "0"])
  }

  @Test func badUsage() throws {
    _ = shell("gx-synth -q -n 1 --size 48 > in.tar")
    for (options, message) in [
      ("--class cigar", "--class: the model has no class 'cigar'; it has elliptical, irregular, lenticular, spiral"),
      ("--method guided", "'guided' is none of gradcam, hirescam, occlusion"),
      ("--patch 3", "--patch is not for gradcam"),
      ("--method occlusion --node x", "--node is not for occlusion"), ("--tar --overlay x", "choose one"),
      ("--method occlusion --patch 161", "a patch of 161 pixels"), ("operand", "unexpected operand"),
    ] {
      let run = try Run.shell("gx-explain -q \(options) < in.tar", in: scratch.url)
      #expect(run.status == 2 && run.stdout.isEmpty && run.stderr.contains(message), "\(options): \(run.stderr)")
    }
    let node = try Run.shell("gx-explain -q --node nothing < in.tar", in: scratch.url)
    #expect(node.status == 1 && node.stdout.isEmpty)
    #expect(node.stderr == "gx-explain: the model in the box: the network has no node nothing\n")
  }

  /// As in gx-infer: other pictures than the model's are refused, and a torn stream fails.
  @Test func foreignPicturesAreRefused() throws {
    let run = shell(
      """
      gx-synth -q -n 2 --size 48 > in.tar
      code=0; gx-normalize --imagenet < in.tar | gx-explain -q -o out.tar || code=$?; echo $code
      code=0; head -c 9000 in.tar | gx-explain -q -o out.tar || code=$?; echo $code
      ls out.tar || true
      """)
    #expect(run.lines == ["1", "1"] && run.stderr.contains("was prepared otherwise"), "\(run.stderr)")
  }
}
