import Foundation
import GXCore
import GXStream
import Testing

/// gx-resize, gx-normalize and gx-augment.
@Suite struct PixelFilters {
  let scratch = try! Scratch()

  init() throws {
    for name in ["444.jpg", "rgb8.png", "exif6.jpg"] {
      try Data(contentsOf: Decode.pictures.appendingPathComponent(name)).write(to: scratch / name)
    }
    let run = try Run.shell("gx-decode 444.jpg rgb8.png exif6.jpg -o in.tar", in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
  }

  func records(_ line: String) throws -> [Record] { try scratch.records(line) }

  func ops(_ record: Record) -> [String] { record.ops!.map(\.text) }

  @Test func opsTellWhatWasDone() throws {
    let out = try records(
      "gx-resize 10x8 --filter lanczos --mode fit --fill 0.5 --crop 0.9 < in.tar | gx-normalize --imagenet -d f16")
    #expect(out.count == 3)
    for record in out {
      #expect(record.tensor!.shape == [8, 10, 3] && record.tensor!.dtype == .f16)
      #expect(
        ops(record) == [
          #"{"op":"resize","width":10,"height":8,"filter":"lanczos","mode":"fit","fill":[0.5],"crop":0.9}"#,
          #"{"op":"normalize","method":"standard","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],"dtype":"f16"}"#,
        ])
    }
    let one = try records("gx-normalize --mean 0.5 --std 0.2,0.2,0.2 < in.tar")
    #expect(ops(one[0]) == [#"{"op":"normalize","method":"standard","mean":[0.5],"std":[0.2],"dtype":"f32"}"#])
  }

  @Test func floatsWithoutOpsStayWithout() throws {
    let line = """
      gx-normalize < in.tar | tar xf - ; for i in 444 rgb8; do echo '{}' > $i.json; done
      tar cf foreign.tar 444.json 444.npy rgb8.json rgb8.npy
      """
    #expect(try Run.shell(line, in: scratch.url).status == 0)
    let out = try records("gx-resize 4 < foreign.tar")
    #expect(out.count == 2 && out.allSatisfy { $0.ops == nil && $0.tensor!.shape == [4, 4, 3] })
    // Bytes without ops count as merely decoded.
    let bytes = try records("tar xf in.tar; echo '{}' > 444.json; tar cf - 444.json 444.npy | gx-resize 4")
    #expect(bytes[0].ops?.count == 1)
  }

  @Test func copiesKeepTheirIdAndAreNumbered() throws {
    let out = try records("gx-augment rotate=180,flip=hv,crop=11 --copies 2 -k -s 5 < in.tar")
    #expect(out.map(\.id) == ["444", "444", "444", "rgb8", "rgb8", "rgb8", "exif6", "exif6", "exif6"])
    #expect(out.map(\.copy) == [0, 1, 2, 0, 1, 2, 0, 1, 2])
    #expect(out[0...2].map(\.key) == ["444", "444@1", "444@2"])
    #expect(out.allSatisfy { $0.tensor!.shape == [11, 11, 3] })
    #expect(out[1].tensor! != out[2].tensor!)
    let crop = #"{"op":"crop","width":11,"height":11}"#
    #expect(ops(out[0]) == [crop])
    #expect(ops(out[1]).count == 2 && ops(out[1])[1] == crop)
    #expect(out[1].ops![0].objectValue!["random"] == true)
    // The order of the records does not matter; the seed does.
    let shuffled = try records("gx-shuffle -s 9 < in.tar | gx-augment rotate=180,flip=hv,crop=11 --copies 2 -k -s 5")
    for record in shuffled { #expect(out.first { $0.key == record.key }!.tensor! == record.tensor!) }
    let other = try records("gx-augment rotate=180,flip=hv,crop=11 --copies 2 -k -s 6 < in.tar")
    #expect(other[1].tensor! != out[1].tensor!)
  }

  @Test func copiesOfCopiesAreNewOnes() throws {
    let out = try records("gx-augment noise=0.1 --copies 2 < in.tar | gx-augment noise=0.1 --copies 2")
    #expect(out[0..<4].map(\.key) == ["444@1", "444@2", "444@3", "444@4"])
    #expect(Set(out.map(\.key)).count == 12)
  }

  @Test func onlyTheSplitsThatAreNamedChange() throws {
    let line = """
      paste -d' ' <(printf 'train\\nval\\ntest\\n') <(gx-cat --to ndjson in.tar) |
        sed 's/^\\([a-z]*\\) {/{"split":"\\1",/' > rows; gx-decode < rows | gx-augment noise=0.1 --split train,test
      """
    let out = try records(line)
    #expect(out.map(\.copy) == [1, 0, 1])
    #expect(out[1].ops?.isEmpty == true)
  }

  @Test(arguments: [
    ("gx-resize", "one SIZE is needed"), ("gx-resize 0", "'0' is no SIZE"), ("gx-resize 3x4x5", "'3x4x5' is no SIZE"),
    ("gx-resize 5 --fill 0", "--fill goes with --mode fit"), ("gx-resize 5 --mode fit --fill red", "--fill: 'red'"),
    ("gx-resize 5 --filter sinc", "'sinc' is none of box, bilinear, bicubic, lanczos"),
    ("gx-resize 5 --crop 1.5", "--crop"),
    ("gx-normalize 3", "unexpected operand"), ("gx-normalize --mean 1", "--mean and --std go together"),
    ("gx-normalize --mean 1 --std 0", "--std: '0' is no positive number"),
    ("gx-normalize --unit --imagenet", "choose one"), ("gx-normalize --mean 1,2 --std 1,2,3", "--mean has 2"),
    ("gx-normalize -d u8", "'u8' is none of f32, f16"), ("gx-augment", "one SPEC is needed"),
    ("gx-augment twist=1", "unknown field \"twist\""), ("gx-augment --copies 0 flip=h", "--copies"),
  ])
  func badUsageIsNamed(line: String, message: String) throws {
    let run = try Run.shell("\(line) < in.tar", in: scratch.url)
    #expect(run.status == 2 && run.stdout.isEmpty)
    #expect(run.stderr.contains(message), "\(run.stderr)")
  }

  @Test func whatDoesNotFitIsTheRecordsError() throws {
    let run = try Run.shell(
      "gx-augment crop=14 < in.tar | gx-normalize --mean 1,2 --std 1,3 > out.tar", in: scratch.url)
    #expect(run.status == 3)
    #expect(run.stderr.contains("gx-augment: 444: augmentation: crop 14x14 does not fit in a picture of 19x13"))
    let channels = try Run.shell("gx-normalize --mean 1,2 --std 1,3 < in.tar > out.tar", in: scratch.url)
    #expect(channels.stderr.contains("gx-normalize: 444: normalize: 2 means for 3 channels"))
  }

  /// NaN is how "not observed" is written, and no number: the record says where it was met, the others pass.
  @Test(arguments: [
    "gx-resize 3", "gx-normalize", "gx-augment noise=0.1", "gx-crop --centre 3", "gx-denoise --median 3",
  ])
  func pixelsThatAreNotFiniteAreTheRecordsError(_ command: String) throws {
    func npy(_ dtype: DType, _ place: Int?, _ value: Float) throws -> Data {
      var values = [Float](repeating: 0.5, count: 4 * 5 * 3)
      if let place { values[place] = value }
      let header = "{'descr': '\(dtype.rawValue)', 'fortran_order': False, 'shape': (4, 5, 3), }"
      var data = Data(
        [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count + 1), 0] + Array(header.utf8) + [10])
      for value in values {
        if dtype == .f16 { withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { data.append(contentsOf: $0) } }
        if dtype == .f32 { withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) } }
      }
      return data
    }
    try npy(.f32, 3 * 15 + 2 * 3 + 1, .nan).write(to: scratch / "a.npy")
    try npy(.f32, nil, 0).write(to: scratch / "b.npy")
    try npy(.f16, 4, -.infinity).write(to: scratch / "c.npy")
    for name in ["a", "b", "c"] { try Data(#"{"ops":[]}"#.utf8).write(to: scratch / "\(name).json") }
    let run = try Run.shell(
      "tar cf floats.tar {a,b,c}.{json,npy}; \(command) < floats.tar > out.tar; status=$?; gx-cat --to ndjson out.tar; exit $status",
      in: scratch.url)
    #expect(run.status == 3 && run.lines.count == 3, "\(run.stderr)")
    #expect(run.stderr.contains("a: pixel x=2 y=3, channel 1 is nan, not a finite number"), "\(run.stderr)")
    #expect(run.stderr.contains("c: pixel x=1 y=0, channel 1 is -inf, not a finite number"), "\(run.stderr)")
    #expect(run.lines.map { $0.contains(#""error":"pixel x="#) } == [true, false, true])
  }
}

extension Scratch {
  /// The records of the tensor stream that a line writes in the folder, which must end well.
  func records(_ line: String) throws -> [Record] {
    let run = try Run.shell(line, in: url)
    #expect(run.status == 0, "\(run.stderr)")
    let file = self / "out-\(UUID().uuidString).tar"
    try run.stdout.write(to: file)
    let reader = RecordReader(try ByteSource.open(file.path))
    var records: [Record] = []
    while let record = try reader.next() { records.append(record) }
    return records
  }
}
