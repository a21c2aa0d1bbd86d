import Foundation
import GXCore
import GXStream
import Testing

@Suite struct SynthTests {
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func rows(_ options: String) throws -> [JSONObject] {
    let run = try Run.shell("set -o pipefail; gx-synth \(options) | gx-cat --to ndjson")
    #expect(run.status == 0, "\(run.stderr)")
    return try run.lines.map { try JSON(parsing: $0).objectValue! }
  }

  @Test func streamHoldsLabelledPictures() throws {
    let file = scratch / "s.tar"
    #expect(try Run.shell("gx-synth -n 8 --size 40 --seed 3 -o \(file.path)").status == 0)
    let reader = RecordReader(try ByteSource.open(file.path))
    var labels: [String] = []
    while let record = try reader.next() {
      labels.append(record.label ?? "-")
      #expect(record.id == "synth-3-\(labels.count - 1)" && record.ops == [])
      #expect(record.tensor?.dtype == .u8 && record.tensor?.shape == [40, 40, 3])
      #expect(record.meta["galaxy"]?.objectValue?["hubble"]?.stringValue != nil)
    }
    #expect(
      labels == ["elliptical", "irregular", "lenticular", "spiral", "elliptical", "irregular", "lenticular", "spiral"])
  }

  @Test func sameBytesForAnyNumberOfThreads() throws {
    let one = try Run.shell("gx-synth -n 24 --size 32 -j 1").stdout
    #expect(try Run.shell("gx-synth -n 24 --size 32 -j 3").stdout == one)
    #expect(try Run.shell("gx-synth -n 24 --size 32 -j 2 --seed 1").stdout != one)
    // More of them begin with the same ones.
    let more = try Run.shell("gx-synth -n 30 --size 32").stdout
    #expect(more.starts(with: one.dropLast(10240)) && more.count > one.count)
  }

  @Test func sharesOutEachClass() throws {
    let rows = try rows("-n 400 --size 16 --shares 70:15:15")
    for label in ["elliptical", "irregular", "lenticular", "spiral"] {
      let splits = rows.filter { $0["label"]?.stringValue == label }.map { $0["split"]!.stringValue! }
      #expect(splits.count == 100)
      for (name, share) in [("train", 70), ("val", 15), ("test", 15)] {
        #expect(abs(splits.count { $0 == name } - share) <= 2, "\(label) \(name)")
      }
    }
  }

  @Test func rendersTheClassesAskedFor() throws {
    let labels = try rows("-n 3 --size 16 --classes spiral,irregular").map { $0["label"]!.stringValue! }
    #expect(labels == ["spiral", "irregular", "spiral"])
    #expect(try rows("-n 2 --size 16 --snr 7.5")[1]["galaxy"]?.objectValue?["snr"] == 7.5)
    #expect(try rows("-n 0").isEmpty)
  }

  @Test func picturesAreTheStreamsPixels() throws {
    let run = try Run.shell(
      """
      set -euo pipefail
      gx-synth -n 6 --size 24 --pictures p/q/ > manifest
      gx-decode < manifest | gx-cat --to npy > decoded.npy
      gx-synth -n 6 --size 24 | gx-cat --to npy > direct.npy
      cmp decoded.npy direct.npy
      gx-list p/q --class-per-folder | jq -r .label 2>/dev/null || gx-list p/q --class-per-folder
      """, in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.text.contains("elliptical") && run.text.contains("spiral"))
    let manifest = try String(contentsOf: scratch / "manifest", encoding: .utf8).split(separator: "\n")
    #expect(manifest.count == 6 && manifest[3].contains(#""path":"p/q/spiral/synth-0-3.png","label":"spiral""#))
    let jpeg = try Run.shell("gx-synth -n 2 --size 24 --pictures j --format jpg | gx-decode > d.tar", in: scratch.url)
    #expect(jpeg.status == 0 && FileManager.default.fileExists(atPath: (scratch / "j/irregular/synth-0-1.jpg").path))
  }

  @Test(arguments: [
    "--size 15", "--size 1025", "-n -1", "-n x", "--snr 0", "--classes ring", "--shares 1", "operand", "--format jpg",
    "--pictures p --format gif", "--seed -1",
  ]) func badUsage(_ options: String) throws {
    let run = try Run.shell("gx-synth \(options)", in: scratch.url)
    #expect(run.status == 2 && run.stdout.isEmpty && !run.stderr.isEmpty)
  }

  @Test func aFolderThatCannotBeMadeIsNamed() throws {
    try Data().write(to: scratch / "file")
    let run = try Run.shell("gx-synth -n 1 --size 16 --pictures file/below", in: scratch.url)
    #expect(run.status == 1 && run.stdout.isEmpty && run.stderr.contains("file/below"))
  }
}
