import GXCore
import GXGraph

/// How a convolution, or its gradient, is computed.
enum ConvolutionMethod: Equatable {
  /// By the definition.
  case direct
  /// By minimal filtering (Winograd 1980; Lavin & Gray 2016): pictures and filters are transformed, multiplied, and
  /// transformed back, with 4 multiplications (F(4x4, 3x3)) or 2.25 times fewer of them (F(2x2, 3x3)). In f32 results
  /// are off by about 1e-6 of the largest, as they are between two direct orders of summing.
  case winograd
  /// By the definition, with the batch as the innermost axis of one picture in three dimensions: the processor's
  /// registers are filled with the same place of many pictures instead of many places of one, so that nothing is lost
  /// at the edges. The pictures are brought into that order and back.
  case acrossBatch

  /// What is computed: inference, whose filters are transformed once and for all, or one of training's three.
  enum Pass {
    case prepared, forward, bySource, byWeights
  }

  /// The fastest for 3x3 filters, as measured against oneDNN's direct code for 16 to 512 channels and 3x3 to 56x56
  /// places; direct for others.
  ///
  /// - Parameters:
  ///   - source: of the convolution, NCHW.
  ///   - result: likewise.
  static func fastest(
    _ pass: Pass, _ window: Window, groups: Int, source: [Int], result: [Int], precision: Precision = .f32
  ) -> ConvolutionMethod {
    guard window.kernel == Size(3), window.stride == Size(1), window.dilation == Size(1), groups == 1,
      min(source[1], result[1]) >= 32
    else { return .direct }
    if winogradPays(pass, source: source, result: result) { return .winograd }
    let isSmall = precision == .f32 && acrossBatchPays(pass, window, source: source, result: result)
    return isSmall ? .acrossBatch : .direct
  }

  /// There must be enough products to pay for the transforms, and the 4x4 tiles must not hang over the edge by much.
  private static func winogradPays(_ pass: Pass, source: [Int], result: [Int]) -> Bool {
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

  /// Where pictures are small, direct code wastes its registers on their edges: most of all on the gradient by source of
  /// a convolution without padding, whose result is the larger. The filters must be worth the reorders.
  private static func acrossBatchPays(_ pass: Pass, _ window: Window, source: [Int], result: [Int]) -> Bool {
    pass == .bySource && window.padding == Size(0) && window.paddingAfter == Size(0)
      && source[0] >= 16 && max(source[2], source[3]) <= 7 && source[1] * result[1] >= 1 << 15
  }
}
