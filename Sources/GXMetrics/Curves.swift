/// How well a score ranks records that are of a class above those that are not: the ROC curve (Fawcett 2006) and the
/// precision-recall curve (Davis & Goadrich 2006), over all thresholds. Records of equal score pass a threshold together.
public struct RankingCurve: Sendable {
  /// One threshold: the records of at least this score are taken to be of the class.
  public struct Point: Equatable, Sendable {
    public let score: Double
    /// Of the class, and taken to be.
    public let truePositives: Int
    /// Not of the class, but taken to be.
    public let falsePositives: Int
  }

  /// From the highest score down, one for each score that occurs.
  public let points: [Point]
  /// Records that are of the class, and that are not.
  public let positives: Int
  public let negatives: Int

  /// - Precondition: one score, not NaN, for each record.
  public init(scores: [Double], isPositive: [Bool]) {
    precondition(scores.count == isPositive.count, "one score a record")
    precondition(!scores.contains(where: \.isNaN), "a score is not a number")
    var points: [Point] = []
    var (right, wrong) = (0, 0)
    for i in scores.indices.sorted(by: { scores[$0] > scores[$1] }) {
      if isPositive[i] { right += 1 } else { wrong += 1 }
      if points.last?.score == scores[i] { points.removeLast() }
      points.append(Point(score: scores[i], truePositives: right, falsePositives: wrong))
    }
    (self.points, positives, negatives) = (points, right, wrong)
  }

  /// (false positive rate, true positive rate), from (0, 0) to (1, 1); empty unless there are records of both kinds.
  public var roc: [(x: Double, y: Double)] {
    guard positives > 0, negatives > 0 else { return [] }
    return [(0, 0)]
      + points.map {
        (Double($0.falsePositives) / Double(negatives), Double($0.truePositives) / Double(positives))
      }
  }

  /// (recall, precision), from the highest threshold down; empty where no record is of the class. The curve is a step:
  /// between two recalls holds the precision of the greater, for no threshold lies between (as scikit-learn takes it).
  public var precisionRecall: [(x: Double, y: Double)] {
    guard positives > 0 else { return [] }
    return points.map {
      (
        Double($0.truePositives) / Double(positives),
        Double($0.truePositives) / Double($0.truePositives + $0.falsePositives)
      )
    }
  }

  /// The area under the ROC curve, in [0, 1]: the chance that a record of the class scores higher than one that is
  /// not, where equal scores count half (Hanley & McNeil 1982). NaN unless there are both.
  public var auc: Double {
    guard positives > 0, negatives > 0 else { return .nan }
    var (pairs, before) = (0.0, Point(score: .infinity, truePositives: 0, falsePositives: 0))
    for point in points {
      let added = Double(point.falsePositives - before.falsePositives)
      pairs += added * Double(point.truePositives + before.truePositives) / 2
      before = point
    }
    return pairs / (Double(positives) * Double(negatives))
  }

  /// The area under the precision-recall steps, in [0, 1]. NaN where no record is of the class.
  public var averagePrecision: Double {
    guard positives > 0 else { return .nan }
    var (sum, before) = (0.0, 0.0)
    for (recall, precision) in precisionRecall {
      sum += (recall - before) * precision
      before = recall
    }
    return sum
  }
}
