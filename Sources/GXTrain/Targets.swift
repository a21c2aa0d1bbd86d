import GXCore

/// What a network is to predict for records: for each a distribution over its classes (soft targets).
///
/// All that is known of a record's class becomes one row of values, 1 in sum: its label or finer class, smoothed, and
/// what is known beside it (`SoftLabels`). Where the network predicts finer classes and something is known of the labels
/// alone, the row goes on behind the finer classes with values for the labels, each of which is for the parts of its
/// label together: see `Objective`.
struct TargetMaker: Sendable {
  /// How many labels there are.
  let labels: Int
  /// How many finer classes the network predicts; nil where it predicts the labels.
  var finer: Int?
  /// The share of a label's value that is spread evenly over all classes (Szegedy et al. 2016).
  var smoothing: Float = 0
  /// What is known beside the labels.
  var soft: SoftLabels?
  /// `[labels]`: how much records of each count in the loss; nil where all count the same.
  var weights: [Float]?

  init(labels: Int) { self.labels = labels }

  /// For all that is known of the records that `data` trains on.
  init(for data: Dataset) {
    (labels, finer, soft) = (data.classes.count, data.finer?.names.count, data.soft)
  }

  /// How many classes the network predicts.
  var classes: Int { finer ?? labels }

  /// Values in a row.
  var width: Int { classes + (finer != nil && soft != nil ? labels : 0) }

  /// How much the record counts in the loss.
  func weight(of sample: Dataset.Sample) -> Float { weights?[Int(sample.label)] ?? 1 }

  /// Sets the record's `row`, of `width` values.
  func fill(_ row: UnsafeMutableBufferPointer<Float>, for sample: Dataset.Sample) {
    let target = Int(finer == nil ? sample.label : sample.part)
    for k in 0..<classes { row[k] = smoothing / Float(classes) + (k == target ? 1 - smoothing : 0) }
    for k in classes..<width { row[k] = 0 }
    guard let soft, let known = soft.distribution(of: sample.id) else { return }
    for k in 0..<classes { row[k] *= 1 - soft.share }
    for (k, value) in known.enumerated() { row[width - labels + k] += soft.share * value }
  }
}
