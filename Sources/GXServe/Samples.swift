import GXCore
import GXImage
import GXSynth

/// Galaxies to try the server with, drawn by gx-synth's models.
enum Samples {
  /// Width and height, in pixels.
  private static let size = 256

  /// One picture of each class, under `/samples/`.
  static func files() throws -> [StaticFile] {
    try GalaxyClass.allCases.map { kind in
      let survey = try Survey(seed: 1, classes: [kind], size: size, snr: 20)
      return StaticFile(
        path: "/samples/\(kind.rawValue).png", type: "image/png",
        bytes: try Image.encodePNG(survey.galaxy(0).picture), summary: "A rendered galaxy: \(kind.rawValue)")
    }
  }
}
