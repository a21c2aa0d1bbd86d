import GXCore
import GXStream

/// What was done to a stream's pixels since they were decoded, and what a model wants done.
///
/// Random steps (`"random": true`) belong to training alone, so they count for nothing here.
public enum Provenance {
  /// What stands in a model for the unknown past of a foreign stream that it was trained on.
  public static let foreign: JSON = ["op": "foreign"]

  /// The user's word for a foreign stream, which says nothing of its past.
  public enum Assumption: String, CaseIterable, Sendable {
    /// Decoded, and nothing more.
    case none
    /// Prepared exactly as the model's training data was.
    case all
  }

  /// What was done to a record's pixels since they were decoded; nil for a foreign stream, which does not say.
  /// Where they became features of a model, that is the first step, and what was done since follows.
  public static func history(of record: Record) -> [JSON]? {
    guard let ops = record.ops else { return nil }
    guard let source = record.meta["features"]?.objectValue else { return ops }
    var step: JSONObject = ["op": "features"]
    step.merge(source)
    return features(.object(step)) == nil ? ops : [.object(step)] + ops
  }

  /// Where a step's features come from; nil if it is another step.
  static func features(_ step: JSON) -> (model: String, node: String)? {
    guard let fields = step.objectValue, fields["op"] == "features", let model = fields["model"]?.stringValue,
      let node = fields["node"]?.stringValue
    else { return nil }
    return (model, node)
  }

  /// The steps that inference repeats: `ops` without the random ones.
  public static func deterministic(_ ops: [JSON]) -> [JSON] {
    ops.filter { $0.objectValue?["random"]?.boolValue != true }
  }

  /// The steps of `model` that are still to be applied to a record with `ops`.
  ///
  /// - Parameters:
  ///   - ops: The record's own; nil for a foreign stream, which counts as merely decoded if its pixels
  ///     are `dtype` u8, and otherwise needs `assumed`.
  /// - Throws: `GXError` that says both and where they part.
  public static func missing(
    ops: [JSON]?, dtype: DType, model: [JSON], assumed: Assumption? = nil
  ) throws(GXError) -> ArraySlice<JSON> {
    let wanted = deterministic(model)[...]
    guard let ops else {
      switch assumed {
      case .all?: return []
      case Assumption.none?: return wanted
      case nil:
        guard dtype == .u8 else {
          throw GXError("pixels are \(dtype.name) without 'ops': nothing says how they were prepared")
        }
        return wanted
      }
    }
    let done = deterministic(ops)
    let same = zip(done, wanted).prefix { equal($0, $1) }.count
    if same == done.count { return wanted.dropFirst(same) }
    let expected = same < wanted.count ? wanted[same].text : "nothing more"
    throw GXError(
      "was prepared otherwise than the model's training data: step \(same + 1) is \(done[same].text), "
        + "the model wants \(expected) (record: \(JSON.array(done).text); model: \(JSON.array(Array(wanted)).text))")
  }

  /// Whether two lists of steps are the same; nil is equal to nil alone.
  package static func equal(_ a: [JSON]?, _ b: [JSON]?) -> Bool {
    guard let a, let b else { return a == nil && b == nil }
    return equal(JSON.array(a), JSON.array(b))
  }

  /// The steps in words for an error.
  package static func text(_ ops: [JSON]?) -> String { ops.map { JSON.array($0).text } ?? "steps it does not tell" }

  /// Whether two steps are the same: fields in any order, numbers by value.
  package static func equal(_ a: JSON, _ b: JSON) -> Bool {
    switch (a, b) {
    case (.number(let x), .number(let y)): x == y || Double(x) == Double(y)
    case (.array(let x), .array(let y)): x.count == y.count && zip(x, y).allSatisfy { equal($0, $1) }
    case (.object(let x), .object(let y)):
      x.count == y.count && x.allSatisfy { field in y[field.key].map { equal(field.value, $0) } ?? false }
    default: a == b
    }
  }
}
