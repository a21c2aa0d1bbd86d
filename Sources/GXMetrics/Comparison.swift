import GXCore
import GXStream
import Glibc

/// Two classifiers on the same records: how far their scores lie apart, and whether that may be chance. Records are
/// joined by id (and copy); those that only one side has, or that one abstains from, are left out.
public struct Comparison: Sendable {
  /// One score of both, over the records that both answered.
  public struct Difference: Sendable {
    public let name: String
    public let here: Double
    public let other: Double
    /// Of here - other: both are scored on the same resamples (paired bootstrap); nil without replicates.
    public let interval: Interval?

    public var value: Double { here - other }
  }

  /// Records that both answered.
  public let pairs: Int
  /// Labelled records that only one side has.
  public let onlyHere: Int
  public let onlyInOther: Int
  /// Records that one side or both abstain from.
  public let abstained: Int
  /// The scores that both have.
  public let differences: [Difference]
  /// Records that one side alone has right.
  public let onlyRightHere: Int
  public let onlyRightInOther: Int

  /// - Parameters:
  ///   - here, other: Both made with `compares: true`.
  ///   - replicates: Of the bootstrap; 0 for none.
  /// - Throws: `GXError` where a record stands twice on one side, has two labels,
  ///   or nothing is left to compare.
  public init(_ here: Scoreboard, _ other: Scoreboard, replicates: Int, seed: UInt64, level: Double = 0.95)
    throws(GXError)
  {
    let places = try other.places("in OTHER")
    _ = try here.places("in what OTHER is compared with")
    let (a, b) = (here.evaluation.outcomes, other.evaluation.outcomes)
    var both: [(Int, Int)] = []
    var (found, unanswered, aloneHere, aloneInOther) = (0, 0, 0, 0)
    for (i, key) in here.keys.enumerated() {
      guard let j = places[key] else { continue }
      found += 1
      let (label, otherLabel) = (here.classes[a[i].truth], other.classes[b[j].truth])
      guard label.hasSameBytes(as: otherLabel) else {
        throw GXError("\(key): is labelled '\(label)', but '\(otherLabel)' in OTHER")
      }
      if a[i].abstains || b[j].abstains {
        unanswered += 1
        continue
      }
      both.append((i, j))
      if a[i].isRight && !b[j].isRight { aloneHere += 1 }
      if b[j].isRight && !a[i].isRight { aloneInOther += 1 }
    }
    guard !both.isEmpty else { throw GXError("no record was answered both here and in OTHER") }
    (pairs, abstained) = (both.count, unanswered)
    (onlyHere, onlyInOther) = (a.count - found, b.count - found)
    (onlyRightHere, onlyRightInOther) = (aloneHere, aloneInOther)

    let sides = (here.evaluation.subset(both.map(\.0)), other.evaluation.subset(both.map(\.1)))
    let scores = (sides.0.scores.named, sides.1.scores.named)
    let names = scores.0.map(\.name).filter { name in scores.1.contains { $0.name == name } }
    func values(_ scores: [(name: String, value: Double)]) -> [Double] {
      names.map { name in scores.first { $0.name == name }!.value }
    }
    var intervals = [Interval?](repeating: nil, count: names.count)
    if replicates > 0 {
      let draws = (
        sides.0.draws(replicates, seed: seed, names: names), sides.1.draws(replicates, seed: seed, names: names)
      )
      for k in names.indices {
        intervals[k] = Interval(zip(draws.0, draws.1).map { $0.values[k] - $1.values[k] }, level: level)
      }
    }
    let (left, right) = (values(scores.0), values(scores.1))
    differences = names.indices.map {
      Difference(name: names[$0], here: left[$0], other: right[$0], interval: intervals[$0])
    }
  }

  /// The p-value of McNemar's test, see `mcNemar`.
  public var p: Double { mcNemar(onlyRightHere, onlyRightInOther) }

  public var json: JSONObject {
    var each = JSONObject()
    for difference in differences {
      var one: JSONObject = [
        "here": .double(difference.here), "other": .double(difference.other), "difference": .double(difference.value),
      ]
      if let interval = difference.interval { one["interval"] = interval.json }
      each[difference.name] = .object(one)
    }
    return [
      "records": .int(pairs), "only_here": .int(onlyHere), "only_in_other": .int(onlyInOther),
      "abstained": .int(abstained), "scores": .object(each),
      "mcnemar": [
        "only_right_here": .int(onlyRightHere), "only_right_in_other": .int(onlyRightInOther), "p": .double(p),
      ],
    ]
  }
}

extension Scoreboard {
  /// Where each record stands.
  /// - Throws: `GXError` where one stands twice.
  fileprivate func places(_ side: String) throws(GXError) -> [RowKey: Int] {
    var places: [RowKey: Int] = [:]
    places.reserveCapacity(keys.count)
    for (i, key) in keys.enumerated() where places.updateValue(i, forKey: key) != nil {
      throw GXError("\(key): stands twice \(side)")
    }
    return places
  }
}

/// McNemar's test (1947) in its exact form: the two-sided p-value that of `b + c` records which one classifier alone has
/// right, so few or so many belong to one of them, if each is as likely to belong to either (binomial with p = 1/2).
public func mcNemar(_ b: Int, _ c: Int) -> Double {
  precondition(b >= 0 && c >= 0)
  let (few, n) = (min(b, c), b + c)
  guard 2 * few < n else { return 1 }
  // log of C(n, few) / 2^n, then the terms below it, each from the one above.
  var logTerm = -Double(n) * log(2)
  for k in 0..<few { logTerm += log(Double(n - k)) - log(Double(k + 1)) }
  var (sum, term) = (1.0, 1.0)
  for k in stride(from: few, to: 0, by: -1) {
    term *= Double(k) / Double(n - k + 1)
    sum += term
    if term < 1e-17 * sum { break }
  }
  return min(1, 2 * exp(logTerm + log(sum)))
}
