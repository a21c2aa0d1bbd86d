import GXCore

/// The networks that gx knows by name.
public enum Architecture: String, CaseIterable, Sendable {
  /// The original project's CNN: 3x3 convolutions of 32, 64, 128 and 256 channels without padding, each with
  /// ReLU, 2x2 max-pooling between; mean over all places; dense 512 with ReLU, dropout; dense.
  case seed
  /// gx's own: a compact residual network.
  case gxnet
  /// Logistic regression: dropout and one dense layer on all pixels, or on the features of another network.
  case linear
  case resnet18
  case resnet50
  case mobileNetV2 = "mobilenetv2"
  /// Tan & Le 2019, without squeeze-and-excitation and with ReLU6 (Google's EfficientNet-Lite, 2020).
  case efficientNetLite0 = "efficientnet-lite0"
  /// The same, with the padding and epsilon of TensorFlow, which the published weights were made with.
  case tfEfficientNetLite0 = "tf-efficientnet-lite0"
  case efficientNetB0 = "efficientnet-b0"

  /// The graph for pictures of `input`, `[height, width, channels]`. `dropout` is the rate before the last
  /// layer; nil is the architecture's own.
  public func graph(input: Shape, classes: Int, dropout: Double? = nil) throws -> Graph {
    switch self {
    case .seed: try Self.seed(input: input, classes: classes, dropout: dropout ?? 0.5)
    case .gxnet: try Self.residual(input: input, classes: classes, dropout: dropout ?? 0.2)
    case .linear: try Self.linear(input: input, classes: classes, dropout: dropout ?? 0.2)
    case .resnet18:
      try Backbone.resNet(
        depths: [2, 2, 2, 2], bottleneck: false, input: input, classes: classes, dropout: dropout ?? 0)
    case .resnet50:
      try Backbone.resNet(
        depths: [3, 4, 6, 3], bottleneck: true, input: input, classes: classes, dropout: dropout ?? 0)
    case .mobileNetV2:
      try Backbone.inverted(
        Backbone.mobileNetV2, activation: .relu6, input: input, classes: classes, dropout: dropout ?? 0.2)
    case .efficientNetLite0, .tfEfficientNetLite0:
      try Backbone.inverted(
        Backbone.efficientNet, activation: .relu6, tensorFlow: self == .tfEfficientNetLite0, input: input,
        classes: classes, dropout: dropout ?? 0.2)
    case .efficientNetB0:
      try Backbone.inverted(
        Backbone.efficientNet, activation: .silu, excited: true, input: input, classes: classes,
        dropout: dropout ?? 0.2)
    }
  }

  /// Throws an error that lists the names there are.
  public static func named(_ name: String, input: Shape, classes: Int, dropout: Double? = nil) throws -> Graph {
    guard let architecture = Architecture(rawValue: name) else {
      throw GXError("no architecture \(name); there are \(allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return try architecture.graph(input: input, classes: classes, dropout: dropout)
  }

  static func seed(input: Shape, classes: Int, dropout: Double) throws -> Graph {
    var g = try Graph(input: input, initializer: .glorot)
    for (i, channels) in [32, 64, 128, 256].enumerated() {
      try g.add("conv\(i + 1)", .convolution(channels: channels, window: Window(3)))
      try g.add("relu\(i + 1)", .activation(.relu))
      if i < 3 { try g.add("pool\(i + 1)", .pool(.max, Window(2, stride: 2))) }
    }
    try g.add("pool", .globalAveragePool)
    try g.add("dense", .linear(features: 512))
    try g.add("relu", .activation(.relu))
    try g.add("dropout", .dropout(rate: dropout))
    try g.add("logits", .linear(features: classes))
    return g
  }

  static func linear(input: Shape, classes: Int, dropout: Double) throws -> Graph {
    var g = try Graph(input: input)
    if dropout > 0 { try g.add("dropout", .dropout(rate: dropout)) }
    try g.add("logits", .linear(features: classes))
    return g
  }

  /// A residual network (He et al. 2016): a strided 3x3 stem, then stages of basic blocks (two 3x3 convolutions
  /// around a shortcut), each but the first halving the picture; mean over all places; dropout; dense.
  static func residual(
    input: Shape, classes: Int, dropout: Double, stem: Int = 32, widths: [Int] = [32, 64, 128, 192],
    depths: [Int] = [1, 1, 1, 1]
  ) throws -> Graph {
    var g = try Graph(input: input)

    /// Convolution without bias, and batch normalisation.
    func conv(_ name: String, _ channels: Int, kernel: Int = 3, stride: Int = 1, from: String) throws -> String {
      let window = Window(kernel, stride: stride, padding: kernel / 2)
      try g.add(name, .convolution(channels: channels, window: window, bias: false), from)
      return try g.add("\(name).bn", .batchNorm(), "\(name)")
    }

    var last = try conv("stem", stem, stride: 2, from: Graph.inputName)
    last = try g.add("stem.relu", .activation(.relu), last)
    var channels = stem
    for (s, (width, depth)) in zip(widths, depths).enumerated() {
      for b in 0..<depth {
        let name = "stage\(s + 1).\(b + 1)"
        let stride = s > 0 && b == 0 ? 2 : 1
        let keeps = stride == 1 && channels == width
        let shortcut =
          keeps ? last : try conv("\(name).shortcut", width, kernel: 1, stride: stride, from: last)
        var inner = try conv("\(name).conv1", width, stride: stride, from: last)
        inner = try g.add("\(name).relu1", .activation(.relu), inner)
        inner = try conv("\(name).conv2", width, from: inner)
        try g.add("\(name).add", .add, inner, shortcut)
        last = try g.add("\(name).relu2", .activation(.relu))
        channels = width
      }
    }
    try g.add("pool", .globalAveragePool)
    if dropout > 0 { try g.add("dropout", .dropout(rate: dropout)) }
    try g.add("logits", .linear(features: classes))
    return g
  }
}
