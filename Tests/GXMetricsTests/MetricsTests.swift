import Foundation
import GXCore
import Testing

@testable import GXMetrics

private let golden: [JSON] = try! JSON(
  parsing: String(
    contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/scores.json"),
    encoding: .utf8)
).arrayValue!

extension JSON {
  fileprivate subscript(_ name: String) -> JSON { objectValue![name]! }
  fileprivate var ints: [Int] { arrayValue!.map { $0.intValue! } }
  fileprivate var doubles: [Double] { arrayValue!.map { $0.doubleValue! } }

  fileprivate var predictions: [LabelledPrediction] {
    zip(zip(self["truth"].ints, self["predicted"].ints), self["probabilities"].arrayValue!).map {
      LabelledPrediction(truth: $0.0, predicted: $0.1, probabilities: $1.doubles)
    }
  }
}

private func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool { abs(a - b) <= tolerance }

/// Predictions over three classes of which `right` of ten are right, in a fixed pattern.
private func pattern(records: Int, right: Int) -> [LabelledPrediction] {
  (0..<records).map { i in
    let truth = i % 3
    let predicted = (i / 3) % 10 < right ? truth : (truth + 1) % 3
    let probabilities = (0..<3).map { $0 == predicted ? 0.8 : 0.1 }
    return LabelledPrediction(truth: truth, predicted: predicted, probabilities: probabilities)
  }
}

@Suite struct ScoresTests {
  @Test(arguments: golden.map { $0["name"].stringValue! }) func equalScikitLearn(_ name: String) throws {
    let expected = golden.first { $0["name"] == .string(name) }!
    let classes = expected["classes"].intValue!
    let scores = try Scores(classes: classes, predictions: expected.predictions)
    for (name, value) in scores.named {
      #expect(near(value, expected[name].doubleValue!), "\(name)")
    }
    #expect(scores.named.count == 6)
    #expect(zip(scores.perClass.map(\.precision), expected["precision"].doubles).allSatisfy { near($0, $1) })
    #expect(zip(scores.perClass.map(\.recall), expected["recall"].doubles).allSatisfy { near($0, $1) })
    #expect(zip(scores.perClass.map(\.f1), expected["f1"].doubles).allSatisfy { near($0, $1) })
    #expect(scores.perClass.map(\.support) == expected["support"].ints)
    #expect(scores.confusion.counts == expected["confusion"].arrayValue!.flatMap(\.ints))
  }

  @Test func leaveOutWhatNeedsProbabilitiesWhereOneRecordHasNone() throws {
    var predictions = pattern(records: 9, right: 8)
    predictions[4].probabilities = []
    let scores = try Scores(classes: 3, predictions: predictions)
    #expect(scores.nll == nil && scores.brier == nil && scores.ece == nil)
    #expect(scores.named.map(\.name) == ["accuracy", "balanced_accuracy", "macro_f1"])
  }

  @Test func classesMayTurnUpLate() throws {
    var evaluation = Evaluation(classes: 1, bootstraps: true)
    try evaluation.add(LabelledPrediction(truth: 0, predicted: 0, probabilities: [1]))
    try evaluation.add(LabelledPrediction(truth: 2, predicted: 0, probabilities: [0.75, 0.25, 0]), classes: 3)
    #expect(evaluation.scores.confusion.counts == [1, 0, 0, 0, 0, 0, 1, 0, 0])
    #expect(evaluation.scores.brier == (0.75 * 0.75 + 0.25 * 0.25 + 1) / 2)
    #expect(near(evaluation.scores.nll!, 52 * log(2) / 2))  // p = 0 counts as 2^-52
    #expect(evaluation.intervals(replicates: 10, seed: 0).perClass.count == 3)
  }

  @Test func nothingIsNotANumber() throws {
    let scores = try Scores(classes: 2, predictions: [])
    #expect(scores.accuracy.isNaN && scores.macroF1.isNaN && scores.balancedAccuracy.isNaN)
    #expect(scores.json(classes: ["a", "b"])["accuracy"] == .null)
  }

  @Test(arguments: [
    (LabelledPrediction(truth: 2, predicted: 0), "class 2 predicted as 0: there are 2 classes"),
    (LabelledPrediction(truth: 0, predicted: -1), "class 0 predicted as -1: there are 2 classes"),
    (LabelledPrediction(truth: 0, predicted: 0, probabilities: [1]), "1 probabilities for 2 classes"),
    (LabelledPrediction(truth: 0, predicted: 0, probabilities: [1.5, 0]), "probability 1.5 is not in [0, 1]"),
    (LabelledPrediction(truth: 0, predicted: 0, probabilities: [0, .nan]), "probability nan is not in [0, 1]"),
  ]) func refuse(_ record: LabelledPrediction, _ message: String) {
    #expect(throws: GXError(message)) { try Scores(classes: 2, predictions: [record]) }
  }

  @Test func jsonHoldsEverything() throws {
    let scores = try Scores(
      classes: 2, predictions: [LabelledPrediction(truth: 0, predicted: 0), .init(truth: 1, predicted: 0)])
    #expect(
      JSON.object(scores.json(classes: ["e", "s"])).text
        == #"{"records":2,"accuracy":0.5,"balanced_accuracy":0.5,"macro_f1":0.3333333333333333,"classes":["e","s"],"#
        + #""per_class":{"e":{"precision":0.5,"recall":1,"f1":0.6666666666666666,"support":1,"predicted":2},"#
        + #""s":{"precision":0,"recall":0,"f1":0,"support":1,"predicted":0}},"confusion":[[1,0],[1,0]]}"#)
  }
}

@Suite struct ReliabilityTests {
  /// Ten predictions whose calibration error a pocket calculator gives: confidence, whether right.
  private let ten: [(Double, Bool)] = [
    (1, true), (1, true), (1, false),  // bin 15: |3 - 2|
    (0.95, true),  // bin 15 too: 14/15 = 0.9333…; together |3.95 - 3| = 0.95
    (0.8, false), (0.8, true),  // an edge, 12/15: bin 12, (11/15, 12/15]: |1.6 - 1| = 0.6
    (0.41, false), (0.45, true),  // bin 7, (6/15, 7/15]: |0.86 - 1| = 0.14
    (0.2, false),  // an edge, 3/15: bin 3: 0.2
    (0, false),  // the first bin: 0
  ]

  private func samples() -> [Reliability.Sample] { ten.map { .init(confidence: $0, isRight: $1) } }

  @Test func tenPredictionsByHand() {
    var reliability = Reliability()
    for sample in samples() { reliability.add(confidence: sample.confidence, isRight: sample.isRight) }
    #expect(near(reliability.ece, (0.95 + 0.6 + 0.14 + 0.2 + 0) / 10))
    #expect(reliability.count == 10)
    #expect(reliability.bins.map(\.count) == [1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 4])
    #expect(reliability.bins.map(\.right) == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 3])
    #expect(near(reliability.bins[6].confidence, 0.43) && reliability.bins[6].accuracy == 0.5)
    #expect(reliability.bins[1].confidence.isNaN && reliability.bins[1].accuracy.isNaN)
    #expect(reliability.bins[14].low == 14 / 15.0 && reliability.bins[14].high == 1)
  }

  @Test func equalMassByHand() {
    // In order: 0, 0.2 | 0.41, 0.45 | 0.8, 0.8 | 0.95, 1, 1, 1: the last run begins in bin 3 of 5, as 0.95 does.
    let reliability = Reliability(equalMass: samples(), bins: 5)
    #expect(reliability.bins.map(\.count) == [2, 2, 2, 4])
    #expect(reliability.bins.map(\.low) == [0, 0.41, 0.8, 0.95])
    #expect(reliability.bins.map(\.high) == [0.2, 0.45, 0.8, 1])
    #expect(near(reliability.ece, (0.2 + 0.14 + 0.6 + 0.95) / 10))
    #expect(Reliability(equalMass: samples().reversed(), bins: 5).bins.map(\.right) == [0, 1, 1, 3])
    #expect(Reliability(equalMass: [.init(confidence: 0.5, isRight: true)]).bins.count == 1)
    #expect(Reliability(equalMass: []).ece.isNaN)
  }

  /// A record that counts twice is there twice.
  @Test func weightsAreCopies() {
    let sorted = samples().sorted { $0.confidence < $1.confidence }
    let weights = [2, 0, 1, 3, 1, 0, 0, 1, 1, 1]
    let copied = zip(sorted, weights).flatMap { Array(repeating: $0, count: $1) }
    let (a, b) = (Reliability(sorted: sorted, weights: weights, bins: 4), Reliability(sorted: copied, bins: 4))
    #expect(a.bins.map(\.count) == b.bins.map(\.count) && a.bins.map(\.high) == b.bins.map(\.high))
    #expect(near(a.ece, b.ece))
  }

  @Test(arguments: golden.map { $0["name"].stringValue! }) func equalNumPy(_ name: String) throws {
    let expected = golden.first { $0["name"] == .string(name) }!
    let (predictions, classes) = (expected.predictions, expected["classes"].intValue!)
    let samples = predictions.map {
      Reliability.Sample(confidence: $0.probabilities[$0.predicted], isRight: $0.predicted == $0.truth)
    }
    #expect(near(Reliability(equalMass: samples).ece, expected["equal_mass_ece"].doubleValue!))
    let each = Reliability.classwise(predictions, classes: classes)
    #expect(near(Reliability.classwiseECE(each), expected["classwise_ece"].doubleValue!))
  }
}

@Suite struct BootstrapTests {
  private func intervals(_ predictions: [LabelledPrediction], replicates: Int, seed: UInt64) throws -> ScoreIntervals {
    var evaluation = Evaluation(classes: 3, bootstraps: true)
    for prediction in predictions { try evaluation.add(prediction) }
    return evaluation.intervals(replicates: replicates, seed: seed)
  }

  @Test func sameSeedSameIntervals() throws {
    let predictions = pattern(records: 90, right: 7)
    let (a, b, c) = (
      try intervals(predictions, replicates: 200, seed: 1), try intervals(predictions, replicates: 200, seed: 1),
      try intervals(predictions, replicates: 200, seed: 2)
    )
    #expect(a.json(classes: ["a", "b", "c"]) == b.json(classes: ["a", "b", "c"]))
    #expect(a["nll"] != c["nll"])
  }

  /// For accuracy the bootstrap is a binomial draw: its interval must be the binomial's.
  @Test func accuracyIsBinomial() throws {
    let interval = try #require(try intervals(pattern(records: 900, right: 8), replicates: 4000, seed: 3)["accuracy"])
    let spread = 1.96 * (0.8 * 0.2 / 900.0).squareRoot()
    #expect(near(interval.low, 0.8 - spread, 0.003) && near(interval.high, 0.8 + spread, 0.003))
  }

  /// Over many samples of a known accuracy, about 95 in 100 intervals hold it.
  @Test func coverage() throws {
    var random = Random(seed: 11)
    var held = 0
    for trial in 0..<200 {
      let sample = (0..<200).map { i in
        LabelledPrediction(truth: i % 3, predicted: random.chance(0.75) ? i % 3 : (i + 1) % 3)
      }
      let interval = try #require(try intervals(sample, replicates: 200, seed: UInt64(trial))["accuracy"])
      if interval.low <= 0.75 && 0.75 <= interval.high { held += 1 }
    }
    #expect((180...199).contains(held), "\(held) of 200")
  }

  @Test func percentilesAreNumPys() {
    // numpy.percentile([1, 2, 4, 8], [0, 2.5, 50, 97.5, 100])
    let values = [0, 0.025, 0.5, 0.975, 1].map { percentile([1, 2, 4, 8], $0) }
    #expect(zip(values, [1, 1.075, 3, 7.7, 8]).allSatisfy { near($0, $1) })
  }
}
