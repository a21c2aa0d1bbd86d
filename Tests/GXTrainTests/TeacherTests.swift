import Foundation
import GXCore
import GXStream
import TestSupport
import Testing

@testable import GXTrain

@Suite struct TeacherTests {
  let scratch = Scratch()

  func teacher(_ rows: String..., for data: Dataset, share: Double = 0.75) throws -> SoftLabels {
    let path = scratch.path("rows")
    try Data(rows.map { $0 + "\n" }.joined().utf8).write(to: URL(filePath: path))
    return try SoftLabels(teachers: .open(path), for: data, share: share)
  }

  func data(finer: String? = nil) throws -> Dataset {
    try dataset(
      [("1", "a", "a1"), ("2", "b", "b1"), ("3", "b", "b2"), ("4", "a", "a2")].map { id, label, part in
        var record = try record(id, label: label)
        record.meta["part"] = .string(part)
        return record
      }, in: scratch, finer: finer)
  }

  @Test func rowsOfOneIdAreAveragedAndOthersPassedOver() throws {
    let data = try data()
    let teacher = try teacher(
      #"{"id":"1","probabilities":{"b":0.25,"a":0.75}}"#, #"{"id":"9","probabilities":{"a":1,"b":0}}"#,
      #"{"id":"2","error":"torn"}"#, #"{"id":1,"probabilities":{"a":0.25,"b":0.75},"copy":1}"#,
      #"{"id":"3","probabilities":{"a":0.125,"b":0.875}}"#, for: data)
    #expect(teacher.distribution(of: stableHash("1")).map(Array.init) == [0.5, 0.5])
    #expect(teacher.distribution(of: stableHash("3")).map(Array.init) == [0.125, 0.875])
    #expect(teacher.distribution(of: stableHash("2")) == nil && teacher.distribution(of: stableHash("9")) == nil)
    #expect(teacher.missing(of: data.train) == 2)
    let renamed = teacher.renamed { $0 &+ 1 }
    #expect(renamed.distribution(of: stableHash("3") &+ 1).map(Array.init) == [0.125, 0.875])
  }

  @Test func theyHaveTheirShareOfTheTargets() throws {
    let data = try data()
    data.learn(from: try teacher(#"{"id":"2","probabilities":{"a":0.5,"b":0.5}}"#, for: data))
    let samples = [1, 2].map { id in data.train.first { $0.id == stableHash("\(id)") }! }
    var targets = TargetMaker(for: data)
    targets.smoothing = 0.5
    let maker = BatchMaker(dataset: data, targets: targets, size: 3, picture: data.shape)
    let batch = Batch(size: 3, picture: data.shape, width: targets.width)
    try maker.fill(batch, samples[...], epoch: 0, number: 0)
    // The label's own, smoothed, are 0.75 and 0.25.
    #expect(Array(batch.targets) == [0.75, 0.25, 0.4375, 0.5625, 0, 0])
  }

  @Test func ofFinerClassesTheyTellTheLabels() throws {
    let data = try data(finer: "part")
    data.learn(from: try teacher(#"{"id":"2","probabilities":{"a":0.5,"b":0.5}}"#, for: data))
    let samples = [1, 2].map { id in data.train.first { $0.id == stableHash("\(id)") }! }
    let maker = BatchMaker(dataset: data, targets: TargetMaker(for: data), size: 3, picture: data.shape)
    let batch = Batch(size: 3, picture: data.shape, width: 6)
    batch.targets.update(repeating: 7)  // what was there before is overwritten
    try maker.fill(batch, samples[...], epoch: 0, number: 0)
    #expect(Array(batch.targets) == [1, 0, 0, 0, 0, 0] + [0, 0, 0.25, 0, 0.375, 0.375] + [0, 0, 0, 0, 0, 0])
  }

  /// Labels that are wrong as often as right teach nothing; teachers who know do, of labels and of finer classes.
  @Test(arguments: [nil, "side"]) func theyAreLearntFrom(finer: String?) throws {
    let bars = try bars(160)
    var wrong = bars
    for i in bars.indices where bars[i].split == "train" {
      if i / 2 % 2 == 0 { wrong[i].meta["label"] = .string(bars[i].label == "h" ? "v" : "h") }
      wrong[i].meta["side"] = .string(wrong[i].label! + "\(i % 3)")
    }
    let data = try dataset(wrong, in: scratch, finer: finer)
    let rows = bars.map {
      #"{"id":"\#($0.id)","probabilities":{"h":\#($0.label == "h" ? 1 : 0),"v":\#($0.label == "v" ? 1 : 0)}}"#
    }
    try Data(rows.map { $0 + "\n" }.joined().utf8).write(to: URL(filePath: scratch.path("bars")))
    data.learn(from: try SoftLabels(teachers: .open(scratch.path("bars")), for: data, share: 0.9))
    var graph = try smallGraph(classes: data.headClasses.count)
    if let finer = data.finer { try graph.add("labels", .merge(groups: finer.groups)) }
    let trainer = try Trainer(
      graph: graph, training: data, validation: data, plan: smallPlan(epochs: 10), threads: 1)
    _ = try trainer.run(shouldStop: { false }, afterStep: {}, afterEpoch: { _ in })
    #expect(trainer.best!.scores!.accuracy > 0.9)
  }
}
