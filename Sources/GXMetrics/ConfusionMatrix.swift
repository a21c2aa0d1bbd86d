/// Counts of (truth, prediction) pairs over a fixed list of classes, and the scores that follow from
/// them. Conventions are scikit-learn's: a score whose denominator is zero is 0, the macro average
/// leaves out classes that neither occur nor are predicted, balanced accuracy those that do not occur.
public struct ConfusionMatrix: Equatable, Sendable {
  /// The most classes: the matrix grows with their square.
  public static let classLimit = 1000

  public private(set) var classes: Int
  /// Row-major `[truth, predicted]`, `classes` x `classes`.
  public private(set) var counts: [Int]

  /// - Precondition: `classes` is in `1...classLimit`.
  public init(classes: Int) {
    precondition((1...Self.classLimit).contains(classes), "1 to \(Self.classLimit) classes, not \(classes)")
    self.classes = classes
    counts = [Int](repeating: 0, count: classes * classes)
  }

  init(classes: Int, counts: [Int]) {
    precondition(counts.count == classes * classes, "counts do not fill the matrix")
    (self.classes, self.counts) = (classes, counts)
  }

  /// Both in `0..<classes`.
  @inline(__always) public mutating func add(truth: Int, predicted: Int, count: Int = 1) {
    precondition(truth >= 0 && truth < classes && predicted >= 0 && predicted < classes, "class out of range")
    counts[truth &* classes &+ predicted] &+= count
  }

  /// Makes room for more classes, behind those that are there. At most `classLimit`.
  public mutating func grow(to classes: Int) {
    precondition(classes <= Self.classLimit, "\(classes) classes are more than \(Self.classLimit)")
    guard classes > self.classes else { return }
    let padding = [Int](repeating: 0, count: classes - self.classes)
    var larger: [Int] = []
    larger.reserveCapacity(classes * classes)
    for row in stride(from: 0, to: counts.count, by: self.classes) {
      larger += counts[row..<row + self.classes]
      larger += padding
    }
    larger += [Int](repeating: 0, count: classes * padding.count)
    self = ConfusionMatrix(classes: classes, counts: larger)
  }

  public mutating func removeAll() { for i in counts.indices { counts[i] = 0 } }

  public subscript(truth: Int, predicted: Int) -> Int { counts[truth * classes + predicted] }

  public var total: Int { counts.reduce(0, +) }

  /// The share of records predicted right, in [0, 1]; NaN without records.
  public var accuracy: Double {
    var right = 0
    for k in 0..<classes { right += self[k, k] }
    return Double(right) / Double(total)
  }

  /// The mean recall of the classes that occur, in [0, 1]; NaN without records.
  public var balancedAccuracy: Double {
    let recalls = perClass.filter { $0.support > 0 }.map(\.recall)
    return recalls.reduce(0, +) / Double(recalls.count)
  }

  /// The mean F1 of the classes that occur or are predicted, in [0, 1]; NaN without records.
  public var macroF1: Double {
    let scores = perClass.filter { $0.support + $0.predicted > 0 }.map(\.f1)
    return scores.reduce(0, +) / Double(scores.count)
  }

  /// The scores of each class, in order.
  public var perClass: [ClassScores] {
    var support = [Int](repeating: 0, count: classes)
    var predicted = support
    for truth in 0..<classes {
      for guess in 0..<classes {
        support[truth] += self[truth, guess]
        predicted[guess] += self[truth, guess]
      }
    }
    return (0..<classes).map { ClassScores(right: self[$0, $0], support: support[$0], predicted: predicted[$0]) }
  }
}

/// One class against the rest.
public struct ClassScores: Equatable, Sendable {
  /// Records of the class that were predicted as it.
  public let right: Int
  /// Records of the class.
  public let support: Int
  /// Records predicted as the class.
  public let predicted: Int

  /// right / predicted, or 0.
  public var precision: Double { predicted > 0 ? Double(right) / Double(predicted) : 0 }
  /// right / support, or 0.
  public var recall: Double { support > 0 ? Double(right) / Double(support) : 0 }
  /// The harmonic mean of precision and recall, or 0.
  public var f1: Double { support + predicted > 0 ? 2 * Double(right) / Double(support + predicted) : 0 }
}
