import GXCore
import Glibc

/// What the command line said: option values by long name, and the operands.
public struct Arguments: Sendable {
  let values: [String: [String]]
  public let operands: [String]

  public func has(_ option: String) -> Bool { values[option] != nil }

  /// The last value given.
  public func string(_ option: String) -> String? { values[option]?.last }

  /// Every value given, in order.
  public func strings(_ option: String) -> [String] { values[option] ?? [] }

  /// - Throws: `UsageError` where the value is no whole number in `range`.
  public func int(_ option: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> Int? {
    guard let text = string(option) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      let wanted =
        range.lowerBound == Int.min
        ? "a whole number"
        : range.upperBound == Int.max
          ? "a whole number of at least \(range.lowerBound)"
          : "a whole number from \(range.lowerBound) to \(range.upperBound)"
      throw UsageError("--\(option): '\(text)' is not \(wanted)")
    }
    return value
  }

  /// - Throws: `UsageError` where the value is no finite number in `range`.
  public func double(
    _ option: String, in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
  ) throws -> Double? {
    guard let text = string(option) else { return nil }
    guard let value = Double(text), value.isFinite, range.contains(value) else {
      let all = range.upperBound == Double.greatestFiniteMagnitude
      let wanted =
        all
        ? (range.lowerBound == -range.upperBound ? "a number" : "a number of at least \(range.lowerBound)")
        : "a number from \(range.lowerBound) to \(range.upperBound)"
      throw UsageError("--\(option): '\(text)' is not \(wanted)")
    }
    return value
  }

  /// The seed, as any 64-bit number.
  public func seed() throws -> UInt64 {
    guard let text = string("seed") else { return 0 }
    guard let value = UInt64(text) else { throw UsageError("--seed: '\(text)' is not a whole number of at least 0") }
    return value
  }

  /// How many replicates intervals are taken from.
  public func bootstrap() throws -> Int { try int("bootstrap", in: 0...1_000_000) ?? 1000 }

  /// One of a set of names.
  public func choice<T: CaseIterable & RawRepresentable>(_ option: String, _ type: T.Type) throws -> T?
  where T.RawValue == String {
    guard let text = string(option) else { return nil }
    guard let value = T(rawValue: text) else {
      throw UsageError("--\(option): '\(text)' is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  /// What `make` makes of the text.
  /// - Parameter grammar: What it reads, in words.
  public func value<T>(_ option: String, _ grammar: String, _ make: (String) -> T?) throws -> T? {
    guard let text = string(option) else { return nil }
    guard let value = make(text) else { throw UsageError("--\(option): '\(text)' is none of \(grammar)") }
    return value
  }

  /// `-j`: threads to work with.
  public func jobs() throws -> Int { try int("jobs", in: 1...256) ?? Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// Refuses operands, for commands that take none.
  public func expectNoOperands() throws {
    if let first = operands.first { throw UsageError("unexpected operand '\(first)'") }
  }
}
