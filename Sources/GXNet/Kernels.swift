import CKernels
import GXCore
import GXGraph

/// Steps that CKernels does in place of oneDNN: see there for what and why.
extension Compiler {
  /// Batch normalisation in training with the ReLU or ReLU6 after it, in two passes over a blocked picture in place
  /// of oneDNN's five (and two more for ReLU6). Returns whether the picture lies as the kernel needs it.
  func batchNormKernel(
    _ place: Int, _ source: Int, epsilon: Double, scale: Parameter, shift: Parameter, mean: Buffer, variance: Buffer
  ) throws -> Bool {
    let x = values[source]!
    guard let picture = x.layout.blocked else { return false }
    var range = gx_range(low: -.infinity, high: .infinity)
    var last = place
    if let next = soleReader(place), case .activation(let activation) = graph.nodes[next].operation {
      switch activation {
      case .relu: (range.low, last) = (0, next)
      case .relu6: (range.low, range.high, last) = (0, 6, next)
      default: break
      }
    }
    let y = Buffer(x.layout)
    let (channels, epsilon, name) = (CInt(scale.shape[0]), Float(epsilon), "batch normalization")
    let (scales, shifts) = (scale.array.buffer, shift.array.buffer)
    program.add(name, [x, scales, shifts, mean, variance, y]) { _ in
      OpenMP.parallel(Int(picture.blocks)) { block in
        gx_batch_norm(
          picture, channels, x.elements, scales.elements, shifts.elements, epsilon, range, y.elements, mean.elements,
          variance.elements, CInt(block))
      }
    }
    set(last, y)
    tape.append { [unowned self] in
      let dy = try reordered(gradient(last), to: x.layout)
      let dx = Buffer(x.layout)
      let (dscale, dshift) = (scale.gradientBuffer!, shift.gradientBuffer!)
      let buffers = [x, scales, shifts, mean, variance, dy, dscale, dshift, dx]
      program.add("\(name) gradient", buffers, inPlace: (dy, dx)) { _ in
        OpenMP.parallel(Int(picture.blocks)) { block in
          gx_batch_norm_gradient(
            picture, channels, x.elements, scales.elements, shifts.elements, mean.elements, variance.elements, epsilon,
            range, dy.elements, dx.elements, dscale.elements, dshift.elements, CInt(block))
        }
      }
      contribute(dx, to: source)
    }
    return true
  }

  /// The weight gradient of a depthwise convolution, for which oneDNN 2.6 has no direct code beyond 3x3. Returns
  /// whether all lies as the kernel needs it.
  func depthwiseKernel(_ place: Int, source x: Buffer, gradient dy: Buffer, to dw: Buffer) throws -> Bool {
    guard case .convolution(let channels, let window, let groups, false) = graph.nodes[place].operation,
      groups == channels, channels == graph.shape(of: graph.nodes[place].inputs[0])[2], window.dilation == Size(1),
      window.kernel.width <= 7, x.layout.precision == .f32 || window.kernel != Size(3),
      let source = x.layout.asF32.blocked
    else { return false }
    let x = try reordered(x, to: x.layout.asF32)
    let dy = try reordered(dy, to: .blocked(dy.layout.sizes, Int(source.block)))
    let result = dy.layout.blocked!
    let kernel = window.kernel
    let plain = [channels, 1, 1, kernel.height, kernel.width]
    guard try dw.layout == .blockedDepthwise(plain, Int(source.block)) else { return false }
    let taps = gx_window(
      kernel_height: CInt(kernel.height), kernel_width: CInt(kernel.width), stride_height: CInt(window.stride.height),
      stride_width: CInt(window.stride.width), top: CInt(window.padding.height), left: CInt(window.padding.width))
    let flops = 2 * Double(sizes(place).reduce(1, *) * kernel.height * kernel.width)
    program.add("convolution by weights", [x, dy, dw], flops: flops) { _ in
      OpenMP.parallel(Int(source.blocks)) { block in
        gx_depthwise_weights_gradient(source, x.elements, result, dy.elements, taps, dw.elements, CInt(block))
      }
    }
    return true
  }
}

extension Buffer {
  fileprivate var elements: UnsafeMutablePointer<Float> { address.assumingMemoryBound(to: Float.self) }
}

extension Layout {
  /// The picture's sizes, if it is one of f32 in blocks of 8 or 16 channels.
  fileprivate var blocked: gx_blocked? {
    let sizes = sizes
    guard sizes.count == 4, precision == .f32 else { return nil }
    for block in [16, 8] where (try? Layout.blocked(sizes, block)) == self {
      return gx_blocked(
        block: CInt(block), samples: CInt(sizes[0]), blocks: CInt((sizes[1] + block - 1) / block),
        height: CInt(sizes[2]), width: CInt(sizes[3]))
    }
    return nil
  }
}
