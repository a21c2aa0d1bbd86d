import CSixel
import GXCore
import GXImage
import Glibc

private let library = Library<gx_sixel>(file: gx_sixel_soname, package: gx_sixel_package, names: gx_sixel_functions)

/// The ways to show a picture on a terminal.
public enum GraphicsMethod: String, CaseIterable, Sendable {
  /// The kitty graphics protocol, which also Ghostty, WezTerm and Konsole speak.
  case kitty
  /// DEC's six-pixel columns: xterm, foot, mlterm, WezTerm, Windows Terminal…
  case sixel
  /// Two pixels a character: its upper half in the colour of text, its lower in that of the background.
  case blocks
}

/// Pictures, u8 `[height, width, 3]`, as what a terminal is sent to show them.
public enum TerminalPicture {
  /// A PNG file in pieces of at most 4096 bytes of base64; `q=2`: the terminal is not to answer.
  public static func kitty(_ picture: Tensor) throws -> [UInt8] {
    let data = base64(try Image.encodePNG(picture))
    var out: [UInt8] = []
    for start in stride(from: 0, to: data.count, by: 4096) {
      let piece = data[start..<min(start + 4096, data.count)]
      let keys = (start == 0 ? "a=T,f=100,q=2," : "") + "m=\(piece.endIndex < data.count ? 1 : 0)"
      out += Array("\u{1b}_G\(keys);".utf8) + piece + Array("\u{1b}\\".utf8)
    }
    return out + [0x0a]
  }

  /// By libsixel: 256 colours chosen for the picture, and errors diffused.
  public static func sixel(_ picture: Tensor) throws -> [UInt8] {
    let sixel = try library.functions().pointee
    final class Collector { var bytes: [UInt8] = [] }
    let collector = Collector()
    var output: OpaquePointer?
    var dither: OpaquePointer?
    defer {
      if let output { sixel.sixel_output_unref(output) }
      if let dither { sixel.sixel_dither_unref(dither) }
    }
    func check(_ status: SIXELSTATUS) throws {
      // SIXEL_FAILED is a macro of the top four bits.
      guard status & 0x1000 == 0 else {
        throw GXError("sixel: \(String(cString: sixel.sixel_helper_format_error(status)!))")
      }
    }
    try check(
      sixel.sixel_output_new(
        &output,
        { bytes, count, collector in
          let into = Unmanaged<Collector>.fromOpaque(collector!).takeUnretainedValue()
          into.bytes += UnsafeRawBufferPointer(start: bytes, count: Int(count))
          return count
        }, Unmanaged.passUnretained(collector).toOpaque(), nil))
    try check(sixel.sixel_dither_new(&dither, 256, nil))
    let (height, width) = (Int32(picture.shape[0]), Int32(picture.shape[1]))
    var pixels = picture.withBytes { Array($0) }
    try check(
      sixel.sixel_dither_initialize(
        dither, &pixels, width, height, Int32(SIXEL_PIXELFORMAT_RGB888), Int32(SIXEL_LARGE_AUTO),
        Int32(SIXEL_REP_AUTO), Int32(SIXEL_QUALITY_AUTO)))
    try check(sixel.sixel_encode(&pixels, width, height, 3, dither, output))
    return withExtendedLifetime(collector) { collector.bytes + [0x0a] }
  }

  /// A line of text for each two rows of pixels; of an odd last row, the lower half stays as the terminal has it.
  public static func blocks(_ picture: Tensor, _ colors: ColorDepth) -> [String] {
    let (height, width) = (picture.shape[0], picture.shape[1])
    return picture.withElements(of: UInt8.self) { pixels in
      stride(from: 0, to: height, by: 2).map { y in
        var (line, style) = ("", "")
        for x in 0..<width {
          func color(_ y: Int, background: Bool) -> String {
            let at = 3 * (y * width + x)
            return colors.parameters(
              red: pixels[at], green: pixels[at + 1], blue: pixels[at + 2], background: background)
          }
          let wanted =
            "\u{1b}[" + color(y, background: false)
            + (y + 1 < height ? ";" + color(y + 1, background: true) : ";49") + "m"
          line += (wanted == style ? "" : wanted) + "▀"
          style = wanted
        }
        return line + "\u{1b}[0m"
      }
    }
  }
}
