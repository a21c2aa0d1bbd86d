import GXCore
import GXStream

/// Train records shared out for cross-validation (Stone 1974): each of a number of folds is predicted by a network that
/// has learnt from the others.
///
/// Every class is shared out evenly (stratified: a fold has at most one galaxy of a class more than another has), and
/// all copies of a galaxy are in one fold. Which that is depends on the seed and the ids alone.
public struct Folds: Sendable {
  /// The most folds.
  public static let limit = 100

  public let count: Int
  private let data: Dataset
  /// By the hash of an id.
  private let numbers: [UInt64: Int]
  /// What a user should know of classes that some folds do not have, each a sentence.
  public let warnings: [String]

  /// - Throws: `GXError` that names a class with fewer than two galaxies, which would not be learnt where it is predicted.
  public init(_ count: Int, of data: Dataset, seed: UInt64) throws(GXError) {
    (self.count, self.data) = (count, data)
    // A galaxy is of its first copy's class.
    var labels: [UInt64: Int32] = [:]
    for sample in data.train where labels[sample.id] == nil { labels[sample.id] = sample.label }
    let dealt = labels.map { (label: $0.value, rank: mixed($0.key, seed), id: $0.key) }.sorted { $0 < $1 }
    var sizes = [Int](repeating: 0, count: data.classes.count)
    for galaxy in dealt { sizes[Int(galaxy.label)] += 1 }
    if let lonely = sizes.firstIndex(where: { $0 < 2 }) {
      throw GXError("label '\(data.classes[lonely])' has fewer than two galaxies, too few for folds")
    }
    let small = sizes.indices.filter { sizes[$0] < count }
    warnings =
      small.isEmpty
      ? []
      : ["fewer galaxies than the \(count) folds, so that some have none: \(quoted(small.map { data.classes[$0] }))"]
    // Dealing goes on from one class to the next, so that folds are of one size too.
    var numbers: [UInt64: Int] = [:]
    for (place, galaxy) in dealt.enumerated() { numbers[galaxy.id] = place % count }
    self.numbers = numbers
  }

  /// What to learn from before `fold` is predicted: all train pictures of the other folds. There is nothing to validate on.
  public func data(without fold: Int) -> Dataset {
    Dataset(data, train: data.train.filter { numbers[$0.id] != fold })
  }

  /// Gives the records of `fold`, in the stream's order.
  public func records(of fold: Int) -> () throws -> Record? {
    let reader = data.records()
    return {
      while let record = try reader.next() {
        if numbers[stableHash(record.id)] == fold, data.fault(of: record) == nil { return record }
      }
      return nil
    }
  }

  /// Gives the records that nothing can be learnt from, each failed with the reason, in the stream's order.
  public func failed() -> () throws -> Record? {
    if data.refusals.count == 0 { return { nil } }
    let reader = data.records()
    return {
      while var record = try reader.next() {
        guard let fault = data.fault(of: record) else { continue }
        record.fail(fault)
        return record
      }
      return nil
    }
  }
}
