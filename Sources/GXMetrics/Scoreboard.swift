import GXCore
import GXStream

/// Takes in rows of gx-infer and numbers their classes as they turn up. It holds 32 bytes a row, 16 more where rows are
/// grouped, and the id where they are to be compared.
public struct Scoreboard: Sendable {
  /// In the order of their numbers.
  public var classes: [String] { reader.classes }
  /// Those that rows have probabilities of; nil while that is not known.
  public var columnClasses: [String]? { reader.columnClasses }
  public private(set) var evaluation = Evaluation(classes: 1, bootstraps: true)
  /// Rows without a label, which are left out.
  public var unlabelled: Int { reader.unlabelled }
  /// What is to be said of labels that are no class.
  public var unknownMessage: String? { reader.unknownMessage }
  public private(set) var groups: Groups?
  /// Of each row, where rows are to be compared.
  private(set) var keys: [RowKey] = []
  private let keepsKeys: Bool
  private var reader: PredictionReader

  /// - Parameters:
  ///   - label: The field that holds the truth.
  ///   - classes: Those that the rows have to be of; nil is those of the first row.
  ///   - group: A field to tell the scores by.
  ///   - compares: Whether it will be compared with another.
  public init(
    label: String = Row.Field.label.rawValue, classes: [String]? = nil, group: String? = nil, compares: Bool = false
  ) {
    (reader, keepsKeys) = (PredictionReader(label: label, classes: classes), compares)
    groups = group.map { Groups(field: $0) }
  }

  /// - Returns: the prediction that was added; nil where the row has no label, or one that is no class.
  /// - Throws: `GXError` that names the field where the row can't be scored; nothing of it is kept then.
  @discardableResult public mutating func add(_ row: Row) throws(GXError) -> PredictionReader.Reading {
    let before = reader
    do throws(GXError) {
      let reading = try reader.read(row)
      guard case .prediction(let prediction) = reading else { return reading }
      if keepsKeys && row.key == nil { throw GXError("has no id to be compared by") }
      let group = try groups?.value(of: row)
      try evaluation.add(prediction, classes: classes.count)
      if let group { groups!.append(group) }
      if keepsKeys { keys.append(row.key!) }
      return reading
    } catch {
      reader = before
      throw error
    }
  }
}
