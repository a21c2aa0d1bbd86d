import CDNNL
import GXCore
import GXGraph
import Glibc

// All that gx says to oneDNN is in this file: memory layouts, and one maker for each primitive. It
// speaks the v2 C API; v3 makes primitive descriptors without the operation descriptors in between.

/// Throws what oneDNN said, if it was not "success".
private func check(_ status: dnnl_status_t, _ action: @autoclosure () -> String) throws(GXError) {
  guard status != dnnl_success else { return }
  throw GXError("oneDNN cannot \(action()): \(String(cString: dnnl_status2str(status)))")
}

/// The processor, and the one queue on which everything runs in order.
struct Engine {
  let engine: dnnl_engine_t
  let stream: dnnl_stream_t

  /// Made at first use, kept until the process ends.
  nonisolated(unsafe) private static let made: Result<Engine, GXError> = {
    var engine: dnnl_engine_t?
    var stream: dnnl_stream_t?
    do throws(GXError) {
      try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "use this processor")
      try check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue), "make a stream")
      return .success(Engine(engine: engine!, stream: stream!))
    } catch {
      return .failure(error)
    }
  }()

  static func cpu() throws(GXError) -> Engine { try made.get() }

  // libgomp is loaded by libdnnl and not by us, so its functions are looked up by name.
  private typealias SetThreads = @convention(c) (CInt) -> Void
  private typealias GetThreads = @convention(c) () -> CInt
  private static let set = dlsym(nil, "omp_set_num_threads").map { unsafeBitCast($0, to: SetThreads.self) }
  private static let get = dlsym(nil, "omp_get_max_threads").map { unsafeBitCast($0, to: GetThreads.self) }

  /// How many threads the primitives that the calling thread makes and runs from now on use.
  static func setThreads(_ count: Int) { set?(CInt(count)) }
  static var threads: Int { Int(get?() ?? 1) }

  private typealias Parallel =
    @convention(c) (
      @convention(c) (UnsafeMutableRawPointer?) -> Void, UnsafeMutableRawPointer?, CUnsignedInt, CUnsignedInt
    ) -> Void
  private static let startTeam = dlsym(nil, "GOMP_parallel").map { unsafeBitCast($0, to: Parallel.self) }
  private static let place = dlsym(nil, "omp_get_thread_num").map { unsafeBitCast($0, to: GetThreads.self) }
  private static let size = dlsym(nil, "omp_get_num_threads").map { unsafeBitCast($0, to: GetThreads.self) }

  /// Calls `body` for each of 0..<count, shared out among the threads that oneDNN's primitives run on: they are awake
  /// already. On the calling thread alone where there is no libgomp.
  static func parallel(_ count: Int, _ body: (Int) -> Void) {
    guard threads > 1, count > 1, let startTeam, place != nil, size != nil else { return (0..<count).forEach(body) }
    withoutActuallyEscaping(body) { body in
      var work = (count: count, body: body)
      withUnsafeMutablePointer(to: &work) { pointer in
        startTeam(
          { pointer in
            let work = pointer!.assumingMemoryBound(to: (count: Int, body: (Int) -> Void).self).pointee
            let (place, size) = (Int(Engine.place!()), Int(Engine.size!()))
            for i in work.count * place / size..<work.count * (place + 1) / size { work.body(i) }
          }, pointer, CUnsignedInt(min(threads, count)), 0)
      }
    }
  }

  /// Runs `body` on the calling thread alone: for work so small that waking another costs more, and
  /// waiting for it much more where the machine is busy.
  static func alone<R>(_ body: () throws -> R) rethrows -> R {
    let threads = threads
    setThreads(1)
    defer { setThreads(threads) }
    return try body()
  }
}

/// What the numbers of pictures inside a network are.
public enum Precision: String, CaseIterable, Sendable {
  case f32
  /// The upper half of an f32: its range, with 8 bits of precision. Weights, sums and statistics stay f32.
  case bf16

  /// Whether the processor has instructions for it.
  public var isFast: Bool {
    switch self {
    case .f32: true
    case .bf16: dnnl_get_effective_cpu_isa().rawValue & Self.bf16Bits == Self.bf16Bits
    }
  }

  private static let bf16Bits = dnnl_cpu_isa_avx512_core_bf16.rawValue

  fileprivate var type: dnnl_data_type_t { self == .f32 ? dnnl_f32 : dnnl_bf16 }
}

/// How an array lies in memory: the type of its numbers, its sizes (NCHW, OIHW, …), and their order, blocking and padding.
struct Layout: Equatable {
  fileprivate var descriptor: dnnl_memory_desc_t

  fileprivate init(_ descriptor: dnnl_memory_desc_t) { self.descriptor = descriptor }

  private init(_ sizes: [Int], _ tag: dnnl_format_tag_t, _ precision: Precision = .f32) throws(GXError) {
    descriptor = dnnl_memory_desc_t()
    let status = dnnl_memory_desc_init_by_tag(
      &descriptor, CInt(sizes.count), sizes.map(Int64.init), precision.type, tag)
    try check(status, "lay out an array of \(sizes)")
  }

  /// oneDNN chooses; what it chose is then asked of the primitive.
  static func any(_ sizes: [Int], _ precision: Precision = .f32) throws(GXError) -> Layout {
    try Layout(sizes, dnnl_format_tag_any, precision)
  }

  /// C order.
  static func plain(_ sizes: [Int]) throws(GXError) -> Layout {
    let tags = [dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde]
    return try Layout(sizes, tags[sizes.count - 1])
  }

  /// A picture in blocks of 8 or 16 channels: nChw8c, nChw16c.
  static func blocked(_ sizes: [Int], _ block: Int, _ precision: Precision = .f32) throws(GXError) -> Layout {
    try Layout(sizes, block == 16 ? dnnl_aBcd16b : dnnl_aBcd8b, precision)
  }

  /// A batch of blocked pictures as one picture with the channels of all, which is the same in memory, and a number
  /// for each of those channels, f32; nil where pictures lie otherwise, or the last block is not full.
  var asOneSample: (picture: Layout, channels: Layout)? {
    get throws(GXError) {
      let sizes = sizes
      for block in [16, 8] where sizes.count == 4 && sizes[1] % block == 0 {
        if try self == .blocked(sizes, block, precision) {
          let channels = sizes[0] * sizes[1]
          return (
            try .blocked([1, channels] + sizes[2...], block, precision), try .blocked([1, channels, 1, 1], block)
          )
        }
      }
      return nil
    }
  }

  /// Depthwise weights GOIHW likewise.
  static func blockedDepthwise(_ sizes: [Int], _ block: Int) throws(GXError) -> Layout {
    try Layout(sizes, block == 16 ? dnnl_Abcde16a : dnnl_Abcde8a)
  }

  /// NHWC in memory; `sizes` are NCHW all the same.
  static func channelsLast(_ sizes: [Int]) throws(GXError) -> Layout { try Layout(sizes, dnnl_acdb) }

  var sizes: [Int] {
    withUnsafeBytes(of: descriptor.dims) { dims in
      dims.bindMemory(to: Int64.self).prefix(Int(descriptor.ndims)).map(Int.init)
    }
  }

  /// With the padding of blocks.
  var byteCount: Int { withUnsafePointer(to: descriptor) { dnnl_memory_desc_get_size($0) } }

  var precision: Precision { descriptor.data_type == dnnl_bf16 ? .bf16 : .f32 }

  /// The same order of f32 numbers.
  var asF32: Layout {
    var copy = self
    copy.descriptor.data_type = dnnl_f32
    return copy
  }

  /// Whether there are elements that no index reaches, to fill up the last block.
  var isPadded: Bool { byteCount > sizes.reduce(precision == .f32 ? 4 : 2, *) }

  /// Any layout of a batch of pictures as one picture in three dimensions, CHWN; of filters, as ones with one place
  /// along the third.
  fileprivate func acrossBatch(filters: Bool) throws(GXError) -> Layout {
    let sizes = sizes
    return try .any(filters ? sizes + [1] : [1] + sizes[1...] + [sizes[0]], precision)
  }

  /// The same memory seen with some of its axes only, in this order; the others have one place.
  fileprivate func picking(_ axes: [Int]) -> Layout {
    var picked = self
    picked.descriptor.ndims = CInt(axes.count)
    func pick<Tuple>(_ values: Tuple, _ result: inout Tuple) {
      withUnsafeBytes(of: values) { values in
        withUnsafeMutableBytes(of: &result) { result in
          let (values, result) = (values.bindMemory(to: Int64.self), result.bindMemory(to: Int64.self))
          for (place, axis) in axes.enumerated() { result[place] = values[axis] }
        }
      }
    }
    pick(descriptor.dims, &picked.descriptor.dims)
    pick(descriptor.padded_dims, &picked.descriptor.padded_dims)
    pick(descriptor.padded_offsets, &picked.descriptor.padded_offsets)
    pick(descriptor.format_desc.blocking.strides, &picked.descriptor.format_desc.blocking.strides)
    withUnsafeMutableBytes(of: &picked.descriptor.format_desc.blocking.inner_idxs) { bytes in
      let places = bytes.bindMemory(to: Int64.self)
      for block in 0..<Int(descriptor.format_desc.blocking.inner_nblks) {
        places[block] = Int64(axes.firstIndex(of: Int(places[block]))!)
      }
    }
    return picked
  }

  static func == (a: Layout, b: Layout) -> Bool {
    withUnsafePointer(to: a.descriptor) { x in
      withUnsafePointer(to: b.descriptor) { y in dnnl_memory_desc_equal(x, y) != 0 }
    }
  }
}

/// What a primitive's arguments are for.
enum Argument {
  static let source = DNNL_ARG_SRC_0
  static let source1 = DNNL_ARG_SRC_1
  static let destination = DNNL_ARG_DST_0
  static let weights = DNNL_ARG_WEIGHTS_0
  static let bias = DNNL_ARG_BIAS
  static let mean = DNNL_ARG_MEAN
  static let variance = DNNL_ARG_VARIANCE
  static let scale = DNNL_ARG_SCALE
  static let shift = DNNL_ARG_SHIFT
  static let workspace = DNNL_ARG_WORKSPACE
  static let scratchpad = DNNL_ARG_SCRATCHPAD
  static let sourceGradient = DNNL_ARG_DIFF_SRC_0
  static let destinationGradient = DNNL_ARG_DIFF_DST_0
  static let weightsGradient = DNNL_ARG_DIFF_WEIGHTS_0
  static let biasGradient = DNNL_ARG_DIFF_BIAS
  static let scaleGradient = DNNL_ARG_DIFF_SCALE
  static let shiftGradient = DNNL_ARG_DIFF_SHIFT
}

/// What is done to a result before it is stored: added to what the destination holds, activated, and scaled.
struct PostOps {
  var sum = false
  var scale: Float = 1
  var activation: Activation?
}

/// A compiled operation on arrays of fixed layouts.
final class Primitive {
  private let descriptor: dnnl_primitive_desc_t
  private let handle: dnnl_primitive_t
  /// Whether it takes a batch of pictures for one picture in three dimensions.
  let isAcrossBatch: Bool

  private init(
    _ descriptor: dnnl_primitive_desc_t, _ name: String, isAcrossBatch: Bool = false
  ) throws(GXError) {
    var handle: dnnl_primitive_t?
    let status = dnnl_primitive_create(&handle, descriptor)
    if status != dnnl_success { dnnl_primitive_desc_destroy(descriptor) }
    try check(status, "make \(name)")
    self.descriptor = descriptor
    self.handle = handle!
    self.isAcrossBatch = isAcrossBatch
  }

  deinit {
    dnnl_primitive_destroy(handle)
    dnnl_primitive_desc_destroy(descriptor)
  }

  /// The layout that this primitive wants or makes for an argument; empty if it has no such argument.
  func layout(_ argument: CInt) -> Layout {
    let layout = ownLayout(argument)
    guard isAcrossBatch, layout.sizes.count == 5 else { return layout }
    let isFilter = argument == Argument.weights || argument == Argument.weightsGradient
    return layout.picking(isFilter ? [0, 1, 2, 3] : [4, 1, 2, 3])
  }

  /// The same as the primitive sees it.
  private func ownLayout(_ argument: CInt) -> Layout {
    Layout(dnnl_primitive_desc_query_md(descriptor, dnnl_query_exec_arg_md, argument)?.pointee ?? .init())
  }

  /// The name of oneDNN's implementation, `jit:avx2` or the like; `ref` means slow.
  var implementation: String {
    var text: UnsafePointer<CChar>?
    dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &text)
    return (text.map { String(cString: $0) } ?? "") + (isAcrossBatch ? " across batch" : "")
  }

  /// What it computes: `convolution`, `convolution by weights` (the gradient), `reorder`, …
  var kind: String {
    var (kind, direction) = (dnnl_undefined_primitive, dnnl_prop_kind_undef)
    dnnl_primitive_desc_query(descriptor, dnnl_query_primitive_kind, 0, &kind)
    dnnl_primitive_desc_query(descriptor, dnnl_query_prop_kind, 0, &direction)
    let name = String(cString: dnnl_prim_kind2str(kind)).split(separator: "_").joined(separator: " ")
    switch direction {
    case dnnl_backward_data: return name + " by source"
    case dnnl_backward_weights: return name + " by weights"
    case dnnl_backward: return name + " gradient"
    default: return name
    }
  }

  /// Two for each multiplication with a weight of a convolution or inner product, forward and backward; else 0.
  var flops: Double {
    func sizes(_ argument: CInt, _ gradient: CInt) -> [Int] {
      let sizes = layout(argument).sizes
      return sizes.isEmpty ? layout(gradient).sizes : sizes
    }
    let result = sizes(Argument.destination, Argument.destinationGradient)
    let weights = sizes(Argument.weights, Argument.weightsGradient)
    guard weights.count >= 2, result.count >= 2 else { return 0 }
    // Each element of the result is the sum of as many products as one output channel has weights.
    return 2 * Double(result.reduce(1, *)) * Double(weights.reduce(1, *) / result[1])
  }

  /// A call of the primitive on these arrays, ready to run any number of times. The caller keeps
  /// the memory, laid out as `layout` says.
  func call(_ arguments: [(argument: CInt, address: UnsafeMutableRawPointer)]) throws -> Call {
    var list: [dnnl_exec_arg_t] = []
    let call = Call(self)
    for (argument, address) in arguments {
      var memory: dnnl_memory_t?
      var descriptor = ownLayout(argument).descriptor
      try check(dnnl_memory_create(&memory, &descriptor, Engine.cpu().engine, address), "bind memory")
      call.memories.append(memory!)
      list.append(dnnl_exec_arg_t(arg: argument, memory: memory))
    }
    call.arguments = list
    return call
  }

  final class Call {
    let primitive: Primitive
    fileprivate var arguments: [dnnl_exec_arg_t] = []
    fileprivate var memories: [dnnl_memory_t] = []

    fileprivate init(_ primitive: Primitive) { self.primitive = primitive }

    deinit { for memory in memories { dnnl_memory_destroy(memory) } }

    func run() throws(GXError) {
      let stream = try Engine.cpu().stream
      try check(
        dnnl_primitive_execute(primitive.handle, stream, CInt(arguments.count), arguments), "run a primitive")
    }
  }
}

// MARK: Making primitives

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
