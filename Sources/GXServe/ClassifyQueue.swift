import GXCore

/// Work that waits for one of a few threads. Bounded: who comes when it is full is sent away, not kept.
final class ClassifyQueue: @unchecked Sendable {
  typealias Job = @Sendable () -> Void

  private let limit: Int
  private let monitor = Monitor()
  private var jobs: [Job] = []
  /// Jobs before this place are done; the array is cut when they are many.
  private var next = 0
  private var working = 0

  init(workers: Int, limit: Int) {
    self.limit = limit
    for _ in 0..<workers { detachThread { self.work() } }
  }

  /// False where the queue is full.
  /// - Parameter evenIfFull: for work that must not be sent away: a batch has at least one picture under way.
  func submit(evenIfFull: Bool = false, _ job: @escaping Job) -> Bool {
    monitor.locked {
      guard evenIfFull || jobs.count - next < limit else { return false }
      jobs.append(job)
      monitor.signalAll()
      return true
    }
  }

  /// Jobs that wait, and jobs at work.
  var depth: (waiting: Int, working: Int) { monitor.locked { (jobs.count - next, working) } }

  private func work() {
    while true {
      let job: Job = monitor.locked {
        while next == jobs.count { monitor.wait() }
        let job = jobs[next]
        jobs[next] = {}
        next += 1
        if next == jobs.count || next > 256 {
          jobs.removeFirst(next)
          next = 0
        }
        working += 1
        return job
      }
      job()
      monitor.locked { working -= 1 }
    }
  }
}
