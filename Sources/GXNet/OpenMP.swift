import Glibc

/// The threads that oneDNN's primitives run on, which are OpenMP's. libgomp is loaded by libdnnl and not by us, so its
/// functions are looked up by name.
enum OpenMP {
  private typealias SetThreads = @convention(c) (CInt) -> Void
  private typealias GetThreads = @convention(c) () -> CInt
  private static let set = dlsym(nil, "omp_set_num_threads").map { unsafeBitCast($0, to: SetThreads.self) }
  private static let get = dlsym(nil, "omp_get_max_threads").map { unsafeBitCast($0, to: GetThreads.self) }

  /// How many threads the primitives that the calling thread makes and runs from now on use.
  static func setThreads(_ count: Int) { set?(CInt(count)) }
  static var threads: Int { Int(get?() ?? 1) }

  private typealias Parallel =
    @convention(c) (
      @convention(c) (UnsafeMutableRawPointer?) -> Void, UnsafeMutableRawPointer?, CUnsignedInt, CUnsignedInt
    ) -> Void
  private static let startTeam = dlsym(nil, "GOMP_parallel").map { unsafeBitCast($0, to: Parallel.self) }
  private static let place = dlsym(nil, "omp_get_thread_num").map { unsafeBitCast($0, to: GetThreads.self) }
  private static let size = dlsym(nil, "omp_get_num_threads").map { unsafeBitCast($0, to: GetThreads.self) }

  /// Calls `body` for each of 0..<count, shared out among the threads that oneDNN's primitives run on: they are awake
  /// already. On the calling thread alone where there is no libgomp.
  static func parallel(_ count: Int, _ body: (Int) -> Void) {
    guard threads > 1, count > 1, let startTeam, place != nil, size != nil else { return (0..<count).forEach(body) }
    withoutActuallyEscaping(body) { body in
      var work = (count: count, body: body)
      withUnsafeMutablePointer(to: &work) { pointer in
        startTeam(
          { pointer in
            let work = pointer!.assumingMemoryBound(to: (count: Int, body: (Int) -> Void).self).pointee
            let (place, size) = (Int(OpenMP.place!()), Int(OpenMP.size!()))
            for i in work.count * place / size..<work.count * (place + 1) / size { work.body(i) }
          }, pointer, CUnsignedInt(min(threads, count)), 0)
      }
    }
  }

  /// Runs `body` on the calling thread alone: for work so small that waking another costs more, and
  /// waiting for it much more where the machine is busy.
  static func alone<R>(_ body: () throws -> R) rethrows -> R {
    let threads = threads
    setThreads(1)
    defer { setThreads(threads) }
    return try body()
  }
}
