import GXCore

/// A value that can be replaced while others use it: who has read it keeps what was there.
final class Live<Value: Sendable>: @unchecked Sendable {
  private let monitor = Monitor()
  private var value: Value

  init(_ value: Value) { self.value = value }

  var now: Value {
    get { monitor.locked { value } }
    set { monitor.locked { value = newValue } }
  }
}
