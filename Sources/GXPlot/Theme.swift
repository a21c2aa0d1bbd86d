import Glibc

/// An sRGB colour.
public struct Color: Hashable, Sendable {
  public let red, green, blue: UInt8

  /// From 0xRRGGBB.
  public init(_ hex: UInt32) {
    (red, green, blue) = (UInt8(hex >> 16 & 255), UInt8(hex >> 8 & 255), UInt8(hex & 255))
  }

  public init(red: UInt8, green: UInt8, blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }

  /// The colour on the way to `other`: this at 0, `other` at 1, straight through sRGB.
  public func mixed(with other: Color, _ share: Double) -> Color {
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 {
      UInt8((Double(a) + (Double(b) - Double(a)) * share.clamped(to: 0...1)).rounded())
    }
    return Color(red: mix(red, other.red), green: mix(green, other.green), blue: mix(blue, other.blue))
  }

  /// As in CSS: `#rrggbb`.
  public var css: String {
    let digits = String(UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue), radix: 16)
    return "#" + String(repeating: "0", count: 6 - digits.count) + digits
  }

  var isDark: Bool { luminance < 0.2 }

  /// Relative luminance, in [0, 1] (WCAG 2).
  var luminance: Double {
    func linear(_ v: UInt8) -> Double {
      let s = Double(v) / 255
      return s <= 0.04045 ? s / 12.92 : pow((s + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
  }
}

/// The colours of a drawing.
public struct Theme: Equatable, Sendable {
  /// As options name them.
  public enum Name: String, CaseIterable, Sendable {
    case light, dark

    public var theme: Theme { self == .light ? .light : .dark }
  }

  public let background: Color
  /// Text and axes.
  public let ink: Color
  /// Text of less weight.
  public let muted: Color
  /// Lines behind the data.
  public let grid: Color
  /// For data: the palette of Okabe and Ito ("Color Universal Design", 2008), whose colours people of every kind of
  /// colour vision tell apart, in an order whose first stand out most from the background.
  public let palette: [Color]

  /// Ink on white.
  public static let light = Theme(
    background: Color(0xffffff), ink: Color(0x1b1f24), muted: Color(0x59636e), grid: Color(0xe4e7eb),
    palette: [.blue, .vermillion, .green, .purple, .orange, .sky, Color(0x1b1f24), .yellow])
  /// For slides and screens.
  public static let dark = Theme(
    background: Color(0x14171c), ink: Color(0xe8eaed), muted: Color(0xa0a8b3), grid: Color(0x2c323a),
    palette: [.sky, .orange, .green, .purple, .vermillion, .yellow, Color(0xe8eaed), .blue])

  public var isDark: Bool { background.isDark }

  /// The colour of the `index`-th class or series.
  public func color(_ index: Int) -> Color { palette[index % palette.count] }

  /// Dashes of the `index`-th series: none until the colours begin anew, then one pattern for each round.
  public func dash(_ index: Int) -> [Double] { [[], [6, 3], [2, 2], [8, 3, 2, 3]][index / palette.count % 4] }

  /// For numbers in [0, 1]: from the background to a strong blue.
  func shade(_ value: Double) -> Color {
    let strong = isDark ? Color.sky : Color.blue
    return background.mixed(with: strong, 0.05 + 0.95 * value)
  }

  /// Whichever of nearly black and white has more contrast with `color` (WCAG 2).
  func text(on color: Color) -> Color { color.luminance > 0.2 ? Color(0x14171c) : Color(0xffffff) }
}

extension Color {
  static let blue = Color(0x0072b2)
  static let vermillion = Color(0xd55e00)
  static let green = Color(0x009e73)
  static let purple = Color(0xcc79a7)
  static let orange = Color(0xe69f00)
  static let sky = Color(0x56b4e9)
  static let yellow = Color(0xf0e442)
}
