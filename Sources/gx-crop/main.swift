// gx-crop: a part of each picture, its pixels as they are.
//
// stdin, stdout: tensor streams. The type of the pixels stays. `ops` gets one "crop".

import GXCommand
import GXCore
import GXImage
import GXStream

let command = Command(
  "gx-crop", "cut a part out of the pictures of a tensor stream",
  synopsis: "--centre SIZE | --box X,Y,W,H | --fraction F < IN > OUT",
  about: """
    Cuts the same part out of every picture; nothing is resampled. A picture that the part reaches beyond is a record
    with an error. The model that is trained on the result repeats the crop when it classifies.
    """,
  options: [
    Option(
      "centre", nil, "SIZE", "so many pixels around the centre, N (square) or WxH; an odd rest is cut right and below"),
    Option("box", nil, "X,Y,W,H", "W x H pixels, the upper left of them at column X and row Y, counted from 0"),
    Option("fraction", nil, "F", "this part of width and height around the centre, in (0, 1], rounded to whole pixels"),
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-crop --fraction 0.5 | gx-resize 96 > train.tar",
    "gx-crop --box 10,20,64,64 < in.tar > out.tar",
  ])

command.main { arguments in
  try arguments.expectNoOperands()
  let crop = try Crop(window(arguments))
  return try RecordPipe(arguments).step(crop.json, crop.apply)
}

func window(_ arguments: Arguments) throws -> Crop.Window {
  guard ["centre", "box", "fraction"].count(where: arguments.has) == 1 else {
    throw UsageError("choose one: --centre SIZE, --box X,Y,W,H or --fraction F")
  }
  if let text = arguments.string("centre") {
    guard let size = pictureSize(text) else {
      throw UsageError("--centre: '\(text)' is neither N nor WxH, from 1 to \(Crop.sizeLimit)")
    }
    return .centre(width: size.width, height: size.height)
  }
  if let text = arguments.string("box") {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 4, numbers[0...1].allSatisfy({ (0..<Crop.sizeLimit).contains($0 ?? -1) }),
      numbers[2...3].allSatisfy({ (1...Crop.sizeLimit).contains($0 ?? 0) })
    else { throw UsageError("--box: '\(text)' is not X,Y,W,H, whole pixels up to \(Crop.sizeLimit)") }
    return .box(x: numbers[0]!, y: numbers[1]!, width: numbers[2]!, height: numbers[3]!)
  }
  return .fraction(try arguments.double("fraction", in: Double.leastNonzeroMagnitude...1)!)
}
