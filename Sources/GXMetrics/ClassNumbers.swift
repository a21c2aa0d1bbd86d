import GXCore

/// Numbers for classes, in the order in which they turn up.
public struct ClassNumbers: Sendable {
  /// By number.
  public private(set) var names: [String] = []
  private var numbers: [String: Int] = [:]

  public init() {}

  public var count: Int { names.count }

  /// The class's number, which it gets now if it is new.
  /// - Throws: `GXError` where there are more than `ConfusionMatrix.classLimit`.
  public mutating func number(of name: String) throws(GXError) -> Int {
    if let known = numbers[name] { return known }
    guard names.count < ConfusionMatrix.classLimit else {
      throw GXError("'\(name)' is one class more than the limit of \(ConfusionMatrix.classLimit)")
    }
    names.append(name)
    numbers[name] = names.count - 1
    return names.count - 1
  }

  /// Forgets all but the first `count`.
  mutating func keep(_ count: Int) {
    for name in names[count...] { numbers[name] = nil }
    names.removeSubrange(count...)
  }
}
