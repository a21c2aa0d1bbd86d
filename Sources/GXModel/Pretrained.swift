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
  /// Tensors of types that gx cannot read.
  let unread: [(name: String, type: String)]
  /// The classes that the head predicts, where the file is a gx model, which says so.
  let classes: [String]?

  /// The longest text of the file's metadata that is kept, in bytes.
  static let metadataLimit = 4096

  /// - Throws: `GXError` that names the file, and what is wrong with it.
  public init(path: String) throws(GXError) {
    name = path.split(separator: "/").last.map(String.init) ?? path
    do throws(GXError) {
      let bytes = try readWhole(path, limit: Safetensors.byteLimit)
      digest = hexDigits(xxh64(UnsafeRawBufferPointer(start: bytes.base, count: bytes.count)))
      let file = try Safetensors(parsing: bytes)
      (tensors, unread) = (file.tensors, file.unread)
      metadata = file.metadata.filter { $0.key != Model.metadataKey && $0.value.utf8.count <= Self.metadataLimit }
      classes = file.metadata(Model.metadataKey) == nil ? nil : try Model(file).headClasses
    } catch {
      throw error.at(path)
    }
  }

  /// Puts the file's tensors in the place of `fresh` ones, which are all that `graph` takes.
  ///
  /// A matrix `[o, i]` and a 1x1 convolution's `[o, i, 1, 1]` fit each other. The head (the last linear layer) stays fresh
  /// where its shape differs, and where the file is a gx model of other classes.
  /// - Throws: `GXError` where less than half of the other layers' tensors fit, or of the weights in them: batch
  ///   normalisation has most of the tensors and fits many a network by accident; and where a tensor that fits has a
  ///   value that is not finite.
  public func fit(
    _ graph: Graph, fresh: [(name: String, tensor: Tensor)], classes: [String]
  ) throws -> Fit {
    let theirs = tensors.map(\.name) + unread.map(\.name)
    let names = ForeignNames.translated(theirs, for: fresh.map(\.name))
    let given = Dictionary(zip(names, tensors)) { first, _ in first }
    let unreadable = Dictionary(zip(names.dropFirst(tensors.count), unread.map(\.type))) { first, _ in first }
    let isHead = { (name: String) in layer(of: name) == graph.headName }
    let knowsClasses = self.classes == nil || self.classes == classes
    var fit = Fit(head: graph.headName)
    for (name, old) in fresh {
      var tensor = old
      let isWanted = knowsClasses || !isHead(name)
      if isWanted, let (own, source) = given[name] {
        if !source.dtype.isFloat {
          fit.fresh.append((name, .type(source.dtype.name.uppercased())))
        } else if source.shape.withoutLastOnes == old.shape.withoutLastOnes {
          do throws(GXError) { try source.checkFinite() } catch { throw error.at("\(self.name): tensor '\(own)'") }
          tensor = try Tensor(old.shape, source.floats())
          fit.taken.append(name)
        } else if graph.readsPictures(layer(of: name)), source.shape.otherChannels(than: old.shape) {
          fit.fresh.append((name, .channels(file: source.shape[1], pictures: old.shape[1])))
        } else {
          fit.fresh.append((name, .shape(file: source.shape, graph: old.shape)))
        }
      } else if isWanted, let type = unreadable[name] {
        fit.fresh.append((name, .type(type)))
      } else {
        fit.fresh.append((name, .missing))
      }
      fit.weights.append((name, tensor))
    }
    let known = Set(fresh.map(\.name))
    fit.unused = zip(names, theirs).filter { !known.contains($0.0) }.map(\.1)
    try check(fit, fresh.filter { !isHead($0.name) })
    return fit
  }

  /// - Parameter body: All tensors before the head.
  private func check(_ fit: Fit, _ body: [(name: String, tensor: Tensor)]) throws(GXError) {
    let taken = Set(fit.taken)
    let fitting = body.filter { taken.contains($0.name) }
    func size(_ weights: [(name: String, tensor: Tensor)]) -> Int { weights.reduce(0) { $0 + $1.tensor.count } }
    guard 2 * fitting.count < body.count || 2 * size(fitting) < size(body) else { return }
    let unreadable = fit.fresh.filter { if case .type = $0.lack { true } else { false } }.map(\.name)
    func examples(_ names: [String]) -> String { names.prefix(3).joined(separator: ", ") + "…" }
    throw GXError(
      "\(name): has \(fitting.count) of the \(body.count) tensors before the network's head, and in these "
        + "\(size(fitting)) of its \(size(body)) weights"
        + (unreadable.isEmpty ? "" : "; \(fit.reasons(unreadable))")
        + "; the network's are called \(examples(body.map(\.name))), the file's "
        + examples(tensors.map(\.name) + unread.map(\.name)))
  }

  /// Where the weights came from, for the model's record.
  public func record(_ fit: Fit) -> JSONObject {
    var texts = JSONObject()
    for (key, value) in metadata { texts[key] = .string(value) }
    return [
      "file": .string(name), "digest": .string(digest), "tensors": .int(fit.taken.count),
      "fresh": .array(fit.fresh.map { .string($0.name) }), "metadata": .object(texts),
    ]
  }
}

extension Graph {
  /// Whether the layer of this name reads the network's input.
  fileprivate func readsPictures(_ name: String) -> Bool {
    nodes.first { $0.name == name }?.inputs == [-1]
  }
}

extension Shape {
  fileprivate var withoutLastOnes: Shape { Array(self[..<((lastIndex { $0 != 1 } ?? -1) + 1)]) }

  /// Whether it is a convolution's, as `other` is, but for the number of channels that it reads.
  fileprivate func otherChannels(than other: Shape) -> Bool {
    count == 4 && other.count == 4 && self[0] == other[0] && self[1] != other[1] && self[2...] == other[2...]
  }
}
