import GXCore

/// How a camera was held: EXIF's tag 0x0112. What is stored has to be turned by it to stand upright.
enum Orientation: UInt16, CaseIterable {
  case upright = 1
  case mirrored, turned180, flipped, transposed, turned90, transversed, turned270

  /// Reads the orientation from TIFF-structured EXIF. Whatever is not as it should be counts as upright:
  /// a damaged hint is no reason to refuse the picture.
  init(exif: UnsafeRawBufferPointer) { self = Self.read(exif) ?? .upright }

  private static func read(_ bytes: UnsafeRawBufferPointer) -> Orientation? {
    guard bytes.count >= 8 else { return nil }
    let little: Bool
    switch (bytes[0], bytes[1]) {
    case (UInt8(ascii: "I"), UInt8(ascii: "I")): little = true
    case (UInt8(ascii: "M"), UInt8(ascii: "M")): little = false
    default: return nil
    }
    func u16(_ at: Int) -> UInt16 {
      let value = bytes.loadUnaligned(fromByteOffset: at, as: UInt16.self)
      return little ? UInt16(littleEndian: value) : UInt16(bigEndian: value)
    }
    func u32(_ at: Int) -> Int {
      let value = bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)
      return Int(little ? UInt32(littleEndian: value) : UInt32(bigEndian: value))
    }
    guard u16(2) == 42 else { return nil }
    // The first directory: a count, then entries of 12 bytes: tag, type, number of values, value.
    let directory = u32(4)
    guard directory + 2 <= bytes.count else { return nil }
    for i in 0..<Int(u16(directory)) {
      let entry = directory + 2 + 12 * i
      guard entry + 12 <= bytes.count else { return nil }
      if u16(entry) == 0x0112 {
        let isShort = u16(entry + 2) == 3 && u32(entry + 4) == 1
        return isShort ? Orientation(rawValue: u16(entry + 8)) : nil
      }
    }
    return nil
  }

  /// The orientation that a JPEG's first EXIF segment tells.
  init(jpeg bytes: UnsafeRawBufferPointer) {
    self = .upright
    let prefix = Array("Exif\0\0".utf8)
    var at = 2
    // Segments up to the first scan: 0xFF, marker, length (itself included), payload.
    while at + 4 <= bytes.count, bytes[at] == 0xff {
      let marker = bytes[at + 1]
      if marker == 0xff {  // padding
        at += 1
        continue
      }
      if marker == 0xda || marker == 0xd9 { return }
      if marker == 0x01 || (0xd0...0xd8).contains(marker) {  // without a payload
        at += 2
        continue
      }
      let length = Int(bytes[at + 2]) << 8 | Int(bytes[at + 3])
      let end = at + 2 + length
      guard length >= 2, end <= bytes.count else { return }
      let payload = UnsafeRawBufferPointer(rebasing: bytes[at + 4..<end])
      if marker == 0xe1, payload.starts(with: prefix) {
        self = Orientation(exif: UnsafeRawBufferPointer(rebasing: payload[prefix.count...]))
        return
      }
      at = end
    }
  }

  var swapsAxes: Bool { rawValue >= 5 }

  /// The picture as it should be seen, of the same type.
  func apply(_ picture: Tensor) throws -> Tensor {
    if self == .upright { return picture }
    let size = try picture.pictureSize()
    var upright = size
    if swapsAxes { (upright.width, upright.height) = (size.height, size.width) }
    return try picture.mapPicture(to: upright, Turn(orientation: self, stored: size, upright: upright))
  }
}

private struct Turn: PictureKernel {
  let orientation: Orientation
  let stored, upright: PictureSize

  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) {
    let (width, height, channels) = (stored.width, stored.height, stored.channels)
    // The stored pixel that is shown at (0, 0), and how far the next to its right and below it are away.
    let right = width - 1
    let below = (height - 1) * width
    let (first, stepX, stepY) =
      switch orientation {
      case .upright: (0, 1, width)
      case .mirrored: (right, -1, width)
      case .turned180: (below + right, -1, -width)
      case .flipped: (below, 1, -width)
      case .transposed: (0, width, 1)
      case .turned90: (below, -width, 1)
      case .transversed: (below + right, -width, -1)
      case .turned270: (right, width, -1)
      }
    var out = target
    for y in 0..<upright.height {
      var at = first + y * stepY
      for _ in 0..<upright.width {
        for c in 0..<channels { out[c] = source[at &* channels &+ c] }
        out += channels
        at &+= stepX
      }
    }
  }
}
