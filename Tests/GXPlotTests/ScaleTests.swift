import Testing

@testable import GXPlot

@Suite struct ScaleTests {
  @Test func ticksAreRoundAndEncloseTheRange() {
    let scale = Scale(0.31...0.94, ticks: 6)
    #expect(scale.ticks.map(\.label) == ["0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"])
    #expect(scale.low <= 0.31 && scale.high >= 0.94)
    #expect(Scale(0...1, ticks: 5, .percent).ticks.map(\.label) == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"])
    #expect(Scale(1...8, ticks: 4, .whole, isTight: true).ticks.map(\.label) == ["2", "4", "6", "8"])
    #expect(Scale(0...2e-5, ticks: 2).ticks.map(\.label) == ["0", "1e-5", "2e-5"])
  }

  @Test(arguments: [
    (0, 0), (5, 5), (-3, -3), (1e300, 1e300), (0, .infinity), (0, .leastNonzeroMagnitude), (1, 1 + 1e-15),
    (-1e308, 1e308), (0, .greatestFiniteMagnitude), (-.greatestFiniteMagnitude, .greatestFiniteMagnitude),
    (1e308, 1e308), (1e18, 1e18), (-1e19, 2), (9.1e18, 9.2e18),
  ])
  func anyRangeHasTicksAndPlaces(_ low: Double, _ high: Double) {
    let range = low...high
    for (isTight, form) in [(false, NumberForm.number), (true, .number), (false, .whole), (true, .whole)] {
      let scale = Scale(range, ticks: 5, form, isTight: isTight)
      #expect(scale.high > scale.low && (scale.high - scale.low).isFinite)
      #expect((1...20).contains(scale.ticks.count))
      #expect(scale.ticks.allSatisfy { $0.value.isFinite })
      #expect((0...1).contains(scale.place(range.lowerBound)) && (0...1).contains(scale.place(range.upperBound)))
    }
    #expect(Scale(range, ticks: 5).place(.nan).isNaN)
  }

  @Test(arguments: 1...60) func tightScalesHaveATickWithin(_ last: Int) {
    for count in 1...6 {
      let scale = Scale(1...Double(last), ticks: count, .whole, isTight: true)
      #expect(!scale.ticks.isEmpty && scale.ticks.allSatisfy { $0.value >= scale.low && $0.value <= scale.high })
      #expect(scale.ticks.allSatisfy { $0.value == $0.value.rounded() })
    }
  }

  @Test func oneEpochIsInTheMiddle() {
    let scale = Scale(1...1, ticks: 5, .whole, isTight: true)
    #expect(scale.ticks.map(\.label) == ["1"] && scale.place(1) == 0.5)
  }
}
