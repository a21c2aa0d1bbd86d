import GXCore

/// Takes one picture, as a form's field or as the body itself, and has it worked on by the queue.
final class PictureReader: BodyReader {
  /// The form's field that holds the picture.
  static let field = "image"
  /// What a form may have around its picture, in bytes.
  private static let formAllowance = 1 << 20

  private let reception: Reception
  private let form: Multipart?
  private let work: @Sendable ([UInt8]) -> Response
  private let state = Live<(answer: Response?, isAbandoned: Bool)>((nil, false))
  private var upload: Upload?
  private var filename: String?
  private var isInPicture = false
  private var isSubmitted = false
  private var received = 0
  private var parts = 0
  private(set) var refusal: Response?

  /// - Parameters:
  ///   - form: nil where the body is the picture.
  ///   - work: What is made of the picture's file, on a thread of the queue.
  ///   - isNoPicture: Whether the body is neither, and is only passed over.
  init(
    _ reception: Reception, form: Multipart?, isNoPicture: Bool = false,
    work: @escaping @Sendable ([UInt8]) -> Response
  ) {
    (self.reception, self.form, self.work) = (reception, form, work)
    if form == nil && !isNoPicture {
      upload = Upload(reception.budget)
      filename = "body"
    }
  }

  /// The largest body.
  static func limit(_ settings: Settings, isForm: Bool) -> Int { settings.pictureBytes + (isForm ? formAllowance : 0) }

  func take(_ bytes: UnsafeRawBufferPointer) -> Int {
    received += bytes.count
    let limit = Self.limit(reception.settings, isForm: form != nil)
    guard received <= limit else {
      refusal = reception.tooLarge(limit, "The body")
      return 0
    }
    guard let form else {
      add(bytes)
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
      isInPicture = upload == nil && part.name == Self.field && part.filename != nil
      if isInPicture {
        upload = Upload(reception.budget)
        filename = part.filename
      }
    case .data(let piece): if isInPicture { add(piece) }
    case .end: isInPicture = false
    case .finished: break
    }
  }

  private func add(_ piece: UnsafeRawBufferPointer) {
    guard let upload else { return }
    if upload.bytes.count + piece.count > reception.settings.pictureBytes {
      refusal = reception.tooLarge(reception.settings.pictureBytes, "The picture")
    } else if !upload.append(piece) {
      refusal = reception.noMemory
    }
  }

  func answer() -> Response? {
    if let answer = state.now.answer { return answer }
    if isSubmitted { return nil }
    if let form, !form.isFinished, received > 0 {
      return reception.malformed(GXError("it breaks off before its last boundary"))
    }
    guard let upload, received > 0 else {
      return reception.nothing("Send a picture as the form's field '\(Self.field)', or as the body.")
    }
    if filename?.isEmpty == true {
      return reception.fault(
        400, error: "No image selected", "The form's file has no name: none was chosen.", .badRequest)
    }
    self.upload = nil
    isSubmitted = true
    let (state, work, wake) = (state, work, reception.wake)
    let isTaken = reception.queue.submit {
      if !state.now.isAbandoned { state.now.answer = work(upload.bytes) }
      wake()
    }
    return isTaken ? nil : reception.busy
  }

  func abandon() { state.now.isAbandoned = true }
}
