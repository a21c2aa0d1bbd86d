import GXCore

/// Takes in rows of gx-infer and numbers their classes as they turn up. It holds 32 bytes a row, 16 more where rows are
/// grouped, and the id where they are to be compared.
public struct Scoreboard: Sendable {
  /// In the order of their numbers.
  public private(set) var classes: [String] = []
  public private(set) var evaluation = Evaluation(classes: 1, bootstraps: true)
  /// Rows without a label, which are left out.
  public private(set) var unlabelled = 0
  public private(set) var groups: Groups?
  /// Of each row, where rows are to be compared.
  private(set) var keys: [PredictionRow.Key] = []
  private let label: String
  private let keepsKeys: Bool
  private var numbers: [String: Int] = [:]

  /// - Parameters:
  ///   - label: The field that holds the truth.
  ///   - group: A field to tell the scores by.
  ///   - compares: Whether it will be compared with another.
  public init(label: String = "label", group: String? = nil, compares: Bool = false) {
    (self.label, keepsKeys) = (label, compares)
    groups = group.map { Groups(field: $0) }
  }

  /// - Throws: `GXError` that names the field where the row can't be scored; nothing of it is kept then.
  public mutating func add(_ row: JSONObject) throws(GXError) {
    guard row[label]?.nameValue != nil else {
      unlabelled += 1
      return
    }
    let parsed = try PredictionRow(row, label: label)
    if keepsKeys && parsed.key == nil { throw GXError("has no id to be compared by") }
    let known = classes.count
    do throws(GXError) {
      let prediction = try numbered(parsed)
      let group = try groups?.value(of: row)
      try evaluation.add(prediction, classes: classes.count)
      if let group { groups!.append(group) }
    } catch {
      for name in classes[known...] { numbers[name] = nil }
      classes.removeSubrange(known...)
      throw error
    }
    if keepsKeys { keys.append(parsed.key!) }
  }

  private mutating func numbered(_ row: PredictionRow) throws(GXError) -> Prediction {
    var probabilities: [(Int, Double)] = []
    for (name, p) in row.probabilities { probabilities.append((try number(name), p)) }
    let truth = try number(row.label!)
    var prediction = Prediction(truth: truth, predicted: truth)
    if let name = row.prediction { prediction.predicted = try number(name) }
    prediction.abstains = row.abstains
    if let set = row.set {
      prediction.set = []
      for name in set { prediction.set!.append(try number(name)) }
    }
    if !probabilities.isEmpty {
      prediction.probabilities = [Double](repeating: 0, count: classes.count)
      for (number, p) in probabilities { prediction.probabilities[number] = p }
    }
    return prediction
  }

  private mutating func number(_ name: String) throws(GXError) -> Int {
    if let known = numbers[name] { return known }
    guard classes.count < ConfusionMatrix.classLimit else {
      throw GXError("'\(name)' is one class more than the limit of \(ConfusionMatrix.classLimit)")
    }
    classes.append(name)
    numbers[name] = classes.count - 1
    return classes.count - 1
  }
}
