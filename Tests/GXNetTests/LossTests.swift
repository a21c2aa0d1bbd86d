import GXCore
import Testing

@testable import GXNet

@Suite struct LossTests {
  func crossEntropy(_ logits: [Float], _ targets: [Float], _ weights: [Float]? = nil, classes: Int) -> (
    loss: Double, gradient: [Float]
  ) {
    var gradient = [Float](repeating: .nan, count: logits.count)
    let loss = logits.withUnsafeBufferPointer { logits in
      targets.withUnsafeBufferPointer { targets in
        gradient.withUnsafeMutableBufferPointer { gradient in
          guard let weights else {
            return Loss.crossEntropy(logits, targets: targets, classes: classes, gradient: gradient)
          }
          return weights.withUnsafeBufferPointer {
            Loss.crossEntropy(logits, targets: targets, weights: $0, classes: classes, gradient: gradient)
          }
        }
      }
    }
    return (loss, gradient)
  }

  @Test func knownValues() {
    // -log(e² / (e¹ + e² + e³)) = 1.4076059644443801
    let (loss, gradient) = crossEntropy([1, 2, 3], [0, 1, 0], classes: 3)
    #expect(abs(loss - 1.4076059644443801) < 1e-12)
    #expect(relativeError(gradient, [0.09003057, 0.24472847 - 1, 0.66524096]) < 1e-6)
  }

  /// The gradient is the loss's slope, also for soft targets and weights.
  @Test func gradientIsTheSlope() {
    var random = Random(seed: 2)
    let (rows, classes) = (5, 4)
    let logits = (0..<rows * classes).map { _ in Float(random.normal() * 2) }
    var targets: [Float] = []
    for _ in 0..<rows {
      let row = (0..<classes).map { _ in Float(random.uniform()) }
      targets += row.map { $0 / row.reduce(0, +) }
    }
    let weights: [Float] = [1, 0.5, 2, 0, 3]
    let gradient = crossEntropy(logits, targets, weights, classes: classes).gradient
    for i in logits.indices {
      var (low, high) = (logits, logits)
      low[i] -= 0.01
      high[i] += 0.01
      let slope =
        (crossEntropy(high, targets, weights, classes: classes).loss
          - crossEntropy(low, targets, weights, classes: classes).loss) / Double(high[i] - low[i])
      #expect(abs(slope - Double(gradient[i])) < 1e-5)
    }
    #expect(gradient[12..<16].allSatisfy { $0 == 0 })
  }

  /// Padding a batch with rows of weight 0 changes nothing.
  @Test func paddingRows() {
    let whole = crossEntropy([1, 2, 0, 5, -3, 1], [0, 1, 0, 1, 0, 0], [2, 1], classes: 3)
    let padded = crossEntropy([1, 2, 0, 5, -3, 1, 9, 9, 9], [0, 1, 0, 1, 0, 0, 1, 0, 0], [2, 1, 0], classes: 3)
    #expect(whole.loss == padded.loss && padded.gradient == whole.gradient + [0, 0, 0])
    let nothing = crossEntropy([1, 2], [1, 0], [0], classes: 2)
    #expect(nothing.loss == 0 && nothing.gradient == [0, 0])
  }

  @Test func extremeLogits() {
    let (loss, gradient) = crossEntropy([1e30, -1e30, 0], [1, 0, 0], classes: 3)
    #expect(loss == 0 && gradient.allSatisfy { $0 == 0 })
    var probabilities = [Float](repeating: 0, count: 6)
    [Float]([1e30, -1e30, 0, -1000, -1000, -1001]).withUnsafeBufferPointer { logits in
      probabilities.withUnsafeMutableBufferPointer { Loss.softmax(logits, classes: 3, into: $0) }
    }
    #expect(probabilities[0..<3] == [1, 0, 0])
    #expect(relativeError(Array(probabilities[3...]), [0.4223188, 0.4223188, 0.1553624]) < 1e-6)
  }
}
