import GXCore

/// The rows of a batch: begun in the pictures' order, filled in any, read in order.
final class BatchRows: RowSource, @unchecked Sendable {
  private let monitor = Monitor()
  private var rows: [[UInt8]?] = []
  private var next = 0
  private var offset = 0
  private var underWay = 0
  private var isComplete = false
  private var isCancelled = false

  /// A place for one more row.
  func begin() -> Int {
    monitor.locked {
      rows.append(nil)
      underWay += 1
      return rows.count - 1
    }
  }

  /// Takes back the row last begun, which nobody knows of yet.
  func retract() {
    monitor.locked {
      rows.removeLast()
      underWay -= 1
    }
  }

  func fill(_ place: Int, _ row: JSONObject) {
    var bytes: [UInt8] = []
    row.write(to: &bytes)
    bytes.append(UInt8(ascii: "\n"))
    monitor.locked {
      rows[place] = bytes
      underWay -= 1
      monitor.signalAll()
    }
  }

  /// No more rows will begin.
  func complete() { monitor.locked { isComplete = true } }

  /// Nobody will read them: what has not begun need not.
  func cancel() {
    monitor.locked {
      isCancelled = true
      monitor.signalAll()
    }
  }

  var isAbandoned: Bool { monitor.locked { isCancelled } }
  /// Rows that were begun, and those of them that are not filled.
  var count: Int { monitor.locked { rows.count } }
  var pending: Int { monitor.locked { underWay } }

  /// Sleeps while `limit` or more are under way. For threads that may wait.
  func waitForRoom(_ limit: Int) { monitor.locked { while underWay >= limit && !isCancelled { monitor.wait() } } }

  func read(into out: UnsafeMutableRawBufferPointer) -> Int? {
    monitor.locked {
      var filled = 0
      while filled < out.count, next < rows.count, let row = rows[next] {
        let count = min(out.count - filled, row.count - offset)
        row.withUnsafeBytes { bytes in
          UnsafeMutableRawBufferPointer(rebasing: out[filled...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
        }
        (filled, offset) = (filled + count, offset + count)
        if offset == row.count {
          rows[next] = []
          (next, offset) = (next + 1, 0)
        }
      }
      return filled == 0 && isComplete && next == rows.count ? nil : filled
    }
  }
}

/// What is made of a batch's pictures, whatever they come in.
struct BatchWork: Sendable {
  let reception: Reception
  let rows = BatchRows()
  /// A picture's row, made on a thread of the queue.
  let work: @Sendable (_ id: String, _ file: [UInt8]) -> JSONObject
  /// Told of each picture, for the rate limits.
  let charge: @Sendable () -> Void

  /// Pictures of one batch that may be under way: enough that no worker waits, and few enough to leave room for others.
  var window: Int { reception.settings.workers + 2 }

  /// Begins a picture's row, if there is room. Where there is none, some row under way makes room, and wakes the request.
  func submit(_ id: String, _ upload: Upload) -> Bool {
    let pending = rows.pending
    guard pending < window else { return false }
    let place = rows.begin()
    let (rows, work, wake) = (rows, work, reception.wake)
    let isTaken = reception.queue.submit(evenIfFull: pending == 0) {
      rows.fill(place, rows.isAbandoned ? [:] : work(id, upload.bytes))
      wake()
    }
    if isTaken { charge() } else { rows.retract() }
    return isTaken
  }

  /// A row for a picture that is not even looked at.
  func fail(_ id: String, error: String, _ message: String) {
    rows.fill(rows.begin(), Self.failure(id, error: error, message))
    charge()
  }

  static func failure(_ id: String, error: String, _ message: String) -> JSONObject {
    ["id": .string(id), "success": false, "error": .string(error), "message": .string(message)]
  }

  var answer: Response {
    guard rows.count > 0 else {
      return reception.nothing("The batch holds no picture.")
    }
    rows.complete()
    return Response(200, type: "application/x-ndjson", .rows(rows), headers: reception.headers)
  }
}

/// Takes a form with any number of pictures, which are classified while the rest is still on its way. What is held at
/// once is bounded: the connection sleeps while as many are under way as may be.
final class FormBatchReader: BodyReader {
  private let batch: BatchWork
  private let form: Multipart
  private var received = 0
  private var parts = 0
  /// The part that is coming in, and what is known to be wrong with it; nil where it is no file.
  private var current: (part: Multipart.Part, upload: Upload, fault: String?)?
  /// A part that is whole and waits for room.
  private var waiting: (id: String, upload: Upload)?
  /// A piece that waits for memory.
  private var held: [UInt8] = []
  private(set) var refusal: Response?

  init(_ batch: BatchWork, form: Multipart) { (self.batch, self.form) = (batch, form) }

  private var settings: Settings { batch.reception.settings }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    var rest = bytes
    do throws(GXError) {
      while refusal == nil, hasRoom(), let event = try form.next(&rest) { part(event) }
    } catch {
      refusal = batch.reception.malformed(error)
    }
    received += bytes.count - rest.count
    if received > settings.batchBytes { refusal = batch.reception.tooLarge(settings.batchBytes, "The body") }
    return bytes.count - rest.count
  }

  /// Puts away what waits, if it can be.
  private func hasRoom() -> Bool {
    if !held.isEmpty {
      let isHeld = held.withUnsafeBytes { current?.upload.append($0) ?? true }
      if !isHeld {
        // Memory that is only waited for by those who hold it would never come free.
        if batch.rows.pending > 0 { return false }
        current?.fault = "The server holds as many uploads as it can; try this one again."
        current?.upload = Upload(batch.reception.budget)
      }
      held = []
    }
    if let whole = waiting {
      guard batch.submit(whole.id, whole.upload) else { return false }
      waiting = nil
    }
    return true
  }

  private func part(_ event: Multipart.Event) {
    switch event {
    case .begin(let part):
      parts += 1
      guard parts <= settings.parts else {
        refusal = batch.reception.fault(413, "The form has more than \(settings.parts) parts.", .tooLarge)
        return
      }
      current = (part, Upload(batch.reception.budget), nil)
    case .data(let piece):
      guard let (part, upload, fault) = current, fault == nil else { return }
      let start = upload.bytes.prefix(Multipart.Part.sniffLength)
      if start.count == Multipart.Part.sniffLength, !part.isFile(beginning: start) {
        current = nil
      } else if upload.bytes.count + piece.count > settings.pictureBytes {
        current?.fault = "The picture is over the limit of \(settings.pictureBytes) bytes."
        current?.upload = Upload(batch.reception.budget)
      } else if !upload.append(piece) {
        held = Array(piece)
      }
    case .end:
      guard let (part, upload, fault) = current else { return }
      current = nil
      let isFile = part.isFile(beginning: upload.bytes.prefix(Multipart.Part.sniffLength))
      guard fault != nil || isFile && !part.isUnchosen(count: upload.bytes.count) else { return }
      let id = [part.filename, part.name].compactMap { $0 }.first { !$0.isEmpty } ?? "part \(parts)"
      if let fault { batch.fail(id, error: Response.reason(413), fault) } else { waiting = (id, upload) }
    case .finished: break
    }
  }

  func answer() -> Response? {
    guard hasRoom() else { return nil }
    guard form.isFinished || received == 0 else {
      return batch.reception.malformed(GXError("it breaks off before its last boundary"))
    }
    return batch.answer
  }

  func abandon() { batch.rows.cancel() }
}
