import GXCore

/// Finds labels that are probably wrong, from probabilities that a classifier gave to records it had not learnt from:
/// confident learning, Northcutt, Jiang & Chuang 2021, J. Artif. Intell. Res. 70.
///
/// A class's threshold is the mean probability that records labelled so give it (equation 2). Where a record's
/// probabilities reach the thresholds of classes, it confidently is of the likeliest of these; counted by label and
/// that class, this is the confident joint (equation 1). What is added is held, `4 * classes + 4` bytes a record.
public struct ConfidentLearning: Sendable {
  /// A record whose label is probably wrong.
  public struct Suspect: Equatable, Sendable {
    /// Its place among those added.
    public let place: Int
    /// The class that it confidently is of.
    public let suggested: Int
    /// The normalised margin, p(label) - p(suggested), in -1...0: -1 is surely wrong.
    public let score: Double
  }

  /// What follows from all records together.
  public struct Findings: Sendable {
    /// By class; nil where no record is labelled so.
    public let thresholds: [Double?]
    /// Records by their label (as the truth) and the class that they confidently are of (as the prediction). Records
    /// that reach no threshold are in none.
    public let joint: ConfusionMatrix
    /// The share of all records by label and true class, `[classes, classes]` in C order: the joint's rows brought to
    /// the numbers of labels, divided by their sum (equation 3).
    public let estimate: [Double]
    /// Of those that confidently are of another class than their label's, which is also their likeliest: the worst
    /// first, of equals those added first.
    public let suspects: [Suspect]

    /// The share of labels that are probably wrong.
    public var noise: Double {
      let classes = joint.classes
      return 1 - (0..<classes).reduce(0) { $0 + estimate[$1 * classes + $1] }
    }
  }

  public private(set) var classes: Int
  private var labels: [Int32] = []
  /// `[records, classes]`.
  private var probabilities: [Float] = []

  public init(classes: Int) { self.classes = classes }

  public var records: Int { labels.count }

  /// - Throws: `GXError` where the label is no class, or the probabilities are not one a class, each in [0, 1].
  public mutating func add(label: Int, probabilities: [Double]) throws(GXError) {
    guard (0..<classes).contains(label) else { throw GXError("class \(label): there are \(classes) classes") }
    guard probabilities.count == classes else {
      throw GXError("\(probabilities.count) probabilities for \(classes) classes")
    }
    if let p = probabilities.first(where: { !($0 >= 0 && $0 <= 1) }) {
      throw GXError("probability \(p) is not in [0, 1]")
    }
    labels.append(Int32(label))
    self.probabilities.append(contentsOf: probabilities.map { Float($0) })
  }

  public func findings() -> Findings {
    let thresholds = thresholds()
    var joint = ConfusionMatrix(classes: classes)
    var suspects: [Suspect] = []
    for (place, label) in labels.enumerated() {
      let label = Int(label)
      let row = probabilities[place * classes..<(place + 1) * classes]
      func p(_ k: Int) -> Float { row[row.startIndex + k] }
      // As in the authors' cleanlab, whose sums of probabilities are rounded too.
      let reached = (0..<classes).filter { k in thresholds[k].map { Double(p(k)) >= $0 - 1e-6 } ?? false }
      guard let sure = reached.max(by: { p($0) < p($1) || p($0) == p($1) && $0 > $1 }) else { continue }
      joint.add(truth: label, predicted: sure)
      if sure != label, p(sure) == row.max()!, p(label) < p(sure) {
        suspects.append(Suspect(place: place, suggested: sure, score: Double(p(label)) - Double(p(sure))))
      }
    }
    suspects.sort { ($0.score, $0.place) < ($1.score, $1.place) }
    return Findings(thresholds: thresholds, joint: joint, estimate: estimate(joint), suspects: suspects)
  }

  private func thresholds() -> [Double?] {
    var sums = [Double](repeating: 0, count: classes)
    var counts = sums
    for (place, label) in labels.enumerated() {
      sums[Int(label)] += Double(probabilities[place * classes + Int(label)])
      counts[Int(label)] += 1
    }
    return zip(sums, counts).map { $1 > 0 ? $0 / $1 : nil }
  }

  private func estimate(_ joint: ConfusionMatrix) -> [Double] {
    var counts = [Double](repeating: 0, count: classes)
    for label in labels { counts[Int(label)] += 1 }
    return (0..<classes * classes).map { place in
      let (label, truth) = (place / classes, place % classes)
      guard counts[label] > 0 else { return 0 }
      // Each class has at least one right label, so that a row that is empty does not divide by 0.
      func entry(_ k: Int) -> Double { Double(k == label ? max(joint[label, k], 1) : joint[label, k]) }
      let sum = (0..<classes).reduce(0) { $0 + entry($1) }
      return entry(truth) / sum * counts[label] / Double(labels.count)
    }
  }
}
