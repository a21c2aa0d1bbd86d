import GXCore
import GXStream

/// Rows sorted by what one of their fields says. Texts are groups as they stand, and so are numbers of which there are
/// few; of more numbers, bins of equally many rows are made. Rows without the field are a group of their own.
public struct Groups: Sendable {
  /// The most different texts.
  public static let limit = 64
  /// The most different numbers that are groups each; of more, bins are made.
  public static let numberLimit = 12
  /// How many bins.
  public static let bins = 5

  enum Value: Sendable {
    case missing
    case number(Double)
    case text(Int)
  }

  public struct Group: Sendable {
    /// What people read: the text, the number, or the bin's ends.
    public let name: String
    /// Of numbers, the least and the greatest in the group.
    public let range: ClosedRange<Double>?
    /// The rows' places in the order they came in; never empty.
    public let places: [Int]
  }

  public let field: String
  /// Whether there are more texts than `limit`: then `groups` say nothing.
  public private(set) var areTooMany = false
  /// Whether no row has the field.
  public private(set) var areMissing = true
  private var texts: [String] = []
  private var numbers: [Name: Int] = [:]
  private var values: [Value] = []

  public init(field: String) { self.field = field }

  /// - Throws: `GXError` where the field is a list or an object.
  mutating func value(of row: Row) throws(GXError) -> Value {
    switch row[field] ?? .null {
    case .null: return .missing
    case .number(let digits):
      guard let number = Double(digits), number.isFinite else { throw GXError("\(field): \(digits) is out of range") }
      return .number(number)
    case .bool(let value): return text(value ? "true" : "false")
    case .string(let text): return self.text(text)
    case .array, .object: throw GXError("\(field): neither a text nor a number to group by")
    }
  }

  private mutating func text(_ text: String) -> Value {
    if let known = numbers[Name(text)] { return .text(known) }
    guard texts.count < Self.limit else {
      areTooMany = true
      return .missing
    }
    texts.append(text)
    numbers[Name(text)] = texts.count - 1
    return .text(texts.count - 1)
  }

  mutating func append(_ value: Value) {
    values.append(value)
    if case .missing = value { return }
    areMissing = false
  }

  /// Numbers in their order, then texts bytewise, then the rows without the field.
  public var groups: [Group] {
    var (missing, ofTexts) = ([Int](), [[Int]](repeating: [], count: texts.count))
    var ofNumbers: [(value: Double, place: Int)] = []
    for (place, value) in values.enumerated() {
      switch value {
      case .missing: missing.append(place)
      case .text(let number): ofTexts[number].append(place)
      case .number(let number): ofNumbers.append((number, place))
      }
    }
    var groups = Self.bins(of: ofNumbers)
    for k in bytewiseOrder(texts) where !ofTexts[k].isEmpty {
      groups.append(Group(name: texts[k], range: nil, places: ofTexts[k]))
    }
    if !missing.isEmpty { groups.append(Group(name: "(none)", range: nil, places: missing)) }
    return groups
  }

  /// Each number its own group, or where they are too many, bins: in the order of the numbers, row i of n goes to bin
  /// i * bins / n, rounded down, and rows of equal numbers go with the first of them.
  private static func bins(of rows: [(value: Double, place: Int)]) -> [Group] {
    let sorted = rows.sorted { ($0.value, $0.place) < ($1.value, $1.place) }
    let few = Set(rows.map(\.value)).count <= numberLimit
    var bins: [[(value: Double, place: Int)]] = []
    var last = -1
    for (i, row) in sorted.enumerated() {
      if i == 0 || row.value != sorted[i - 1].value {
        let bin = few ? last + 1 : i * Self.bins / sorted.count
        if bin != last { bins.append([]) }
        last = bin
      }
      bins[bins.count - 1].append(row)
    }
    return bins.map { bin in
      let (low, high) = (bin[0].value, bin[bin.count - 1].value)
      let ends = [low, high].map { JSON.double($0).text }
      return Group(
        name: low == high ? ends[0] : ends.joined(separator: " to "), range: low...high,
        places: bin.map(\.place).sorted())
    }
  }
}
