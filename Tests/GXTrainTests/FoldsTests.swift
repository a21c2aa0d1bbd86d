import GXCore
import GXStream
import TestSupport
import Testing

@testable import GXTrain

@Suite struct FoldsTests {
  let scratch = Scratch()

  /// 30 galaxies of `a`, 11 of `b` and 6 of `c`, each with two copies.
  func records() throws -> [Record] {
    try (0..<94).map { i in
      let galaxy = i / 2
      var copy = try record("g\(galaxy)", label: galaxy < 30 ? "a" : galaxy < 41 ? "b" : "c")
      copy.meta["copy"] = .int(i % 2)
      copy.key = "g\(galaxy)-\(i % 2)"
      return copy
    }
  }

  func ids(_ folds: Folds, _ fold: Int) throws -> [String] {
    let next = folds.records(of: fold)
    var ids: [String] = []
    while let record = try next() { ids.append(record.id) }
    return ids
  }

  @Test func everyClassIsSharedOutEvenlyAndCopiesStayTogether() throws {
    let data = try dataset(records(), in: scratch)
    let folds = try Folds(4, of: data, seed: 3)
    var seen: [String] = []
    for fold in 0..<4 {
      let ids = try ids(folds, fold)
      #expect(Set(ids).count * 2 == ids.count, "both copies")
      #expect((11...12).contains(Set(ids).count))
      seen += Set(ids)
      let others = folds.data(without: fold)
      #expect(others.train.count + ids.count == 94 && others.val.isEmpty)
      #expect(Set(others.train.map(\.id)).isDisjoint(with: ids.map { stableHash($0) }))
      for (label, count) in [30, 11, 6].enumerated() {
        let held = count - others.train.count { $0.label == Int32(label) } / 2
        #expect(held == count / 4 || held == count / 4 + 1)
      }
    }
    #expect(seen.count == 47 && Set(seen).count == 47)
  }

  @Test func theyDependOnSeedAndIdsAlone() throws {
    let data = try dataset(records(), in: scratch)
    let first = try ids(Folds(3, of: data, seed: 1), 0)
    let turned = try dataset(records().reversed(), in: scratch)
    #expect(try Set(ids(Folds(3, of: turned, seed: 1), 0)) == Set(first))
    #expect(try Set(ids(Folds(3, of: data, seed: 2), 0)) != Set(first))
  }

  @Test func aClassOfOneGalaxyIsRefused() throws {
    let data = try dataset(records() + [record("lonely", label: "d")], in: scratch)
    #expect(
      message { _ = try Folds(2, of: data, seed: 0) }
        == "label 'd' has fewer than two galaxies, too few for folds")
  }

  @Test func aClassSmallerThanTheFoldsIsSaid() throws {
    let data = try dataset(records(), in: scratch)
    #expect(try Folds(6, of: data, seed: 0).warnings == [])
    #expect(
      try Folds(7, of: data, seed: 0).warnings == ["fewer galaxies than the 7 folds, so that some have none: 'c'"])
    let folds = try Folds(7, of: data, seed: 0)
    for fold in 0..<7 { #expect(folds.data(without: fold).train.contains { $0.label == 2 }) }
  }

  @Test func failedRecordsComeOnceAndInNoFold() throws {
    var torn = try record("torn")
    torn.fail("broken")
    let bad = try [torn, record("g0", label: nil)]  // one is a copy of a galaxy that is learnt
    let folds = try Folds(3, of: dataset(bad + records(), in: scratch) { _, _ in }, seed: 3)
    let next = folds.failed()
    var failed: [String] = []
    while let record = try next() { failed.append("\(record.id): \(record.error ?? "")") }
    #expect(failed == ["torn: broken", "g0: has no label"])
    #expect(try (0..<3).flatMap { try ids(folds, $0) }.count == 94)
  }

  @Test func valIsLearntFromWhereItIsSaid() throws {
    let records = try [
      record("1"), record("2", label: "b", split: "val"), record("3", split: "test"), record("4", label: "b"),
    ]
    let data = try dataset(records, in: scratch)
    #expect(data.train.count == 2 && data.val.count == 1)
    let all = try dataset(records, in: scratch, learning: [.train, .val])
    #expect(all.train.count == 3 && all.val.isEmpty && all.testCount == 1)
  }
}
