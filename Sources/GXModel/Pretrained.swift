import GXCore
import GXGraph
import GXStream

/// Weights that were trained before, by gx or others: a safetensors file of timm's, torchvision's or Zoobot's, say.
public struct Pretrained: Sendable {
  /// Of the file, without its folder.
  public let name: String
  /// Of the file's bytes: XXH64, as 16 hex digits.
  public let digest: String
  /// What the file says of itself, without what gx keeps there.
  public let metadata: [(key: String, value: String)]
  /// By the file's own names.
  let tensors: [(name: String, tensor: Tensor)]
  /// Names of tensors of types that are not read.
  let unread: [String]
  /// The classes that the head tells, where the file is a gx model, which says so.
  let classes: [String]?

  /// The longest text of the file's metadata that is kept, in bytes.
  static let metadataLimit = 4096

  /// - Throws: `GXError` that names the file, and what is wrong with it.
  public init(path: String) throws(GXError) {
    name = path.split(separator: "/").last.map(String.init) ?? path
    do throws(GXError) {
      let bytes = try readWhole(path, limit: Safetensors.byteLimit)
      digest = hexDigits(xxh64(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)))
      let file = try Safetensors(parsing: bytes, foreign: true)
      (tensors, unread) = (file.tensors, file.unread)
      metadata = file.metadata.filter { $0.key != Model.metadataKey && $0.value.utf8.count <= Self.metadataLimit }
      classes = file.metadata(Model.metadataKey) == nil ? nil : try Model(file).headClasses
    } catch {
      throw error.at(path)
    }
  }

  /// What became of each tensor.
  public struct Fit {
    /// All weights of the graph: the file's where they fit, the fresh ones elsewhere.
    public internal(set) var weights: [(name: String, tensor: Tensor)] = []
    /// Names in the graph of those that came from the file.
    public internal(set) var taken: [String] = []
    /// Names in the graph of those that the file does not have.
    public internal(set) var missing: [String] = []
    /// Names in the graph of those that the file has in another shape, and both shapes.
    public internal(set) var misshapen: [(name: String, file: Shape, graph: Shape)] = []
    /// Names in the file of those that nothing in the graph is called by, or that are of a type that is not read.
    public internal(set) var unused: [String] = []
  }

  /// Puts the file's tensors in the place of `fresh` ones, which are all that `graph` takes.
  ///
  /// A matrix `[o, i]` and a 1x1 convolution's `[o, i, 1, 1]` fit each other. The head (the last linear layer) stays fresh
  /// where its shape differs, and where the file is a gx model of other classes.
  /// - Throws: `GXError` where less than half of the other layers' tensors fit.
  public func fit(
    _ graph: Graph, fresh: [(name: String, tensor: Tensor)], classes: [String]
  ) throws -> Fit {
    let names = ForeignNames.translated(tensors.map(\.name), for: fresh.map(\.name))
    let given = Dictionary(zip(names, tensors).map { ($0, $1.tensor) }) { first, _ in first }
    let isHead = { (name: String) in layer(of: name) == graph.headName }
    let knowsClasses = self.classes == nil || self.classes == classes
    var fit = Fit()
    for (name, old) in fresh {
      var tensor = old
      if let source = given[name], knowsClasses || !isHead(name) {
        if source.dtype.isFloat, source.shape.withoutLastOnes == old.shape.withoutLastOnes {
          tensor = try Tensor(old.shape, source.floats())
          fit.taken.append(name)
        } else {
          fit.misshapen.append((name, source.shape, old.shape))
        }
      } else {
        fit.missing.append(name)
      }
      fit.weights.append((name, tensor))
    }
    let known = Set(fresh.map(\.name))
    fit.unused = zip(names, tensors).filter { !known.contains($0.0) }.map(\.1.name) + unread

    let body = fresh.count { !isHead($0.name) }
    let fitting = fit.taken.count { !isHead($0) }
    guard 2 * fitting >= body else {
      throw GXError(
        "\(name): has \(fitting) of the \(body) tensors before the network's head. The network's are called "
          + "\(fresh.prefix(3).map(\.name).joined(separator: ", "))…, the file's "
          + "\(tensors.prefix(3).map(\.name).joined(separator: ", "))…")
    }
    return fit
  }

  /// Where the weights came from, for the model's record.
  public func record(_ fit: Fit) -> JSONObject {
    var texts = JSONObject()
    for (key, value) in metadata { texts[key] = .string(value) }
    return [
      "file": .string(name), "digest": .string(digest), "tensors": .int(fit.taken.count),
      "fresh": .array((fit.missing + fit.misshapen.map(\.name)).map(JSON.string)), "metadata": .object(texts),
    ]
  }
}

extension Pretrained.Fit {
  /// One line on which tensors came from the file and which not, each by its name.
  public var note: String {
    let counters = unused.count { $0.hasSuffix(".num_batches_tracked") }
    let strangers = unused.filter { !$0.hasSuffix(".num_batches_tracked") }
    let parts = [
      missing.isEmpty ? nil : "not in it: \(missing.joined(separator: ", "))",
      misshapen.isEmpty
        ? nil
        : "of another shape: "
          + misshapen.map { "\($0.name) (\($0.file), here \($0.graph))" }.joined(separator: ", "),
      strangers.isEmpty ? nil : "not used: \(strangers.joined(separator: ", "))",
      counters == 0 ? nil : "not needed: \(counters) num_batches_tracked",
    ]
    return (["\(taken.count) of \(weights.count) tensors"] + parts.compactMap { $0 }).joined(separator: "; ")
  }
}

/// How others call what our graphs call by timm's names.
enum ForeignNames {
  /// What wrappers put before the names of the network that they hold.
  static let prefixes = ["module.", "model.", "encoder.", "backbone.", "timm_model."]

  /// Words for layers and parts, in the order in which they work: torchvision's, which numbers the rest, and those of
  /// `efficientnet_pytorch`, which calls things alike in the network and in its blocks.
  static let order = [
    "features", "_conv_stem", "_expand_conv", "_bn0", "_blocks", "_depthwise_conv", "_conv_head", "_bn1", "_se_reduce",
    "_se_expand", "_project_conv", "_bn2", "conv", "block", "fc1", "fc2", "classifier", "_fc",
  ]

  /// For each name in a file, the one in the graph; what nothing is known of stays as it is, without prefixes.
  ///
  /// Where the names say little, their order says all: as many layers in the order of work are the same layers.
  static func translated(_ names: [String], for wanted: [String]) -> [String] {
    let bare = names.map(withoutPrefixes)
    let known = Set(wanted)
    guard 2 * bare.count(where: known.contains) < wanted.count else { return bare }
    let theirs = Set(bare.map(layer)).compactMap { name in place(of: name).map { (name, $0) } }
      .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
    var ours: [String] = []
    for name in wanted where ours.last != layer(of: name) { ours.append(layer(of: name)) }
    // A file without a head is a backbone all the same.
    guard theirs.count == ours.count || theirs.count == ours.count - 1 else { return bare }
    let layers = Dictionary(uniqueKeysWithValues: zip(theirs, ours))
    return bare.map { name in
      layers[layer(of: name)].map { $0 + name.dropFirst(layer(of: name).count) } ?? name
    }
  }

  private static func withoutPrefixes(_ name: String) -> String {
    var rest = Substring(name)
    while let prefix = prefixes.first(where: rest.hasPrefix) { rest = rest.dropFirst(prefix.count) }
    return String(rest)
  }

  /// Where a layer comes in the order of work, part by part; nil if one of its words is not known.
  private static func place(of layer: String) -> [Int]? {
    let places = layer.split(separator: ".").map { Int($0) ?? order.firstIndex(of: String($0)) }
    return places.contains(nil) ? nil : places.map { $0! }
  }
}

/// A tensor's name without its last part.
package func layer(of name: String) -> String { String(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) }

extension Shape {
  fileprivate var withoutLastOnes: Shape { Array(self[..<((lastIndex { $0 != 1 } ?? -1) + 1)]) }
}
