import GXCore
import GXModel
import GXStream

// What a model records of how it came to be.

/// A fingerprint of all train and val records, as 16 hex digits.
func digest(_ training: Dataset, _ validation: Dataset) -> String {
  hexDigits(training === validation ? training.digest : mixed(training.digest, validation.digest))
}

/// What the model records of the data that it was trained on.
func dataRecord(_ training: Dataset, _ validation: Dataset) -> JSONObject {
  var record: JSONObject = [
    "gx": .string(gxVersion), "data": .string(digest(training, validation)),
    "train_records": .int(training.train.count), "val_records": .int(validation.val.count),
  ]
  if let finer = training.finer { record[Model.finerField] = .array(finer.names.map(JSON.string)) }
  return record
}

extension TrainingPlan {
  /// What is done to pictures of `training`, since they were decoded, until the network sees them.
  func ops(of training: Dataset) throws -> [JSON] {
    (training.ops ?? [Provenance.foreign]) + [try augmentation?.centreCrop?.json].compactMap { $0 }
  }
}
