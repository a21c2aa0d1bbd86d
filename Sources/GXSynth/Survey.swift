import GXCore

/// An endless survey of rendered galaxies. Each is made from (`seed`, index) alone, so any of them can
/// be made first, alone, or on any thread.
///
/// The same build on the same C library gives the same bytes; another C library's `exp` may differ in
/// its last bit, and now and then a pixel by 1.
public struct Survey: Sendable {
  public let seed: UInt64
  /// Taken in turn, so that the classes are balanced.
  public let classes: [GalaxyClass]
  public let size: Int
  /// Median signal-to-noise ratio of the pixels inside the galaxy's bounding isophote; nil draws one for each.
  public let snr: Double?

  /// - Throws: `GXError` where there is no class, or `size` or `snr` is out of range.
  public init(seed: UInt64, classes: [GalaxyClass] = GalaxyClass.allCases, size: Int = 128, snr: Double? = nil)
    throws(GXError)
  {
    guard !classes.isEmpty else { throw GXError("no classes to render") }
    guard Galaxy.sizes.contains(size) else {
      throw GXError("size \(size) is not in \(Galaxy.sizes.lowerBound) to \(Galaxy.sizes.upperBound) pixels")
    }
    if let snr, !(snr > 0 && snr < .infinity) { throw GXError("signal-to-noise ratio \(snr) is not above 0") }
    (self.seed, self.classes, self.size, self.snr) = (seed, classes, size, snr)
  }

  /// The name of a galaxy, which no other seed or index has.
  public func id(_ index: Int) -> String { "synth-\(seed)-\(index)" }

  public func kind(_ index: Int) -> GalaxyClass { classes[index % classes.count] }

  /// What is known of the galaxy, and its picture: u8 `[size, size, 3]`, RGB.
  public func galaxy(_ index: Int) throws -> (galaxy: Galaxy, picture: Tensor) {
    var random = Random(seed: seed, id: id(index))
    let galaxy = Galaxy(kind(index), snr: snr, random: &random)
    return (galaxy, try galaxy.render(size: size, random: &random))
  }
}
