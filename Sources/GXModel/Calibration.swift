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
    var fields = try JSONFields(json, "calibration")
    let names = try fields.required("classes", .names(atLeast: 2))
    classes = names
    let temperature = try fields.optional("temperature", .number(in: 1e-300...1e300))
    let each = JSONKind<[Double]>.list(.number, count: names.count...names.count)
    if let scale = try fields.optional("scale", each) {
      scaling = .vector(scale: scale, bias: try fields.required("bias", each))
    } else {
      guard let temperature else { throw GXError("\(fields.place): neither \"temperature\" nor \"scale\"") }
      scaling = .temperature(temperature)
    }
    guard scaling.isFinite(forLogitsUpTo: Self.largestLogit) else {
      throw GXError("\(fields.place): its numbers are too large: not all logits stay finite")
    }
    let share = JSONKind.number(in: 0...1)
    if var sets = try fields.optionalFields("conformal") {
      conformal = ConformalSets(
        score: try sets.required("method", .choice(ConformalSets.Score.self)),
        coverage: try sets.required("coverage", share), threshold: try sets.required("threshold", share))
      try sets.finish()
    }
    if var limits = try fields.optionalFields("abstention") {
      abstention = Abstention(
        precision: try limits.required("precision", share), threshold: try limits.required("threshold", share))
      try limits.finish()
    }
    classifier = try fields.optional(
      "classifier",
      JSONKind("like 0123456789abcdef/none") { $0.stringValue.flatMap(ClassifierName.init) })
    others = fields.rest
  }

  /// The logits that a calibration must not turn into an infinity: all that a network can give.
  private static let largestLogit = Double(Float.greatestFiniteMagnitude)

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
