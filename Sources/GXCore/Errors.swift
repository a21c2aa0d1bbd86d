/// What went wrong, in words for the person at the shell: the place (record, member, offset or
/// field) first, then the fault.
public struct GXError: Error, CustomStringConvertible, Equatable, Sendable {
  public let message: String

  public init(_ message: String) { self.message = message }

  /// The same fault, told with the place where it was met.
  public func at(_ place: String) -> GXError { GXError("\(place): \(message)") }

  public var description: String { message }
}
