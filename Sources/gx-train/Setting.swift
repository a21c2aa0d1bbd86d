import GXCommand
import GXCore
import GXImage
import GXTrain

/// A row of the table of what decides a run's result: the option, where its value goes, and how the model tells it.
struct Setting: Sendable {
  let option: Option
  /// Puts the option's value into the settings, if it was given.
  let take: @Sendable (Arguments, inout Settings) throws -> Void
  /// nil where it is as if the option were not given.
  let told: @Sendable (Settings) -> JSON?

  /// - Parameter isTold: false for a second name of what another row tells.
  init<Value>(
    _ option: ValueOption<Value>, _ place: WritableKeyPath<Settings, Value> & Sendable, isTold: Bool = true
  ) {
    self.option = option
    take = { arguments, settings in
      if let value = try arguments[option] { settings[keyPath: place] = value }
    }
    told = { settings in isTold ? option.type.told(settings[keyPath: place]) : nil }
  }

  init<Value>(
    _ long: String, _ short: Character? = nil, _ argument: String?, _ type: OptionType<Value>,
    _ place: WritableKeyPath<Settings, Value> & Sendable, needs: String? = nil, formerly: String? = nil, _ help: String
  ) {
    self.init(ValueOption(long, short, argument, type, help, needs: needs, formerly: formerly), place)
  }
}

/// A file that a run reads. Where it lies tells nothing to others; what it holds does.
struct NamedFile: Sendable {
  let path: String
  /// Known when it has been read.
  var digest: String?
}

extension OptionType<NamedFile> {
  static var file: Self {
    Self(
      fault: "no file", read: { NamedFile(path: $0) }, told: { $0.digest.map { ["digest": .string($0)] } })
  }
}

extension OptionType<Augmentation?> {
  static var augmentation: Self {
    Self(
      fault: "no SPEC", read: { $0 == "none" ? Augmentation?.none : try Augmentation(spec: $0) },
      told: { .string($0?.spec ?? "none") })
  }
}

extension OptionType<ClassWeights> {
  static var classWeights: Self {
    Self(fault: "no weights", read: { try ClassWeights($0) }, told: { .string($0.text) })
  }
}

extension OptionType<TransferPlan.Unfreeze> {
  static var unfreeze: Self {
    Self(fault: "no number of blocks, all or none", read: TransferPlan.Unfreeze.init, told: { .string($0.text) })
  }
}
