import Foundation
import GXCore
import Testing

@testable import GXMetrics

private let golden: [JSONObject] = try! JSON(
  parsing: String(
    contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/calibration.json"),
    encoding: .utf8)
).arrayValue!.map { $0.objectValue! }

private func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-9) -> Bool { abs(a - b) <= tolerance }

extension JSONObject {
  fileprivate func doubles(_ name: String) -> [Double] { self[name]!.arrayValue!.map { $0.doubleValue! } }

  fileprivate var records: [LabelledPrediction] {
    zip(self["logits"]!.arrayValue!, doubles("truth")).map {
      LabelledPrediction(logits: $0.arrayValue!.map { $0.doubleValue! }, truth: Int($1))
    }
  }

  /// As the temperature that SciPy found makes them.
  fileprivate var scaled: [(probabilities: [Double], truth: Int)] {
    let scaling = LogitScaling.temperature(self["temperature"]!.doubleValue!)
    return records.map { (scaling.probabilities($0.logits), $0.truth) }
  }
}

private func temperature(_ records: [LabelledPrediction]) throws -> Double {
  guard case .temperature(let value) = try LogitScaling.temperature(fitting: records) else { return .nan }
  return value
}

private func nll(_ scaling: LogitScaling, _ records: [LabelledPrediction]) -> Double {
  records.reduce(0) { $0 - log(scaling.probabilities($1.logits)[$1.truth]) } / Double(records.count)
}

/// Records whose labels are drawn from the softmax of their logits: a calibrated classifier's.
private func calibrated(_ count: Int, classes: Int, seed: UInt64) -> [LabelledPrediction] {
  var random = Random(seed: seed)
  return (0..<count).map { _ in
    let logits = (0..<classes).map { _ in 2 * random.normal() }
    var (left, truth) = (random.uniform(), 0)
    for (k, p) in softmax(logits).enumerated() where left >= 0 {
      truth = k
      left -= p
    }
    return LabelledPrediction(logits: logits, truth: truth)
  }
}

private func message(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return ""
}

@Suite struct LogitScalingTests {
  @Test(arguments: golden.indices) func equalsSciPyAndScikitLearn(_ i: Int) throws {
    let expected = golden[i]
    let found = try LogitScaling.temperature(fitting: expected.records)
    let t = try temperature(expected.records)
    #expect(near(t, expected["temperature"]!.doubleValue!, 1e-6 * t))
    #expect(near(t, expected["sklearn_temperature"]!.doubleValue!, 1e-4))
    #expect(near(nll(found, expected.records), expected["nll"]!.doubleValue!))

    let classes = expected.records[0].logits.indices.map(String.init)
    let vector = try LogitScaling.vector(fitting: expected.records, classes: classes)
    guard case .vector(let scale, let bias) = vector else { return #expect(Bool(false)) }
    #expect(zip(scale, expected.doubles("scale")).allSatisfy { near($0, $1, 1e-5) }, "\(scale)")
    #expect(zip(bias, expected.doubles("bias")).allSatisfy { near($0, $1, 1e-5) }, "\(bias)")
    #expect(near(bias.reduce(0, +), 0))
    #expect(near(nll(vector, expected.records), expected["vector_nll"]!.doubleValue!))
  }

  @Test(arguments: [1e-6, 0.1, 7, 1e5]) func logitsTimesKGiveKTimesT(_ k: Double) throws {
    for expected in golden {
      let times = expected.records.map { LabelledPrediction(logits: $0.logits.map { k * $0 }, truth: $0.truth) }
      let t = try temperature(expected.records)
      #expect(near(try temperature(times), k * t, 1e-9 * k * t))
    }
  }

  @Test(arguments: [2, 5]) func calibratedLogitsNeedNone(_ classes: Int) throws {
    let records = calibrated(20_000, classes: classes, seed: UInt64(classes))
    #expect(near(try temperature(records), 1, 0.02))
    let vector = try LogitScaling.vector(fitting: Array(records[..<3_000]), classes: (0..<classes).map(String.init))
    guard case .vector(let scale, let bias) = vector else { return #expect(Bool(false)) }
    #expect(scale.allSatisfy { near($0, 1, 0.2) } && bias.allSatisfy { near($0, 0, 0.2) })
  }

  @Test func aTemperatureChangesNoOrder() throws {
    var random = Random(seed: 2)
    for t in [1e-3, 0.3, 1, 4, 1e3] {
      for _ in 0..<200 {
        let base = Float(random.normal())
        let logits = [base, base.nextUp, base + 1, base.nextDown, base - 40].map(Double.init)
        let scaled = LogitScaling.temperature(t).scaled(logits)
        let order = logits.indices.sorted { logits[$0] < logits[$1] }
        #expect(order == scaled.indices.sorted { scaled[$0] < scaled[$1] })
        #expect(near(LogitScaling.temperature(t).probabilities(logits).reduce(0, +), 1, 1e-12))
      }
    }
  }

  @Test func saysWhereNothingIsBest() {
    #expect(message { _ = try temperature([]) } == "no records to find a temperature from")
    let right = [LabelledPrediction(logits: [2, 0], truth: 0), .init(logits: [0, 1], truth: 1)]
    #expect(message { _ = try temperature(right) }.hasPrefix("every record is classified right"))
    let wrong = [LabelledPrediction(logits: [2, 0], truth: 1), .init(logits: [0, 1], truth: 0)]
    #expect(message { _ = try temperature(wrong) }.hasPrefix("the logits tell nothing"))
    let constant = [LabelledPrediction(logits: [1, 1], truth: 1), .init(logits: [0, 0], truth: 0)]
    #expect(message { _ = try temperature(constant) }.hasPrefix("the logits are all equal in each record"))
    let ties = right + [LabelledPrediction(logits: [1, 1], truth: 1)]
    #expect(message { _ = try temperature(ties) }.hasPrefix("no class is ever likelier than the truth (1 are ties)"))
    #expect(
      message { _ = try LogitScaling.vector(fitting: right, classes: ["a", "b", "c"]) }
        == "no record is of class 'c', whose bias has no best value then")
    // Class 1 is told apart without a mistake, class 0 and 2 are not.
    let partly: [LabelledPrediction] = [
      .init(logits: [0, 9, 0], truth: 1), .init(logits: [1, 0, 0], truth: 2), .init(logits: [1, 0, 0], truth: 0),
      .init(logits: [2, 0, 0], truth: 0), .init(logits: [0, 1, 2], truth: 2),
    ]
    #expect(
      message { _ = try LogitScaling.vector(fitting: partly, classes: ["a", "b", "c"]) }.hasPrefix(
        "there are too few records"))
  }
}

@Suite struct ConformalTests {
  @Test(arguments: golden.indices, ConformalSets.Score.allCases)
  func thresholdsAreNumPys(_ i: Int, _ score: ConformalSets.Score) throws {
    for (coverage, threshold) in golden[i][score.rawValue]!.objectValue! {
      let sets = try ConformalSets(score: score, coverage: Double(coverage)!, fitting: golden[i].scaled)
      #expect(near(sets.threshold, threshold.doubleValue!), "\(coverage)")
    }
  }

  @Test func setsByHand() {
    let lac = ConformalSets(score: .lac, coverage: 0.9, threshold: 0.75)
    #expect(lac.set([0.5, 0.25, 0.25]) == [0, 1, 2] && lac.set([0.2, 0.7, 0.1]) == [1])
    #expect(lac.set([0.2, 0.2, 0.2, 0.2, 0.2]) == [], "no class is likely enough")
    let aps = ConformalSets(score: .aps, coverage: 0.9, threshold: 0.75)
    #expect(aps.set([0.05, 0.7, 0.25]) == [1, 2] && aps.set([0.05, 0.8, 0.15]) == [1])
    #expect(aps.set([0.25, 0.25, 0.25, 0.25]) == [0, 1, 2, 3], "equals stand together")
  }

  /// n = 9 is the least for a coverage of 0.9: its rank is 9, the largest score.
  @Test func tooFewRecordsPromiseNothing() throws {
    let records = (1...9).map { (probabilities: [Double($0) / 10, 1 - Double($0) / 10], truth: 0) }
    #expect(try ConformalSets(score: .lac, coverage: 0.9, fitting: records).threshold == 0.9)
    #expect(
      message { _ = try ConformalSets(score: .lac, coverage: 0.9, fitting: Array(records.dropLast())) }
        == "8 records are too few to promise a coverage of 0.9: it takes 9")
    #expect(message { _ = try ConformalSets(score: .aps, coverage: 0.99, fitting: records) }.hasSuffix("it takes 99"))
  }

  /// The promise, over many draws of records: at least the coverage, and no more than 1 / (n + 1) beyond it.
  @Test(arguments: ConformalSets.Score.allCases) func coversAsPromised(_ score: ConformalSets.Score) throws {
    let (fitted, judged) = (99, 100)
    var held = 0
    for trial in 0..<100 {
      // Not calibrated: the promise does not ask for it.
      let records = calibrated(fitted + judged, classes: 4, seed: UInt64(100 + trial)).map {
        (probabilities: LogitScaling.temperature(0.7).probabilities($0.logits), truth: $0.truth)
      }
      let sets = try ConformalSets(score: score, coverage: 0.9, fitting: Array(records[..<fitted]))
      held += records[fitted...].filter { sets.set($0.probabilities).contains($0.truth) }.count
    }
    // One standard error of the mean is 0.004.
    let coverage = Double(held) / Double(100 * judged)
    #expect(coverage > 0.885 && coverage < 0.925, "\(coverage)")
  }
}

@Suite struct AbstentionTests {
  @Test(arguments: golden.indices) func thresholdsAreSciPys(_ i: Int) throws {
    let samples = golden[i].scaled.map { record in
      let best = record.probabilities.max()!
      return Reliability.Sample(confidence: best, isRight: record.probabilities[record.truth] == best)
    }
    for (precision, threshold) in golden[i]["abstention"]!.objectValue! {
      let found = try? Abstention(precision: Double(precision)!, fitting: samples)
      #expect(threshold == .null ? found == nil : near(found?.threshold ?? .nan, threshold.doubleValue!))
    }
  }

  @Test func byHand() throws {
    // 59 right ones of 59: 0.95^59 = 0.0485 is the first power below 0.05.
    let right = Reliability.Sample(confidence: 0.8, isRight: true)
    #expect(try Abstention(precision: 0.95, fitting: Array(repeating: right, count: 59)).threshold == 0.8)
    #expect(
      message { _ = try Abstention(precision: 0.95, fitting: Array(repeating: right, count: 58)) }
        == "58 records are too few to be sure of a precision of 0.95: it takes 59 records, all of them right")
    // Equal confidences stand or fall together.
    let wrong = Reliability.Sample(confidence: 0.8, isRight: false)
    #expect(
      message { _ = try Abstention(precision: 0.95, fitting: Array(repeating: right, count: 59) + [wrong]) } != "")
    let abstention = Abstention(precision: 0.95, threshold: 0.8)
    #expect(!abstention.isUncertain(0.8) && abstention.isUncertain(0.8.nextDown))
  }

  @Test func binomialTails() {
    // scipy.stats.binom.sf(right - 1, count, p)
    #expect(near(Abstention.chance(ofAtLeast: 9, of: 10, 0.8), 0.3758096384, 1e-12))
    #expect(near(Abstention.chance(ofAtLeast: 10, of: 10, 0.8), 0.1073741824, 1e-12))
    #expect(near(Abstention.chance(ofAtLeast: 930, of: 1000, 0.9), 0.0005744958408379726, 1e-12))
    #expect(Abstention.chance(ofAtLeast: 8, of: 10, 0.8) == 1, "at the mean and below it is not small")
  }
}

@Suite struct CalibrationScoresTests {
  private func predictions() -> [LabelledPrediction] {
    calibrated(300, classes: 3, seed: 5).map {
      let p = softmax($0.logits)
      return LabelledPrediction(truth: $0.truth, predicted: p.indices.max { p[$0] < p[$1] }!, probabilities: p)
    }
  }

  @Test func agreeWithTheEvaluation() throws {
    let predictions = predictions()
    let (scores, whole) = (CalibrationSample(predictions).scores, try Scores(classes: 3, predictions: predictions))
    #expect(near(scores.nll, whole.nll!) && near(scores.brier, whole.brier!) && near(scores.ece, whole.ece!))
    let judged = predictions.map {
      Reliability.Sample(confidence: $0.probabilities[$0.predicted], isRight: $0.predicted == $0.truth)
    }
    #expect(near(scores.equalMassECE, Reliability(equalMass: judged).ece))
    #expect(
      near(scores.classwiseECE, Reliability.classwiseECE(Reliability.classwise(predictions, classes: 3))))
  }

  @Test func intervalsAreTheEvaluations() throws {
    let predictions = predictions()
    var evaluation = Evaluation(classes: 3, bootstraps: true)
    for prediction in predictions { try evaluation.add(prediction) }
    let all = evaluation.intervals(replicates: 100, seed: 3)
    let intervals = CalibrationSample(predictions).intervals(replicates: 100, seed: 3)
    #expect(intervals.count == 5)
    // The same draws, of values that the evaluation keeps as floats.
    for (i, name) in ["nll", "brier", "ece"].enumerated() {
      #expect(near(intervals[i].low, all[name]!.low, 1e-6) && near(intervals[i].high, all[name]!.high, 1e-6), "\(name)")
    }
  }
}
