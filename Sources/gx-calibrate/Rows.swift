import GXCommand
import GXCore
import GXMetrics
import GXModel
import GXStream

/// What a calibration is fitted to: rows of gx-infer --logits.
struct Rows {
  /// In the order of the first row's logits, or of the model's.
  var classes: [String] { reader.classes }
  private(set) var records: [LabelledPrediction] = []
  /// What made the predictions, as far as the rows tell.
  private(set) var classifier: ClassifierName?
  /// Whose rows there are, in bytewise order.
  private(set) var splits: [String] = []
  private var reader: PredictionReader

  /// - Parameters:
  ///   - paths: Files; none is stdin.
  ///   - classifier: What they must come from, and
  ///   - classes: the classes they must be of, where a model says so.
  /// - Throws: `GXError` that names the row that cannot be used, or all labels that are no class. Rows that carry an
  ///   error are counted and left out.
  init(
    paths: [String], _ selection: RowSelection, classifier: ClassifierName?, classes: [String]?, _ tally: inout Tally
  ) throws {
    reader = PredictionReader(label: selection.label, classes: classes)
    self.classifier = classifier
    var (seen, told) = (Set<Name>(), 0)
    for path in paths.isEmpty ? ["-"] : paths {
      try forEachRow(of: path, &tally, selected: selection, bad: .fatal) { row throws(GXError) in
        guard row.split != "train" else { throw GXError("is of split train, which the model has learnt") }
        if row[.classifier] != nil { told += 1 }
        if let split = row.split { seen.insert(Name(split)) }
        return try add(row)
      }
    }
    if let message = reader.unknownMessage { throw GXError(message) }
    guard !records.isEmpty else { throw GXError("no rows to fit a calibration to") }
    if told == 0 {
      Log.note("the rows do not tell what classified them (\"classifier\"); that it was the right model is not checked")
      self.classifier = nil
    }
    self.splits = seen.sorted().map(\.text)
  }

  private mutating func add(_ row: Row) throws(GXError) -> Bool {
    guard !row.isCalibrated else {
      throw GXError("is calibrated already; gx-infer --calibration none gives rows that are not")
    }
    let record = try reader.logits(of: row)
    if let text = row[.classifier] {
      guard let name = text.stringValue.flatMap(ClassifierName.init) else {
        throw GXError("classifier \(text.text.prefix(80)) is not like 0123456789abcdef/none")
      }
      if records.isEmpty && classifier == nil { classifier = name }
      guard name == classifier else {
        throw GXError("was classified by \(name.text), not by \(classifier?.text ?? "what classified the first row")")
      }
    }
    if let record { records.append(record) }
    return record != nil
  }
}
