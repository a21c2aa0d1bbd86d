import GXCore
import GXMetrics
import GXStream

/// How a classifier's probabilities come to mean what they say, fitted to labelled records that it had not learnt from
/// (see gx-calibrate): stored in the model under `calibration`, or in a file of its own, which an ensemble needs.
///
/// Its JSON: `classes`; `temperature`, or `scale` and `bias` by class; where they are set `conformal` (`method`,
/// `coverage`, `threshold`) and `abstention` (`precision`, `threshold`); `classifier`, what it was fitted for, where
/// that is known; and further fields for the reader, which are kept.
public struct Calibration: Equatable, Sendable {
  /// The classes that `scaling` counts by, in its order.
  public var classes: [String]
  public var scaling: LogitScaling
  public var conformal: ConformalSets?
  public var abstention: Abstention?
  /// What it was fitted for; nil where the records did not tell.
  public var classifier: ClassifierName?
  /// For the reader, and for nothing else: on what it was fitted, and how good it is.
  public var others: JSONObject

  public init(
    classes: [String], scaling: LogitScaling, conformal: ConformalSets? = nil, abstention: Abstention? = nil,
    classifier: ClassifierName? = nil, others: JSONObject = [:]
  ) {
    (self.classes, self.scaling, self.conformal) = (classes, scaling, conformal)
    (self.abstention, self.classifier, self.others) = (abstention, classifier, others)
  }

  // MARK: JSON

  public var json: JSONObject {
    var fields: JSONObject = ["classes": .array(classes.map(JSON.string))]
    switch scaling {
    case .temperature(let temperature): fields["temperature"] = .double(temperature)
    case .vector(let scale, let bias):
      (fields["scale"], fields["bias"]) = (.array(scale.map(JSON.double)), .array(bias.map(JSON.double)))
    }
    if let sets = conformal {
      fields["conformal"] = [
        "method": .string(sets.score.rawValue), "coverage": .double(sets.coverage),
        "threshold": .double(sets.threshold),
      ]
    }
    if let abstention {
      fields["abstention"] = [
        "precision": .double(abstention.precision), "threshold": .double(abstention.threshold),
      ]
    }
    if let classifier { fields["classifier"] = .string(classifier.text) }
    fields.merge(others)
    return fields
  }

  /// - Throws: `GXError` that names the field at fault.
  public init(json: JSON) throws(GXError) {
    guard let fields = json.objectValue else { throw GXError("is no JSON object") }
    func number(
      _ object: JSONObject, _ name: String, _ place: String = "", in range: ClosedRange<Double>
    ) throws(GXError) -> Double {
      guard let value = object[name]?.doubleValue, range.contains(value) else {
        throw GXError("field '\(place)\(name)' is no number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    func numbers(_ name: String, _ count: Int) throws(GXError) -> [Double] {
      let values = fields[name]?.arrayValue?.compactMap(\.doubleValue) ?? []
      guard values.count == count, values.allSatisfy(\.isFinite) else {
        throw GXError("field '\(name)' is no list of a number for each class")
      }
      return values
    }
    let names = fields["classes"]?.arrayValue?.compactMap(\.stringValue) ?? []
    guard names.count >= 2, Set(names.map { Name($0) }).count == names.count,
      names.count == fields["classes"]?.arrayValue?.count
    else {
      throw GXError("field 'classes' is no list of two or more different names")
    }
    classes = names
    scaling =
      fields["scale"] == nil
      ? .temperature(try number(fields, "temperature", in: 1e-300...1e300))
      : .vector(scale: try numbers("scale", names.count), bias: try numbers("bias", names.count))
    if let sets = fields["conformal"] {
      let object = sets.objectValue ?? [:]
      guard let score = object["method"]?.stringValue.flatMap(ConformalSets.Score.init(rawValue:)) else {
        throw GXError("field 'conformal.method' is none of lac, aps")
      }
      conformal = ConformalSets(
        score: score, coverage: try number(object, "coverage", "conformal.", in: 0...1),
        threshold: try number(object, "threshold", "conformal.", in: 0...1))
    }
    if let object = fields["abstention"] {
      abstention = Abstention(
        precision: try number(object.objectValue ?? [:], "precision", "abstention.", in: 0...1),
        threshold: try number(object.objectValue ?? [:], "threshold", "abstention.", in: 0...1))
    }
    if let text = fields["classifier"] {
      guard let name = text.stringValue.flatMap(ClassifierName.init) else {
        throw GXError("field 'classifier' is \(text.text.prefix(80)), not like 0123456789abcdef/none")
      }
      classifier = name
    }
    others = fields
    for name in ["classes", "temperature", "scale", "bias", "conformal", "abstention", "classifier"] {
      others[name] = nil
    }
  }

  /// Reads a file.
  /// - Throws: `GXError` that names it, and the field at fault.
  public init(path: String) throws {
    let bytes = try readFile(path, limit: 1 << 24)
    do {
      try self.init(json: bytes.withUnsafeBytes { bytes throws(GXError) in try JSON(parsing: bytes) })
    } catch {
      throw GXError("\(path): \(error)")
    }
  }

  /// The same for classes in another order.
  /// - Throws: `GXError` where the classes are others.
  package func ordered(by names: [String]) throws(GXError) -> Calibration {
    let places = names.compactMap(classes.firstIndex(ofName:))
    guard places.count == names.count, names.count == classes.count else {
      throw GXError(
        "the calibration is of the classes \(classes.joined(separator: ", ")), not \(names.joined(separator: ", "))")
    }
    var copy = self
    copy.classes = names
    if case .vector(let scale, let bias) = scaling {
      copy.scaling = .vector(scale: places.map { scale[$0] }, bias: places.map { bias[$0] })
    }
    return copy
  }
}

/// What classifies: which models, each by which views. Written as `DIGEST/VIEWS`, of several joined by commas.
public struct ClassifierName: Equatable, Sendable {
  /// In a fixed order, whatever order the models were given in.
  public let members: [Member]

  public struct Member: Equatable, Sendable {
    /// `Model.digest`.
    public let digest: String
    public let views: Views

    public init(_ model: Model, _ views: Views) { (digest, self.views) = (model.digest, views) }

    fileprivate init?(_ text: Substring) {
      let parts = text.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, let views = Views(rawValue: String(parts[1])) else { return nil }
      (digest, self.views) = (String(parts[0]), views)
    }

    fileprivate var text: String { "\(digest)/\(views.rawValue)" }
  }

  public init(_ members: [Member]) { self.members = members.sorted { $0.text < $1.text } }

  public init?(_ text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let members = parts.compactMap { Member($0) }
    guard members.count == parts.count else { return nil }
    self.init(members)
  }

  public var text: String { members.map(\.text).joined(separator: ",") }
}
