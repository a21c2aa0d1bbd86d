import GXCore
import GXGraph
import GXStream

/// A trained classifier: one safetensors file with the weights, and all that inference needs to know as
/// JSON under the metadata key `gx`.
///
/// The JSON's fields: `version`, `graph`, `classes`, `input` (`[height, width, channels]`), `ops` (how
/// training data was prepared), `training` (arguments, seed, data digest, metrics), and where they are set
/// `tta` (see `Views`), `calibration` and `card`. Fields that this version does not know are kept.
public struct Model: Sendable {
  /// The version of the JSON that is written, and the newest that is read.
  public static let version = 1
  public static let metadataKey = "gx"
  /// The field of `training` that names the finer classes, in the order of the head's logits, if there are any.
  package static let finerField = "finer_classes"

  public var graph: Graph
  /// Names of the classes, in the order of the logits.
  public var classes: [String]
  /// `[height, width, channels]` of the pictures it takes.
  public var input: Shape
  /// What was done to the training pictures since they were decoded.
  public var ops: [JSON]
  /// How it was trained: for the reader, and for nothing else.
  public var training: JSONObject
  /// What a picture is classified by where the user says nothing else.
  public var views: Views
  /// What its maker has to say of it: see `gx-model`.
  public var card: JSONObject
  /// What gives its probabilities their meaning, where it was calibrated.
  public var calibration: Calibration?
  /// Further fields (what later versions add).
  public var others: JSONObject
  /// By parameter name, in the plain layouts of `Network.weights()`.
  public var weights: [(name: String, tensor: Tensor)]

  public init(
    graph: Graph, classes: [String], input: Shape, ops: [JSON], training: JSONObject, views: Views = .one,
    calibration: Calibration? = nil, card: JSONObject = [:], others: JSONObject = [:],
    weights: [(name: String, tensor: Tensor)]
  ) {
    self.graph = graph
    self.classes = classes
    self.input = input
    self.ops = ops
    self.training = training
    self.views = views
    self.calibration = calibration
    self.card = card
    self.others = others
    self.weights = weights
  }

  // MARK: Reading

  /// - Throws: `GXError` that names the file, and the field or tensor at fault.
  public init(path: String) throws(GXError) {
    let file = try Safetensors(path: path)
    do throws(GXError) { try self.init(file) } catch { throw error.at(path) }
  }

  public init(_ file: Safetensors) throws(GXError) {
    guard let text = file.metadata(Self.metadataKey) else {
      throw GXError("is no gx model: its metadata has no '\(Self.metadataKey)'")
    }
    let json: JSON
    do { json = try JSON(parsing: text) } catch { throw error.at("metadata '\(Self.metadataKey)'") }
    var fields = try JSONFields(json, "model")
    let version = try fields.required("version", .int(in: 1...Int.max))
    guard version <= Self.version else {
      throw GXError("model is of version \(version); this gx reads up to \(Self.version)")
    }
    classes = try fields.required("classes", .names(atLeast: 2))
    input = try fields.required("input", .list(.int(in: 1...Int.max), count: 3...3))
    ops = try fields.required("ops", .list(.any))
    training = try fields.required("training", .any).objectValue ?? [:]
    views = try fields.optional("tta", .views) ?? .one
    card = try fields.optional("card", .object) ?? [:]
    do throws(GXError) {
      calibration = try fields.optional("calibration", .any).map { json throws(GXError) in try Calibration(json: json) }
    } catch {
      throw error.at("model")
    }
    let graph = try fields.required("graph", .any)
    do { self.graph = try Graph(json: graph) } catch { throw GXError("model: \(error)") }
    others = fields.rest
    try file.checkWeights()
    weights = file.tensors
    try checkVariances()
  }

  /// The root of a variance below 0 is NaN, which a rectifier turns into 0 and so into a plausible answer.
  private func checkVariances() throws(GXError) {
    let variances = Set(
      graph.nodes.indices.flatMap(graph.weights).filter { $0.role == .runningVariance }.map(\.name))
    for (name, tensor) in weights where variances.contains(name) && tensor.floats().contains(where: { $0 < 0 }) {
      throw GXError("tensor '\(name)': a variance is below 0")
    }
  }

  // MARK: Writing

  /// The file that holds the model.
  /// - Parameter dtype: Of the weights: `.f32`, or `.f16` for half the size; nil leaves them as they are.
  public func safetensors(_ dtype: DType? = nil) throws -> Safetensors {
    var fields: JSONObject = [
      "version": .int(Self.version), "graph": graph.json, "classes": .array(classes.map(JSON.string)),
      "input": .array(input.map(JSON.int)), "ops": .array(ops),
    ]
    fields.merge(others)
    if views != .one { fields["tta"] = .string(views.rawValue) }
    if let calibration { fields["calibration"] = .object(calibration.json) }
    if card.count > 0 { fields["card"] = .object(card) }
    fields["training"] = .object(training)
    return Safetensors(
      tensors: try weights.map { ($0.name, try $0.tensor.converted(to: dtype ?? $0.tensor.dtype)) },
      metadata: [("format", "pt"), (Self.metadataKey, JSON.object(fields).text)])
  }

  /// Writes the file; it appears whole or not at all.
  public func write(path: String, _ dtype: DType? = nil) throws {
    try safetensors(dtype).write(path: path)
  }
}

extension JSONKind where Value == Views {
  fileprivate static var views: JSONKind {
    JSONKind("one of \(Views.grammar)") { $0.stringValue.flatMap(Views.init(rawValue:)) }
  }
}

extension Model {
  /// Names of what the head's logits are of: the classes, or the finer ones that are merged into them.
  package var headClasses: [String] {
    training[Self.finerField]?.arrayValue?.compactMap(\.stringValue) ?? classes
  }

  /// A fingerprint of what it computes (graph, preparation, weights), as 16 hex digits.
  public var digest: String {
    var sum = stableHash(JSON.object(["graph": graph.json, "ops": .array(Provenance.deterministic(ops))]).text)
    for (name, tensor) in weights {
      sum &+= tensor.withBytes { xxh64($0, seed: stableHash("\(name)\0\(tensor.dtype)\0\(tensor.shape)")) }
    }
    return hexDigits(sum)
  }
}
