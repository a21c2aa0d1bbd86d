import GXCore

/// What an option's value is: how it is read from the command line, and how a file tells it for good.
public struct OptionType<Value: Sendable>: Sendable {
  /// What a text is that it cannot read: "not a whole number", say.
  let fault: String
  /// All texts that it reads, where they are few; completion offers them.
  let words: [String]
  /// nil, or a `GXError` that says more than `fault`, where the text is no value.
  let read: @Sendable (String) throws -> Value?
  /// As JSON of which `commandWords` makes what `read` reads again; nil where that is as if the option were not given.
  public let told: @Sendable (Value) -> JSON?

  public init(
    fault: String, words: [String] = [], read: @escaping @Sendable (String) throws -> Value?,
    told: @escaping @Sendable (Value) -> JSON? = { _ in nil }
  ) {
    (self.fault, self.words, self.read, self.told) = (fault, words, read, told)
  }

  /// - Throws: `UsageError` that names the option.
  func value(_ text: String, of option: String) throws -> Value {
    do {
      if let value = try read(text) { return value }
    } catch let error as GXError {
      throw UsageError("--\(option): \(error.message)")
    }
    throw UsageError("--\(option): '\(text)' is \(fault)")
  }

  /// As `type`, for what has no value where the option is not given.
  public static func optional<Some>(_ type: OptionType<Some>) -> Self where Value == Some? {
    Self(
      fault: type.fault, words: type.words, read: { text in try type.read(text).map { $0 } },
      told: { $0.flatMap(type.told) })
  }

  /// As `type`, but 0 stands for none.
  public static func zeroForNone<Some: Numeric>(_ type: OptionType<Some>) -> Self where Value == Some? {
    Self(
      fault: type.fault, words: type.words, read: { text in try type.read(text).map { $0 == 0 ? nil : $0 } },
      told: { type.told($0 ?? 0) })
  }
}

extension OptionType<Bool> {
  /// There or not.
  public static var flag: Self { Self(fault: "no value", read: { _ in true }, told: { $0 ? .bool(true) : nil }) }
}

extension OptionType<String> {
  public static var text: Self { Self(fault: "no text", read: { $0 }, told: JSON.string) }

  /// One of a set of names.
  public static func named(_ names: [String]) -> Self {
    Self(
      fault: "none of \(names.joined(separator: ", "))", words: names, read: { names.contains($0) ? $0 : nil },
      told: JSON.string)
  }
}

extension OptionType where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of a set of names.
  public static var choice: Self {
    let names = Value.allCases.map(\.rawValue)
    return Self(
      fault: "none of \(names.joined(separator: ", "))", words: names, read: Value.init(rawValue:),
      told: { .string($0.rawValue) })
  }
}

extension OptionType<[String]> {
  /// Names with commas between.
  public static var list: Self {
    Self(fault: "no list", read: { $0.split(separator: ",").map(String.init) })
  }
}

extension OptionType<Int> {
  /// A whole number in `range`.
  public static func whole(in range: ClosedRange<Int> = Int.min...Int.max) -> Self {
    let wanted =
      range.lowerBound == Int.min
      ? "a whole number"
      : range.upperBound == Int.max
        ? "a whole number of at least \(range.lowerBound)"
        : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    return Self(
      fault: "not \(wanted)", read: { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }, told: JSON.int)
  }
}

extension OptionType<UInt64> {
  /// Any 64-bit number.
  public static var seed: Self {
    Self(fault: "not a whole number of at least 0", read: { UInt64($0) }, told: { .number(String($0)) })
  }
}

extension OptionType<Double> {
  /// Every finite number.
  public static let all = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude

  /// A finite number in `range`.
  public static func number(in range: ClosedRange<Double> = all) -> Self {
    let wanted =
      range.upperBound < .greatestFiniteMagnitude
      ? "a number from \(range.lowerBound) to \(range.upperBound)"
      : range.lowerBound == -range.upperBound ? "a number" : "a number of at least \(range.lowerBound)"
    return Self(
      fault: "not \(wanted)",
      read: { text in Double(text).flatMap { $0.isFinite && range.contains($0) ? $0 : nil } }, told: JSON.double)
  }
}
