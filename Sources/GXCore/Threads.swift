import Glibc

/// A mutex with condition variables, for the few places where threads meet.
public final class Monitor: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  public init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  public func locked<R>(_ body: () throws -> R) rethrows -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// Inside `locked`: sleeps until `signalAll`.
  public func wait() { pthread_cond_wait(condition, mutex) }
  public func signalAll() { pthread_cond_broadcast(condition) }
}

/// Runs `body` on a thread of its own, which nobody joins.
public func detachThread(_ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let box = Unmanaged.passRetained(Box(body))
  let status = pthread_create(
    &thread, nil,
    { raw in
      Unmanaged<Box>.fromOpaque(raw!).takeRetainedValue().body()
      return nil
    }, box.toOpaque())
  precondition(status == 0, "no thread could be started: \(status)")
  pthread_detach(thread)
}

/// Maps `next`'s items through `work` on `jobs` threads and hands the results to `emit` in their order.
///
/// At most a few items a thread are held at once. `emit` runs on the calling thread, `next` on one of its
/// own. Where `next` throws, everything before is still worked and emitted, and then the error is thrown;
/// where `emit` throws, the error is thrown at once and the threads are left to the end of the process.
public func orderedMap<In: Sendable, Out: Sendable>(
  jobs: Int, next: @escaping () throws -> In?, work: @escaping @Sendable (In) -> Out, emit: (Out) throws -> Void
) throws {
  if jobs <= 1 {
    while let item = try next() { try emit(work(item)) }
    return
  }
  let line = OrderedLine<In, Out>(window: jobs * 4)
  nonisolated(unsafe) let next = next  // called from the reading thread only
  detachThread { line.fill(next) }
  for _ in 0..<jobs { detachThread { line.work(work) } }
  while let result = try line.take() { try emit(result) }
}

/// The slots between reader, workers and emitter: a ring in which an item's place is its number.
private final class OrderedLine<In: Sendable, Out: Sendable>: @unchecked Sendable {
  private let window: Int
  private var items: [In?]
  private var results: [Out?]
  private var read = 0
  private var started = 0
  private var emitted = 0
  private var end: Result<Void, Error>?

  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let conditions = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 3)
  private var hasRoom: UnsafeMutablePointer<pthread_cond_t> { conditions }
  private var hasItem: UnsafeMutablePointer<pthread_cond_t> { conditions + 1 }
  private var hasResult: UnsafeMutablePointer<pthread_cond_t> { conditions + 2 }

  init(window: Int) {
    self.window = window
    items = Array(repeating: nil, count: window)
    results = Array(repeating: nil, count: window)
    pthread_mutex_init(lock, nil)
    for i in 0..<3 { pthread_cond_init(conditions + i, nil) }
  }

  func fill(_ next: () throws -> In?) {
    while true {
      let item = Result { try next() }
      pthread_mutex_lock(lock)
      defer { pthread_mutex_unlock(lock) }
      switch item {
      case .success(let value?):
        while read - emitted >= window { pthread_cond_wait(hasRoom, lock) }
        items[read % window] = value
        read += 1
        pthread_cond_signal(hasItem)
        continue
      case .success(nil): end = .success(())
      case .failure(let error): end = .failure(error)
      }
      pthread_cond_broadcast(hasItem)
      pthread_cond_signal(hasResult)
      return
    }
  }

  func work(_ work: (In) -> Out) {
    while true {
      pthread_mutex_lock(lock)
      while started == read && end == nil { pthread_cond_wait(hasItem, lock) }
      guard started < read else {
        pthread_mutex_unlock(lock)
        return
      }
      let place = started % window
      started += 1
      let item = items[place]!
      items[place] = nil
      pthread_mutex_unlock(lock)

      let result = work(item)

      pthread_mutex_lock(lock)
      results[place] = result
      if place == emitted % window { pthread_cond_signal(hasResult) }
      pthread_mutex_unlock(lock)
    }
  }

  func take() throws -> Out? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while true {
      if let result = results[emitted % window] {
        results[emitted % window] = nil
        emitted += 1
        pthread_cond_signal(hasRoom)
        return result
      }
      if emitted == read, let end {
        try end.get()
        return nil
      }
      pthread_cond_wait(hasResult, lock)
    }
  }
}
