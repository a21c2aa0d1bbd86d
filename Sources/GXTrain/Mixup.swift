import GXCore
import Glibc

extension Batch {
  /// Blends each picture, its target and its weight with those of its opposite in the batch, which is in random order
  /// already (mixup; Zhang et al. 2018).
  /// - Parameter share: Of the picture itself; its opposite has the rest.
  func blend(_ share: Float) {
    for i in 0..<count / 2 {
      let j = count - 1 - i
      for (values, length) in [(pixels, pixels.count / size), (targets, width), (weights, 1)] {
        mix(values.baseAddress! + i * length, values.baseAddress! + j * length, length, share)
      }
    }
  }
}

private func mix(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>, _ n: Int, _ share: Float) {
  for k in 0..<n {
    let (x, y) = (a[k], b[k])
    a[k] = y + share * (x - y)
    b[k] = x + share * (y - x)
  }
}

extension Random {
  /// Beta distributed with both parameters `alpha`: of two gamma variates, one's part of the sum.
  mutating func beta(_ alpha: Double) -> Double {
    let (x, y) = (gamma(alpha), gamma(alpha))
    return x + y > 0 ? x / (x + y) : 1
  }

  /// Gamma distributed with scale 1 (Marsaglia & Tsang 2000).
  private mutating func gamma(_ shape: Double) -> Double {
    if shape < 1 { return gamma(shape + 1) * pow(1 - uniform(), 1 / shape) }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(1 - uniform()) < x * x / 2 + d - d * v + d * log(v) { return d * v }
    }
  }
}
