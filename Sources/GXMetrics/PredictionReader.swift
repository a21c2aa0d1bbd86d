import GXCore
import GXStream

/// Reads rows of predictions: numbers their classes, and holds them to what probabilities, logits and labels have to be.
/// All that judge rows read them by this.
///
/// Which classes there are is told beforehand, or by the first row with probabilities (or logits); from then on every
/// row has to have one for each of them, in any order, and labels have to be among them. Before, names are classes as
/// they turn up.
public struct PredictionReader: Sendable {
  public enum Reading: Sendable {
    case prediction(LabelledPrediction)
    /// It has no label; counted in `unlabelled`.
    case unlabelled
    /// Its label is no class; counted in `unknown`.
    case unknownLabel

    /// Whether there is nothing wrong with the row.
    public var isGood: Bool { if case .unknownLabel = self { false } else { true } }
  }

  /// The field that holds the truth.
  public let label: String
  /// Rows without a label.
  public private(set) var unlabelled = 0
  /// Rows whose label is no class.
  public private(set) var unknown = UnknownLabels()
  private var numbers = ClassNumbers()
  /// By place in the order that rows have them in, as a rule: names and numbers of the classes; empty until known.
  private var columns: [(name: String, number: Int)] = []

  /// - Parameter classes: Those that the rows have to be of; nil is those of the first row.
  public init(label: String = Row.Field.label.rawValue, classes: [String]? = nil) {
    self.label = label
    for (i, name) in (classes ?? []).enumerated() {
      numbers.append(name)
      columns.append((name, i))
    }
  }

  /// By number.
  public var classes: [String] { numbers.names }

  /// Those that rows have probabilities of; nil while that is not known.
  public var columnClasses: [String]? { columns.isEmpty ? nil : columns.map(\.name) }

  /// What is to be said of labels that are no class; nil if nothing is.
  public var unknownMessage: String? { unknown.message(field: label, classes: classes) }

  /// - Throws: `GXError` that names the field where the row is not as it should be. Nothing of it is kept then.
  public mutating func read(_ row: Row) throws(GXError) -> Reading {
    let before = (numbers.count, columns.count)
    do throws(GXError) {
      return try reading(row)
    } catch {
      numbers.keep(before.0)
      if before.1 == 0 { columns = [] }
      throw error
    }
  }

  private mutating func reading(_ row: Row) throws(GXError) -> Reading {
    guard let name = try row.name(in: label) else {
      unlabelled += 1
      return .unlabelled
    }
    let probabilities = try self.probabilities(of: row)
    let named = try row.name(in: Row.Field.prediction.rawValue)
    guard named != nil || !probabilities.isEmpty || row.abstains else {
      throw GXError("neither a prediction nor probabilities nor an error")
    }
    let predicted = try named.map { name throws(GXError) in try number(of: name, .prediction) }
    var set: [Int]?
    if let value = row[.set] {
      guard let names = value.arrayValue?.map(\.nameValue), !names.contains(nil) else {
        throw GXError("\(Row.Field.set.rawValue): not a list of classes")
      }
      set = []
      for name in names { set!.append(try number(of: name!, .set)) }
    }
    guard let truth = try self.truth(name) else { return .unknownLabel }
    let likeliest = probabilities.indices.max { probabilities[$0] < probabilities[$1] }
    var prediction = LabelledPrediction(
      truth: truth, predicted: predicted ?? likeliest ?? truth, probabilities: probabilities)
    (prediction.abstains, prediction.set) = (row.abstains, set)
    return .prediction(prediction)
  }

  /// The truth's number; nil, and counted, where it is no class.
  private mutating func truth(_ name: String) throws(GXError) -> Int? {
    if columns.isEmpty { return try numbers.number(of: name) }
    if let known = numbers.known(name) { return known }
    unknown.add(name)
    return nil
  }

  private mutating func number(of name: String, _ field: Row.Field) throws(GXError) -> Int {
    if columns.isEmpty { return try numbers.number(of: name) }
    guard let known = numbers.known(name) else {
      throw GXError("\(field.rawValue): '\(name)' is no class; there are \(UnknownLabels.list(classes))")
    }
    return known
  }

  // MARK: Numbers by class

  /// The row's probabilities by number of their class, whether it is labelled or not; empty where it has none.
  /// - Throws: `GXError` where they are not one for each class, each in [0, 1], and 1 in sum.
  public mutating func probabilities(of row: Row) throws(GXError) -> [Double] {
    let values = try values(of: row, .probabilities)
    guard !values.isEmpty else { return [] }
    var sum = 0.0
    for (k, p) in values.enumerated() {
      guard p >= 0 && p <= 1 else { throw fault(.probabilities, classes[k], "\(JSON.double(p).text) is not in [0, 1]") }
      sum += p
    }
    // As far off as two decimals can be.
    guard abs(sum - 1) <= min(0.05, max(0.01, 0.005 * Double(values.count))) + 1e-6 else {
      throw GXError("\(Row.Field.probabilities.rawValue): \(JSON.double(sum).text) in sum, not 1")
    }
    return values
  }

  /// The row's logits and truth.
  /// - Returns: nil where the label is no class; it is counted.
  /// - Throws: `GXError` where there is no label, or not a float for each of two or more classes.
  public mutating func logits(of row: Row) throws(GXError) -> LabelledPrediction? {
    let values = try values(of: row, .logits)
    guard values.count >= 2 else { throw GXError("has no logits; gx-infer --logits gives them") }
    var logits: [Double] = []
    for (k, value) in values.enumerated() {
      // gx-infer has floats, of which the text is the shortest that tells them apart.
      guard Float(value).isFinite else { throw fault(.logits, classes[k], "\(value) is out of range") }
      logits.append(Double(Float(value)))
    }
    guard let name = try row.name(in: label) else { throw GXError("has no \(label)") }
    return try truth(name).map { LabelledPrediction(logits: logits, truth: $0) }
  }

  /// A finite number for each class, by the class's number; empty where the row has none. The first of all tells which
  /// classes there are.
  private mutating func values(of row: Row, _ field: Row.Field) throws(GXError) -> [Double] {
    guard let json = row[field] else { return [] }
    guard let object = json.objectValue else { throw GXError("\(field.rawValue): not a number for each class") }
    guard object.count > 0 else { return [] }
    if columns.isEmpty {
      guard object.count <= ConfusionMatrix.classLimit else {
        throw GXError(
          "\(field.rawValue): \(object.count) classes are more than the limit of \(ConfusionMatrix.classLimit)")
      }
      for (name, _) in object { columns.append((name, try numbers.number(of: name))) }
    }
    var values = [Double](repeating: columns.count < numbers.count ? 0 : .nan, count: numbers.count)
    var place = 0
    for (name, value) in object {
      // In the first row's order, as a rule.
      let isInOrder = place < columns.count && columns[place].name.hasSameBytes(as: name)
      let column = isInOrder ? columns[place] : columns.first { $0.name.hasSameBytes(as: name) }
      guard let number = column?.number else {
        throw fault(field, name, "no such class; there are \(UnknownLabels.list(columns.map(\.name)))")
      }
      guard let value = value.doubleValue, !value.isNaN else { throw fault(field, name, "not a number") }
      values[number] = value
      place += 1
    }
    // Names in an object are different.
    if object.count < columns.count, let missing = columns.first(where: { object[$0.name] == nil }) {
      throw fault(field, missing.name, "missing")
    }
    return values
  }

  private func fault(_ field: Row.Field, _ name: String, _ what: String) -> GXError {
    GXError("\(field.rawValue).\(name): \(what)")
  }
}
