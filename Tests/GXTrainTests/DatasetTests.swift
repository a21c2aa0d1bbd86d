import GXCore
import GXStream
import Glibc
import TestSupport
import Testing

@testable import GXTrain

@Suite struct DatasetTests {
  let scratch = Scratch()

  func refusal(_ records: [Record]) -> String { message { _ = try dataset(records, in: scratch) } }

  @Test func indexesTrainAndValAndLeavesTest() throws {
    let pixels = try Tensor([2, 2, 1], [3, 1, 4, 1])
    var failed = try record("bad")
    failed.fail("broken")
    var refused: [String] = []
    let data = try dataset(
      [
        record("1", label: "spiral"), record("2", label: "elliptical", split: "val", tensor: pixels),
        record("3", label: "never seen", split: "test"), failed, record("4", label: "Zebra"),
      ], in: scratch
    ) { refused.append("\($0.id): \($1)") }
    #expect(data.classes == ["Zebra", "elliptical", "spiral"], "bytewise order")
    #expect(data.shape == [2, 2, 1] && data.dtype == .f32 && data.ops == [])
    #expect(data.train.count == 2 && data.val.count == 1)
    #expect(data.testCount == 1 && data.count == 4 && data.testLabels == ["never seen"])
    #expect(data.refusals.count == 1 && refused == ["bad: broken"])
    #expect(data.val[0].label == 1)
    #expect(try data.pixels(of: data.val[0]) == pixels)
  }

  @Test func finerClassesAreSortedAndKnowTheirLabels() throws {
    func typed(_ id: String, _ label: String, _ type: JSON?, split: String = "train") throws -> Record {
      var record = try record(id, label: label, split: split)
      record.meta["type"] = type
      return record
    }
    let records = try [
      typed("1", "spiral", "Sb"), typed("2", "elliptical", "E"), typed("3", "spiral", "Sa"),
      typed("4", "spiral", nil, split: "val"), typed("5", "elliptical", .double(-4.5)),
    ]
    let data = try dataset(records, in: scratch, finer: "type")
    #expect(data.finer == FinerClasses(field: "type", names: ["-4.5", "E", "Sa", "Sb"], groups: [0, 0, 1, 1]))
    #expect(data.headClasses == ["-4.5", "E", "Sa", "Sb"] && data.classes == ["elliptical", "spiral"])
    #expect(data.train.allSatisfy { data.finer!.groups[Int($0.part)] == Int($0.label) })
    #expect(Set(data.train.map(\.part)) == [0, 1, 2, 3])
    #expect(try dataset(records, in: scratch).digest != data.digest, "what is learnt is another thing")
    let graph = try data.graph(.linear, input: [1, 1, 8], dropout: nil)
    #expect(graph.output == [2] && graph.nodes.last?.operation == .merge(groups: [0, 0, 1, 1]))

    func refusal(_ records: Record...) -> String {
      message { _ = try dataset(records, in: scratch, finer: "type") }
    }
    #expect(
      try refusal(typed("1", "spiral", "S0"), typed("2", "lenticular", "S0"))
        == "stream: record '2': type 'S0' is part of label 'lenticular', and of 'spiral' in records before")
    #expect(try refusal(typed("1", "spiral", nil)) == "stream: record '1': has no text or number in 'type'")
  }

  @Test func aPipeIsSpooled() throws {
    let records = try [record("1"), record("2", label: "b", split: "val")]
    let file = try dataset(records, in: scratch)
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    let sink = ByteSink(descriptor: ends[1], name: "pipe")
    let writer = RecordWriter(sink)
    for record in records { try writer.write(record) }
    try writer.finish()
    try sink.flush()
    close(ends[1])
    let piped = try Dataset(SeekableInput(descriptor: ends[0], name: "pipe", folder: scratch.url.path))
    #expect(piped.digest == file.digest)
    #expect(try piped.pixels(of: piped.train[0]) == file.pixels(of: file.train[0]))
  }

  @Test func theOrderOfTheStreamCountsForNothing() throws {
    let records = try (0..<20).map { try record("g\($0)", label: $0 % 2 == 0 ? "a" : "b", split: nil) }
    let one = try dataset(records, in: scratch)
    let other = try dataset(records.reversed(), in: scratch)
    #expect(one.digest == other.digest)
    #expect(one.train.map(\.id) == other.train.map(\.id))
    let order = { (data: Dataset, epoch: Int) in
      BatchMaker.order(data.train, seed: 3, epoch: epoch).map(\.id)
    }
    #expect(order(one, 0) == order(other, 0))
    #expect(order(one, 0) != order(one, 1))
    #expect(Set(order(one, 0)) == Set(order(one, 1)))
  }

  @Test func theDigestSeesEveryChange() throws {
    let plain = try dataset([record("1"), record("2")], in: scratch).digest
    let changed = try [
      [record("1"), record("3")], [record("1"), record("2", label: "b")], [record("1"), record("2", split: "val")],
      [record("1"), record("2", tensor: Tensor([2, 2, 1], [0, 0.25, 0.5, 0]))], [record("1")],
    ].map { try dataset($0, in: scratch).digest }
    #expect(Set(changed + [plain]).count == 6)
  }

  @Test func refusesAGalaxyInTwoSplits() throws {
    for split in ["val", "test"] {
      var copy = try record("M31", split: split)
      copy.key = Key.copy(copy.key, 1)
      copy.meta["copy"] = 1
      let said = try refusal([record("M31"), record("M33"), copy])
      #expect(said.contains("record 'M31'") && said.contains("two splits, train and \(split)"), "\(said)")
    }
  }

  @Test func refusesWhatCannotBeTrainedOn() throws {
    let bytes = try Tensor(.u8, [2, 2, 1]) { $0.copyBytes(from: [1, 2, 3, 4]) }
    #expect(
      try refusal([record("1", tensor: bytes)]).contains("record '1': pixels are u8, not floats: put gx-normalize"))
    let larger = try Tensor([2, 3, 1], [0, 0, 0, 0, 0, 0])
    #expect(try refusal([record("1"), record("2", tensor: larger)]).contains("record '2': is f32 of shape [2, 3, 1]"))
    let half = try Tensor([2, 2, 1], [0, 0, 0, 0]).converted(to: .f16)
    #expect(try refusal([record("1"), record("2", tensor: half)]).contains("record '2': is f16"))
    let flat = try Tensor([4], [0, 0, 0, 0])
    #expect(try refusal([record("1", tensor: flat)]).contains("no [height, width, channels]"))
    #expect(try refusal([record("1"), record("2", ops: [["op": "crop"]])]).contains("record '2': was prepared by"))
    #expect(try refusal([record("1"), record("2", ops: nil)]).contains("steps it does not tell"))
    #expect(try refusal([record("1"), record("2", label: nil)]).contains("record '2': has no label"))
    #expect(try refusal([record("1", split: "dev")]).contains("split 'dev'"))
    #expect(try refusal([record("1"), record("2", split: nil)]).contains("record '2': has no split, unlike"))
    var empty = try record("2")
    empty.tensor = nil
    #expect(try refusal([record("1"), empty]).contains("record '2': has no pixels"))
    for value in [Float.nan, .infinity] {
      let broken = try Tensor([2, 2, 1], [0, value, 0, 0])
      #expect(try refusal([record("1", tensor: broken)]).contains("not a finite number"))
      #expect(try refusal([record("1", tensor: broken.converted(to: .f16))]).contains("not a finite number"))
    }
  }

  /// What is wrong with one record costs that one; the others, and their digest, are as if it had not been there.
  @Test func aRecordIsRefusedForItsOwnFaults() throws {
    var failed = try record("failed", split: "test")
    failed.fail("broken")
    var empty = try record("empty")
    empty.tensor = nil
    let bad = try [
      failed, empty, record("unlabelled", label: nil), record("nan", tensor: Tensor([2, 2, 1], [0, 0, .nan, 0])),
      record("bytes", tensor: Tensor(.u8, [2, 2, 1]) { $0.copyBytes(from: [1, 2, 3, 4]) }),
      record("flat", tensor: Tensor([4], [0, 0, 0, 0])), record("val", label: nil, split: "val"),
    ]
    let good = try [record("1"), record("2", label: "b"), record("unlabelled test", label: nil, split: "test")]
    var refused: [String] = []
    let data = try dataset(bad + good, in: scratch) { refused.append("\($0.id): \($1)") }
    #expect(
      refused == [
        "failed: broken", "empty: has no pixels", "unlabelled: has no label",
        "nan: pixel x=0 y=1, channel 0 is nan, not a finite number",
        "bytes: pixels are u8, not floats: put gx-normalize before", "flat: shape [4] is no [height, width, channels]",
        "val: has no label",
      ])
    #expect(try data.digest == dataset(good, in: scratch).digest && data.count == 3 && data.refusals.count == 7)

    let none = try dataset(bad, in: scratch) { _, _ in }
    #expect(
      message { try none.checkTrainable(validation: none) }.hasPrefix(
        "stream: no record can be learnt from; 7 records failed: has no label (2), broken (1), "))
    let half = try dataset(bad + [record("1")], in: scratch) { _, _ in }
    #expect(
      message { try half.checkTrainable(validation: half) }.hasPrefix(
        "stream: two or more labels are needed; the records have [\"a\"]; 7 records failed: has no label (2)"))
  }

  @Test func everyClassKeepsATrainRecordAndWhatIsNotLearntOrValidatedIsSaid() throws {
    var records = try (0..<20).map { try record("a\($0)", split: nil) }
    records += try [record("b", label: "b", split: nil), record("c1", label: "c", split: nil)]
    records += try [record("c2", label: "c", split: nil)]
    let data = try dataset(records, in: scratch)
    data.holdOut(0.9, seed: 1)
    #expect((0..<3).map { label in data.train.count { $0.label == label } } == [2, 1, 1])
    #expect(data.warnings(validation: data) == ["no record of 'b' to validate on: the validation scores leave it out"])
    #expect(data.warnings(validation: nil) == [])
    let split = try dataset(
      [record("1"), record("2", label: "b"), record("3", split: "val"), record("4", label: "z", split: "test")],
      in: scratch)
    #expect(
      split.warnings(validation: split) == [
        "no record of 'b' to validate on: the validation scores leave it out",
        "test records alone have the label 'z', which is not learnt",
      ])
    let parts = try dataset(
      records.enumerated().map { i, record in
        var record = record
        record.meta["part"] = .string(record.label! + (i == 0 ? "0" : ""))
        return record
      }, in: scratch, finer: "part")
    for seed in 0..<8 where parts.train.contains(where: { $0.id == stableHash("a0") }) {
      parts.holdOut(0.5, seed: UInt64(seed))
    }
    #expect(parts.warnings(validation: nil) == ["no train record has the part 'a0': the others are held out"])
  }

  @Test func randomStepsMayDiffer() throws {
    let step: JSON = ["op": "normalize"]
    let augment: JSON = ["op": "augment", "random": true]
    let data = try dataset([record("1", ops: [step]), record("2", ops: [augment, step])], in: scratch)
    #expect(data.ops == [step] && data.train.count == 2)
  }

  @Test func aTruncatedStreamIsRefused() throws {
    let path = scratch.path("whole.tar")
    let file = try AtomicFile(path: path)
    let sink = ByteSink(descriptor: file.descriptor, name: path)
    let writer = RecordWriter(sink)
    try writer.write(record("1"))
    try sink.flush()  // and no end
    try file.commit()
    #expect(message { _ = try Dataset(SeekableInput(descriptor: open(path, O_RDONLY), name: "s")) } != "")
  }

  @Test func holdsOutTheSameShareOfEveryClassAndCopiesTogether() throws {
    var records: [Record] = []
    for i in 0..<100 {
      for copy in 0..<2 {
        var one = try record("g\(i)", label: i < 80 ? "a" : "b", split: nil)
        if copy > 0 {
          one.key = Key.copy(one.key, copy)
          one.meta["copy"] = .int(copy)
        }
        records.append(one)
      }
    }
    let data = try dataset(records, in: scratch)
    #expect(data.train.count == 200 && data.val.isEmpty)
    data.holdOut(0.15, seed: 1)
    #expect(data.val.count { $0.label == 0 } == 24 && data.val.count { $0.label == 1 } == 6)
    #expect(Set(data.train.map(\.id)).isDisjoint(with: data.val.map(\.id)))
    let again = try dataset(records.reversed(), in: scratch)
    again.holdOut(0.15, seed: 1)
    #expect(again.val.map(\.id) == data.val.map(\.id))
    let other = try dataset(records, in: scratch)
    other.holdOut(0.15, seed: 2)
    #expect(other.val.map(\.id) != data.val.map(\.id))
  }

  @Test func validationDataMustFit() throws {
    let training = try dataset([record("1"), record("2", label: "b")], in: scratch)
    let fits = try dataset(
      [record("3", label: "b", split: "val"), record("1"), record("4", split: "test")], in: scratch,
      validating: training)
    #expect(fits.val.count == 1 && fits.val[0].label == 1 && fits.classes == ["a", "b"])
    let unsplit = try dataset([record("3", split: nil)], in: scratch, validating: training)
    #expect(unsplit.val.count == 1)
    let refusal = { (records: [Record]) in
      message { _ = try dataset(records, in: scratch, validating: training) }
    }
    #expect(try refusal([record("1", split: "val")]).contains("record '1': the galaxy is among those to train on"))
    #expect(try refusal([record("3", label: "c", split: "val")]).contains("no class: 'c' (1); there are"))
    #expect(try refusal([record("3", split: "val", ops: [["op": "crop"]])]).contains("was prepared by"))
  }

  /// Vectors from the reference implementation (xxhsum -H64).
  @Test func theHashIsXXH64() {
    func hash(_ text: String, _ seed: UInt64 = 0) -> UInt64 {
      Array(text.utf8).withUnsafeBytes { xxh64($0, seed: seed) }
    }
    #expect(hash("") == 0xef46_db37_51d8_e999)
    #expect(hash("a") == 0xd24e_c4f1_a98c_6e5b)
    #expect(hash("abc") == 0x44bc_2cf5_ad77_0999)
    #expect(hash("Nobody inspects the spammish repetition") == 0xfbce_a83c_8a37_8bf1)
  }
}
