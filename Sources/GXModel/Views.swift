import GXCore
import GXImage

/// What a picture is classified by: itself, or several views of it, whose probabilities are averaged ("test-time
/// augmentation"). A galaxy has no up, so its turned and mirrored pictures are as good as it.
public enum Views: Hashable, Sendable, RawRepresentable {
  /// The picture as it is.
  case one
  /// Its flips and quarter turns: 8 of a square, 4 of another.
  case dihedral
  /// The picture turned by so many angles, see `Rotation`.
  case rotations(Int)

  /// The most views of `rotations`: each takes as long as a picture.
  public static let rotationLimit = 64
  /// What `init(rawValue:)` reads, in words.
  public static let grammar = "none, dihedral, rotations:N (2 to \(rotationLimit))"

  /// `none`, `dihedral`, or `rotations:N`.
  public var rawValue: String {
    switch self {
    case .one: "none"
    case .dihedral: "dihedral"
    case .rotations(let count): "rotations:\(count)"
    }
  }

  public init?(rawValue: String) {
    switch rawValue {
    case "none": self = .one
    case "dihedral": self = .dihedral
    default:
      let parts = rawValue.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == "rotations", let count = Int(parts[1]),
        (2...Self.rotationLimit).contains(count)
      else { return nil }
      self = .rotations(count)
    }
  }

  /// How many there are of a picture of `shape`, `[height, width, channels]`.
  package func count(_ shape: Shape) -> Int {
    switch self {
    case .one: 1
    case .dihedral: Dihedral.count(shape)
    case .rotations(let count): count
    }
  }

  package func views(of picture: Tensor) throws -> [Tensor] {
    switch self {
    case .one: [picture]
    case .dihedral: try Dihedral.views(of: picture)
    case .rotations(let count): try Rotation.views(of: picture, count: count)
    }
  }
}
