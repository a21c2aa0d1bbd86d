import GXCore

/// Bytes that all uploads share. Taken as they arrive, not as they are announced.
final class Budget: @unchecked Sendable {
  private let limit: Int
  private let monitor = Monitor()
  private var used = 0

  init(_ limit: Int) { self.limit = limit }

  /// False, and nothing taken, where it would go over the limit.
  func take(_ count: Int) -> Bool {
    monitor.locked {
      guard used + count <= limit else { return false }
      used += count
      return true
    }
  }

  func giveBack(_ count: Int) { monitor.locked { used -= count } }

  var inUse: Int { monitor.locked { used } }
}

/// A picture's bytes as they come in, within the budget that they give back when they go.
final class Upload: @unchecked Sendable {
  private let budget: Budget
  private var taken = 0
  private(set) var bytes: [UInt8] = []

  init(_ budget: Budget) { self.budget = budget }

  /// False, and nothing added, where the budget does not allow it.
  func append(_ piece: UnsafeRawBufferPointer) -> Bool {
    if bytes.count + piece.count > taken {
      // What growing an array takes: twice its size.
      let wanted = max(64 << 10, 2 * (bytes.count + piece.count))
      guard budget.take(wanted - taken) else { return false }
      taken = wanted
      bytes.reserveCapacity(wanted)
    }
    bytes.append(contentsOf: piece)
    return true
  }

  deinit { budget.giveBack(taken) }
}
