import GXCore
import Glibc

/// What turns a classifier's logits into probabilities that mean what they say: softmax(scale · logits + bias).
///
/// Temperature scaling (Guo et al. 2017) has one number for all classes and cannot change which class is the likeliest.
/// Vector scaling (ibid.) has a scale and a bias for each class, and can.
public enum LogitScaling: Equatable, Sendable {
  /// softmax(logits / T), T > 0: above 1 the classifier was too sure, below 1 not sure enough.
  case temperature(Double)
  /// softmax(scale · logits + bias), `[classes]` each; the biases sum up to 0.
  case vector(scale: [Double], bias: [Double])

  /// No scaling at all.
  public static let none = LogitScaling.temperature(1)

  /// The scaled logits, `[classes]`.
  public func scaled(_ logits: [Double]) -> [Double] {
    switch self {
    case .temperature(let temperature): logits.map { $0 / temperature }
    case .vector(let scale, let bias): logits.indices.map { scale[$0] * logits[$0] + bias[$0] }
    }
  }

  /// Whether all logits between `-limit` and `limit` stay finite.
  public func isFinite(forLogitsUpTo limit: Double) -> Bool {
    switch self {
    case .temperature(let temperature): (limit / temperature).isFinite
    case .vector(let scale, let bias): zip(scale, bias).allSatisfy { ($0.magnitude * limit + $1.magnitude).isFinite }
    }
  }

  /// `[classes]`, 1 in sum.
  public func probabilities(_ logits: [Double]) -> [Double] { softmax(scaled(logits)) }
}

/// exp(logit) / Σ exp(logit), for any finite logits.
public func softmax(_ logits: [Double]) -> [Double] {
  let highest = logits.max() ?? 0
  let powers = logits.map { exp($0 - highest) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}

// MARK: Temperature

extension LogitScaling {
  /// The temperature of the least mean NLL over `records`.
  ///
  /// In 1/T the NLL is convex, and its slope, the mean of E_p[logit] - logit of the truth, rises from T = ∞ on: its zero
  /// is found by Newton's method, kept inside a bracket that shrinks.
  /// - Throws: `GXError` where there is no least: no records, no class ever likelier than the truth (T would be 0), or
  ///   logits that speak against the truth or tell no class from another (T would be infinite, or anything).
  public static func temperature(fitting records: [LabelledPrediction]) throws(GXError) -> LogitScaling {
    guard !records.isEmpty else { throw GXError("no records to find a temperature from") }
    guard records.contains(where: { $0.logits.min()! < $0.logits.max()! }) else {
      throw GXError("the logits are all equal in each record: they tell nothing, and any temperature is as good")
    }
    guard records.contains(where: { $0.logits[$0.truth] < $0.logits.max()! }) else {
      let ties = records.count { record in record.logits.count { $0 == record.logits[record.truth] } > 1 }
      let what =
        ties == 0 ? "every record is classified right" : "no class is ever likelier than the truth (\(ties) are ties)"
      throw GXError("\(what): no temperature is best, the least NLL is at 0")
    }
    guard slope(records, 0).value < 0 else {
      throw GXError("the logits tell nothing of the labels: no temperature is best, the least NLL is at infinity")
    }
    var (low, high) = (0.0, 1.0)  // of 1/T
    while slope(records, high).value < 0 { (low, high) = (high, 2 * high) }
    var inverse = (low + high) / 2
    for _ in 0..<200 {
      let (value, derivative) = slope(records, inverse)
      if value < 0 { low = inverse } else { high = inverse }
      let step = inverse - value / derivative
      let next = step > low && step < high ? step : (low + high) / 2
      if abs(next - inverse) <= 1e-14 * inverse { break }
      inverse = next
    }
    return .temperature(1 / inverse)
  }

  /// The NLL's first and second derivative by `inverse`, which is 1/T: means of E_p[z] - z of the truth, and of Var_p[z].
  private static func slope(_ records: [LabelledPrediction], _ inverse: Double) -> (value: Double, derivative: Double) {
    var (first, second) = (0.0, 0.0)
    for record in records {
      let p = softmax(record.logits.map { $0 * inverse })
      // From the truth's logit on, so that large logits with small differences lose nothing.
      let z = record.logits.map { $0 - record.logits[record.truth] }
      let mean = zip(p, z).reduce(0) { $0 + $1.0 * $1.1 }
      first += mean
      second += zip(p, z).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) }
    }
    let count = Double(records.count)
    return (first / count, second / count)
  }
}

// MARK: Vector

extension LogitScaling {
  /// The scales and biases of the least mean NLL over `records`, by Newton's method with backtracking: the NLL is convex.
  /// One number added to all biases would change nothing; the one is taken with which they sum up to 0.
  /// - Parameter names: Of the classes, for the error.
  /// - Throws: `GXError` where there is no least: no records, a class without any, or classes that can be told apart
  ///   without a mistake.
  public static func vector(
    fitting records: [LabelledPrediction], classes names: [String]
  ) throws(GXError) -> LogitScaling {
    let classes = names.count
    if let missing = names.indices.first(where: { k in !records.contains { $0.truth == k } }) {
      throw GXError("no record is of class '\(names[missing])', whose bias has no best value then")
    }
    guard case .temperature(let temperature) = try temperature(fitting: records) else { fatalError("unreachable") }
    var parameters = [Double](repeating: 1 / temperature, count: classes) + [Double](repeating: 0, count: classes)
    var (loss, gradient, hessian) = derivatives(records, classes, parameters)
    for _ in 0..<100 {
      guard let step = solve(hessian, gradient) else { break }
      let decrement = zip(step, gradient).reduce(0) { $0 + $1.0 * $1.1 }
      if decrement < 1e-20 {
        return .vector(scale: Array(parameters[..<classes]), bias: Array(parameters[classes...]))
      }
      var length = 1.0
      var next = derivatives(records, classes, zip(parameters, step).map { $0 - $1 })
      // Armijo's rule; at the end, where the gain drowns in rounding, the full step.
      while next.loss > loss - 1e-4 * length * decrement + 1e-14 * abs(loss) && length > 1e-10 {
        length /= 2
        next = derivatives(records, classes, zip(parameters, step).map { $0 - length * $1 })
      }
      parameters = zip(parameters, step).map { $0 - length * $1 }
      (loss, gradient, hessian) = next
      guard parameters.allSatisfy({ abs($0) < 1e6 }) else { break }
    }
    throw GXError("there are too few records for vector scaling: its scales and biases grow without end")
  }

  /// The mean NLL at `parameters`, `[scales, biases]`, with its gradient and Hessian (row-major).
  private static func derivatives(
    _ records: [LabelledPrediction], _ classes: Int, _ parameters: [Double]
  ) -> (loss: Double, gradient: [Double], hessian: [Double]) {
    let size = 2 * classes
    var loss = 0.0
    var gradient = [Double](repeating: 0, count: size)
    var hessian = [Double](repeating: 0, count: size * size)
    let share = 1 / Double(records.count)
    let scaling = vector(scale: Array(parameters[..<classes]), bias: Array(parameters[classes...]))
    for record in records {
      let scaled = scaling.scaled(record.logits)
      let p = softmax(scaled)
      loss += share * (logSumExp(scaled) - scaled[record.truth])
      // By a scale as by its bias, times the logit.
      let by = record.logits + [Double](repeating: 1, count: classes)
      for i in 0..<size {
        let a = i % classes
        gradient[i] += share * by[i] * (p[a] - (a == record.truth ? 1 : 0))
        for j in 0..<size {
          let b = j % classes
          hessian[i * size + j] += share * by[i] * by[j] * p[a] * ((a == b ? 1 : 0) - p[b])
        }
      }
    }
    // The direction in which nothing changes gets a curvature of its own. All steps stay at a sum of 0.
    for i in classes..<size {
      for j in classes..<size { hessian[i * size + j] += 1 / Double(classes) }
    }
    return (loss, gradient, hessian)
  }

  /// x of matrix · x = vector, by Cholesky's decomposition; nil where the symmetric matrix is not positive definite.
  private static func solve(_ matrix: [Double], _ vector: [Double]) -> [Double]? {
    let n = vector.count
    var (l, x) = (matrix, vector)
    for i in 0..<n {
      for j in 0...i {
        var sum = l[i * n + j]
        for k in 0..<j { sum -= l[i * n + k] * l[j * n + k] }
        if i > j {
          l[i * n + j] = sum / l[j * n + j]
        } else {
          guard sum > 0 else { return nil }
          l[i * n + i] = sum.squareRoot()
        }
      }
    }
    for i in 0..<n {
      for k in 0..<i { x[i] -= l[i * n + k] * x[k] }
      x[i] /= l[i * n + i]
    }
    for i in (0..<n).reversed() {
      for k in i + 1..<n { x[i] -= l[k * n + i] * x[k] }
      x[i] /= l[i * n + i]
    }
    return x
  }
}

/// log Σ exp(value), for any finite values, one at the least.
public func logSumExp(_ values: [Double]) -> Double {
  let highest = values.max()!
  return highest + log(values.reduce(0) { $0 + exp($1 - highest) })
}
