import GXCore

/// Numbers for classes, in the order in which they turn up.
public struct ClassNumbers: Sendable {
  /// By number.
  public private(set) var names: [String] = []
  private var numbers: [Name: Int] = [:]

  public init() {}

  public var count: Int { names.count }

  /// The class's number, which it gets now if it is new.
  /// - Throws: `GXError` where there are more than `ConfusionMatrix.classLimit`.
  public mutating func number(of name: String) throws(GXError) -> Int {
    if let known = known(name) { return known }
    guard names.count < ConfusionMatrix.classLimit else {
      throw GXError("'\(name)' is one class more than the limit of \(ConfusionMatrix.classLimit)")
    }
    append(name)
    return names.count - 1
  }

  /// The class's number; nil where it has none.
  func known(_ name: String) -> Int? { numbers[Name(name)] }

  /// Adds a class that is new.
  mutating func append(_ name: String) {
    names.append(name)
    numbers[Name(name)] = names.count - 1
  }

  /// Forgets all but the first `count`.
  mutating func keep(_ count: Int) {
    for name in names[count...] { numbers[Name(name)] = nil }
    names.removeSubrange(count...)
  }
}
