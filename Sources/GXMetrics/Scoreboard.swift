import GXCore

/// Takes in rows of gx-infer and numbers their classes as they turn up. It holds 32 bytes a row, 16 more where rows are
/// grouped, and the id where they are to be compared.
public struct Scoreboard: Sendable {
  /// In the order of their numbers.
  public var classes: [String] { numbers.names }
  public private(set) var evaluation = Evaluation(classes: 1, bootstraps: true)
  /// Rows without a label, which are left out.
  public private(set) var unlabelled = 0
  public private(set) var groups: Groups?
  /// Of each row, where rows are to be compared.
  private(set) var keys: [PredictionRow.Key] = []
  private let label: String
  private let keepsKeys: Bool
  private var numbers = ClassNumbers()

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
    let known = numbers.count
    do throws(GXError) {
      let prediction = try numbered(parsed)
      let group = try groups?.value(of: row)
      try evaluation.add(prediction, classes: numbers.count)
      if let group { groups!.append(group) }
    } catch {
      numbers.keep(known)
      throw error
    }
    if keepsKeys { keys.append(parsed.key!) }
  }

  private mutating func numbered(_ row: PredictionRow) throws(GXError) -> Prediction {
    var probabilities: [(Int, Double)] = []
    for (name, p) in row.probabilities { probabilities.append((try numbers.number(of: name), p)) }
    let truth = try numbers.number(of: row.label!)
    var prediction = Prediction(truth: truth, predicted: truth)
    if let name = row.prediction { prediction.predicted = try numbers.number(of: name) }
    prediction.abstains = row.abstains
    if let set = row.set {
      prediction.set = []
      for name in set { prediction.set!.append(try numbers.number(of: name)) }
    }
    if !probabilities.isEmpty {
      prediction.probabilities = [Double](repeating: 0, count: numbers.count)
      for (number, p) in probabilities { prediction.probabilities[number] = p }
    }
    return prediction
  }
}
