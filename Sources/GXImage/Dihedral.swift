import GXCore

/// The symmetries of a square: flips and quarter turns, which change no pixel's value.
public enum Dihedral {
  /// How many of the eight keep the size of a picture.
  /// - Parameter shape: `[height, width, channels]`.
  public static func count(_ shape: Shape) -> Int { symmetries(shape).count }

  /// The picture under each of them: 8 views of a square one, and the 4 of another that keep its size; itself first.
  /// - Parameter picture: `[height, width, channels]` of any type.
  public static func views(of picture: Tensor) throws -> [Tensor] {
    try symmetries(picture.shape).map { try $0.apply(picture) }
  }

  /// One of `views`.
  public static func view(_ number: Int, of picture: Tensor) throws -> Tensor {
    try symmetries(picture.shape)[number].apply(picture)
  }

  private static func symmetries(_ shape: Shape) -> [Orientation] {
    Orientation.allCases.filter { shape[0] == shape[1] || !$0.swapsAxes }
  }
}
