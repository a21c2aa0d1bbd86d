import GXCore

/// When to compute 3x3 convolutions by minimal filtering (Winograd 1980; Lavin & Gray 2016): pictures and filters are
/// transformed, multiplied, and transformed back, with 4 multiplications (F(4x4, 3x3)) or 2.25 times fewer of them
/// (F(2x2, 3x3)). In f32 results are off by about 1e-6 of the largest, as they are between two direct orders of summing.
///
/// Whether it is faster was measured against oneDNN's direct code, for 16 to 512 channels and 5x5 to 56x56 places:
/// there must be enough products to pay for the transforms, and the 4x4 tiles must not hang over the edge by much.
enum Winograd {
  /// What is computed: inference, whose filters are transformed once and for all, or one of training's three.
  enum Pass {
    case prepared, forward, bySource, byWeights
  }

  /// - Parameters:
  ///   - source: of the convolution, NCHW.
  ///   - result: likewise.
  static func pays(_ pass: Pass, _ window: Window, groups: Int, source: [Int], result: [Int]) -> Bool {
    guard window.kernel == Size(3), window.stride == Size(1), window.dilation == Size(1), groups == 1,
      min(source[1], result[1]) >= 32
    else { return false }
    let filters = source[1] * result[1]
    let tiled = pass == .bySource ? source : result
    let places = tiled[0] * tiled[2] * tiled[3]
    let tiles = tiled[0] * ((tiled[2] + 3) / 4) * ((tiled[3] + 3) / 4)
    guard 3 * places >= 2 * 16 * tiles else { return false }
    return switch pass {
    case .prepared: filters * places >= 3_000_000
    case .forward, .bySource: filters * places >= 6_000_000 && tiles >= (filters >= 1 << 15 ? 64 : 128)
    case .byWeights: filters * places >= 6_000_000 && tiles >= (filters >= 1 << 14 ? 32 : 128)
    }
  }
}
