import GXCore

/// Sums over an epoch's steps.
struct EpochTally: Equatable {
  /// Losses times weights, and the weights.
  var loss = 0.0
  var weight = 0.0
  var right = 0
  var count = 0
  var seconds = 0.0

  mutating func add(loss: Double, weight: Double, right: Int, of count: Int, seconds: Double) {
    self.loss += loss * weight
    self.weight += weight
    self.right += right
    self.count += count
    self.seconds += seconds
  }

  /// The epoch's line in the log. `seconds` are the whole epoch's, `images_per_s` are of training alone.
  func row(
    epoch: Int, learningRate: Double, _ val: ValidationScores?, improved: Bool, validationSeconds: Double
  ) -> JSONObject {
    var row: JSONObject = [
      "epoch": .int(epoch), "lr": .float(Float(learningRate)),
      "train_loss": .float(Float(loss / weight)),
      "train_accuracy": .float(Float(right) / Float(count)),
    ]
    for (name, value) in val?.json ?? [:] { row[name] = value.doubleValue.map { .float(Float($0)) } }
    row.merge([
      "best": .bool(improved), "seconds": .double((1000 * (seconds + validationSeconds)).rounded() / 1000),
      "images_per_s": .double((10 * Double(count) / seconds).rounded() / 10),
    ])
    return row
  }
}
