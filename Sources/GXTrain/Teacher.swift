import GXCore
import GXMetrics
import GXStream

// What teachers say of pictures, to be learnt beside the labels (distillation; Hinton, Vinyals & Dean 2015): a network's
// probabilities say more than one name does, and where labels are wrong now and then, those of networks that have not
// seen a picture's label (`Folds`) are closer to the truth.
extension SoftLabels {
  /// Reads rows of gx-infer, or of gx-train with folds: `id` and `probabilities` of every class. Rows of one id (of
  /// several teachers, or of copies) are averaged; rows with an `error`, and those of other pictures, are passed over.
  /// - Throws: `GXError` that names the line where a row has not one probability for each class of `data`.
  public init(teachers source: ByteSource, for data: Dataset, share: Double) throws {
    let classes = data.classes.count
    var places: [UInt64: Int] = [:]
    var values: [Float] = []
    let wanted = Set(data.train.map(\.id))
    let reader = NDJSONReader(source)
    var rows = PredictionReader(classes: data.classes)
    while let row = try reader.nextOrFail() {
      if row.hasFailed { continue }
      do throws(GXError) {
        guard let id = row.id else { throw GXError("has no id") }
        let told = try rows.probabilities(of: row).map(Float.init)
        guard !told.isEmpty else { throw GXError("has no probabilities") }
        let sum = told.reduce(0, +)
        let probabilities = told.map { $0 / sum }
        let hash = stableHash(id)
        guard wanted.contains(hash) else { continue }
        let place = places[hash] ?? values.count
        if place == values.count {
          places[hash] = place
          values += probabilities
        } else {
          for (k, p) in probabilities.enumerated() { values[place + k] += p }
        }
      } catch {
        throw error.at(reader.place)
      }
    }
    guard !places.isEmpty else { throw GXError("\(source.name): no row is of a picture to train on") }
    for first in stride(from: 0, to: values.count, by: classes) {
      let sum = values[first..<first + classes].reduce(0, +)
      for k in first..<first + classes { values[k] /= sum }
    }
    var digest: UInt64 = 0
    for (id, place) in places {
      digest &+= values[place..<place + classes].withUnsafeBytes { xxh64($0, seed: id) }
    }
    self.init(share: Float(share), labels: classes, places: places, values: values, digest: digest)
  }
}
