// gx-denoise: pictures with less noise.
//
// stdin, stdout: tensor streams. The type of the pixels stays. `ops` gets one "denoise".

import GXCommand
import GXCore
import GXImage
import GXStream

let command = Command(
  "gx-denoise", "take noise off the pictures of a tensor stream",
  synopsis: "--median N | --gaussian SIGMA | --bilateral D,COLOUR,SPACE < IN > OUT",
  about: """
    Filters every channel of every picture, of any type. Beyond its edges a picture is mirrored, edge pixels twice
    (SciPy's "reflect", OpenCV's BORDER_REFLECT). Means are computed in f32, and rounded once for whole-numbered types,
    halves up. The model that is trained on the result repeats the filter when it classifies.
    """,
  options: [
    Option("median", nil, "N", "the median of N x N pixels, N odd: takes away single hot pixels and keeps edges"),
    Option("gaussian", nil, "SIGMA", "the mean weighted by a normal distribution of SIGMA pixels, cut off at 4 SIGMA"),
    Option(
      "bilateral", nil, "D,COLOUR,SPACE",
      "the mean of a circle of diameter D (odd), weighted by normal distributions of the distance (SPACE pixels) and of "
        + "the sum of the channels' differences (COLOUR, where 1 is white): smooths and keeps edges"),
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-denoise --median 3 | gx-resize 96 > train.tar",
    "gx-denoise --bilateral 5,0.1,2 < in.tar > out.tar",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let method = try method(arguments)
  let denoise: Denoise
  do { denoise = try Denoise(method) } catch { throw UsageError("\(error)") }
  return try RecordPipe(arguments).step(denoise.json, denoise.apply)
}

func method(_ arguments: Arguments) throws -> Denoise.Method {
  guard ["median", "gaussian", "bilateral"].count(where: arguments.has) == 1 else {
    throw UsageError("choose one: --median N, --gaussian SIGMA or --bilateral D,COLOUR,SPACE")
  }
  if let size = try arguments.int("median") { return .median(size: size) }
  if let sigma = try arguments.double("gaussian") { return .gaussian(sigma: sigma) }
  let text = arguments.string("bilateral")!
  let parts = text.split(separator: ",", omittingEmptySubsequences: false)
  guard parts.count == 3, let diameter = Int(parts[0]), let colour = Double(parts[1]), let space = Double(parts[2])
  else { throw UsageError("--bilateral: '\(text)' is not D,COLOUR,SPACE, such as 5,0.1,2") }
  return .bilateral(diameter: diameter, sigmaColour: colour, sigmaSpace: space)
}
