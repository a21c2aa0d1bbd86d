import CSystem
import Glibc

extension Terminal {
  /// The best method that the terminal says it knows; nil where it shows no pictures: a dumb one, or without colours.
  ///
  /// It is asked, for the environment tells little: a query of the kitty protocol, which others ignore, and DA1 ("Device
  /// Attributes"), which all answer, and in which 4 stands for sixel. What it does not answer within a second it does
  /// not know.
  public static func graphics() -> GraphicsMethod? {
    guard ColorDepth(environment: variable) != .none else { return nil }
    let term = variable("TERM") ?? ""
    // These take what kitty's query is made of for the title of a window.
    let isMultiplexer = term.hasPrefix("screen") || term.hasPrefix("tmux") || variable("TMUX") != nil
    let query = isMultiplexer ? "\u{1b}[c" : "\u{1b}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\u{1b}\\\u{1b}[c"
    return method(answer: ask(query, seconds: 1) ?? [])
  }

  /// What an answer to `graphics`' queries tells.
  static func method(answer: [UInt8]) -> GraphicsMethod {
    let text = String(decoding: answer, as: UTF8.self)
    if text.contains("_Gi=31;OK") { return .kitty }
    guard let attributes = attributes(text) else { return .blocks }
    // The first number is the terminal's class.
    return attributes.dropFirst().contains("4") ? .sixel : .blocks
  }

  /// The numbers of DA1's answer, `ESC [ ? 62 ; 4 c`.
  private static func attributes(_ text: String) -> [Substring]? {
    guard let start = text.firstRange(of: "\u{1b}[?"), let end = text[start.upperBound...].firstIndex(of: "c") else {
      return nil
    }
    return text[start.upperBound..<end].split(separator: ";")
  }

  /// Sends `query` to the terminal that controls this process and returns what it answers, up to DA1's; nil where there
  /// is none, or where we are in the background and have no business with it.
  private static func ask(_ query: String, seconds: Double) -> [UInt8]? {
    let tty = gx_open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY, 0)
    guard tty >= 0 else { return nil }
    defer { close(tty) }
    var before = termios()
    guard tcgetpgrp(tty) == getpgrp(), tcgetattr(tty, &before) == 0 else { return nil }
    var raw = before
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
    guard tcsetattr(tty, TCSAFLUSH, &raw) == 0 else { return nil }
    // An answer that comes too late is thrown away, as far as it is there by then.
    defer { tcsetattr(tty, TCSAFLUSH, &before) }
    guard query.utf8CString.withUnsafeBytes({ write(tty, $0.baseAddress, $0.count - 1) }) == query.utf8.count else {
      return nil
    }
    var answer: [UInt8] = []
    var waited = pollfd(fd: tty, events: Int16(POLLIN), revents: 0)
    var byte: UInt8 = 0
    var left = Int32(seconds * 1000)
    while left > 0, answer.count < 1024 {
      let ready = poll(&waited, 1, min(left, 50))
      if ready <= 0 {
        left -= 50
        continue
      }
      guard read(tty, &byte, 1) == 1 else { break }
      answer.append(byte)
      if byte == UInt8(ascii: "c"), attributes(String(decoding: answer, as: UTF8.self)) != nil { break }
    }
    return answer
  }
}
