import GXCore

/// Takes in rows of predictions that were made by what has not seen their labels, and tells which labels are probably
/// wrong: see `ConfidentLearning`. Holds some 300 bytes a row, and 4 a class.
public struct LabelAudit: Sendable {
  /// The most rows.
  public static let limit = 10_000_000

  /// Rows without a label, which are left out.
  public private(set) var unlabelled = 0
  private let label: String
  private var classes: [String] = []
  private var learning = ConfidentLearning(classes: 0)
  /// Of each row, what tells which it is.
  private var rows: [JSONObject] = []

  /// - Parameter label: The field that holds the given label.
  public init(label: String = "label") { self.label = label }

  public var records: Int { rows.count }

  /// - Throws: `GXError` that names the field where the row does not tell what is needed.
  public mutating func add(_ row: JSONObject) throws(GXError) {
    guard row[label]?.nameValue != nil else {
      unlabelled += 1
      return
    }
    let parsed = try PredictionRow(row, label: label)
    let names = parsed.probabilities.map(\.name)
    guard names.count >= 2 else { throw GXError("has no probabilities of two or more classes") }
    guard rows.count < Self.limit else { throw GXError("is one more than the limit of \(Self.limit) rows") }
    if rows.isEmpty {
      guard names.count <= ConfusionMatrix.classLimit else {
        throw GXError("\(names.count) classes are more than the limit of \(ConfusionMatrix.classLimit)")
      }
      (classes, learning) = (names, ConfidentLearning(classes: names.count))
    }
    guard let given = classes.firstIndex(of: parsed.label!) else {
      throw GXError("\(label) '\(parsed.label!)' is none of \(classes.joined(separator: ", "))")
    }
    var probabilities = [Double](repeating: .nan, count: classes.count)
    for (i, (name, p)) in parsed.probabilities.enumerated() {
      // In the first row's order, as a rule.
      let place = i < classes.count && classes[i] == name ? i : classes.firstIndex(of: name)
      guard let place else { throw GXError("probabilities.\(name): no class of the first row") }
      probabilities[place] = p
    }
    if let missing = probabilities.firstIndex(where: \.isNaN) {
      throw GXError("probabilities.\(classes[missing]): missing, but not in the first row")
    }
    try learning.add(label: given, probabilities: probabilities)
    var kept = JSONObject()
    for field in ["id", "copy", "path", label] { if let value = row[field] { kept[field] = value } }
    rows.append(kept)
  }

  /// nil where there are no rows.
  public var findings: ConfidentLearning.Findings? { rows.isEmpty ? nil : learning.findings() }

  /// `id`, `copy`, `path` and label as the row had them, the class `suggested`, and the `score`.
  public func row(of suspect: ConfidentLearning.Suspect) -> JSONObject {
    var row = rows[suspect.place]
    row["suggested"] = .string(classes[suspect.suggested])
    row["score"] = .float(Float(suspect.score))
    return row
  }
}
