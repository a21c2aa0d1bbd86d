import GXCore

/// Makes batches on a thread of its own, one ahead of who takes them.
final class Prefetcher: @unchecked Sendable {
  private let monitor = Monitor()
  private let batches: [Batch]
  private var made = 0
  private var taken = 0
  private var released = 0
  private var stopped = false
  private var end: Result<Void, Error>?

  /// Calls `fill` for each of `numbers` in turn. The two batches can be used again when `stop` was called.
  init(_ batches: (Batch, Batch), _ numbers: Range<Int>, fill: @escaping @Sendable (Int, Batch) throws -> Void) {
    self.batches = [batches.0, batches.1]
    detachThread { [self] in
      let result = Result { try make(numbers, fill) }
      monitor.locked {
        end = result
        monitor.signalAll()
      }
    }
  }

  private func make(_ numbers: Range<Int>, _ fill: (Int, Batch) throws -> Void) throws {
    for number in numbers {
      let stop = monitor.locked {
        while made - released == 2 && !stopped { monitor.wait() }
        return stopped
      }
      if stop { return }
      try fill(number, batches[made % 2])
      monitor.locked {
        made += 1
        monitor.signalAll()
      }
    }
  }

  /// The next batch, which is the caller's until the next call; nil when all were taken.
  func next() throws -> Batch? {
    try monitor.locked {
      released = taken
      monitor.signalAll()
      while made == taken {
        if let end {
          try end.get()
          return nil
        }
        monitor.wait()
      }
      taken += 1
      return batches[(taken - 1) % 2]
    }
  }

  /// Ends the thread, and waits for it.
  func stop() {
    monitor.locked {
      stopped = true
      monitor.signalAll()
      while end == nil { monitor.wait() }
    }
  }
}
