import GXCore
import GXImage

/// What a picture is classified by: itself, or several views of it, whose probabilities are averaged ("test-time
/// augmentation"). A galaxy has no up, so its turned and mirrored pictures are as good as it.
public enum Views: String, CaseIterable, Sendable {
  /// The picture as it is.
  case one = "none"
  /// Its flips and quarter turns: 8 of a square, 4 of another.
  case dihedral

  /// How many there are of a picture of `shape`, `[height, width, channels]`.
  func count(_ shape: Shape) -> Int { self == .dihedral ? Dihedral.count(shape) : 1 }

  func views(of picture: Tensor) throws -> [Tensor] { self == .dihedral ? try Dihedral.views(of: picture) : [picture] }
}
