import GXCore

/// Labels that are none of the classes that predictions are of: which there are, and how many rows have them. Such a row
/// is neither right nor wrong: it says nothing of the classifier, and much of the labels.
public struct UnknownLabels: Sendable {
  /// The most that are named.
  private static let shown = 12

  private var counts: [Name: Int] = [:]
  /// How many rows have them.
  public private(set) var rows = 0

  public init() {}

  public mutating func add(_ label: String) {
    rows += 1
    // What does not fit in a message need not be held.
    if counts.count < 1000 || counts[Name(label)] != nil { counts[Name(label), default: 0] += 1 }
  }

  /// For people: the labels, the commonest first, with their rows; the classes; and where a label is a class but for
  /// case or white space, how to rename it. nil where there are none.
  /// - Parameter field: What the label's field is called.
  public func message(field: String, classes: [String]) -> String? {
    guard rows > 0 else { return nil }
    let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    let named = sorted.prefix(Self.shown).map { "'\(printable($0.key.text))' (\($0.value))" }
    let more = sorted.count > Self.shown ? ", …" : ""
    var text = "\(rows) row\(rows == 1 ? " has a" : "s have a") \(field) that is no class: "
    text += named.joined(separator: ", ") + more + "; there are " + Self.list(classes)
    let renamed = sorted.prefix(Self.shown).compactMap { label, _ in
      Self.class(like: label.text, of: classes).map { "\(label)=\($0)" }
    }
    if !renamed.isEmpty { text += "; gx-list --map '\(printable(renamed.joined(separator: ",")))' renames them" }
    return text
  }

  /// The first of the names, for messages.
  static func list(_ names: [String]) -> String {
    names.prefix(shown).joined(separator: ", ") + (names.count > shown ? ", …" : "")
  }

  /// The one class that is `label` but for case, white space, and how Unicode writes it.
  private static func `class`(like label: String, of classes: [String]) -> String? {
    func plain(_ text: String) -> String { text.filter { !$0.isWhitespace }.lowercased() }
    let alike = classes.filter { plain($0) == plain(label) }
    return alike.count == 1 ? alike[0] : nil
  }
}
