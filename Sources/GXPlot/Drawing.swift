import GXCore

/// A place in a drawing: x to the right, y down, in the drawing's units.
public struct Point: Equatable, Sendable {
  public var x, y: Double
  public init(_ x: Double, _ y: Double) { (self.x, self.y) = (x, y) }
}

/// An upright rectangle.
public struct Rect: Equatable, Sendable {
  public var x, y, width, height: Double

  public init(x: Double, y: Double, width: Double, height: Double) {
    (self.x, self.y, self.width, self.height) = (x, y, width, height)
  }

  public var right: Double { x + width }
  public var bottom: Double { y + height }

  func inset(left: Double = 0, top: Double = 0, right: Double = 0, bottom: Double = 0) -> Rect {
    Rect(x: x + left, y: y + top, width: max(0, width - left - right), height: max(0, height - top - bottom))
  }

  /// `count` equal rows with `gap` between them.
  func rows(_ count: Int, gap: Double) -> [Rect] {
    let height = (self.height - gap * Double(count - 1)) / Double(count)
    return (0..<count).map { Rect(x: x, y: y + Double($0) * (height + gap), width: width, height: height) }
  }

  /// `count` equal columns with `gap` between them.
  func columns(_ count: Int, gap: Double) -> [Rect] {
    let width = (self.width - gap * Double(count - 1)) / Double(count)
    return (0..<count).map { Rect(x: x + Double($0) * (width + gap), y: y, width: width, height: height) }
  }
}

/// A stroke. `dash` are lengths on and off, in units; none is solid.
public struct Stroke: Equatable, Sendable {
  public var color: Color
  public var width: Double
  public var dash: [Double]

  public init(_ color: Color, width: Double = 1, dash: [Double] = []) {
    (self.color, self.width, self.dash) = (color, width, dash)
  }
}

/// What a drawing is made of; each covers those before it.
public enum Mark: Equatable, Sendable {
  public enum Anchor: String, Sendable { case start, middle, end }

  case rect(Rect, Color)
  case line([Point], Stroke)
  case dot(Point, radius: Double, Color)
  /// One line of text. `at` is on the middle of its height; `anchor` tells which point of its length `at` is.
  case text(String, at: Point, Anchor, size: Double, bold: Bool, Color)
  /// Text that reads upwards from `at`, where it begins.
  case turnedText(String, at: Point, size: Double, Color)
}

/// A picture as a list of marks: what charts are turned into, and what is written as SVG, as PNG or as text. It holds
/// no pixels and depends on nothing but what it was made from.
public struct Drawing: Sendable {
  public let width, height: Double
  public let theme: Theme
  public let medium: Medium
  public private(set) var marks: [Mark] = []
  /// What the picture is, for those who cannot see it: SVG's title and description.
  public internal(set) var title = ""
  public internal(set) var caption = ""

  /// The least and largest width and height of a drawing, in its units.
  public static let sizes: ClosedRange<Double> = 1...16384

  public init(width: Double, height: Double, theme: Theme = .light, medium: Medium = .page) {
    (self.width, self.height) = (width.clamped(to: Self.sizes), height.clamped(to: Self.sizes))
    (self.theme, self.medium) = (theme, medium)
  }

  public var bounds: Rect { Rect(x: 0, y: 0, width: width, height: height) }

  public mutating func rect(_ rect: Rect, _ color: Color) { marks.append(.rect(rect, color)) }

  /// A line through `points`. Points nearer to the one before than can be seen are left out, but for the last; a
  /// point that is not finite breaks the line.
  public mutating func line(_ points: [Point], _ stroke: Stroke) {
    let near = medium == .page ? 0.2 : 0.5
    var run: [Point] = []
    func add(to marks: inout [Mark]) { if run.count > 1 { marks.append(.line(run, stroke)) } }
    for (i, point) in points.enumerated() {
      guard point.x.isFinite, point.y.isFinite else {
        add(to: &marks)
        run = []
        continue
      }
      if let last = run.last, abs(point.x - last.x) < near, abs(point.y - last.y) < near, i < points.count - 1 {
        continue
      }
      run.append(point)
    }
    add(to: &marks)
  }

  /// A dot; none where `at` is not finite.
  public mutating func dot(_ at: Point, radius: Double, _ color: Color) {
    guard at.x.isFinite, at.y.isFinite else { return }
    marks.append(.dot(at, radius: radius, color))
  }

  public mutating func text(
    _ text: String, at: Point, _ anchor: Mark.Anchor, _ color: Color, bold: Bool = false, size: Double? = nil
  ) {
    marks.append(.text(text, at: at, anchor, size: size ?? medium.textSize, bold: bold, color))
  }

  public mutating func turnedText(_ text: String, at: Point, _ color: Color) {
    marks.append(.turnedText(text, at: at, size: medium.textSize, color))
  }
}

extension Comparable {
  func clamped(to range: ClosedRange<Self>) -> Self { min(max(self, range.lowerBound), range.upperBound) }
}
