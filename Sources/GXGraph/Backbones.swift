import GXCore

/// The networks that the field starts from. Nodes have the names of timm's modules (Wightman, PyTorch Image
/// Models), so that weights made for timm's models fit by name; all end in a linear head.
enum Backbone {
  /// Puts nodes together under timm's names.
  private struct Builder {
    var graph: Graph
    /// Padding as TensorFlow does it, which looks at the picture's size: with stride 2 more after than before.
    var same = false
    var epsilon = 1e-5
    var activation = Activation.relu
    var last = Graph.inputName

    init(input: Shape) throws { graph = try Graph(input: input) }

    var channels: Int { (graph.nodes.last { $0.name == last }?.shape ?? graph.input).last! }
    private var size: Shape { graph.nodes.last { $0.name == last }?.shape ?? graph.input }

    /// Convolution without bias, batch normalisation, and the activation.
    mutating func conv(
      _ name: String, _ norm: String, _ channels: Int, kernel: Int, stride: Int = 1, groups: Int = 1,
      activated: Bool = true
    ) throws {
      var window = Window(kernel, stride: stride, padding: kernel / 2)
      if same {
        func padding(_ size: Int) -> Int { max(((size + stride - 1) / stride - 1) * stride + kernel - size, 0) }
        let (rows, columns) = (padding(size[0]), padding(size[1]))
        window.padding = Size(rows / 2, columns / 2)
        window.paddingAfter = Size(rows - rows / 2, columns - columns / 2)
      }
      try graph.add(name, .convolution(channels: channels, window: window, groups: groups, bias: false), last)
      last = try graph.add(norm, .batchNorm(epsilon: epsilon), name)
      if activated { try activate(norm) }
    }

    mutating func activate(_ name: String) throws {
      last = try graph.add("\(name).act", .activation(activation), last)
    }

    /// Squeeze-and-excitation (Hu et al. 2018): each channel times a share that follows from all channels' means.
    mutating func squeezeAndExcite(_ name: String, _ squeezed: Int) throws {
      let picture = last
      let features = channels
      try graph.add("\(name).pool", .globalAveragePool, picture)
      try graph.add("\(name).conv_reduce", .linear(features: squeezed))
      try graph.add("\(name).act1", .activation(activation))
      try graph.add("\(name).conv_expand", .linear(features: features))
      try graph.add("\(name).gate", .activation(.sigmoid))
      last = try graph.add(name, .multiply, picture, "\(name).gate")
    }

    mutating func add(_ name: String, _ shortcut: String) throws { last = try graph.add(name, .add, last, shortcut) }

    mutating func head(_ name: String, classes: Int, dropout: Double) throws {
      try graph.add("global_pool", .globalAveragePool, last)
      if dropout > 0 { try graph.add("dropout", .dropout(rate: dropout)) }
      try graph.add(name, .linear(features: classes))
    }
  }

  /// A ResNet (He et al. 2016), with the stride in the 3x3 convolution where there are bottlenecks, as torchvision's.
  static func resNet(
    depths: [Int], bottleneck: Bool, input: Shape, classes: Int, dropout: Double
  ) throws -> Graph {
    var b = try Builder(input: input)
    try b.conv("conv1", "bn1", 64, kernel: 7, stride: 2)
    b.last = try b.graph.add("maxpool", .pool(.max, Window(3, stride: 2, padding: 1)), b.last)
    for (stage, depth) in depths.enumerated() {
      let width = 64 << stage
      for block in 0..<depth {
        let name = "layer\(stage + 1).\(block)"
        let stride = stage > 0 && block == 0 ? 2 : 1
        let result = bottleneck ? 4 * width : width
        let source = b.last
        var shortcut = source
        if stride > 1 || b.channels != result {
          try b.conv(
            "\(name).downsample.0", "\(name).downsample.1", result, kernel: 1, stride: stride, activated: false)
          shortcut = b.last
          b.last = source
        }
        if bottleneck {
          try b.conv("\(name).conv1", "\(name).bn1", width, kernel: 1)
          try b.conv("\(name).conv2", "\(name).bn2", width, kernel: 3, stride: stride)
          try b.conv("\(name).conv3", "\(name).bn3", result, kernel: 1, activated: false)
        } else {
          try b.conv("\(name).conv1", "\(name).bn1", width, kernel: 3, stride: stride)
          try b.conv("\(name).conv2", "\(name).bn2", result, kernel: 3, activated: false)
        }
        try b.add("\(name).add", shortcut)
        try b.activate(name)
      }
    }
    try b.head("fc", classes: classes, dropout: dropout)
    return b.graph
  }

  /// One stage of inverted residuals: how often the channels are expanded by, kernel, first stride, channels, blocks.
  struct Stage {
    var expansion: Int
    var kernel: Int
    var stride: Int
    var channels: Int
    var depth: Int

    init(_ expansion: Int, _ kernel: Int, _ stride: Int, _ channels: Int, _ depth: Int) {
      (self.expansion, self.kernel, self.stride, self.channels, self.depth) = (
        expansion, kernel, stride, channels, depth
      )
    }
  }

  /// Table 2 of Sandler et al. 2018.
  static let mobileNetV2 = [
    Stage(1, 3, 1, 16, 1), Stage(6, 3, 2, 24, 2), Stage(6, 3, 2, 32, 3), Stage(6, 3, 2, 64, 4), Stage(6, 3, 1, 96, 3),
    Stage(6, 3, 2, 160, 3), Stage(6, 3, 1, 320, 1),
  ]
  /// Table 1 of Tan & Le 2019; EfficientNet-Lite0 has the same stages.
  static let efficientNet = [
    Stage(1, 3, 1, 16, 1), Stage(6, 3, 2, 24, 2), Stage(6, 5, 2, 40, 2), Stage(6, 3, 2, 80, 3), Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4), Stage(6, 3, 1, 320, 1),
  ]

  /// A network of inverted residuals: MobileNetV2 (Sandler et al. 2018) and EfficientNets (Tan & Le 2019).
  /// - Parameters:
  ///   - excited: Whether blocks end in squeeze-and-excitation, to a quarter of their input's channels.
  ///   - tensorFlow: Padding and epsilon as in weights that come from TensorFlow.
  static func inverted(
    _ stages: [Stage], activation: Activation, excited: Bool = false, tensorFlow: Bool = false, input: Shape,
    classes: Int, dropout: Double
  ) throws -> Graph {
    var b = try Builder(input: input)
    b.activation = activation
    if tensorFlow { (b.same, b.epsilon) = (true, 1e-3) }
    try b.conv("conv_stem", "bn1", 32, kernel: 3, stride: 2)
    for (s, stage) in stages.enumerated() {
      for block in 0..<stage.depth {
        let name = "blocks.\(s).\(block)"
        let stride = block == 0 ? stage.stride : 1
        let (source, channels) = (b.last, b.channels)
        let wide = channels * stage.expansion
        let expands = stage.expansion > 1
        if expands { try b.conv("\(name).conv_pw", "\(name).bn1", wide, kernel: 1) }
        try b.conv(
          "\(name).conv_dw", "\(name).\(expands ? "bn2" : "bn1")", wide, kernel: stage.kernel, stride: stride,
          groups: wide)
        if excited { try b.squeezeAndExcite("\(name).se", max(channels / 4, 1)) }
        try b.conv(
          "\(name).\(expands ? "conv_pwl" : "conv_pw")", "\(name).\(expands ? "bn3" : "bn2")", stage.channels,
          kernel: 1, activated: false)
        if stride == 1 && channels == stage.channels { try b.add("\(name).add", source) }
      }
    }
    try b.conv("conv_head", "bn2", 1280, kernel: 1)
    try b.head("classifier", classes: classes, dropout: dropout)
    return b.graph
  }
}
