import Foundation
import GXCore
import Testing

@testable import GXMetrics

private let golden: [JSON] = try! JSON(
  parsing: String(
    contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/curves.json"),
    encoding: .utf8)
).arrayValue!

@Suite struct RankingCurveTests {
  @Test(arguments: golden.map { $0.objectValue!["name"]!.stringValue! }) func equalsScikitLearns(_ name: String) throws
  {
    let expected = try #require(golden.compactMap(\.objectValue).first { $0["name"] == .string(name) })
    func numbers(_ field: String) -> [Double] { expected[field]!.arrayValue!.map { $0.doubleValue! } }
    let curve = RankingCurve(
      scores: numbers("scores"), isPositive: expected["truth"]!.arrayValue!.map { $0.boolValue! })
    #expect(abs(curve.auc - expected["auc"]!.doubleValue!) < 1e-12)
    #expect(abs(curve.averagePrecision - expected["ap"]!.doubleValue!) < 1e-12)
    func near(_ a: [Double], _ b: [Double]) -> Bool {
      a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 }
    }
    #expect(near(curve.roc.map(\.x), numbers("fpr")) && near(curve.roc.map(\.y), numbers("tpr")))
    // scikit-learn ends where all are found.
    let ends = numbers("recall").count
    let shown = curve.precisionRecall.prefix(ends)
    #expect(near(shown.map(\.x), numbers("recall")) && near(shown.map(\.y), numbers("precision")))
  }

  @Test func areNoNumbersWithoutBothKinds() {
    let none = RankingCurve(scores: [0.5, 0.2], isPositive: [false, false])
    #expect(none.auc.isNaN && none.averagePrecision.isNaN && none.roc.isEmpty && none.precisionRecall.isEmpty)
    let all = RankingCurve(scores: [0.5, 0.2], isPositive: [true, true])
    #expect(all.auc.isNaN && all.averagePrecision == 1 && all.roc.isEmpty)
    #expect(RankingCurve(scores: [], isPositive: []).auc.isNaN)
  }
}
