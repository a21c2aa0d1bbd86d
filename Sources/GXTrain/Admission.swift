import GXCore
import GXStream

/// Which of a stream's records are learnt from or validated on, and what makes a record useless for that.
struct Admission: Sendable {
  /// The splits whose records are train records.
  let learnt: Set<Split>
  /// Whether the stream is validation data for another, so that records of no split are `val`.
  let isValidation: Bool
  /// Whether records of split `val` are needed.
  let validates: Bool
  /// The field of train records that holds their finer class.
  let finerField: String?

  /// The part of the data that the record belongs to.
  func split(of record: Record) throws(GXError) -> Split {
    guard let name = record.split else { return isValidation ? .val : .train }
    guard let known = Split(rawValue: name) else { throw GXError("split '\(name)' is none of train, val, test") }
    return !isValidation && learnt.contains(known) ? .train : known
  }

  /// Whether its records are needed.
  func uses(_ split: Split) -> Bool { split == .val && validates || split == .train && !isValidation }

  /// What is wrong with the record in itself, so that it is of no use; nil where nothing is, or it is not needed.
  func fault(of record: Record, in split: Split?) -> String? {
    if let error = record.error { return error }
    guard let split, uses(split) else { return nil }
    do throws(GXError) {
      guard record.label != nil else { throw GXError("has no label") }
      guard let tensor = record.tensor else { throw GXError("has no pixels") }
      guard tensor.dtype.isFloat else {
        throw GXError("pixels are \(tensor.dtype.name), not floats: put gx-normalize before")
      }
      guard tensor.shape.count == 3, tensor.shape.allSatisfy({ $0 > 0 }) else {
        throw GXError("shape \(tensor.shape) is no [height, width, channels]")
      }
      try tensor.checkFinite()
      if split == .train, let finerField { _ = try FinerIndex.name(of: record, in: finerField) }
    } catch {
      return error.message
    }
    return nil
  }
}

/// Records that nothing can be learnt from: how many, and the commonest reasons.
public struct Refusals: Sendable {
  public private(set) var count = 0
  /// How often each reason was met, of the first reasons that were.
  private var reasons: [String: Int] = [:]
  private static let reasonLimit = 100

  mutating func add(_ record: Record, _ fault: String) {
    count += 1
    // A fault of a member begins with its name, which is the record's own.
    var reason = Substring(fault)
    if fault.hasPrefix(record.key), let colon = fault.firstRange(of: ": ") { reason = fault[colon.upperBound...] }
    if reasons.count < Self.reasonLimit || reasons[String(reason)] != nil { reasons[String(reason), default: 0] += 1 }
  }

  /// A clause for errors that may come of it, such as "; 3 records failed: has no label (2), has no pixels (1)".
  var clause: String {
    if count == 0 { return "" }
    let common = reasons.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }
    let shown = common.prefix(3).map { "\($0.key) (\($0.value))" } + (common.count > 3 ? ["…"] : [])
    return "; \(count) \(count == 1 ? "record" : "records") failed: \(shown.joined(separator: ", "))"
  }
}
