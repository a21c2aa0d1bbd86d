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

  /// What is alike in all directions stays as it is; a turn by 120 degrees thrice is none.
  @Test func turnsByAnyAngle() throws {
    func blob(_ x: Double, _ y: Double) throws -> Tensor {
      try Tensor(
        [33, 33, 1],
        (0..<33 * 33).map { i in
          let (dx, dy) = (Double(i % 33) - 16 - x, Double(i / 33) - 16 - y)
          return Float(exp(-(dx * dx + dy * dy) / 50))
        })
    }
    for view in try Rotation.views(of: blob(0, 0), count: 7) {
      #expect(try zip(view.floats(), blob(0, 0).floats()).allSatisfy { abs($0 - $1) < 0.02 })
    }
    let off = try blob(6, 0)
    let views = try Rotation.views(of: off, count: 3)
    let angle = 2 * Double.pi / 3
    let expected = try [blob(6 * cos(angle), 6 * sin(angle)), blob(6 * cos(angle), -6 * sin(angle))]
    for (view, way) in zip(views.dropFirst(), [0, 1]) {
      let near = [expected[way], expected[1 - way]].map { other in
        zip(view.floats(), other.floats()).map { abs($0 - $1) }.max()!
      }
      #expect(near.min()! < 0.02 && near.max()! > 0.5)
    }
    #expect(views.allSatisfy { $0.shape == off.shape && $0.dtype == .f32 })
  }
}
