import Foundation
import Testing

/// Numbers that are none, at every door of inference: pixels make a failed record, a model or calibration is refused.
@Suite struct NotFinite {
  let scratch = try! Scratch()

  func shell(_ line: String) -> Run.Result { try! Run.shell("set -o pipefail\n\(line)", in: scratch.url) }

  /// An .npy of one picture of 16x16x3, all 0.5 but for one value.
  func array(_ name: String, _ value: Float, at place: Int, halves: Bool = false) throws {
    var header = "{'descr': '\(halves ? "<f2" : "<f4")', 'fortran_order': False, 'shape': (1, 16, 16, 3), }"
    header += String(repeating: " ", count: 64 - (10 + header.utf8.count + 1) % 64) + "\n"
    var data = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.utf8.count), 0]) + Data(header.utf8)
    for i in 0..<768 {
      let number = i == place ? value : 0.5
      withUnsafeBytes(of: number.bitPattern.littleEndian) { if !halves { data += $0 } }
      withUnsafeBytes(of: Float16(number).bitPattern.littleEndian) { if halves { data += $0 } }
    }
    try data.write(to: scratch / name)
  }

  @Test func pixelsMakeAFailedRecordWithTheirPlace() throws {
    try array("good.npy", 0.25, at: 0)
    try array("nan.npy", .nan, at: 3 * (16 * 2 + 5) + 1)
    try array("inf.npy", -.infinity, at: 767)
    try array("half.npy", .infinity, at: 0, halves: true)
    let model = Galaxies.shared.path("model")
    let doors = [
      "gx-infer -q -m \(model) --assume-ops all", "gx-infer -q -m \(model) --assume-ops none",
      "gx-infer -q --assume-ops none", "gx-infer -q -m \(model) --tta dihedral --assume-ops all",
      "gx-infer -q --features -m \(model) --assume-ops all | gx-cat --to ndjson",
      "gx-explain -q -m \(model) --assume-ops all | gx-cat --to ndjson",
      "gx-explain -q -m \(model) --method occlusion --assume-ops all | gx-cat --to ndjson",
      "gx-explain -q -m \(model) --assume-ops all --overlay maps",
    ]
    for door in doors {
      let run = shell("gx-cat good.npy nan.npy inf.npy half.npy | \(door)")
      #expect(run.status == 3, "\(door): \(run.status) \(run.stderr)")
      #expect(run.lines.count == 4 && !run.lines[0].contains("\"error\""), "\(door)\n\(run.text)")
      for (line, place) in zip(
        run.lines.dropFirst(),
        ["pixel x=5 y=2, channel 1 is nan", "pixel x=15 y=15, channel 2 is -inf", "pixel x=0 y=0, channel 0 is inf"])
      {
        #expect(line.contains("\"error\"") && line.contains(place), "\(door)\n\(line)")
        #expect(!line.contains("prediction") && !line.contains("confidence"), "\(door)\n\(line)")
      }
    }
  }

  /// Scale and bias are finite, and yet infinity less infinity is what they give.
  @Test(arguments: [
    #""scale":[-1.7e308,-1.7e308,-1.7e308,-1.7e308],"bias":[1.7e308,1.7e308,1.7e308,1.7e308]"#,
    #""scale":[1e300,1,1,1],"bias":[0,0,0,0]"#, #""temperature":1e-300"#, #""temperature":5e-324"#,
    #""temperature":0"#, #""temperature":1e999"#, #""scale":[1,1,1,1],"bias":[1e999,0,0,0]"#,
    #""scale":[1,1,1,null],"bias":[0,0,0,0]"#,
  ]) func calibrationsThatOverflowAreRefused(_ numbers: String) throws {
    let text = "{\"classes\":[\"elliptical\",\"irregular\",\"lenticular\",\"spiral\"],\(numbers)}"
    try Data(text.utf8).write(to: scratch / "c.json")
    let run = shell("gx-synth -q -n 1 --size 32 | gx-infer -q --calibration c.json")
    #expect(run.status == 1 && run.stdout.isEmpty && run.stderr.contains("c.json: "), "\(run.status) \(run.stderr)")
    let served = shell("gx-serve -q --public -l 127.0.0.1:0 --calibration c.json")
    #expect(served.status == 1 && served.stderr.contains("c.json: "), "\(served.stderr)")
  }

  /// The most extreme that is taken: probabilities are finite, whatever the picture.
  @Test(arguments: [
    #""scale":[1e269,-1e269,1e269,0],"bias":[1e307,-1e307,0,0]"#, #""temperature":1e-269"#, #""temperature":1e300"#,
  ]) func calibrationsAtTheEdgeGiveFiniteNumbers(_ numbers: String) throws {
    let text = "{\"classes\":[\"elliptical\",\"irregular\",\"lenticular\",\"spiral\"],\(numbers)}"
    try Data(text.utf8).write(to: scratch / "c.json")
    let model = Galaxies.shared.path("model")
    let run = shell("gx-synth -q -n 2 --size 32 | gx-infer -q -m \(model) --calibration c.json --logits")
    #expect(run.status == 0 && run.lines.count == 2 && !run.text.contains("null"), "\(run.text)\(run.stderr)")
    let server = try ServeProcess("--public", "--calibration", (scratch / "c.json").path)
    let answer = try server.classify(Galaxies.shared.pictures[0])
    #expect(answer.status == 200 && !answer.text.contains("null"), "\(answer.text)")
    #expect(try server.ask("GET", "/metrics").status == 200)
  }

  /// Whoever reads the model names the tensor.
  @Test(arguments: [Float.nan, .infinity]) func weightsAreRefused(_ value: Float) throws {
    let file = try Data(contentsOf: URL(fileURLWithPath: Galaxies.shared.path("model")))
    // The last four bytes are the last value of the last tensor.
    var broken = file.dropLast(4)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { broken += $0 }
    try broken.write(to: scratch / "m")
    for command in [
      "gx-model show m", "gx-model set -o n m", "gx-synth -q -n 1 --size 32 | gx-infer -q -m m",
      "gx-synth -q -n 1 --size 32 | gx-infer -q -m \(Galaxies.shared.path("other")) -m m",
      "gx-synth -q -n 1 --size 32 | gx-explain -q -m m", "gx-serve -q --public -l 127.0.0.1:0 -m m",
    ] {
      let run = shell(command)
      #expect(run.status == 1 && run.stdout.isEmpty, "\(command): \(run.status) \(run.text.prefix(200))")
      #expect(
        run.stderr.contains("m: tensor '") && run.stderr.contains("not a finite number"), "\(command): \(run.stderr)")
    }
  }
}
