import GXCore

extension Pretrained {
  /// What became of each tensor.
  public struct Fit {
    /// Why a weight is not from the file.
    public enum Lack: Equatable, Sendable {
      case missing
      case shape(file: Shape, graph: Shape)
      /// Of the first convolution: how many channels it was made for, and how many there are.
      case channels(file: Int, pictures: Int)
      /// A type that gx cannot read as weights.
      case type(String)
    }

    /// All weights of the graph: the file's where they fit, the fresh ones elsewhere.
    public internal(set) var weights: [(name: String, tensor: Tensor)] = []
    /// Names in the graph of those that came from the file.
    public internal(set) var taken: [String] = []
    /// Names in the graph of the others, in its order, and why.
    public internal(set) var fresh: [(name: String, lack: Lack)] = []
    /// Names in the file of those that nothing in the graph is called by.
    public internal(set) var unused: [String] = []
    /// The graph's head, which may be another one's.
    let head: String?

    init(head: String?) { self.head = head }
  }
}

extension Pretrained.Fit {
  /// One line on which tensors came from the file and which not, each by its name.
  public var note: String {
    func list(_ title: String, _ tell: (String, Lack) -> String?) -> String? {
      let told = fresh.compactMap { tell($0.name, $0.lack) }
      return told.isEmpty ? nil : "\(title): \(told.joined(separator: ", "))"
    }
    let counters = unused.count { $0.hasSuffix(".num_batches_tracked") }
    let strangers = unused.filter { !$0.hasSuffix(".num_batches_tracked") }
    let parts = [
      list("not in it") { $1 == .missing ? $0 : nil },
      list("of another shape") { name, lack in
        switch lack {
        case .shape(let file, let graph): "\(name) (\(file), here \(graph))"
        case .channels(let file, let pictures): "\(name) (of \(file) channels, here \(pictures))"
        default: nil
        }
      },
      list("of a type that gx cannot read") { name, lack in
        if case .type(let type) = lack { "\(name) (\(type))" } else { nil }
      },
      strangers.isEmpty ? nil : "not used: \(strangers.joined(separator: ", "))",
      counters == 0 ? nil : "not needed: \(counters) num_batches_tracked",
    ]
    return (["\(taken.count) of \(weights.count) tensors"] + parts.compactMap { $0 }).joined(separator: "; ")
  }

  /// Names of the weights before the head that are not from the file.
  public var lacking: [String] { fresh.map(\.name).filter { layer(of: $0) != head } }

  /// Why weights of these names are not from the file, the first of them by name.
  public func reasons(_ names: [String]) -> String {
    let lacks = Dictionary(uniqueKeysWithValues: fresh.map { ($0.name, $0.lack) })
    let told = names.prefix(3).map { name in
      switch lacks[name] ?? .missing {
      case .missing: "\(name) is not in it"
      case .shape(let file, let graph): "\(name) is \(file), not \(graph)"
      case .channels(let file, let pictures):
        "\(name) is for pictures of \(file) \(file == 1 ? "channel" : "channels"), these have \(pictures)"
      case .type(let type): "\(name) is of type \(type), which gx cannot read"
      }
    }
    return told.joined(separator: "; ") + (names.count > 3 ? "; and \(names.count - 3) more" : "")
  }
}
