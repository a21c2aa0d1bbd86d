import GXCore
import GXStream

/// Takes in rows of predictions that were made by what has not seen their labels, and tells which labels are probably
/// wrong: see `ConfidentLearning`. Holds some 300 bytes a row, and 4 a class.
public struct LabelAudit: Sendable {
  /// The most rows.
  public static let limit = 10_000_000

  /// Rows without a label, which are left out.
  public var unlabelled: Int { reader.unlabelled }
  /// What is to be said of labels that are no class.
  public var unknownMessage: String? { reader.unknownMessage }
  private var reader: PredictionReader
  private var learning = ConfidentLearning(classes: 0)
  /// Of each row, what tells which it is.
  private var rows: [Row] = []

  /// - Parameter label: The field that holds the given label.
  public init(label: String = Row.Field.label.rawValue) { reader = PredictionReader(label: label) }

  public var records: Int { rows.count }

  /// - Returns: the prediction that was added; nil where the row has no label, or one that is no class.
  /// - Throws: `GXError` that names the field where the row does not tell what is needed.
  @discardableResult public mutating func add(_ row: Row) throws(GXError) -> PredictionReader.Reading {
    let before = reader
    do throws(GXError) {
      let reading = try reader.read(row)
      guard case .prediction(let prediction) = reading else { return reading }
      guard prediction.probabilities.count >= 2 else { throw GXError("has no probabilities of two or more classes") }
      guard rows.count < Self.limit else { throw GXError("is one more than the limit of \(Self.limit) rows") }
      if rows.isEmpty { learning = ConfidentLearning(classes: reader.classes.count) }
      try learning.add(label: prediction.truth, probabilities: prediction.probabilities)
      var kept = Row()
      for field in [Row.Field.id, .copy, .path] { kept[field] = row[field] }
      kept[reader.label] = row[reader.label]
      rows.append(kept)
      return reading
    } catch {
      reader = before
      throw error
    }
  }

  /// nil where there are no rows.
  public var findings: ConfidentLearning.Findings? { rows.isEmpty ? nil : learning.findings() }

  /// `id`, `copy`, `path` and label as the row had them, the class `suggested`, and the `score`.
  public func row(of suspect: ConfidentLearning.Suspect) -> Row {
    var row = rows[suspect.place]
    row[.suggested] = .string(reader.classes[suspect.suggested])
    row[.score] = .float(Float(suspect.score))
    return row
  }
}
