import Glibc

/// What went wrong, in words for the person at the shell: the place (record, member, offset or field) first, then the
/// fault. Code that has to decide by an error looks at its code, never at its words.
public struct GXError: Error, CustomStringConvertible, Equatable, Sendable {
  public enum Code: Equatable, Sendable {
    /// Data, options or a file are not as they should be.
    case invalid
    /// The system refused: a value of `errno`.
    case system(Int32)
  }

  public let code: Code
  /// Where it was met, the outermost place first.
  public let places: [String]
  /// What is wrong there.
  public let fault: String

  public init(_ fault: String) { self.init(code: .invalid, places: [], fault: fault) }

  private init(code: Code, places: [String], fault: String) {
    (self.code, self.places, self.fault) = (code, places, fault)
  }

  /// What the system says of `place`.
  public static func system(_ place: String, _ code: Int32 = errno) -> GXError {
    GXError(code: .system(code), places: [place], fault: systemError(code))
  }

  /// The same fault, told with the place where it was met.
  public func at(_ place: String) -> GXError { GXError(code: code, places: [place] + places, fault: fault) }

  public var message: String { (places + [fault]).joined(separator: ": ") }

  public var description: String { message }

  /// The same fault, however its place was told.
  public static func == (a: GXError, b: GXError) -> Bool { a.code == b.code && a.message == b.message }
}

/// The text of an `errno` value.
public func systemError(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
