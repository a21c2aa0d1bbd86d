import CMicroHTTPD
import GXCore

/// A request and its answer under way.
final class Exchange: @unchecked Sendable {
  let target: String
  let connection: Connection
  private let handle: OpaquePointer
  private let monitor = Monitor()
  private var isAsleep = false
  private var mustWake = false

  // Touched by the network's thread alone.
  var head: RequestHead?
  var tag: Tag
  var reader: (any BodyReader)?
  var response: Response?
  var rows: (any RowSource)?
  var status: Int?
  /// Whether the connection ends with it.
  var isLast = false
  var begin = now()
  /// When the body began, later by the time that it was kept waiting.
  var bodyBegin = 0.0
  var sleepBegin = 0.0
  var bytesIn = 0
  var bytesOut = 0

  init(target: String, connection: Connection, handle: OpaquePointer) {
    (self.target, self.connection, self.handle) = (target, connection, handle)
    tag = Tag(client: connection.address)
  }

  /// On the network's thread: the connection is left alone until it is woken.
  func sleep() {
    monitor.locked {
      MHD_suspend_connection(handle)
      isAsleep = true
      if mustWake { resume() }
    }
  }

  /// From any thread. Where the exchange is not asleep, it will not fall asleep the next time.
  func wake() { monitor.locked { if isAsleep { resume() } else { mustWake = true } } }

  private func resume() {
    (isAsleep, mustWake) = (false, false)
    MHD_resume_connection(handle)
  }
}
