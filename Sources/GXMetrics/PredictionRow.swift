import GXCore

/// A row of gx-infer, as far as scores go.
public struct PredictionRow: Sendable {
  /// What tells one row from another: copies of a galaxy share its id.
  public struct Key: Hashable, Sendable, CustomStringConvertible {
    public let id: String
    public let copy: Int

    public init(id: String, copy: Int = 0) { (self.id, self.copy) = (id, copy) }
    public var description: String { copy == 0 ? id : "\(id), copy \(copy)" }
  }

  /// nil where the row has no id.
  public let key: Key?
  /// nil where the row has no label.
  public let label: String?
  /// The class predicted, or where the row names none, the likeliest; nil where it abstains and leans to none.
  public let prediction: String?
  /// `"prediction": null` with the reason `uncertain`.
  public let abstains: Bool
  /// By class, in the row's order; empty where there are none.
  public let probabilities: [(name: String, value: Double)]
  /// The classes of the prediction set, if there is one.
  public let set: [String]?

  /// - Parameter field: The one that holds the truth.
  /// - Throws: `GXError` where there is neither a prediction nor probabilities, or a field is not what it should be.
  public init(_ row: JSONObject, label field: String = "label") throws(GXError) {
    key = row["id"]?.nameValue.map { Key(id: $0, copy: row["copy"]?.intValue ?? 0) }
    label = row[field]?.nameValue
    var probabilities: [(String, Double)] = []
    for (name, value) in row["probabilities"]?.objectValue ?? [:] {
      guard let p = value.doubleValue else { throw GXError("probabilities.\(name): not a number") }
      probabilities.append((name, p))
    }
    self.probabilities = probabilities
    abstains = row["prediction"] == .null && row["reason"] == "uncertain"
    prediction = row["prediction"]?.nameValue ?? probabilities.max { $0.1 < $1.1 }?.0
    guard prediction != nil || abstains else { throw GXError("neither a prediction nor probabilities nor an error") }
    if let value = row["set"] {
      guard let names = value.arrayValue?.map(\.nameValue), names.allSatisfy({ $0 != nil }) else {
        throw GXError("set: not a list of classes")
      }
      set = names.map { $0! }
    } else {
      set = nil
    }
  }

  /// The probability of the class predicted, in [0, 1]; nil where the row gives it none.
  public var confidence: Double? { probabilities.first { $0.name == prediction }?.value }
}
