import Foundation
import GXCore
import Testing

@testable import GXImage

@Suite struct DihedralTests {
  func picture(_ height: Int, _ width: Int) throws -> Tensor {
    try Tensor([height, width, 2], (0..<height * width * 2).map(Float.init))
  }

  @Test func aSquareHasEightDifferentViewsItselfFirst() throws {
    let square = try picture(3, 3)
    let views = try Dihedral.views(of: square)
    #expect(Dihedral.count(square.shape) == 8 && views.count == 8 && views[0] == square)
    #expect(views.allSatisfy { $0.floats().sorted() == square.floats().sorted() && $0.shape == square.shape })
    #expect(Set(views.map { $0.floats() }).count == 8)
  }

  /// The symmetries are a group: the views of a view are the same eight.
  @Test func viewsOfAViewAreTheSame() throws {
    let views = try Dihedral.views(of: picture(4, 4))
    for view in views {
      #expect(try Set(Dihedral.views(of: view).map { $0.floats() }) == Set(views.map { $0.floats() }))
    }
  }

  @Test func otherPicturesHaveFour() throws {
    let wide = try picture(2, 3)
    let views = try Dihedral.views(of: wide)
    #expect(Dihedral.count(wide.shape) == 4 && views.count == 4)
    #expect(views.allSatisfy { $0.shape == [2, 3, 2] } && Set(views.map { $0.floats() }).count == 4)
  }
}

@Suite struct RotationTests {
  private func picture(_ size: Int) throws -> Tensor {
    try Tensor([size, size, 2], (0..<size * size * 2).map { Float(($0 * $0 + 3) % 17) })
  }

  @Test func quarterTurnsAreTheDihedralOnes() throws {
    let square = try picture(5)
    let views = try Rotation.views(of: square, count: 4)
    let exact = try Set(Dihedral.views(of: square).map { $0.floats() })
    #expect(views[0] == square && Set(views.map { $0.floats() }).count == 4)
    #expect(views.allSatisfy { exact.contains($0.floats()) })
    // Every second of eight is one of these four.
    let eight = try Rotation.views(of: square, count: 8)
    #expect(stride(from: 0, to: 8, by: 2).map { eight[$0] } == views)
  }

  /// What is alike in all directions stays as it is, within the circle that no edge comes into; and what lies aside
  /// moves along a circle.
  @Test func turnsByAnyAngle() throws {
    func blob(_ x: Double, _ y: Double) throws -> Tensor {
      try Tensor(
        [33, 33, 1],
        (0..<33 * 33).map { i in
          let (dx, dy) = (Double(i % 33) - 16 - x, Double(i / 33) - 16 - y)
          return Float(exp(-(dx * dx + dy * dy) / 50))
        })
    }
    func distance(_ a: Tensor, _ b: Tensor) -> Float {
      let (p, q) = (a.floats(), b.floats())
      let inside = (0..<33 * 33).filter { i in (i % 33 - 16) * (i % 33 - 16) + (i / 33 - 16) * (i / 33 - 16) <= 256 }
      return inside.map { abs(p[$0] - q[$0]) }.max()!
    }
    let centred = try blob(0, 0)
    for view in try Rotation.views(of: centred, count: 7) { #expect(distance(view, centred) < 0.02) }
    let views = try Rotation.views(of: blob(6, 0), count: 3)
    let angle = 2 * Double.pi / 3
    let (left, right) = (try blob(6 * cos(angle), 6 * sin(angle)), try blob(6 * cos(angle), -6 * sin(angle)))
    let (one, other) = distance(views[1], left) < distance(views[1], right) ? (left, right) : (right, left)
    #expect(distance(views[1], one) < 0.02 && distance(views[2], other) < 0.02 && distance(one, other) > 0.5)
    #expect(views.allSatisfy { $0.shape == [33, 33, 1] && $0.dtype == .f32 })
  }
}
