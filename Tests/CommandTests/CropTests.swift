import Foundation
import GXCore
import GXStream
import Testing

@Suite struct CropCommand {
  let scratch = try! Scratch()

  init() throws {
    try Data(contentsOf: Decode.pictures.appendingPathComponent("444.jpg")).write(to: scratch / "444.jpg")
    #expect(try Run.shell("gx-decode -o in.tar 444.jpg", in: scratch.url).status == 0)
  }

  func records(_ line: String) throws -> [Record] { try scratch.records(line) }

  /// The pixels of a box, by hand.
  func part(_ picture: Tensor, _ x: Int, _ y: Int, _ width: Int, _ height: Int) -> [Float] {
    let (values, channels) = (picture.floats(), picture.shape[2])
    var part: [Float] = []
    for row in y..<y + height {
      let start = (row * picture.shape[1] + x) * channels
      part += values[start..<start + width * channels]
    }
    return part
  }

  @Test func theParts() throws {
    let whole = try #require(try records("cat in.tar")[0].tensor)
    #expect(whole.shape == [13, 19, 3])
    let cases: [(String, (Int, Int, Int, Int), String)] = [
      ("--centre 6", (6, 3, 6, 6), #"{"op":"crop","width":6,"height":6}"#),
      ("--centre 19x4", (0, 4, 19, 4), #"{"op":"crop","width":19,"height":4}"#),
      ("--box 10,2,9,11", (10, 2, 9, 11), #"{"op":"crop","x":10,"y":2,"width":9,"height":11}"#),
      ("--box 0,0,1,1", (0, 0, 1, 1), #"{"op":"crop","x":0,"y":0,"width":1,"height":1}"#),
      ("--fraction 0.5", (4, 3, 10, 7), #"{"op":"crop","fraction":0.5}"#),
      ("--fraction 1", (0, 0, 19, 13), #"{"op":"crop","fraction":1}"#),
      ("--fraction 1e-9", (9, 6, 1, 1), #"{"op":"crop","fraction":1e-09}"#),
    ]
    for (options, (x, y, width, height), op) in cases {
      for (convert, dtype) in [("cat", DType.u8), ("gx-normalize -d f16", .f16), ("gx-normalize", .f32)] {
        let before = try #require(try records("\(convert) < in.tar")[0].tensor)
        let record = try records("\(convert) < in.tar | gx-crop \(options)")[0]
        let tensor = try #require(record.tensor)
        #expect(tensor.dtype == dtype && tensor.shape == [height, width, 3], "\(options)")
        #expect(tensor.floats() == part(before, x, y, width, height), "\(options)")
        #expect(record.ops?.last?.text == op)
      }
    }
  }

  @Test(arguments: [
    ("--box 15,0,5,5", "crop: 5x5 at 15,0 does not fit in a picture of 19x13"),
    ("--box 0,30000,1,30000", "crop: 1x30000 at 0,30000 does not fit in a picture of 19x13"),
    ("--centre 14", "crop: 14x14 does not fit in a picture of 19x13"),
  ])
  func whatIsOutsideIsTheRecordsError(_ options: String, _ message: String) throws {
    let run = try Run.shell("gx-crop \(options) < in.tar > out.tar", in: scratch.url)
    #expect(run.status == 3 && run.stderr.contains("gx-crop: 444: \(message)"), "\(run.stderr)")
  }

  @Test(arguments: [
    ("", "choose one"), ("--box 1,2,3,4 --centre 3", "choose one"), ("--centre 0", "--centre: '0'"),
    ("--box 1,2,3", "--box: '1,2,3'"), ("--box -1,2,3,4", "--box: '-1,2,3,4'"), ("--box 1,2,0,4", "--box: '1,2,0,4'"),
    ("--box 1,2,99999999999999999999,4", "--box: '1,2,9"), ("--fraction 0", "--fraction"),
    ("--fraction nan", "--fraction"), ("--fraction 1.1", "--fraction"), ("--centre 3 x", "unexpected operand"),
  ])
  func badUsageIsNamed(_ options: String, _ message: String) throws {
    let run = try Run.shell("gx-crop \(options) < in.tar", in: scratch.url)
    #expect(run.status == 2 && run.stdout.isEmpty && run.stderr.contains(message), "\(run.stderr)")
  }

  /// A map lies where the crop took its pixels from, and is 0 everywhere else; the model repeats the crop.
  @Test func mapsLieOverTheBox() throws {
    let run = try Run.shell(
      """
      set -e
      gx-synth -q -n 24 --size 40 --seed 3 --split 70:30:0 > raw.tar
      gx-crop --box 22,3,16,12 < raw.tar | gx-normalize > ready.tar
      gx-train -q --epochs 1 --seed 1 -j 1 -o model.safetensors < ready.tar > log
      gx-explain -q -m model.safetensors --method occlusion < raw.tar > out.tar
      cmp <(gx-infer -q -m model.safetensors < raw.tar) <(gx-infer -q -m model.safetensors < ready.tar)
      """, in: scratch.url)
    #expect(run.status == 0, "\(run.stderr)")
    let reader = RecordReader(try ByteSource.open((scratch / "out.tar").path))
    var lit = 0
    while let record = try reader.next() {
      let map = try #require(record.extras.first { $0.name == "occlusion" }?.tensor)
      #expect(map.shape == [40, 40, 1])
      for (place, value) in map.floats().enumerated() where value != 0 {
        #expect((22..<38).contains(place % 40) && (3..<15).contains(place / 40), "\(place % 40), \(place / 40)")
        lit += 1
      }
    }
    #expect(lit > 100)
  }
}
