import GXCore
import TestSupport
import Testing

@testable import GXTrain

@Suite struct ScheduleTests {
  @Test(arguments: [
    ("one-cycle 100", Schedule.oneCycle(rise: 0.3, divisor: 25, finalDivisor: 1e4), 1),
    ("one-cycle 7", .oneCycle(rise: 0.3, divisor: 25, finalDivisor: 1e4), 1),
    ("cosine 50", .cosine(final: 0), 1), ("step 30 of 10", .step(every: 10, factor: 0.1), 1),
  ]) func isPyTorchs(name: String, schedule: Schedule, stepsPerEpoch: Int) throws {
    let wanted = try #require(golden("schedules.json")[name]).doubles
    for (step, rate) in wanted.enumerated() {
      let ours = schedule.factor(step: step, of: wanted.count, stepsPerEpoch: stepsPerEpoch)
      #expect(abs(ours - rate) < 1e-12, "step \(step): \(ours), not \(rate)")
    }
  }

  @Test func warmupRisesLinearlyAndThenTheScheduleBegins() {
    let schedule = Schedule.cosine(final: 0)
    let rates = (0..<14).map { schedule.factor(step: $0, of: 14, stepsPerEpoch: 7, warmup: 4) }
    for (rate, wanted) in zip(rates, [0.2, 0.4, 0.6, 0.8, 1]) { #expect(abs(rate - wanted) < 1e-12) }
    #expect(abs(rates[13]) < 1e-12)
    #expect(zip(rates[4...], rates[5...]).allSatisfy { $0 > $1 })
  }

  @Test func oneStepIsEnough() {
    for name in Schedule.names {
      let rate = Schedule(named: name, epochs: 1)!.factor(step: 0, of: 1, stepsPerEpoch: 1)
      #expect(rate > 0 && rate <= 1, "\(name): \(rate)")
    }
  }

  @Test func stepsCountWholeEpochs() {
    let schedule = Schedule.step(every: 2, factor: 0.5)
    let rates = (0..<18).map { schedule.factor(step: $0, of: 18, stepsPerEpoch: 3) }
    #expect(rates == [1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25])
  }

  /// Keras's ReduceLROnPlateau(patience=3, factor=0.5): the third epoch in a row without a better one.
  @Test func plateauHalvesAsKeras() {
    var plateau = Plateau()
    let scales = [true, false, false, false, false, false, false, true, false, false].map { improved in
      plateau.update(improved: improved)
      return plateau.scale
    }
    #expect(scales == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25])
  }

  @Test func unknownNamesAreRefused() { #expect(Schedule(named: "linear", epochs: 3) == nil) }
}
