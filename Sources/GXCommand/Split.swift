import GXCore

/// How records are shared out to `train`, `val` and `test`: `70:15:15`, or `80:20` for train and val.
public struct SplitShares: Sendable {
  private let ends: [(name: String, end: Double)]

  /// nil where `text` is not two or three shares of at least 0, not all 0.
  init?(_ text: String) {
    let shares = text.split(separator: ":", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
    let sum = shares.reduce(0, +)
    guard (2...3).contains(shares.count), shares.allSatisfy({ $0 >= 0 }), sum > 0, sum.isFinite else { return nil }
    var end = 0.0
    ends = zip(["train", "val", "test"], shares).map { name, share in
      end += share
      return (name, end / sum)
    }
  }

  /// The split of what stands at `position`, in [0, 1), of all.
  public func name(at position: Double) -> String {
    let found = ends.first { position < $0.end } ?? ends.last { $0.end > 0 }!
    return found.name
  }

  /// The split of the `index`-th of any number: each prefix has the shares within one or two, for
  /// multiples of the golden ratio's fraction fill [0, 1) evenly.
  public func name(ofIndex index: Int) -> String {
    let turns = Double(index) * 0.618_033_988_749_894_9 + 0.5
    return name(at: turns - turns.rounded(.down))
  }
}

extension OptionType<SplitShares> {
  static var splitShares: Self {
    Self(fault: "not like 70:15:15 (train, val, test) or 80:20 (train, val)", read: SplitShares.init)
  }
}
