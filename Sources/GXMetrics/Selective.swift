/// What a classifier is worth that answers only where it is sure: the risk-coverage curve (El-Yaniv & Wiener 2010;
/// Geifman & El-Yaniv 2017). Records are accepted from the most confident down; at each coverage, the share that was
/// accepted, the curve tells the accuracy of those, which is 1 - selective risk.
///
/// Records of equal confidence cannot be told apart by a threshold. In between, where a coverage cuts through them,
/// the scores are the expectation over their random order, so that nothing hangs on the order of the records.
public struct RiskCoverage: Sendable {
  /// One place of the curve: all records of at least this confidence are accepted.
  public struct Point: Equatable, Sendable {
    /// The share of the records that is accepted, in (0, 1].
    public let coverage: Double
    /// The share of the accepted that is right, in [0, 1].
    public let accuracy: Double
    /// The least confidence that is accepted.
    public let confidence: Double
  }

  /// Of the records down to one confidence, how many there are and how many of them are right.
  private struct Step {
    var confidence: Double
    var accepted: Int
    var right: Int
  }
  /// From the most confident down, one of each confidence.
  private var steps: [Step] = []

  /// - Parameters:
  ///   - confidences: of each record, how sure the classifier is; any scale, no NaN.
  ///   - right: of each record, whether the prediction is right.
  /// - Precondition: both are of one length.
  public init(confidences: [Double], right: [Bool]) {
    precondition(confidences.count == right.count, "one confidence a record")
    precondition(!confidences.contains(where: \.isNaN), "a confidence is not a number")
    var (accepted, correct) = (0, 0)
    for i in confidences.indices.sorted(by: { confidences[$0] > confidences[$1] }) {
      accepted += 1
      correct += right[i] ? 1 : 0
      if let last = steps.last, last.confidence == confidences[i] { steps.removeLast() }
      steps.append(Step(confidence: confidences[i], accepted: accepted, right: correct))
    }
  }

  public var records: Int { steps.last?.accepted ?? 0 }

  /// The area under the risk-coverage curve, in [0, 1], less is better: the mean of the selective risk over the
  /// coverages 1/n, 2/n, … 1 (Geifman, Uziel & El-Yaniv 2019). NaN without records.
  public var aurc: Double {
    var sum = 0.0
    var before = Step(confidence: .infinity, accepted: 0, right: 0)
    for step in steps {
      let wrong = Double(before.accepted - before.right)
      let added = step.accepted - before.accepted
      let share = Double(added - (step.right - before.right)) / Double(added)
      for k in 1...added { sum += (wrong + share * Double(k)) / Double(before.accepted + k) }
      before = step
    }
    return sum / Double(records)
  }

  /// The accuracy of the most confident `coverage` of the records, of so many of them that it is at least
  /// that share. NaN without records.
  /// - Parameter coverage: in (0, 1].
  public func accuracy(atCoverage coverage: Double) -> Double {
    guard !steps.isEmpty else { return .nan }
    let (wanted, at) = place(ofCoverage: coverage)
    let before = at > 0 ? steps[at - 1] : Step(confidence: .infinity, accepted: 0, right: 0)
    let share = Double(steps[at].right - before.right) / Double(steps[at].accepted - before.accepted)
    return (Double(before.right) + share * Double(wanted - before.accepted)) / Double(wanted)
  }

  /// The least confidence among them: the threshold that answers as many, or more where it is that of several. NaN
  /// without records.
  public func confidence(atCoverage coverage: Double) -> Double {
    steps.isEmpty ? .nan : steps[place(ofCoverage: coverage).step].confidence
  }

  private func place(ofCoverage coverage: Double) -> (wanted: Int, step: Int) {
    precondition(coverage > 0 && coverage <= 1, "coverage \(coverage) is not in (0, 1]")
    // Shares such as 0.8 of 10 are no whole number in binary: what rounding adds shall cost no record.
    let wanted = min(max(1, Int((coverage * Double(records) - 1e-9).rounded(.up))), records)
    return (wanted, firstStep { $0.accepted >= wanted })
  }

  /// The curve from the most confident down to coverage 1, one point a confidence; where that is more than `limit`,
  /// those that lie nearest above evenly spread coverages, the last among them. Empty without records.
  /// - Parameter limit: at least 1.
  public func points(atMost limit: Int = 200) -> [Point] {
    precondition(limit >= 1, "at least one point")
    let places =
      steps.count <= limit
      ? Array(steps.indices)
      : (1...limit).map { i in firstStep { $0.accepted * limit >= records * i } }
    var points: [Point] = []
    for (i, place) in places.enumerated() where i == 0 || place != places[i - 1] {
      let step = steps[place]
      points.append(
        Point(
          coverage: Double(step.accepted) / Double(records), accuracy: Double(step.right) / Double(step.accepted),
          confidence: step.confidence))
    }
    return points
  }

  /// The first step that `reached` holds of, where it holds of all after it and of the last.
  private func firstStep(_ reached: (Step) -> Bool) -> Int {
    var (low, high) = (0, steps.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if reached(steps[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
