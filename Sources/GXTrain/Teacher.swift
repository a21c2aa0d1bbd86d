import GXCore
import GXMetrics
import GXStream

/// What teachers say of pictures, to be learnt beside the labels (distillation; Hinton, Vinyals & Dean 2015): a network's
/// probabilities tell more than one name does, and where labels are wrong now and then, those of networks that have not
/// seen a picture's label (`Folds`) are closer to the truth.
///
/// Holds four bytes a class, and some 40 more, of each picture that is learnt from.
public struct Teacher: Sendable {
  /// The share of a target that is the teacher's; the rest is the label's. 0 to 1.
  public let share: Float
  /// Pictures that are learnt from and have no row.
  public let missing: Int
  /// A fingerprint of what it says.
  public let digest: UInt64
  private let classes: Int
  /// By the hash of an id: the place of its first value.
  private var places: [UInt64: Int] = [:]
  /// `[galaxies, classes]`, each row 1 in sum.
  private var values: [Float] = []

  /// Reads rows of gx-infer, or of gx-train with folds: `id` and `probabilities` of every class. Rows of one id (of
  /// several teachers, or of copies) are averaged; rows with an `error`, and those of other pictures, are passed over.
  /// - Throws: `GXError` that names the line where a row has not one probability for each class of `data`.
  public init(_ source: ByteSource, for data: Dataset, share: Double) throws {
    self.share = Float(share)
    classes = data.classes.count
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
    missing = data.train.count { [places] in places[$0.id] == nil }
    var digest: UInt64 = 0
    for (id, place) in places {
      digest &+= values[place..<place + classes].withUnsafeBytes { xxh64($0, seed: id) }
    }
    self.digest = digest
  }

  /// By the names of gx-train's options.
  var settings: JSONObject { ["distill": .string(hexDigits(digest)), "distill-weight": .float(share)] }

  /// The probabilities of the picture with this hash of its id, or nil where no row told them.
  func probabilities(of id: UInt64) -> ArraySlice<Float>? {
    places[id].map { values[$0..<$0 + classes] }
  }

  /// The same for pictures that have other ids.
  func renamed(_ name: (UInt64) -> UInt64) -> Teacher {
    var teacher = self
    teacher.places = Dictionary(uniqueKeysWithValues: places.map { (name($0.key), $0.value) })
    return teacher
  }
}
