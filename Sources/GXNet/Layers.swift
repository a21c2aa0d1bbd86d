import GXCore
import GXGraph

/// What each operation with weights adds to the program, forward and backward.
extension Compiler {
  func convolution(_ place: Int, _ source: Int, _ window: Window, groups: Int, bias: Bool) throws {
    let tail = tail(of: place)
    var filter = graph.weights(of: place)[0].shape
    let channels = try Layout.plain([filter[0]])
    if groups > 1 { filter = [groups, filter[0] / groups] + filter[1...] }
    let (sourceSizes, resultSizes, precision) = (sizes(source), sizes(place), self.precision)
    let (x, y) = (try Layout.any(sourceSizes, precision), try Layout.any(resultSizes, precision))
    let training = learns(place) || reaches(source)
    func method(_ pass: ConvolutionMethod.Pass) -> ConvolutionMethod {
      .fastest(pass, window, groups: groups, source: sourceSizes, result: resultSizes, precision: precision)
    }
    let primitive = try Primitive.convolution(
      source: x, weights: .any(filter, precision), bias: bias || tail.batchNorm != nil ? channels : nil,
      destination: y, window: window, training: training,
      method: method(training ? .forward : .prepared),
      post: PostOps(sum: tail.addend != nil, activation: tail.activation))
    try addWeighted(place, source, tail, primitive, plain: filter) { [filter] in
      try Primitive.convolutionWeightsGradient(
        source: x, weights: .any(filter), bias: bias ? channels : nil, destination: y, window: window,
        method: method(.byWeights), forward: primitive)
    } sourceGradient: { [filter] in
      try Primitive.convolutionSourceGradient(
        source: x, weights: .any(filter, precision), destination: y, window: window,
        method: method(.bySource), forward: primitive)
    }
  }

  func linear(_ place: Int, _ source: Int, bias: Bool) throws {
    let tail = tail(of: place)
    let features = graph.shape(of: place)
    // Over a picture, the weights are seen as OIHW; plain, that is the same as [out, in].
    let matrix = features + sizes(source).dropFirst()
    let (x, y) = (try Layout.any(sizes(source)), try Layout.plain(sizes(place)))
    let biasLayout = bias ? try Layout.plain(features) : nil
    let primitive = try Primitive.innerProduct(
      source: x, weights: .any(matrix), bias: biasLayout, destination: y,
      training: learns(place) || reaches(source),
      post: PostOps(activation: tail.activation))
    try addWeighted(place, source, tail, primitive, plain: matrix) {
      try Primitive.innerProductWeightsGradient(
        source: x, weights: .any(matrix), bias: biasLayout, destination: y, forward: primitive)
    } sourceGradient: {
      try Primitive.innerProductSourceGradient(source: x, weights: .any(matrix), destination: y, forward: primitive)
    }
  }

  /// Adds a convolution or inner product with its weights, whose sizes as oneDNN sees them are `plain`.
  private func addWeighted(
    _ place: Int, _ source: Int, _ tail: Tail, _ primitive: Primitive, plain: [Int],
    weightsGradient: @escaping () throws -> Primitive, sourceGradient: @escaping () throws -> Primitive
  ) throws {
    let weights = graph.weights(of: place)
    let native = primitive.layout(Argument.weights)
    let x = try reordered(values[source]!, to: primitive.layout(Argument.source))
    let y = Buffer(primitive.layout(Argument.destination))
    if let addend = tail.addend {
      // Summed into what the destination holds: the addend itself, where nothing else needs it.
      try program.addCopy(from: reordered(values[addend]!, to: y.layout), to: y)
    }
    var arguments = [(Argument.source, x), (Argument.destination, y)]

    guard learns(place) else {
      let w = try array(weights[0], plain: plain, native: native)
      let b = try array(weights[0], plain: [weights[0].shape[0]])
      let norm = tail.batchNorm.map { graph.nodes[$0] }
      loaders.append { tensors in
        let own = weights.count > 1 ? tensors[weights[1].name] : nil
        var (matrix, bias) = try fold(norm, in: tensors, weights: tensors[weights[0].name]!, bias: own)
        try w.set(&matrix)
        try b.set(&bias)
      }
      arguments += [(Argument.weights, w.buffer), (Argument.bias, b.buffer)]
      program.add(primitive, arguments)
      finish(place, tail, y)
      guard reaches(source) || tail.addend.map(reaches) == true else { return }
      tape.append { [unowned self] in
        let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
        if let addend = tail.addend { contribute(dy, to: addend) }
        if reaches(source) { try addSourceGradient(sourceGradient(), weights: w, gradient: dy, to: source) }
      }
      return
    }

    let w = try parameter(weights[0], plain: plain, native: native.asF32)
    let b = weights.count > 1 ? try parameter(weights[1]) : nil
    arguments.append((Argument.weights, try reordered(w.array.buffer, to: native)))
    if let b { arguments.append((Argument.bias, b.array.buffer)) }
    program.add(primitive, arguments)
    finish(place, tail, y)

    tape.append { [unowned self] in
      let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
      if try !depthwiseKernel(place, source: x, gradient: dy, to: w.gradientBuffer!) {
        try addWeightsGradient(weightsGradient(), source: x, gradient: dy, w, b)
      }
      if reaches(source) { try addSourceGradient(sourceGradient(), weights: w.array, gradient: dy, to: source) }
    }
  }

  private func addWeightsGradient(
    _ primitive: Primitive, source: Buffer, gradient: Buffer, _ weights: Parameter, _ bias: Parameter?
  ) throws {
    let layout = primitive.layout(Argument.weightsGradient)
    let direct = layout == weights.array.buffer.layout
    let result = direct ? weights.gradientBuffer! : Buffer(layout)
    var arguments = [
      (Argument.source, try reordered(source, to: primitive.layout(Argument.source))),
      (Argument.destinationGradient, try reordered(gradient, to: primitive.layout(Argument.destinationGradient))),
      (Argument.weightsGradient, result),
    ]
    if let bias { arguments.append((Argument.biasGradient, bias.gradientBuffer!)) }
    program.add(primitive, arguments)
    if !direct { try program.addCopy(from: result, to: weights.gradientBuffer!) }
  }

  private func addSourceGradient(
    _ primitive: Primitive, weights: NativeArray, gradient: Buffer, to source: Int
  ) throws {
    let result = Buffer(primitive.layout(Argument.sourceGradient))
    program.add(
      primitive,
      [
        (Argument.weights, try reordered(weights.buffer, to: primitive.layout(Argument.weights))),
        (Argument.destinationGradient, try reordered(gradient, to: primitive.layout(Argument.destinationGradient))),
        (Argument.sourceGradient, result),
      ])
    // What comes before works in the source's own order.
    contribute(primitive.isAcrossBatch ? try reordered(result, to: values[source]!.layout) : result, to: source)
  }

  func batchNorm(_ place: Int, _ source: Int, epsilon: Double, momentum: Double) throws {
    let weights = graph.weights(of: place)
    let x = values[source]!
    guard learns(place) else {
      let y = Buffer(x.layout)
      let primitive = try Primitive.batchNorm(x.layout, epsilon: epsilon, relu: false, training: false)
      set(place, y)
      let arrays = try weights.map { try array($0) }
      loaders.append { tensors in
        for (weight, array) in zip(weights, arrays) {
          var values = tensors[weight.name]!.floats()
          try array.set(&values)
        }
      }
      let arguments = [Argument.scale, Argument.shift, Argument.mean, Argument.variance]
      program.add(
        primitive, [(Argument.source, x), (Argument.destination, y)] + zip(arguments, arrays.map(\.buffer)),
        inPlace: (x, y))
      guard reaches(source) else { return }
      tape.append { [unowned self] in
        // With given statistics it is an affine map, whose gradient is the same map with nothing added or taken off.
        let nothing = try Buffer.pinned(.plain(weights[0].shape))
        let dy = try reordered(gradient(place), to: x.layout)
        let dx = Buffer(x.layout)
        program.add(
          primitive,
          [
            (Argument.source, dy), (Argument.destination, dx), (Argument.scale, arrays[0].buffer),
            (Argument.shift, nothing), (Argument.mean, nothing), (Argument.variance, arrays[3].buffer),
          ], inPlace: (dy, dx))
        contribute(dx, to: source)
      }
      return
    }

    let (scale, shift) = (try parameter(weights[0]), try parameter(weights[1]))
    let (runningMean, runningVariance) = (try parameter(weights[2]), try parameter(weights[3]))
    let channels = try Layout.plain(weights[0].shape)
    let (mean, variance) = (Buffer(channels), Buffer(channels))
    if try !batchNormKernel(
      place, source, epsilon: epsilon, scale: scale, shift: shift, mean: mean, variance: variance)
    {
      try batchNormPrimitive(
        place, source, epsilon: epsilon, scale: scale, shift: shift, mean: mean, variance: variance)
    }
    // The running variance is the unbiased one, as in PyTorch.
    let count = Float(sizes(place).reduce(1, *) / weights[0].shape[0])
    let unbias = count > 1 ? count / (count - 1) : 1
    let rate = Float(momentum)
    program.add("running statistics", [mean, variance, runningMean.array.buffer, runningVariance.array.buffer]) { _ in
      let (mean, variance) = (mean.floats, variance.floats)
      for c in 0..<mean.count {
        runningMean.values[c] += rate * (mean[c] - runningMean.values[c])
        runningVariance.values[c] += rate * (variance[c] * unbias - runningVariance.values[c])
      }
    }

  }

  private func batchNormPrimitive(
    _ place: Int, _ source: Int, epsilon: Double, scale: Parameter, shift: Parameter, mean: Buffer, variance: Buffer
  ) throws {
    let x = values[source]!
    let y = Buffer(x.layout)
    let relu = soleReader(place).flatMap { graph.nodes[$0].operation == .activation(.relu) ? $0 : nil }
    let primitive = try Primitive.batchNorm(x.layout, epsilon: epsilon, relu: relu != nil, training: true)
    let workspace = Buffer(primitive.layout(Argument.workspace))
    program.add(
      primitive,
      [
        (Argument.source, x), (Argument.destination, y), (Argument.scale, scale.array.buffer),
        (Argument.shift, shift.array.buffer), (Argument.mean, mean), (Argument.variance, variance),
        (Argument.workspace, workspace),
      ])
    set(relu ?? place, y)
    tape.append { [unowned self] in
      let backward = try Primitive.batchNormGradient(
        x.layout, gradient: x.layout, epsilon: epsilon, relu: relu != nil, forward: primitive)
      let dy = try reordered(gradient(relu ?? place), to: x.layout)
      let dx = Buffer(x.layout)
      program.add(
        backward,
        [
          (Argument.source, x), (Argument.mean, mean), (Argument.variance, variance),
          (Argument.scale, scale.array.buffer), (Argument.shift, shift.array.buffer),
          (Argument.workspace, workspace), (Argument.destinationGradient, dy), (Argument.sourceGradient, dx),
          (Argument.scaleGradient, scale.gradientBuffer!), (Argument.shiftGradient, shift.gradientBuffer!),
        ], inPlace: (dy, dx))
      contribute(dx, to: source)
    }
  }
}

/// The weights and bias of a layer that does the batch normalisation after it as well; just its own if there is none.
private func fold(
  _ norm: Graph.Node?, in tensors: [String: Tensor], weights: Tensor, bias: Tensor?
) throws -> (weights: [Float], bias: [Float]) {
  let channels = weights.shape[0]
  var weights = weights.floats()
  var bias = bias?.floats() ?? [Float](repeating: 0, count: channels)
  guard let norm, case .batchNorm(let epsilon, _) = norm.operation else { return (weights, bias) }
  func values(_ suffix: String) -> [Float] { tensors["\(norm.name).\(suffix)"]!.floats() }
  let (scale, shift) = (values("weight"), values("bias"))
  let (mean, variance) = (values("running_mean"), values("running_var"))
  let perChannel = weights.count / channels
  for c in 0..<channels {
    let factor = scale[c] / (variance[c] + Float(epsilon)).squareRoot()
    for i in c * perChannel..<(c + 1) * perChannel { weights[i] *= factor }
    bias[c] = shift[c] + (bias[c] - mean[c]) * factor
  }
  return (weights, bias)
}
