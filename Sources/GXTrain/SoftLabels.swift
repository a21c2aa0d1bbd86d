import GXCore

/// What is known of records beside their labels: for some of them a distribution over the labels, by the hash of their
/// id. It has a share in what is learnt of such a record; the label has the rest.
///
/// Holds four bytes a label, and some 40 more, of each galaxy.
public struct SoftLabels: Sendable {
  /// Of a record's target, 0 to 1.
  public let share: Float
  /// A fingerprint of what is known.
  public let digest: UInt64
  private let labels: Int
  /// By the hash of an id: the place of its first value.
  private var places: [UInt64: Int]
  /// `[galaxies, labels]`, each row 1 in sum.
  private let values: [Float]

  /// - Parameters:
  ///   - places: for each hash of an id, the place of its first value.
  ///   - values: `[galaxies, labels]`, each row 1 in sum.
  init(share: Float, labels: Int, places: [UInt64: Int], values: [Float], digest: UInt64) {
    (self.share, self.labels, self.places, self.values) = (share, labels, places, values)
    self.digest = digest
  }

  /// `[labels]`, 1 in sum, of the galaxy with this hash of its id; nil where nothing is known.
  func distribution(of id: UInt64) -> ArraySlice<Float>? {
    places[id].map { values[$0..<$0 + labels] }
  }

  /// The same for galaxies that have other ids.
  func renamed(_ name: (UInt64) -> UInt64) -> SoftLabels {
    var copy = self
    copy.places = Dictionary(uniqueKeysWithValues: places.map { (name($0.key), $0.value) })
    return copy
  }

  /// How many of `samples` nothing is known of.
  public func missing(of samples: [Dataset.Sample]) -> Int { samples.count { places[$0.id] == nil } }
}
