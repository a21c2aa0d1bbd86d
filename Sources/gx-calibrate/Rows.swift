import GXCommand
import GXCore
import GXMetrics
import GXModel
import GXStream
import Glibc

/// What a calibration is fitted to: rows of gx-infer --logits.
struct Rows {
  /// In the order of the first row's logits, or of the model's.
  private(set) var classes: [String]
  private(set) var records: [LabelledLogits] = []
  /// What made the predictions, as far as the rows tell.
  private(set) var classifier: ClassifierName?
  /// Whose rows there are, in bytewise order.
  private(set) var splits: [String] = []

  /// - Parameters:
  ///   - paths: Files; none is stdin.
  ///   - splits: Which rows count; nil is all.
  ///   - classifier: What they must come from, and
  ///   - classes: the classes they must be of, where a model says so.
  /// - Throws: `GXError` that names the row that cannot be used. Rows that carry an error are counted and left out.
  init(
    paths: [String], label: String, splits: Set<String>?, classifier: ClassifierName?, classes: [String]?,
    _ tally: inout Tally
  ) throws {
    self.classes = classes ?? []
    self.classifier = classifier
    var (seen, told) = (Set<String>(), 0)
    for path in paths.isEmpty ? ["-"] : paths {
      if path == "-" && isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; predictions were expected") }
      let source = try ByteSource.open(path)
      let reader = NDJSONReader(source)
      while let row = try Self.next(reader) {
        let split = row["split"]?.stringValue
        if let splits, !splits.contains(split ?? "") { continue }
        tally.add(failed: row["error"] != nil)
        if row["error"] != nil { continue }
        do throws(GXError) {
          guard split != "train" else { throw GXError("is of split train, which the model has learnt") }
          if row["classifier"] != nil { told += 1 }
          try add(row, label, isFirst: records.isEmpty)
        } catch {
          let id = row["id"]?.stringValue.map { " (\($0))" } ?? ""
          throw error.at("\(source.name), line \(reader.line)\(id)")
        }
        if let split { seen.insert(split) }
      }
    }
    guard !records.isEmpty else { throw GXError("no rows to fit a calibration to") }
    if told == 0 {
      Log.note("the rows do not tell what classified them (\"classifier\"); that it was the right model is not checked")
      self.classifier = nil
    }
    self.splits = seen.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func next(_ reader: NDJSONReader) throws -> JSONObject? {
    do { return try reader.next() } catch let bad as NDJSONReader.BadLine { throw bad.fault }
  }

  private mutating func add(_ row: JSONObject, _ labelField: String, isFirst: Bool) throws(GXError) {
    guard row["calibrated"]?.boolValue != true else {
      throw GXError("is calibrated already; gx-infer --calibration none gives rows that are not")
    }
    guard let logits = row["logits"]?.objectValue, logits.count >= 2 else {
      throw GXError("has no logits; gx-infer --logits gives them")
    }
    guard logits.count <= ConfusionMatrix.classLimit else {
      throw GXError("logits: \(logits.count) classes are more than the limit of \(ConfusionMatrix.classLimit)")
    }
    guard let label = row[labelField]?.stringValue else { throw GXError("has no \(labelField)") }
    if classes.isEmpty { classes = logits.map(\.key) }
    var values: [Double] = []
    for name in classes {
      guard let value = logits[name]?.doubleValue, value.isFinite else { throw GXError("logits.\(name): no number") }
      // gx-infer has floats, of which the text is the shortest that tells them apart.
      guard Float(value).isFinite else { throw GXError("logits.\(name): \(value) is out of range") }
      values.append(Double(Float(value)))
    }
    guard logits.count == classes.count else {
      let other = logits.first { !classes.contains($0.key) }!.key
      throw GXError("logits.\(other): there is no such class; there are \(classes.joined(separator: ", "))")
    }
    guard let truth = classes.firstIndex(of: label) else {
      throw GXError("\(labelField) '\(label)' is no class; there are \(classes.joined(separator: ", "))")
    }
    if let text = row["classifier"] {
      guard let name = text.stringValue.flatMap(ClassifierName.init) else {
        throw GXError("classifier \(text.text.prefix(80)) is not like 0123456789abcdef/none")
      }
      if isFirst && classifier == nil { classifier = name }
      guard name == classifier else {
        throw GXError("was classified by \(name.text), not by \(classifier?.text ?? "what classified the first row")")
      }
    }
    records.append(LabelledLogits(logits: values, truth: truth))
  }
}
