import GXCore
import Testing

@testable import GXMetrics

@Suite struct RiskCoverageTests {
  /// By hand: confidences .9 .8 .7 .6 .5, of which the second and the fifth are wrong.
  private let five = RiskCoverage(
    confidences: [0.7, 0.9, 0.5, 0.8, 0.6], right: [true, true, false, false, true])

  @Test func fiveByHand() {
    #expect(
      five.points() == [
        .init(coverage: 0.2, accuracy: 1, confidence: 0.9), .init(coverage: 0.4, accuracy: 0.5, confidence: 0.8),
        .init(coverage: 0.6, accuracy: 2.0 / 3, confidence: 0.7), .init(coverage: 0.8, accuracy: 0.75, confidence: 0.6),
        .init(coverage: 1, accuracy: 0.6, confidence: 0.5),
      ])
    #expect(abs(five.aurc - (0 + 0.5 + 1.0 / 3 + 0.25 + 0.4) / 5) < 1e-15)
    #expect(five.accuracy(atCoverage: 0.8) == 0.75 && five.accuracy(atCoverage: 0.81) == 0.6)
    #expect(five.accuracy(atCoverage: 0.01) == 1 && five.accuracy(atCoverage: 1) == 0.6)
    #expect(five.confidence(atCoverage: 0.8) == 0.6 && five.confidence(atCoverage: 1) == 0.5)
  }

  /// All equally confident: whatever is accepted, its expected accuracy is the whole's.
  @Test func tiesCutThroughAreTheirExpectation() {
    let flat = RiskCoverage(
      confidences: [Double](repeating: 0.5, count: 8), right: [true, true, true, true, true, true, false, false])
    #expect(flat.points() == [.init(coverage: 1, accuracy: 0.75, confidence: 0.5)])
    #expect(abs(flat.aurc - 0.25) < 1e-15)
    #expect(flat.accuracy(atCoverage: 0.5) == 0.75 && flat.accuracy(atCoverage: 0.1) == 0.75)
  }

  /// The expectation is the mean over many orders, each scored by the definition without ties.
  @Test func tiesAreTheMeanOverOrders() {
    let confidences = [0.9, 0.9, 0.7, 0.7, 0.7, 0.7, 0.4]
    let right = [true, false, true, false, false, true, true]
    let curve = RiskCoverage(confidences: confidences, right: right)
    var random = Random(seed: 4)
    var (aurc, atHalf) = (0.0, 0.0)
    let orders = 20_000
    for _ in 0..<orders {
      let shaken = RiskCoverage(confidences: confidences.map { $0 + 1e-6 * random.uniform() }, right: right)
      aurc += shaken.aurc / Double(orders)
      atHalf += shaken.accuracy(atCoverage: 0.5) / Double(orders)
    }
    #expect(abs(curve.aurc - aurc) < 0.005 && abs(curve.accuracy(atCoverage: 0.5) - atHalf) < 0.005)
  }

  @Test func nothingHangsOnTheOrder() {
    let (confidences, right) = ([0.6, 0.9, 0.9, 0.9, 0.3], [true, false, true, true, false])
    let (a, b) = (
      RiskCoverage(confidences: confidences, right: right),
      RiskCoverage(confidences: confidences.reversed(), right: right.reversed())
    )
    #expect(a.points() == b.points() && a.aurc == b.aurc)
  }

  @Test func pointsAreThinned() {
    var random = Random(seed: 1)
    let confidences = (0..<10_000).map { _ in random.uniform() }
    let right = confidences.map { random.chance($0) }
    let curve = RiskCoverage(confidences: confidences, right: right)
    let (all, few) = (curve.points(atMost: 10_000), curve.points(atMost: 100))
    #expect(all.count == 10_000 && few.count == 100)
    #expect(few.last == all.last && few[0].coverage == 0.01)
    #expect(few.allSatisfy { $0 == all[Int(($0.coverage * 10_000).rounded()) - 1] })
    // Right with probability `confidence`, uniform in [0, 1]: the best c of them have accuracy 1 - c / 2.
    #expect(few.allSatisfy { $0.coverage < 0.1 || abs($0.accuracy - (1 - $0.coverage / 2)) < 0.02 })
    // Two confidences only: no more points than there are.
    #expect(RiskCoverage(confidences: [1, 0.5, 0.5, 1], right: [true, true, true, true]).points(atMost: 3).count == 2)
  }

  @Test func withoutRecords() {
    let none = RiskCoverage(confidences: [], right: [])
    #expect(none.points().isEmpty && none.aurc.isNaN && none.accuracy(atCoverage: 0.8).isNaN && none.records == 0)
  }
}
