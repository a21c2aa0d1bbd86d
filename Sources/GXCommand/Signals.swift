import CSystem
import GXStream
import Glibc

/// What happens on SIGINT, SIGTERM, SIGHUP and SIGPIPE: temporaries are removed and the signal then does
/// what it always does, so that the shell sees the truth.
public enum Signals {
  nonisolated(unsafe) private static var caught: Int32 = 0

  static func install() {
    for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) { set(number, dieCleanly) }
    // Even where a parent had ignored it: a reader that goes away ends us quietly.
    set(SIGPIPE, dieCleanly)
  }

  /// For work that can stop at a good place: SIGINT and SIGTERM only set `interrupted` from now on (a second
  /// one ends the process at once), and a lost reader is an error of `write` instead of a signal.
  /// - Parameter readerIsNeeded: Whether a lost reader ends the process all the same.
  public static func deferInterrupts(readerIsNeeded: Bool = false) {
    for number in [SIGINT, SIGTERM] where !isIgnored(number) { set(number, noteOnce) }
    if !readerIsNeeded { signal(SIGPIPE, SIG_IGN) }
  }

  /// The signal that asked us to stop, if one did. See `deferInterrupts`.
  public static var interrupted: Int32? { caught == 0 ? nil : caught }

  /// Ends the process as the signal would have, now that the work is safe.
  public static func endAsInterrupted() -> Never {
    if caught != 0 { dieCleanly(caught) }
    exit(ExitStatus.failed.rawValue)
  }

  private static func isIgnored(_ number: Int32) -> Bool {
    var old = sigaction()
    sigaction(number, nil, &old)
    return unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) == 1  // SIG_IGN
  }

  private static func set(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void) {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = handler
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
  }

  private static let dieCleanly: @convention(c) (Int32) -> Void = { number in
    AtomicFile.discardAll()
    signal(number, SIG_DFL)
    raise(number)
  }

  private static let noteOnce: @convention(c) (Int32) -> Void = { number in
    if caught != 0 {
      AtomicFile.discardAll()
      _exit(128 + number)
    }
    caught = number
  }
}
