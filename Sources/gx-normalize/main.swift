// gx-normalize: pixels to the floats that a net takes.
//
// stdin, stdout: tensor streams, from any type to f32 or f16. `ops` gets one "normalize".

import GXCommand
import GXCore
import GXImage
import GXStream

let command = Command(
  "gx-normalize", "turn the pixels of a tensor stream into floats for a net",
  synopsis: "< IN > OUT",
  about: """
    Divides pixels by full scale (255 for 8 bits, 65535 for 16, 1 for floats), so that they lie in 0...1.
    With --mean and --std, or --imagenet, they are then standardised: (x - mean) / std.
    """,
  options: [
    Option("unit", "u", nil, "full scale becomes 1, and no more (the default)"),
    Option("mean", nil, "M", "what is subtracted: one number, or one a channel as R,G,B"),
    Option("std", nil, "S", "what is divided by then, likewise"),
    Option("imagenet", nil, nil, "the mean and standard deviation of ImageNet, for nets that come from there"),
    Option("dtype", "d", "TYPE", "f32 or f16 [f32]"),
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-resize 96 | gx-normalize > train.tar",
    "gx-normalize --mean 0.04,0.04,0.05 --std 0.1 --dtype f16 < in.tar > out.tar",
  ])

enum FloatType: String, CaseIterable { case f32, f16 }

command.main { arguments in
  try arguments.expectNoOperands()
  let ways = [arguments.has("unit"), arguments.has("imagenet"), arguments.has("mean") || arguments.has("std")]
  if ways.count(where: { $0 }) > 1 { throw UsageError("choose one: --unit, --imagenet, or --mean with --std") }
  let type = try arguments.choice("dtype", FloatType.self) ?? .f32
  let normalize = try Normalize(try method(arguments), dtype: type == .f16 ? .f16 : .f32)
  return try RecordPipe(arguments).step(normalize.json, normalize.apply)
}

func method(_ arguments: Arguments) throws -> Normalize.Method {
  if arguments.has("imagenet") { return Normalize.imageNet }
  switch (try numbers("mean", arguments), try numbers("std", arguments)) {
  case (nil, nil): return .unit
  case (var mean?, var std?):
    // One number stands for every channel.
    if mean.count == 1 { mean = Array(repeating: mean[0], count: std.count) }
    if std.count == 1 { std = Array(repeating: std[0], count: mean.count) }
    guard mean.count == std.count else { throw UsageError("--mean has \(mean.count) numbers, --std \(std.count)") }
    return .standard(mean: mean, std: std)
  default: throw UsageError("--mean and --std go together")
  }
}

func numbers(_ option: String, _ arguments: Arguments) throws -> [Double]? {
  try arguments.string(option)?.split(separator: ",", omittingEmptySubsequences: false).map { part in
    guard let number = Double(part), number.isFinite, option == "mean" || number > 0 else {
      throw UsageError("--\(option): '\(part)' is no \(option == "mean" ? "" : "positive ")number")
    }
    return number
  }
}
