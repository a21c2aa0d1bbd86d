import CSystem
import GXCore
import Glibc

/// One open connection, and how long it may go on as it does.
final class Connection: @unchecked Sendable {
  enum Phase { case idle, head, body, work, answer }

  let socket: Int32
  let address: Address
  let isTLS: Bool
  // All below is guarded by the table's monitor.
  fileprivate(set) var phase = Phase.idle
  fileprivate var deadline: Double
  fileprivate(set) var hasTimedOut = false
  /// Whether its client had no more to send when it was last looked at.
  fileprivate var wasAtEnd = false
  /// Whether bytes of a request may be on their way that nobody will read: see `Lingering`.
  fileprivate(set) var isCutShort = false

  fileprivate init(socket: Int32, address: Address, isTLS: Bool, deadline: Double) {
    (self.socket, self.address, self.isTLS, self.deadline) = (socket, address, isTLS, deadline)
  }
}

/// All open connections: how many an address has, and which of them are too slow.
///
/// libmicrohttpd's own timeout begins anew with every byte, so that one byte now and then would hold a connection for
/// ever. Here a head has one deadline, and a body one that moves with the bytes it brings.
final class Connections: @unchecked Sendable {
  private let settings: Settings
  private let monitor = Monitor()
  private var open: [ObjectIdentifier: Connection] = [:]
  private var perAddress: [Address: Int] = [:]
  private let lingering = Lingering()
  /// What is sent to a client that is too slow.
  private let timeoutAnswer: [UInt8]

  init(_ settings: Settings, timeoutAnswer: [UInt8]) {
    (self.settings, self.timeoutAnswer) = (settings, timeoutAnswer)
    detachThread {
      while true {
        usleep(250_000)
        self.closeSlow()
      }
    }
  }

  /// Whether one more of this address may be. Proxies that are trusted may have any number.
  func mayOpen(_ address: Address) -> Bool {
    if settings.trustedProxies.contains(where: { $0.contains(address) }) { return true }
    return monitor.locked { perAddress[address.group, default: 0] < settings.connectionsPerAddress }
  }

  func opened(socket: Int32, address: Address, isTLS: Bool) -> Connection {
    let connection = Connection(
      socket: socket, address: address, isTLS: isTLS, deadline: now() + settings.headSeconds)
    monitor.locked {
      open[ObjectIdentifier(connection)] = connection
      perAddress[address.group, default: 0] += 1
    }
    return connection
  }

  /// To be called before the socket is closed: nobody touches it after this.
  func closed(_ connection: Connection) {
    monitor.locked {
      open[ObjectIdentifier(connection)] = nil
      let group = connection.address.group
      if let count = perAddress[group] { perAddress[group] = count > 1 ? count - 1 : nil }
      if connection.isCutShort { lingering.adopt(dup(connection.socket)) }
    }
  }

  var count: Int { monitor.locked { open.count } }

  /// A phase begins; it ends by itself after `seconds`, nil for never.
  func set(_ connection: Connection, _ phase: Connection.Phase, for seconds: Double?) {
    monitor.locked {
      guard !connection.hasTimedOut else { return }
      connection.phase = phase
      connection.wasAtEnd = false
      connection.deadline = seconds.map { now() + $0 } ?? .infinity
    }
  }

  func note(_ connection: Connection, _ phase: Connection.Phase) { monitor.locked { connection.phase = phase } }

  func cutShort(_ connection: Connection) { monitor.locked { connection.isCutShort = true } }

  func hasTimedOut(_ connection: Connection) -> Bool { monitor.locked { connection.hasTimedOut } }

  /// Ends the connections that no request is under way on. What has arrived already is still read, and answered.
  func endIdle() {
    // What was read from the socket a moment ago may be a request whose first line is not seen yet.
    let limit = now() + settings.headSeconds - 0.25
    monitor.locked {
      for (_, one) in open where one.phase == .idle && one.deadline < limit && gx_peek(one.socket) <= 0 {
        gx_end_reading(one.socket)
      }
    }
  }

  private func closeSlow() {
    let time = now()
    monitor.locked {
      // libmicrohttpd does not see that a client has gone if its last bytes came together with its farewell. Seen twice,
      // for between the last bytes and the answer a client may well say that it has no more to send.
      for (_, one) in open where one.phase != .work && one.phase != .answer {
        let isAtEnd = gx_peek(one.socket) == 0
        if isAtEnd && one.wasAtEnd { gx_end(one.socket) }
        one.wasAtEnd = isAtEnd
      }
      for (_, one) in open where one.deadline < time {
        // Nothing else is being written in these phases, and so short an answer always fits the socket's buffer.
        // Under TLS it would need the session, which is another thread's.
        let isAnswered = !one.isTLS && !one.hasTimedOut && (one.phase == .head || one.phase == .body)
        // Who goes on sending after the answer is let go of soon.
        one.deadline = isAnswered ? time + 1 : .infinity
        one.hasTimedOut = true
        if isAnswered {
          _ = gx_send(one.socket, timeoutAnswer, timeoutAnswer.count)
          gx_end_reading(one.socket)
        } else {
          gx_end(one.socket)
        }
      }
    }
  }
}

/// Sockets whose client may still be sending what was refused. To close them at once would reset the connection, and
/// the client could lose the answer that says why. So they are read for a while, and what comes is thrown away.
private final class Lingering: @unchecked Sendable {
  private static let most = 64
  private static let seconds = 3.0
  private static let bytes = 64 << 20

  private struct Guest {
    let socket: Int32
    let end: Double
    var bytes = 0
  }

  private let monitor = Monitor()
  private var guests: [Guest] = []
  private var count = 0

  init() { detachThread { self.host() } }

  func adopt(_ socket: Int32) {
    guard socket >= 0 else { return }
    let isTaken = monitor.locked {
      guard count < Self.most else { return false }
      count += 1
      guests.append(Guest(socket: socket, end: now() + Self.seconds))
      monitor.signalAll()
      return true
    }
    if !isTaken { close(socket) }
  }

  private func host() {
    var here: [Guest] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      monitor.locked {
        while here.isEmpty && guests.isEmpty { monitor.wait() }
        here += guests
        guests = []
      }
      var polled = here.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
      poll(&polled, nfds_t(polled.count), 100)
      var stay: [Guest] = []
      for (i, var guest) in here.enumerated() {
        var isOver = now() > guest.end || guest.bytes > Self.bytes
        if polled[i].revents != 0 {
          let n = gx_receive(guest.socket, &buffer, buffer.count)
          if n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) { isOver = true }
          guest.bytes += max(0, n)
        }
        if isOver { close(guest.socket) } else { stay.append(guest) }
      }
      let left = here.count - stay.count
      here = stay
      if left > 0 { monitor.locked { count -= left } }
    }
  }
}
