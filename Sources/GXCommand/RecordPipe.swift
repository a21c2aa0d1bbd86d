import CSystem
import GXCore
import GXStream
import Glibc

/// Where a command's data goes: stdout, or with `-o` a file that appears only when all went well.
public final class Output {
  public let sink: ByteSink
  private let file: AtomicFile?
  private var ends: [() throws -> Void] = []

  /// - Parameter binary: true refuses to write to a terminal.
  init(_ arguments: Arguments, binary: Bool) throws {
    let immediate = arguments.has("unbuffered")
    if let path = arguments.string("output") {
      let file = try AtomicFile(path: path)
      self.file = file
      sink = ByteSink(descriptor: file.descriptor, name: path, immediate: immediate)
    } else {
      if binary && isatty(STDOUT_FILENO) == 1 {
        throw UsageError("stdout is a terminal; send the tensor stream to a file or a pipe")
      }
      file = nil
      sink = ByteSink(immediate: immediate)
    }
  }

  /// A writer of a tensor stream, which is ended when the command has done its work.
  public func records() -> RecordWriter {
    let writer = RecordWriter(sink)
    atEnd(writer.finish)
    return writer
  }

  /// A writer of NDJSON, likewise.
  public func rows() -> NDJSONWriter {
    let writer = NDJSONWriter(sink)
    atEnd(writer.finish)
    return writer
  }

  public func write(_ text: String) throws { try sink.write(Array(text.utf8)) }

  /// What is still to be written when the command has done its work.
  public func atEnd(_ end: @escaping () throws -> Void) { ends.append(end) }

  /// All was written: what is buffered goes out, the file gets its name.
  fileprivate func commit() throws {
    for end in ends { try end() }
    try sink.flush()
    if let file { return try file.commit() }
    // Some file systems tell of a full disk only here.
    guard close(STDOUT_FILENO) == 0 else { throw GXError.system("stdout") }
  }
}

extension Arguments {
  /// The work of a command from its first output to its exit status: `write` within `count`.
  public func run(binary: Bool = false, _ body: (Output, inout Tally) throws -> Void) throws -> ExitStatus {
    try count { tally in try write(binary: binary) { output in try body(output, &tally) } }
  }

  /// Lets `body` write. Where it returns, the output is ended and appears under its name; where it throws, there is none.
  /// - Parameter binary: true refuses to write to a terminal.
  public func write(binary: Bool = false, _ body: (Output) throws -> Void) throws {
    let output = try Output(self, binary: binary)
    try body(output)
    try output.commit()
  }

  /// Lets `body` count records. However it ends, people are told how many failed; the exit status follows.
  public func count(_ body: (inout Tally) throws -> Void) throws -> ExitStatus {
    var tally = try Tally(self)
    defer {
      Log.clearProgress()
      tally.report()
    }
    try body(&tally)
    return tally.status
  }
}

/// The tensor stream on stdin. Refuses a terminal.
/// - Parameter map: false where records are held for long: views would keep the file's pages in memory.
public func standardRecords(map: Bool = true) throws -> RecordReader {
  if isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; a tensor stream was expected") }
  return tensorStream(ByteSource(map: map))
}

/// A tensor stream's records. What the reader itself finds wrong with one is told on stderr.
public func tensorStream(_ source: ByteSource) -> RecordReader {
  RecordReader(source) { Log.error("\($0.id): \($0.error ?? "")") }
}

/// Counts of what passed, and the exit status that follows from them and `--max-errors`.
public struct Tally: Sendable {
  public private(set) var records = 0
  public private(set) var failed = 0
  private let allowed: Allowance

  /// How many of the records that failed are named on stderr where no row tells of them at once.
  private static let namedLimit = 20

  public init(_ arguments: Arguments) throws { allowed = try arguments[Option.maxErrors] ?? .count(0) }

  public mutating func add(failed: Bool) {
    records += 1
    if failed { self.failed += 1 }
  }

  /// Counts a record by its name. One that failed is told with its error, up to `namedLimit` of them.
  public mutating func add(_ name: @autoclosure () -> String, error: String?) {
    add(failed: error != nil)
    guard let error else { return }
    if failed <= Self.namedLimit { Log.error("\(name()): \(error)") }
    if failed == Self.namedLimit + 1 { Log.error("more records failed, which are not named here") }
  }

  /// Counts so many records that did not fail.
  public mutating func add(_ count: Int) { records += count }

  public var status: ExitStatus {
    let isFine =
      switch allowed {
      case .count(let n): failed <= n
      case .percent(let p): Double(failed) * 100 <= p * Double(records)
      }
    return isFine ? .done : .someFailed
  }

  /// Says on stderr how many failed, if any did.
  func report() { if failed > 0 { Log.note("\(failed) of \(records) records failed") } }
}

/// How many records may fail.
public enum Allowance: Sendable { case count(Int), percent(Double) }

extension OptionType<Allowance> {
  static var allowance: Self {
    Self(
      fault: "neither a count nor a percentage",
      read: { text in
        if text.hasSuffix("%") {
          return Double(text.dropLast()).flatMap { (0...100).contains($0) ? .percent($0) : nil }
        }
        return Int(text).flatMap { $0 >= 0 ? .count($0) : nil }
      })
  }
}

extension Record {
  /// What a filter of pixels works on.
  /// - Throws: `GXError` where there are none, or one is not finite.
  public func finitePixels() throws(GXError) -> Tensor {
    guard let tensor else { throw GXError("the record has no tensor") }
    try tensor.checkFinite()
    return tensor
  }
}

/// The loop that filters of the tensor stream share: read, work on `-j` threads, write in order, count, end.
public struct RecordPipe {
  private let arguments: Arguments

  public init(_ arguments: Arguments) { self.arguments = arguments }

  /// One record in, one out. An error that `transform` throws becomes the record's.
  public func map(_ transform: @escaping @Sendable (inout Record) throws -> Void) throws -> ExitStatus {
    try expand { record in
      var record = record
      try transform(&record)
      return [record]
    }
  }

  /// One step on each record's pixels, which `ops` tells as `op`.
  ///
  /// Pixels that are not finite make a failed record. Who has a policy for them (what NaN becomes, say) makes it a step
  /// of its own, which comes before and shows in `ops`.
  public func step(_ op: JSON, _ apply: @escaping @Sendable (Tensor) throws -> Tensor) throws -> ExitStatus {
    try map { record in record.step(to: try apply(record.finitePixels()), op: op) }
  }

  /// One record in, any number out. Failed records pass untouched.
  public func expand(_ transform: @escaping @Sendable (Record) throws -> [Record]) throws -> ExitStatus {
    let reader = try standardRecords()
    return try run(next: reader.next) { record in
      if record.error != nil { return [record] }
      do { return try transform(record) } catch {
        var failed = record
        failed.fail("\(error)")
        Log.error("\(record.id): \(error)")
        return [failed]
      }
    }
  }

  /// From any source of work to records; `work` itself turns errors into failed records.
  public func run<Item: Sendable>(
    next: @escaping () throws -> Item?, work: @escaping @Sendable (Item) -> [Record]
  ) throws -> ExitStatus {
    try arguments.run(binary: true) { output, tally in
      let writer = output.records()
      let progress = Progress()
      try orderedMap(jobs: arguments.jobs(), next: next, work: work) { records in
        for record in records {
          try writer.write(record)
          tally.add(failed: record.error != nil)
        }
        progress.advance(records.count)
      }
    }
  }

  /// From records to what `write` writes, in order; it tells whether that carries an error. What is wrong with a record
  /// is for `work` to say in its result: an error that it throws ends the run.
  public func run<Out: Sendable>(
    _ reader: RecordReader, binary: Bool, work: @escaping @Sendable (Record) throws -> Out,
    into write: (Output) throws -> (Out) throws -> Bool
  ) throws -> ExitStatus {
    try arguments.run(binary: binary) { output, tally in
      let write = try write(output)
      let progress = Progress()
      try orderedMap(jobs: arguments.jobs(), next: reader.next) { record in
        Result { try work(record) }.mapError { GXError("\(record.id): \($0)") }
      } emit: { result in
        tally.add(failed: try write(result.get()))
        progress.advance()
      }
    }
  }
}
