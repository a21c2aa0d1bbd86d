import Foundation
import GXCore
import GXMetrics
import Testing

@Suite struct ConfidentLearningTests {
  /// The authors' package, on labels and probabilities that were drawn: `Fixtures/make_confident.py`.
  @Test func equalsCleanlab() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/confident.json")
    let text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    let cases = try #require(try JSON(parsing: text).arrayValue?.map { $0.objectValue! })
    #expect(cases.count == 3)
    for golden in cases {
      func numbers(_ value: JSON?) -> [Double] { value!.arrayValue!.map { $0.doubleValue ?? .nan } }
      let (labels, rows) = (numbers(golden["labels"]), golden["probabilities"]!.arrayValue!.map { numbers($0) })
      let classes = rows[0].count
      var learning = ConfidentLearning(classes: classes)
      for (label, row) in zip(labels, rows) { try learning.add(label: Int(label), probabilities: row) }
      let found = learning.findings()

      for (threshold, expected) in zip(found.thresholds, golden["thresholds"]!.arrayValue!) {
        #expect(expected == .null ? threshold == nil : abs(threshold! - expected.doubleValue!) < 1e-6)
      }
      // Theirs has a 1 where no record of a class confidently is of it.
      let joint = golden["joint"]!.arrayValue!.flatMap { numbers($0) }
      for (place, count) in found.joint.counts.enumerated() where place % (classes + 1) != 0 || count > 0 {
        #expect(Double(count) == joint[place])
      }
      // Theirs is rounded to whole records.
      let estimate = golden["estimate"]!.arrayValue!.flatMap { numbers($0) }
      for (a, b) in zip(found.estimate, estimate) { #expect(abs(a - b) * Double(labels.count) < 1) }
      #expect(abs(found.estimate.reduce(0, +) - 1) < 1e-12)
      #expect(found.suspects.map { Double($0.place) } == numbers(golden["suspects"]))
      for suspect in found.suspects {
        let (row, label) = (rows[suspect.place], Int(labels[suspect.place]))
        #expect(suspect.suggested != label && row[suspect.suggested] == row.max())
        #expect(abs(suspect.score - (row[label] - row.max()!)) < 1e-6)
      }
    }
  }

  /// By hand: of three "a", two are sure and one looks like "b", more than "b"s do on the average.
  @Test func byHand() throws {
    var learning = ConfidentLearning(classes: 3)
    #expect(learning.findings().suspects.isEmpty)
    for (label, p) in [
      (0, [0.9, 0.1, 0]), (0, [0.1, 0.9, 0]), (0, [0.8, 0.2, 0]), (1, [0.4, 0.6, 0]), (1, [0, 0.8, 0.2]),
    ] { try learning.add(label: label, probabilities: p) }
    let found = learning.findings()
    #expect(abs(found.thresholds[0]! - 0.6) < 1e-6 && abs(found.thresholds[1]! - 0.7) < 1e-6)
    #expect(found.thresholds[2] == nil)
    // The first "b" reaches no threshold.
    #expect(found.joint.counts == [2, 1, 0, 0, 1, 0, 0, 0, 0])
    #expect(found.suspects.map(\.place) == [1] && found.suspects[0].suggested == 1)
    #expect(abs(found.suspects[0].score + 0.8) < 1e-6)
    // A third of the three "a", none of the two "b".
    #expect(abs(found.noise - 0.2) < 1e-12)
  }

  /// A record that is likeliest of its label's class is not suspected, however low another class's threshold is.
  @Test func lowThresholdsAloneSuspectNobody() throws {
    var learning = ConfidentLearning(classes: 2)
    for p in [0.95, 0.9, 0.6] { try learning.add(label: 0, probabilities: [p, 1 - p]) }
    for p in [0.3, 0.35] { try learning.add(label: 1, probabilities: [1 - p, p]) }
    let found = learning.findings()
    #expect(found.joint.counts == [2, 1, 0, 1], "the third counts as the second class")
    #expect(found.suspects.isEmpty)
  }

  @Test func equalsKeepTheirOrder() throws {
    var learning = ConfidentLearning(classes: 2)
    for _ in 0..<3 { try learning.add(label: 0, probabilities: [0, 1]) }
    for _ in 0..<3 { try learning.add(label: 1, probabilities: [0, 1]) }
    #expect(learning.findings().suspects.map(\.place) == [0, 1, 2])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    var learning = ConfidentLearning(classes: 2)
    for (label, p) in [(2, [0.5, 0.5]), (-1, [0.5, 0.5]), (0, [1]), (0, [0.5, 1.5]), (0, [Double.nan, 1])] {
      #expect(throws: GXError.self) { try learning.add(label: label, probabilities: p) }
    }
    #expect(learning.records == 0)
  }
}
