/// What the command line said: option values by long name, and the operands.
public struct Arguments: Sendable {
  let values: [String: [String]]
  public let operands: [String]
  /// By long name: the former name that was used.
  var former: [String: String] = [:]

  public func has(_ option: String) -> Bool { values[option] != nil }

  /// The last value given.
  public func string(_ option: String) -> String? { values[option]?.last }

  /// Every value given, in order.
  public func strings(_ option: String) -> [String] { values[option] ?? [] }

  /// The last value given of a row of the table.
  /// - Throws: `UsageError` where it is none.
  public subscript<Value>(_ option: ValueOption<Value>) -> Value? {
    get throws { try string(option.long).map { text throws in try option.type.value(text, of: option.long) } }
  }

  /// The value of a row that is known by its name alone.
  /// - Throws: `UsageError` where it is none.
  func value<Value>(_ option: String, _ type: OptionType<Value>) throws -> Value? {
    try string(option).map { text throws in try type.value(text, of: option) }
  }

  /// - Throws: `UsageError` where the value is no whole number in `range`.
  public func int(_ option: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> Int? {
    try value(option, .whole(in: range))
  }

  /// - Throws: `UsageError` where the value is no finite number in `range`.
  public func double(_ option: String, in range: ClosedRange<Double> = OptionType<Double>.all) throws -> Double? {
    try value(option, .number(in: range))
  }

  /// One of a set of names.
  public func choice<T: CaseIterable & RawRepresentable & Sendable>(_ option: String, _: T.Type) throws -> T?
  where T.RawValue == String {
    try value(option, OptionType<T>.choice)
  }

  /// What `make` makes of the text.
  /// - Parameter grammar: What it reads, in words.
  public func value<T: Sendable>(_ option: String, _ grammar: String, _ make: @escaping @Sendable (String) -> T?) throws
    -> T?
  {
    try value(option, OptionType(fault: "none of \(grammar)", read: make))
  }

  /// Refuses operands, for commands that take none.
  public func expectNoOperands() throws {
    if let first = operands.first { throw UsageError("unexpected operand '\(first)'") }
  }
}
