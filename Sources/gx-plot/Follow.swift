import GXCommand
import GXCore
import GXPlot
import GXStream
import GXTerminal
import Glibc

/// Draws the chart of a log that grows, anew whenever it has: on a terminal in place, with -o the file. Ends with its
/// input, or as interrupted.
func follow(_ path: String, _ arguments: Arguments, _ canvas: Canvas) throws -> ExitStatus {
  let hasFile = arguments.has("output")
  let isLive = canvas.format == .text && !hasFile && Terminal.isOutput
  let input = try GrowingInput(path)
  if input.isMissing { Log.note("waits for \(path)") }
  var log = TrainingLog()
  let screen = Screen()
  Signals.deferInterrupts()
  defer { screen.leave() }

  func draw() throws {
    guard !log.epochs.isEmpty else { return }
    if isLive { try screen.show(canvas.lines(TrainingChart(log))) } else if hasFile { try write() }
  }
  func write() throws {
    try arguments.write(binary: canvas.format == .png) { try $0.sink.write(canvas.bytes(TrainingChart(log))) }
  }

  return try arguments.count { tally in
    var (size, number) = (Terminal.size, 0)
    while Signals.interrupted == nil {
      let news = try input.wait(seconds: 0.25)
      if news.isAnew { (log, number) = (TrainingLog(), 0) }
      for line in news.lines {
        number += 1
        do throws(GXError) {
          guard let row = try JSONObject(line: line, isFirst: number == 1) else { continue }
          try log.add(row)
          tally.add(failed: false)
        } catch {
          Log.error("\(error.at("\(input.name), line \(number)"))")
          tally.add(failed: true)
        }
      }
      if !news.lines.isEmpty || (isLive && Terminal.size != size) { try draw() }
      size = Terminal.size
      if news.isEnd { break }
    }
    screen.leave()
    if Signals.interrupted != nil { Signals.endAsInterrupted() }
    guard !log.epochs.isEmpty else { throw GXError("no row of \(tally.records) is an epoch's") }
    if !isLive && !hasFile { try write() }
  }
}

/// Lines on a terminal that are drawn over in place.
private final class Screen {
  private let sink = ByteSink()
  private var shown = 0
  private var size = Terminal.size

  func show(_ lines: [String]) throws {
    // In one piece where the terminal knows how to (mode 2026), without a cursor that jumps about.
    var text = "\u{1b}[?2026h\u{1b}[?25l"
    if size != Terminal.size {  // what stands there has been broken into other lines
      text += "\u{1b}[2J\u{1b}[H"
    } else if shown > 0 {
      text += "\u{1b}[\(shown)A\r"
    }
    text += lines.map { $0 + "\u{1b}[K\n" }.joined() + "\u{1b}[J\u{1b}[?2026l"
    (shown, size) = (lines.count, Terminal.size)
    try sink.write(Array(text.utf8))
    try sink.flush()
  }

  /// Gives the cursor back.
  func leave() {
    guard shown > 0 else { return }
    shown = 0
    try? sink.write(Array("\u{1b}[?25h".utf8))
    try? sink.flush()
  }
}
