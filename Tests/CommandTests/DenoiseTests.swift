import Foundation
import GXCore
import GXStream
import Testing

@Suite struct DenoiseCommand {
  let scratch = try! Scratch()

  func shell(_ line: String) throws -> Run.Result { try Run.shell(line, in: scratch.url) }

  @Test(arguments: [
    ("--median 3", #"{"op":"denoise","method":"median","size":3}"#),
    ("--median 9", #"{"op":"denoise","method":"median","size":9}"#),
    ("--gaussian 1.5", #"{"op":"denoise","method":"gaussian","sigma":1.5}"#),
    (
      "--bilateral 5,0.1,2",
      #"{"op":"denoise","method":"bilateral","diameter":5,"sigma_colour":0.1,"sigma_space":2}"#
    ),
  ])
  func anyTypeAnyNumberOfThreads(_ options: String, _ op: String) throws {
    let run = try shell(
      """
      set -e
      gx-synth -q -n 5 --size 33 > u8.tar
      gx-normalize < u8.tar > f32.tar
      gx-normalize -d f16 < u8.tar > f16.tar
      for type in u8 f32 f16; do
        gx-denoise \(options) -j 1 < $type.tar > out.tar
        gx-denoise \(options) -j 3 < $type.tar | cmp - out.tar
        cmp -s out.tar $type.tar && exit 9
        tar xOf out.tar --wildcards '*.npy' | head -c 60 | grep -ao '[<|][uf][124]'
        gx-cat --to ndjson out.tar | head -1
      done
      """)
    #expect(run.status == 0, "\(run.stderr)")
    #expect(run.lines.count == 6 && stride(from: 0, to: 6, by: 2).map { run.lines[$0] } == ["|u1", "<f4", "<f2"])
    for i in [1, 3, 5] where run.lines.count == 6 { #expect(run.lines[i].contains(op), "\(run.lines[i])") }
  }

  /// A model remembers how its pictures were cropped and denoised, and does it again.
  @Test func theModelRepeatsIt() throws {
    let run = try shell(
      """
      set -e
      gx-synth -q -n 24 --size 40 --split 70:30:0 > raw.tar
      gx-crop --box 3,5,30,32 < raw.tar | gx-denoise --median 3 | gx-denoise --gaussian 0.8 > half.tar
      gx-crop --fraction 0.8 < half.tar | gx-denoise --bilateral 3,0.2,1 | gx-normalize > ready.tar
      gx-train -q --epochs 1 --seed 1 -j 1 -o model.safetensors < ready.tar > log
      gx-infer -q -m model.safetensors < ready.tar > ready.ndjson
      gx-infer -q -m model.safetensors < half.tar | cmp - ready.ndjson
      gx-infer -q -m model.safetensors < raw.tar | cmp - ready.ndjson
      gx-model show model.safetensors > card
      wc -l < ready.ndjson
      gx-denoise --median 5 < raw.tar | gx-infer -q -m model.safetensors
      """)
    #expect(run.status == 1 && run.lines.first?.hasSuffix("24") == true, "\(run.stderr)")
    #expect(run.stderr.contains("was prepared otherwise than the model's training data: step 1 is"), "\(run.stderr)")
  }

  @Test(arguments: [
    ("", "choose one"), ("--median 3 --gaussian 1", "choose one"), ("--median 4", "size 4 is no odd number in 3...255"),
    ("--median x", "--median"), ("--gaussian 0", "sigma 0.0 is not in (0, 64.0]"), ("--gaussian inf", "--gaussian"),
    ("--bilateral 5,0.1", "--bilateral: '5,0.1'"), ("--bilateral 5,0,1", "sigma_colour"),
    ("--bilateral 5,0.1,nan", "sigma_space"), ("--median 3 x", "unexpected operand"),
  ])
  func badUsageIsNamed(_ options: String, _ message: String) throws {
    let run = try shell("gx-denoise \(options) < /dev/null")
    #expect(run.status == 2 && run.stdout.isEmpty && run.stderr.contains(message), "\(run.stderr)")
  }
}
