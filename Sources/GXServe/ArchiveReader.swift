import GXCore
import GXImage
import GXStream

/// Bytes on their way from the network's thread, which never waits, to a reader that does.
private final class BytePipe: @unchecked Sendable {
  private static let limit = 256 << 10

  struct Abandoned: Error {}

  private let monitor = Monitor()
  private var buffer: [UInt8] = []
  private var position = 0
  private var isEnded = false
  private var isAbandoned = false
  private let madeRoom: @Sendable () -> Void

  /// - Parameter madeRoom: called where a pipe that was full no longer is.
  init(madeRoom: @escaping @Sendable () -> Void) { self.madeRoom = madeRoom }

  /// Takes what fits, and returns how much that was.
  func offer(_ bytes: UnsafeRawBufferPointer) -> Int {
    monitor.locked {
      if isAbandoned { return bytes.count }
      let count = min(bytes.count, Self.limit - (buffer.count - position))
      buffer += bytes[..<count]
      if count > 0 { monitor.signalAll() }
      return count
    }
  }

  func end() {
    monitor.locked {
      isEnded = true
      monitor.signalAll()
    }
  }

  func abandon() {
    monitor.locked {
      isAbandoned = true
      monitor.signalAll()
    }
  }

  /// Waits for bytes; 0 at the end.
  func read(into out: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = try monitor.locked {
      while position == buffer.count && !isEnded && !isAbandoned { monitor.wait() }
      if isAbandoned { throw Abandoned() }
      let count = min(out.count, buffer.count - position)
      buffer.withUnsafeBytes { out.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count])) }
      position += count
      if position == buffer.count {
        buffer.removeAll(keepingCapacity: true)
        position = 0
      }
      return count
    }
    if count > 0 { madeRoom() }
    return count
  }
}

/// Takes a tar of pictures, read as the commands read theirs (a WebDataset shard is one, too), on a thread that waits
/// for its bytes. The pictures are classified while the rest is still on its way.
final class ArchiveReader: BodyReader {
  private let batch: BatchWork
  private let pipe: BytePipe
  private let archives: ClassifyQueue
  private let outcome = Live<Response?>(nil)
  private var received = 0
  private var isStarted = false
  private(set) var refusal: Response?

  /// - Parameter archives: whose threads may wait.
  init(_ batch: BatchWork, archives: ClassifyQueue) {
    (self.batch, self.archives) = (batch, archives)
    pipe = BytePipe(madeRoom: batch.reception.wake)
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    let limit = batch.reception.settings.batchBytes
    guard received + bytes.count <= limit else {
      refusal = batch.reception.tooLarge(limit, "The body")
      return 0
    }
    guard start() else {
      refusal = batch.reception.busy
      return 0
    }
    let taken = pipe.offer(bytes)
    received += taken
    return taken
  }

  private func start() -> Bool {
    if isStarted { return true }
    let (batch, pipe, outcome) = (batch, pipe, outcome)
    isStarted = archives.submit {
      outcome.now = Self.run(batch, pipe)
      pipe.abandon()
      batch.reception.wake()
    }
    return isStarted
  }

  func answer() -> Response? {
    guard received > 0 else {
      return batch.reception.nothing("The archive is empty.")
    }
    pipe.end()
    return outcome.now
  }

  func abandon() {
    pipe.abandon()
    batch.rows.cancel()
  }

  private static func run(_ batch: BatchWork, _ pipe: BytePipe) -> Response {
    let settings = batch.reception.settings
    do {
      let source = ByteSource(name: "the archive") { try pipe.read(into: $0) }
      let reader = RecordReader(source, recordLimit: settings.pictureBytes)
      while let record = try reader.next() {
        guard batch.rows.count < settings.parts else {
          return batch.reception.fault(413, "The archive has more than \(settings.parts) pictures.", .tooLarge)
        }
        let id = String(record.id.prefix(1024))
        if let error = record.error {
          batch.fail(id, error: "Invalid image", error)
        } else if let file = picture(of: record) {
          try add(id, file, batch)
        } else {
          batch.fail(id, error: "Invalid image", "the record has no picture")
        }
      }
      return batch.answer
    } catch {
      return batch.reception.fault(400, "The archive cannot be read: \(error).", .badRequest)
    }
  }

  /// The first member that looks like a picture, or else the first: what is wrong with it is then told.
  private static func picture(of record: Record) -> Storage? {
    let found = record.files.first { file in
      let bytes = UnsafeRawBufferPointer(start: file.data.base, count: file.data.count)
      return withExtendedLifetime(file.data) { PictureCodec(sniffing: bytes.prefix(PictureCodec.sniffLength)) != nil }
    }
    return (found ?? record.files.first)?.data
  }

  private static func add(_ id: String, _ file: Storage, _ batch: BatchWork) throws {
    let upload = Upload(batch.reception.budget)
    while !withExtendedLifetime(file, { upload.append(UnsafeRawBufferPointer(start: file.base, count: file.count)) }) {
      let pending = batch.rows.pending
      guard pending > 0, !batch.rows.isAbandoned else {
        batch.fail(id, error: Response.reason(503), "The server holds as many uploads as it can; try this one again.")
        return
      }
      batch.rows.waitForRoom(pending)
    }
    while !batch.submit(id, upload) {
      if batch.rows.isAbandoned { throw BytePipe.Abandoned() }
      batch.rows.waitForRoom(max(1, min(batch.window, batch.rows.pending)))
    }
  }
}
