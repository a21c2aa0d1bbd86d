import GXCore
import GXGraph
import GXMetrics
import GXNet
import GXStream

/// Classes that labels are divided into for training: Hubble types, say, where the labels are spiral and elliptical.
///
/// A network that predicts them learns more from each picture. Its outputs are merged into the labels at once, so
/// that its users need not know of them.
public struct FinerClasses: Sendable, Equatable {
  /// The field of records that holds them.
  public let field: String
  /// In bytewise order.
  public let names: [String]
  /// By class: the label that it is part of, by its place among the labels.
  public let groups: [Int]
}

extension Dataset {
  /// Names of what the head's logits are of: the classes, or the finer ones that are merged into them.
  public var headClasses: [String] { finer?.names ?? classes }

  /// A network of `architecture` that predicts this data's classes.
  public func graph(_ architecture: Architecture, input: Shape, dropout: Double?) throws -> Graph {
    var graph = try architecture.graph(input: input, classes: headClasses.count, dropout: dropout)
    if let finer { try graph.add("labels", .merge(groups: finer.groups)) }
    return graph
  }
}

/// Collects the finer classes while a stream is read.
struct FinerIndex {
  let field: String
  private var known: [Name: (number: Int32, label: String)] = [:]

  init(field: String) { self.field = field }

  /// A provisional number for the class of `record`, whose label is known.
  mutating func number(_ record: Record, label: String) throws(GXError) -> Int32 {
    let name = try Self.name(of: record, in: field)
    if let (number, other) = known[Name(name)] {
      guard other.hasSameBytes(as: label) else {
        throw GXError("\(field) '\(name)' is part of label '\(label)', and of '\(other)' in records before")
      }
      return number
    }
    guard known.count < ConfusionMatrix.classLimit else {
      throw GXError("\(field) '\(name)' is one more than the limit of \(ConfusionMatrix.classLimit) classes")
    }
    known[Name(name)] = (Int32(known.count), label)
    return Int32(known.count - 1)
  }

  /// The finer class in the field of `record`.
  static func name(of record: Record, in field: String) throws(GXError) -> String {
    guard let name = try record.meta.name(in: field) else { throw GXError("has no text or number in '\(field)'") }
    return name
  }

  /// The classes, and where each provisional number comes among them.
  func ranked(labels: [String]) -> (classes: FinerClasses, rank: [Int32]) {
    let sorted = known.sorted { $0.key < $1.key }
    var rank = [Int32](repeating: 0, count: known.count)
    for (place, entry) in sorted.enumerated() { rank[Int(entry.value.number)] = Int32(place) }
    let groups = sorted.map { labels.firstIndex(ofName: $0.value.label)! }
    return (FinerClasses(field: field, names: sorted.map(\.key.text), groups: groups), rank)
  }
}
