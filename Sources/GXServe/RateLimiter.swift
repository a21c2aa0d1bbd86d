import GXCore

/// Token buckets, one for each client: `perMinute` requests may come at once, and as many a minute after that.
///
/// The table is bounded, whoever fills it: of two generations the older is forgotten once the younger is full. Who is
/// forgotten starts with a full bucket.
final class RateLimiter<ID: Hashable & Sendable>: @unchecked Sendable {
  struct Verdict: Equatable, Sendable {
    let isAllowed: Bool
    let limit: Int
    /// Requests that may still come at once.
    let remaining: Int
    /// Seconds until the bucket is full again, rounded up.
    let reset: Int
    /// Seconds until one more request may come, rounded up; 0 where it may.
    let retryAfter: Int
  }

  private struct Bucket {
    var tokens: Double
    var time: Double
  }

  private let limit: Double
  private let generation: Int
  private let clock: @Sendable () -> Double
  private let monitor = Monitor()
  private var young: [ID: Bucket] = [:]
  private var old: [ID: Bucket] = [:]

  /// - Parameters:
  ///   - perMinute: at least 1.
  ///   - table: the most buckets that are kept.
  ///   - clock: seconds, never going back.
  init(perMinute: Int, table: Int = 1 << 16, clock: @escaping @Sendable () -> Double = now) {
    (limit, generation, self.clock) = (Double(max(1, perMinute)), max(1, table / 2), clock)
  }

  /// Takes `count` tokens of a client that has one. A batch may so fall into debt, which its next requests wait out.
  func take(_ id: ID, _ count: Int = 1) -> Verdict {
    monitor.locked {
      let time = clock()
      var bucket = young[id] ?? old[id] ?? Bucket(tokens: limit, time: time)
      bucket.tokens = min(limit, bucket.tokens + max(0, time - bucket.time) * limit / 60)
      bucket.time = time
      let isAllowed = bucket.tokens >= 1
      if isAllowed { bucket.tokens -= Double(count) }
      if young[id] == nil && young.count >= generation { (old, young) = (young, [:]) }
      young[id] = bucket
      func seconds(until tokens: Double) -> Int {
        Int(max(0, (tokens - bucket.tokens) * 60 / limit).rounded(.up))
      }
      return Verdict(
        isAllowed: isAllowed, limit: Int(limit), remaining: Int(max(0, bucket.tokens)), reset: seconds(until: limit),
        retryAfter: isAllowed ? 0 : max(1, seconds(until: 1)))
    }
  }

  /// Takes tokens of a client that was let in before, as its pictures come.
  func charge(_ id: ID, _ count: Int) {
    monitor.locked {
      guard var bucket = young[id] ?? old[id] else { return }
      bucket.tokens -= Double(count)
      young[id] = bucket
    }
  }

  /// Buckets that are kept, for tests.
  var count: Int { monitor.locked { young.count + old.count } }
}
