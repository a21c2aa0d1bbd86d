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
