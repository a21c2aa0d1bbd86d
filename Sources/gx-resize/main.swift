// gx-resize: pictures of any size to pictures of one size.
//
// stdin, stdout: tensor streams. The type of the pixels stays. `ops` gets one "resize".

import GXCommand
import GXCore
import GXImage
import GXStream

let command = Command(
  "gx-resize", "resize the pictures of a tensor stream",
  synopsis: "SIZE < IN > OUT",
  about: """
    Resizes every picture to SIZE, which is N (square) or WxH. Filters are antialiased and equal Pillow's.

    Modes: 'stretch' lets proportions go; 'fit' shows the whole picture and fills what is left with --fill;
    'cover' fills the frame and cuts off what juts out.
    """,
  options: [
    Option("filter", nil, "NAME", "box, bilinear, bicubic or lanczos [bilinear]"),
    Option("mode", nil, "MODE", "stretch, fit or cover [stretch]"),
    Option("fill", nil, "LEVELS", "for fit: one level, or one a channel as R,G,B; 0 is black, 1 is white [0]"),
    Option("crop", nil, "FRACTION", "use only this part of width and height, around the centre [1]"),
  ] + Option.filter,
  examples: [
    "gx-decode *.jpg | gx-resize 96 | gx-normalize > train.tar",
    "gx-resize 128x96 --mode fit --fill 0.5 --filter lanczos < in.tar > out.tar",
  ])

enum Mode: String, CaseIterable { case stretch, fit, cover }

command.main { arguments in
  guard arguments.operands.count == 1 else { throw UsageError("one SIZE is needed, N or WxH") }
  guard let size = pictureSize(arguments.operands[0]) else {
    throw UsageError("'\(arguments.operands[0])' is no SIZE: N or WxH, from 1 to \(Resize.sizeLimit)")
  }
  let levels = try arguments.string("fill").map(fillLevels)
  let mode = try arguments.choice("mode", Mode.self) ?? .stretch
  if levels != nil && mode != .fit { throw UsageError("--fill goes with --mode fit") }
  let resize = try Resize(
    width: size.width, height: size.height, filter: try arguments.choice("filter", Filter.self) ?? .bilinear,
    mode: mode == .fit ? .fit(fill: levels ?? [0]) : mode == .cover ? .cover : .stretch,
    crop: try arguments.double("crop", in: Double.leastNonzeroMagnitude...1) ?? 1)
  return try RecordPipe(arguments).step(resize.json, resize.apply)
}

func fillLevels(_ text: String) throws -> [Double] {
  try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
    guard let level = Double(part), level.isFinite else {
      throw UsageError("--fill: '\(text)' is neither a level nor levels joined by commas")
    }
    return level
  }
}
