/// How often predictions come true, by the confidence they were made with: the bins of a reliability diagram (Murphy &
/// Winkler 1977), and the expected calibration error that follows from them (Naeini et al. 2015; Guo et al. 2017).
///
/// Nothing here depends on the order of the predictions, but for the last bits of sums.
public struct Reliability: Equatable, Sendable {
  /// One prediction: how sure, in [0, 1], and whether it came true.
  public struct Sample: Equatable, Sendable {
    public var confidence: Double
    public var isRight: Bool

    public init(confidence: Double, isRight: Bool) { (self.confidence, self.isRight) = (confidence, isRight) }
  }

  public struct Bin: Equatable, Sendable {
    /// The confidences that fall into it: of bins of equal width low < confidence <= high (the first takes 0 too); of
    /// bins of equal mass the lowest and the highest that are in it.
    public let low: Double
    public internal(set) var high: Double
    public internal(set) var count = 0
    /// How many of `count` came true.
    public internal(set) var right = 0
    var confidenceSum = 0.0

    init(low: Double, high: Double) { (self.low, self.high) = (low, high) }

    /// The mean confidence, in [0, 1]; NaN of an empty bin.
    public var confidence: Double { confidenceSum / Double(count) }
    /// The share that came true, in [0, 1]; NaN of an empty bin.
    public var accuracy: Double { Double(right) / Double(count) }

    @inline(__always) mutating func add(confidence: Double, isRight: Bool, times: Int) {
      confidenceSum += confidence * Double(times)
      right &+= isRight ? times : 0
      count &+= times
    }
  }

  /// From low to high.
  public private(set) var bins: [Bin]
  /// The predictions in all bins.
  public private(set) var count = 0

  /// Empty bins of equal width over [0, 1], for `add`.
  public init(bins: Int = Evaluation.bins) {
    precondition(bins > 0, "no bins")
    self.bins = (0..<bins).map { Bin(low: Double($0) / Double(bins), high: Double($0 + 1) / Double(bins)) }
  }

  /// Of bins of equal width: takes in one prediction, whose confidence is in [0, 1], `times` times.
  @inline(__always) public mutating func add(confidence: Double, isRight: Bool, times: Int = 1) {
    let place = confidence * Double(bins.count)
    var bin = Int(place)
    if bin > 0 && Double(bin) == place { bin &-= 1 }  // an edge belongs to the bin below it
    bins[bin].add(confidence: confidence, isRight: isRight, times: times)
    count &+= times
  }

  /// Bins of equal mass ("adaptive" binning; Nixon et al. 2019): in the order of confidence, prediction i of n goes to
  /// bin i * bins / n, rounded down; those of equal confidence go with the first of them. Bins that stay empty are left out.
  public init(equalMass samples: some Sequence<Sample>, bins: Int = Evaluation.bins) {
    self.init(sorted: samples.sorted { $0.confidence < $1.confidence }, bins: bins)
  }

  /// - Parameters:
  ///   - sorted: From the lowest confidence to the highest.
  ///   - weights: How many times each counts; nil is once.
  init(sorted: [Sample], weights: [Int]? = nil, bins: Int) {
    precondition(bins > 0, "no bins")
    self.bins = []
    let total = weights?.reduce(0, +) ?? sorted.count
    var (bin, confidence) = (-1, -1.0)
    for (i, sample) in sorted.enumerated() {
      let weight = weights?[i] ?? 1
      if weight == 0 { continue }
      if sample.confidence != confidence {
        confidence = sample.confidence
        if count * bins / total != bin {
          bin = count * bins / total
          self.bins.append(Bin(low: confidence, high: confidence))
        }
        self.bins[self.bins.count - 1].high = confidence
      }
      self.bins[self.bins.count - 1].add(confidence: confidence, isRight: sample.isRight, times: weight)
      count += weight
    }
  }

  /// Expected calibration error: the mean over predictions of |mean confidence - accuracy| of their bin, in [0, 1]; NaN
  /// without predictions.
  public var ece: Double {
    bins.reduce(0) { $0 + abs($1.confidenceSum - Double($1.right)) } / Double(count)
  }

  /// Of each class' own probability, whether it was the truth: over bins of equal width. The mean of their `ece`s is the
  /// classwise calibration error (Kull et al. 2019; the "static" one of Nixon et al. 2019), which sees what becomes of
  /// the classes that were not predicted too.
  /// - Parameters:
  ///   - predictions: Each with a probability for each of `classes`.
  ///   - weights: How many times each counts; nil is once.
  public static func classwise(
    _ predictions: [LabelledPrediction], weights: [Int]? = nil, classes: Int, bins: Int = Evaluation.bins
  ) -> [Reliability] {
    var each = [Reliability](repeating: Reliability(bins: bins), count: classes)
    for (i, prediction) in predictions.enumerated() {
      for k in 0..<classes {
        each[k].add(
          confidence: prediction.probabilities[k], isRight: prediction.truth == k, times: weights?[i] ?? 1)
      }
    }
    return each
  }

  /// The mean of `ece` over `classes`.
  public static func classwiseECE(_ classes: [Reliability]) -> Double {
    classes.reduce(0) { $0 + $1.ece } / Double(classes.count)
  }
}
