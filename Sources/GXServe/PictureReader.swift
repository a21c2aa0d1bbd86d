import GXCore

/// Takes one picture, as a form's field or as the body itself, and has it worked on by the queue.
final class PictureReader: BodyReader {
  /// Where the picture is.
  enum Source {
    case form(Multipart)
    case body
    /// It is the body, if that begins like one.
    case unknown
  }

  /// The form's field that holds the picture.
  static let field = "image"
  /// What a form may have around its picture, in bytes.
  private static let formAllowance = 1 << 20

  private let reception: Reception
  private let source: Source
  private let work: @Sendable ([UInt8]) -> Response
  private let state = Live<(answer: Response?, isAbandoned: Bool)>((nil, false))
  private var picture: Upload?
  /// The form's part that is coming in, and may be the picture.
  private var current: (part: Multipart.Part, upload: Upload)?
  /// Whether the form's field was there without a file, and whether as a file that nobody chose.
  private var (isPlain, isUnchosen) = (false, false)
  private var isSubmitted = false
  private var received = 0
  private var parts = 0
  private(set) var refusal: Response?

  /// - Parameter work: What is made of the picture's file, on a thread of the queue.
  init(_ reception: Reception, _ source: Source, work: @escaping @Sendable ([UInt8]) -> Response) {
    (self.reception, self.source, self.work) = (reception, source, work)
    if case .form = source { return }
    picture = Upload(reception.budget)
  }

  /// The largest body, in bytes.
  var limit: Int {
    if case .form = source { return reception.settings.pictureBytes + Self.formAllowance }
    return reception.settings.pictureBytes
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    received += bytes.count
    guard received <= limit else {
      refusal = reception.tooLarge(limit, "The body")
      return 0
    }
    guard case .form(let form) = source else {
      if let picture { add(bytes, to: picture) }
      return bytes.count
    }
    var rest = bytes
    do throws(GXError) {
      while refusal == nil, let event = try form.next(&rest) { part(event) }
    } catch {
      refusal = reception.malformed(error)
    }
    return bytes.count
  }

  private func part(_ event: Multipart.Event) {
    switch event {
    case .begin(let part):
      parts += 1
      if parts > reception.settings.parts {
        refusal = reception.fault(413, "The form has more than \(reception.settings.parts) parts.", .tooLarge)
      }
      current = part.name == Self.field ? (part, Upload(reception.budget)) : nil
    case .data(let piece): if let current { add(piece, to: current.upload) }
    case .end: if let (part, upload) = current { end(part, upload) }
    case .finished: break
    }
  }

  /// A part of the field is whole.
  private func end(_ part: Multipart.Part, _ upload: Upload) {
    current = nil
    if !part.isFile(beginning: upload.bytes.prefix(Multipart.Part.sniffLength)) {
      isPlain = true
    } else if part.isUnchosen(count: upload.bytes.count) {
      isUnchosen = true
    } else if picture == nil {
      picture = upload
    } else {
      refusal = reception.fault(
        400, error: "More than one image",
        "One picture is wanted, and the form's field '\(Self.field)' holds several: POST them to /api/classify/batch.",
        .badRequest)
    }
  }

  private func add(_ piece: UnsafeRawBufferPointer, to upload: Upload) {
    if upload.bytes.count + piece.count > reception.settings.pictureBytes {
      refusal = reception.tooLarge(reception.settings.pictureBytes, "The picture")
    } else if !upload.append(piece) {
      refusal = reception.noMemory
    }
  }

  func answer() -> Response? {
    if let answer = state.now.answer { return answer }
    if isSubmitted { return nil }
    if case .form(let form) = source, !form.isFinished, received > 0 {
      return reception.malformed(GXError("it breaks off before its last boundary"))
    }
    guard let picture, received > 0 else { return nothing }
    if case .unknown = source, !beginsLikePicture(picture.bytes) { return nothing }
    self.picture = nil
    isSubmitted = true
    let (state, work, wake) = (state, work, reception.wake)
    let isTaken = reception.queue.submit {
      if !state.now.isAbandoned { state.now.answer = work(picture.bytes) }
      wake()
    }
    return isTaken ? nil : reception.busy
  }

  /// Why there is no picture.
  private var nothing: Response {
    if isUnchosen {
      return reception.fault(
        400, error: "No image selected", "The form's file has no name: none was chosen.", .badRequest)
    }
    if isPlain {
      return reception.nothing(
        "The form's field '\(Self.field)' is no file: it has no filename and no picture's Content-Type, and does not "
          + "begin like a picture.")
    }
    return reception.nothing("Send \(Reception.ways).")
  }

  func abandon() { state.now.isAbandoned = true }
}
