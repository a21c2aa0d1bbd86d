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
