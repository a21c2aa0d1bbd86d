import GXCore

extension Image {
  /// A record's pixels to look at: u8 `[height, width, 3]`. Changes of units are undone, by the record's `ops`.
  /// Floats beyond 0...1 that no op accounts for are stretched: the least becomes black, the greatest white.
  /// - Throws: `GXError` where there are neither 1 nor 3 channels.
  public static func shown(_ picture: Tensor, ops: [JSON]?) throws -> Tensor {
    let picture = try PixelSteps.undo(ops ?? [], picture)
    guard picture.dtype.isFloat else { return try displayable(picture) }
    let values = picture.floats()
    var (low, high) = (Float.infinity, -Float.infinity)
    for value in values where value.isFinite { (low, high) = (min(low, value), max(high, value)) }
    // What rounding, or a filter with negative lobes, adds is no other scale.
    guard low < -0.25 || high > 1.25 else { return try displayable(picture) }
    let range = max(high - low, .leastNormalMagnitude)
    return try displayable(Tensor(picture.shape, values.map { ($0 - low) / range }))
  }
}
