import GXCore
import Glibc

/// Softmax and its cross-entropy, over rows of logits.
public enum Loss {
  /// Each row's exp(logit) / Σ exp(logit), `[rows, classes]` in and out (may be the same memory). Safe for any finite logits.
  public static func softmax(
    _ logits: UnsafeBufferPointer<Float>, classes: Int, into probabilities: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(logits.count == probabilities.count && classes > 0 && logits.count % classes == 0)
    for row in stride(from: 0, to: logits.count, by: classes) {
      var highest = -Float.infinity
      for c in row..<row + classes { highest = max(highest, logits[c]) }
      var sum: Float = 0
      for c in row..<row + classes {
        let e = exp(logits[c] - highest)
        probabilities[c] = e
        sum += e
      }
      for c in row..<row + classes { probabilities[c] /= sum }
    }
  }

  /// Cross-entropy of softmax(logits) with `targets`, each row a distribution over the classes (one-hot,
  /// smoothed or mixed), as a mean weighted by `weights`: Σ wᵢ·Hᵢ / Σ wᵢ. A row of weight 0 (the padding
  /// of a partial batch) counts for nothing. The loss and its gradient are 0 where all weights are.
  ///
  /// - Parameters:
  ///   - logits: `[rows, classes]`.
  ///   - targets: `[rows, classes]`, rows summing to 1.
  ///   - weights: `[rows]`, not negative; nil is 1 for each. (PyTorch's class weights for hard labels:
  ///     each row the weight of its class.)
  ///   - gradient: is set to ∂loss/∂logits, `[rows, classes]`.
  public static func crossEntropy(
    _ logits: UnsafeBufferPointer<Float>, targets: UnsafeBufferPointer<Float>,
    weights: UnsafeBufferPointer<Float>? = nil,
    classes: Int, gradient: UnsafeMutableBufferPointer<Float>
  ) -> Double {
    precondition(targets.count == logits.count && gradient.count == logits.count)
    precondition(classes > 0 && logits.count % classes == 0)
    let rows = logits.count / classes
    precondition(weights == nil || weights!.count == rows)
    var total = 0.0
    for row in 0..<rows { total += Double(weights?[row] ?? 1) }
    let scale = total > 0 ? 1 / total : 0
    var loss = 0.0
    for row in 0..<rows {
      let first = row * classes
      let weight = Double(weights?[row] ?? 1) * scale
      var highest = -Float.infinity
      for c in first..<first + classes { highest = max(highest, logits[c]) }
      var sum = 0.0
      for c in first..<first + classes { sum += exp(Double(logits[c] - highest)) }
      let logSum = log(sum)
      for c in first..<first + classes {
        let logProbability = Double(logits[c] - highest) - logSum
        if targets[c] != 0 { loss -= weight * Double(targets[c]) * logProbability }
        gradient[c] = Float(weight * (exp(logProbability) - Double(targets[c])))
      }
    }
    return loss
  }
}

/// The place of the largest of `count` values from `start`, relative to it; the first of equals.
package func largest(_ values: UnsafeBufferPointer<Float>, _ start: Int, _ count: Int) -> Int {
  var best = 0
  for k in 1..<count where values[start + k] > values[start + best] { best = k }
  return best
}
