import CSystem
import GXCore
import Glibc

/// How many colours text can have.
public enum ColorDepth: Sendable {
  case none
  /// xterm's 256.
  case indexed
  /// 24 bits.
  case full

  /// What the terminal on stdout understands, as its environment tells.
  public init(environment: (String) -> String?) {
    let term = environment("TERM") ?? ""
    let color = environment("COLORTERM") ?? ""
    if term.isEmpty || term == "dumb" || environment("NO_COLOR")?.isEmpty == false {
      self = .none
    } else if color == "truecolor" || color == "24bit" || term.hasSuffix("-direct") || term == "xterm-kitty" {
      self = .full
    } else {
      self = .indexed
    }
  }

  /// The parameters of SGR ("Select Graphic Rendition", ECMA-48) for a colour of the text or of what is behind it.
  public func parameters(red: UInt8, green: UInt8, blue: UInt8, background: Bool) -> String {
    let base = background ? 48 : 38
    switch self {
    case .none: return ""
    case .full: return "\(base);2;\(red);\(green);\(blue)"
    case .indexed:
      // The cube of 6x6x6, whose levels are 0, 95, 135, 175, 215, 255; greys have a finer scale of their own.
      if red == green, green == blue, red > 4, red < 247 { return "\(base);5;\(232 + min(23, (Int(red) - 3) / 10))" }
      func level(_ v: UInt8) -> Int { v < 48 ? 0 : v < 115 ? 1 : (Int(v) - 35) / 40 }
      return "\(base);5;\(16 + 36 * level(red) + 6 * level(green) + level(blue))"
    }
  }
}

/// The terminal on stdout.
public enum Terminal {
  /// Sizes in characters, and in pixels where the terminal tells them.
  public struct Size: Equatable, Sendable {
    public var columns, rows: Int
    public var pixels: (width: Int, height: Int)?

    public static func == (a: Size, b: Size) -> Bool { a.columns == b.columns && a.rows == b.rows }
  }

  public static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  public static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }

  /// 80x24 where the terminal does not say.
  public static var size: Size {
    var window = winsize()
    guard gx_terminal_size(STDOUT_FILENO, &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
      return Size(columns: 80, rows: 24)
    }
    let known = window.ws_xpixel > 0 && window.ws_ypixel > 0
    return Size(
      columns: Int(window.ws_col), rows: Int(window.ws_row),
      pixels: known ? (Int(window.ws_xpixel), Int(window.ws_ypixel)) : nil)
  }
}
