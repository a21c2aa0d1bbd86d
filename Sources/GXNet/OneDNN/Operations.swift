import CDNNL
import GXCore
import GXGraph

/// Making primitives: one function an operation and gradient.
extension Primitive {
  /// The scratchpad is the caller's, so that all primitives of a network share one.
  private static func withAttributes<R>(
    _ post: PostOps = PostOps(), _ body: (dnnl_primitive_attr_t) throws -> R
  ) throws -> R {
    var attributes: dnnl_primitive_attr_t?
    try check(dnnl_primitive_attr_create(&attributes), "make attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    try check(
      dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "set the scratchpad mode")
    if post.sum || post.activation != nil || post.scale != 1 {
      var operations: dnnl_post_ops_t?
      try check(dnnl_post_ops_create(&operations), "make post-operations")
      defer { dnnl_post_ops_destroy(operations) }
      if post.sum { try check(dnnl_post_ops_append_sum(operations, 1), "append a sum") }
      if let activation = post.activation {
        let (algorithm, alpha, beta) = activation.algorithm(usingResult: false)
        try check(
          dnnl_post_ops_append_eltwise(operations, 1, algorithm, alpha, beta), "append \(activation.rawValue)")
      }
      if post.scale != 1 {
        try check(
          dnnl_post_ops_append_eltwise(operations, 1, dnnl_eltwise_linear, post.scale, 0), "append a scaling")
      }
      try check(dnnl_primitive_attr_set_post_ops(attributes, operations), "set post-operations")
    }
    return try body(attributes!)
  }

  private static func make<D>(
    _ name: String, _ operation: D, _ status: dnnl_status_t, post: PostOps = PostOps(), hint: Primitive? = nil,
    isAcrossBatch: Bool = false
  ) throws -> Primitive {
    try check(status, "describe \(name)")
    return try withAttributes(post) { attributes in
      var descriptor: dnnl_primitive_desc_t?
      let engine = try Engine.cpu().engine
      let status = withUnsafePointer(to: operation) {
        dnnl_primitive_desc_create(&descriptor, UnsafeRawPointer($0), attributes, engine, hint?.descriptor)
      }
      try check(status, "do \(name)")
      return try Primitive(descriptor!, name, isAcrossBatch: isAcrossBatch)
    }
  }

  private static func direction(_ training: Bool) -> dnnl_prop_kind_t {
    training ? dnnl_forward_training : dnnl_forward_inference
  }

  /// What a convolution's descriptor is made of.
  private struct Convolution {
    var algorithm = dnnl_convolution_direct
    var source: dnnl_memory_desc_t
    var weights: dnnl_memory_desc_t
    var destination: dnnl_memory_desc_t

    var isAcrossBatch: Bool { source.ndims == 5 }
  }

  /// Makes a convolution, or its gradient, by `method` if this processor can; else directly.
  private static func convolution(
    _ method: ConvolutionMethod, source: Layout, weights: Layout, destination: Layout,
    _ make: (inout Convolution) throws -> Primitive
  ) throws -> Primitive {
    var direct = Convolution(
      source: source.descriptor, weights: weights.descriptor, destination: destination.descriptor)
    switch method {
    case .direct: break
    case .winograd:
      var winograd = direct
      winograd.algorithm = dnnl_convolution_winograd
      if let primitive = try? make(&winograd) { return primitive }
    case .acrossBatch:
      var across = Convolution(
        source: try source.acrossBatch(filters: false).descriptor,
        weights: try weights.acrossBatch(filters: true).descriptor,
        destination: try destination.acrossBatch(filters: false).descriptor)
      if let primitive = try? make(&across), primitive.implementation.hasPrefix("jit") { return primitive }
    }
    return try make(&direct)
  }

  /// `dst = src * weights + bias`, cross-correlation as everywhere in the field. Weights are OIHW, or
  /// GOIHW if grouped.
  static func convolution(
    source: Layout, weights: Layout, bias: Layout?, destination: Layout, window: Window, training: Bool,
    method: ConvolutionMethod, post: PostOps
  ) throws -> Primitive {
    try convolution(method, source: source, weights: weights, destination: destination) { c in
      var d = dnnl_convolution_desc_t()
      let status = withOptional(bias) { bias in
        dnnl_dilated_convolution_forward_desc_init(
          &d, direction(training), c.algorithm, &c.source, &c.weights, bias, &c.destination, window.strides,
          window.dilates, window.paddings, window.paddingsAfter)
      }
      return try make("a convolution", d, status, post: post, isAcrossBatch: c.isAcrossBatch)
    }
  }

  static func convolutionSourceGradient(
    source: Layout, weights: Layout, destination: Layout, window: Window, method: ConvolutionMethod,
    forward: Primitive
  ) throws -> Primitive {
    try convolution(method, source: source, weights: weights, destination: destination) { c in
      var d = dnnl_convolution_desc_t()
      let status = dnnl_dilated_convolution_backward_data_desc_init(
        &d, c.algorithm, &c.source, &c.weights, &c.destination, window.strides, window.dilates, window.paddings,
        window.paddingsAfter)
      return try make(
        "a convolution's gradient", d, status, hint: c.isAcrossBatch ? nil : forward,
        isAcrossBatch: c.isAcrossBatch)
    }
  }

  static func convolutionWeightsGradient(
    source: Layout, weights: Layout, bias: Layout?, destination: Layout, window: Window, method: ConvolutionMethod,
    forward: Primitive
  ) throws -> Primitive {
    try convolution(method, source: source, weights: weights, destination: destination) { c in
      var d = dnnl_convolution_desc_t()
      let status = withOptional(bias) { bias in
        dnnl_dilated_convolution_backward_weights_desc_init(
          &d, c.algorithm, &c.source, &c.weights, bias, &c.destination, window.strides, window.dilates,
          window.paddings, window.paddingsAfter)
      }
      return try make(
        "a convolution's weight gradient", d, status, hint: c.isAcrossBatch ? nil : forward,
        isAcrossBatch: c.isAcrossBatch)
    }
  }

  /// `dst = weights src + bias` of each sample; weights are OI, or OIHW over pictures.
  static func innerProduct(
    source: Layout, weights: Layout, bias: Layout?, destination: Layout, training: Bool, post: PostOps
  ) throws -> Primitive {
    var d = dnnl_inner_product_desc_t()
    var (source, weights, destination) = (source.descriptor, weights.descriptor, destination.descriptor)
    let status = withOptional(bias) { bias in
      dnnl_inner_product_forward_desc_init(&d, direction(training), &source, &weights, bias, &destination)
    }
    return try make("an inner product", d, status, post: post)
  }

  static func innerProductSourceGradient(
    source: Layout, weights: Layout, destination: Layout, forward: Primitive
  ) throws -> Primitive {
    var d = dnnl_inner_product_desc_t()
    var (source, weights, destination) = (source.descriptor, weights.descriptor, destination.descriptor)
    let status = dnnl_inner_product_backward_data_desc_init(&d, &source, &weights, &destination)
    return try make("an inner product's gradient", d, status, hint: forward)
  }

  static func innerProductWeightsGradient(
    source: Layout, weights: Layout, bias: Layout?, destination: Layout, forward: Primitive
  ) throws -> Primitive {
    var d = dnnl_inner_product_desc_t()
    var (source, weights, destination) = (source.descriptor, weights.descriptor, destination.descriptor)
    let status = withOptional(bias) { bias in
      dnnl_inner_product_backward_weights_desc_init(&d, &source, &weights, bias, &destination)
    }
    return try make("an inner product's weight gradient", d, status, hint: forward)
  }

  /// What batch normalisation works with: the running statistics, or the batch's own.
  private static func flags(_ training: Bool, _ relu: Bool) -> UInt32 {
    dnnl_use_scale.rawValue | dnnl_use_shift.rawValue | (training ? 0 : dnnl_use_global_stats.rawValue)
      | (relu ? dnnl_fuse_norm_relu.rawValue : 0)
  }

  /// Training computes mean and (biased) variance; inference is given them.
  static func batchNorm(_ layout: Layout, epsilon: Double, relu: Bool, training: Bool) throws -> Primitive {
    var d = dnnl_batch_normalization_desc_t()
    var layout = layout.descriptor
    let status = dnnl_batch_normalization_forward_desc_init(
      &d, direction(training), &layout, Float(epsilon), flags(training, relu))
    return try make("batch normalisation", d, status)
  }

  static func batchNormGradient(
    _ layout: Layout, gradient: Layout, epsilon: Double, relu: Bool, forward: Primitive
  ) throws -> Primitive {
    var d = dnnl_batch_normalization_desc_t()
    var (layout, gradient) = (layout.descriptor, gradient.descriptor)
    let status = dnnl_batch_normalization_backward_desc_init(
      &d, dnnl_backward, &gradient, &layout, Float(epsilon), flags(true, relu))
    return try make("batch normalisation's gradient", d, status, hint: forward)
  }

  static func pool(
    _ kind: Pool, source: Layout, destination: Layout, window: Window, training: Bool, post: PostOps = PostOps()
  ) throws -> Primitive {
    var d = dnnl_pooling_desc_t()
    var (source, destination) = (source.descriptor, destination.descriptor)
    let status = dnnl_pooling_forward_desc_init(
      &d, direction(training), kind.algorithm, &source, &destination, window.strides, window.kernels,
      window.paddings, window.paddingsAfter)
    return try make("\(kind.rawValue) pooling", d, status, post: post)
  }

  static func poolGradient(
    _ kind: Pool, source: Layout, destination: Layout, window: Window, forward: Primitive
  ) throws -> Primitive {
    var d = dnnl_pooling_desc_t()
    var (source, destination) = (source.descriptor, destination.descriptor)
    let status = dnnl_pooling_backward_desc_init(
      &d, kind.algorithm, &source, &destination, window.strides, window.kernels, window.paddings, window.paddingsAfter)
    return try make("\(kind.rawValue) pooling's gradient", d, status, hint: forward)
  }

  static func activation(_ activation: Activation, _ layout: Layout, training: Bool) throws -> Primitive {
    var d = dnnl_eltwise_desc_t()
    var layout = layout.descriptor
    let (algorithm, alpha, beta) = activation.algorithm(usingResult: activation.usesResult)
    let status = dnnl_eltwise_forward_desc_init(&d, direction(training), algorithm, &layout, alpha, beta)
    return try make(activation.rawValue, d, status)
  }

  /// The gradient from the activation's result if `usesResult`, else from its argument.
  static func activationGradient(_ activation: Activation, _ layout: Layout, gradient: Layout) throws -> Primitive {
    var d = dnnl_eltwise_desc_t()
    var (layout, gradient) = (layout.descriptor, gradient.descriptor)
    let (algorithm, alpha, beta) = activation.algorithm(usingResult: activation.usesResult)
    var status = dnnl_eltwise_forward_desc_init(&d, dnnl_forward_training, algorithm, &layout, alpha, beta)
    let forward = try make(activation.rawValue, d, status)
    status = dnnl_eltwise_backward_desc_init(&d, algorithm, &gradient, &layout, alpha, beta)
    return try make("\(activation.rawValue)'s gradient", d, status, hint: forward)
  }

  /// `dst = src0 + src1`, all laid out alike.
  static func add(_ layout: Layout, post: PostOps = PostOps()) throws -> Primitive {
    var d = dnnl_binary_desc_t()
    var layout = layout.descriptor
    let status = dnnl_binary_desc_init(&d, dnnl_binary_add, &layout, &layout, &layout)
    return try make("an addition", d, status, post: post)
  }

  /// `dst = src0 * src1`, src1 repeated along where its size is 1.
  static func multiply(_ layout: Layout, by factor: Layout) throws -> Primitive {
    var d = dnnl_binary_desc_t()
    var (layout, factor) = (layout.descriptor, factor.descriptor)
    let status = dnnl_binary_desc_init(&d, dnnl_binary_mul, &layout, &factor, &layout)
    return try make("a multiplication", d, status)
  }

  /// A copy from one layout to another of the same sizes.
  static func reorder(from: Layout, to: Layout) throws -> Primitive {
    try withAttributes { attributes in
      var descriptor: dnnl_primitive_desc_t?
      var (from, to) = (from.descriptor, to.descriptor)
      let engine = try Engine.cpu().engine
      try check(
        dnnl_reorder_primitive_desc_create(&descriptor, &from, engine, &to, engine, attributes), "reorder an array")
      return try Primitive(descriptor!, "a reorder")
    }
  }

  private static func withOptional<R>(_ layout: Layout?, _ body: (UnsafePointer<dnnl_memory_desc_t>?) -> R) -> R {
    guard let layout else { return body(nil) }
    return withUnsafePointer(to: layout.descriptor, body)
  }
}

// MARK: The graph's terms in oneDNN's

extension Window {
  // The third of each is of the batch, where that is an axis.
  fileprivate var kernels: [Int64] { [Int64(kernel.height), Int64(kernel.width), 1] }
  fileprivate var strides: [Int64] { [Int64(stride.height), Int64(stride.width), 1] }
  fileprivate var paddings: [Int64] { [Int64(padding.height), Int64(padding.width), 0] }
  fileprivate var paddingsAfter: [Int64] { [Int64(paddingAfter.height), Int64(paddingAfter.width), 0] }
  /// oneDNN counts the gaps: 0 is a dense kernel.
  fileprivate var dilates: [Int64] { [Int64(dilation.height) - 1, Int64(dilation.width) - 1, 0] }
}

extension Pool {
  fileprivate var algorithm: dnnl_alg_kind_t {
    switch self {
    case .max: dnnl_pooling_max
    case .average: dnnl_pooling_avg_include_padding
    }
  }
}

extension Activation {
  /// Whether the gradient is computed from the result, so that the argument need not be kept.
  var usesResult: Bool {
    switch self {
    case .relu, .leakyReLU, .relu6, .elu, .sigmoid, .tanh: true
    case .silu, .gelu, .hardswish: false
    }
  }

  /// `usingResult` names the same function, with the gradient from its result.
  fileprivate func algorithm(usingResult: Bool) -> (kind: dnnl_alg_kind_t, alpha: Float, beta: Float) {
    switch self {
    case .relu: (usingResult ? dnnl_eltwise_relu_use_dst_for_bwd : dnnl_eltwise_relu, 0, 0)
    case .leakyReLU: (usingResult ? dnnl_eltwise_relu_use_dst_for_bwd : dnnl_eltwise_relu, 0.01, 0)
    case .relu6: (usingResult ? dnnl_eltwise_clip_v2_use_dst_for_bwd : dnnl_eltwise_clip_v2, 0, 6)
    case .elu: (usingResult ? dnnl_eltwise_elu_use_dst_for_bwd : dnnl_eltwise_elu, 1, 0)
    case .sigmoid: (usingResult ? dnnl_eltwise_logistic_use_dst_for_bwd : dnnl_eltwise_logistic, 0, 0)
    case .tanh: (usingResult ? dnnl_eltwise_tanh_use_dst_for_bwd : dnnl_eltwise_tanh, 0, 0)
    case .silu: (dnnl_eltwise_swish, 1, 0)
    case .gelu: (dnnl_eltwise_gelu_erf, 0, 0)
    case .hardswish: (dnnl_eltwise_hardswish, 0, 0)
    }
  }
}
