import GXCore

/// A pixel value in memory. Kernels are written once, over the working type `Double` or `Float`,
/// and specialised for each element type.
protocol PixelElement: BitwiseCopyable {
  /// The value, not rescaled.
  var float: Float { get }
  /// The nearest value that the type holds: whole-numbered types round (halves up) and clamp.
  init(nearest value: Float)
  init(nearest value: Double)
}

extension UInt8: PixelElement {
  @inline(__always) var float: Float { Float(self) }
  // The upper clamp comes first so that NaN, which fails both comparisons, ends as 0.
  @inline(__always) init(nearest value: Float) {
    let high = value < 255 ? value + 0.5 : value >= 255 ? 255 : 0
    self = UInt8(truncatingIfNeeded: Int32(high > 0 ? high : 0))
  }
  @inline(__always) init(nearest value: Double) {
    let high = value < 255 ? value + 0.5 : value >= 255 ? 255 : 0
    self = UInt8(truncatingIfNeeded: Int32(high > 0 ? high : 0))
  }
}

extension UInt16: PixelElement {
  @inline(__always) var float: Float { Float(self) }
  @inline(__always) init(nearest value: Float) { self.init(nearest: Double(value)) }
  @inline(__always) init(nearest value: Double) {
    let high = value < 65535 ? value + 0.5 : value >= 65535 ? 65535 : 0
    self = UInt16(truncatingIfNeeded: Int32(high > 0 ? high : 0))
  }
}

extension Float16: PixelElement {
  @inline(__always) var float: Float { Float(self) }
  @inline(__always) init(nearest value: Float) { self = Float16(value) }
  @inline(__always) init(nearest value: Double) { self = Float16(Float(value)) }
}

extension Float: PixelElement {
  @inline(__always) var float: Float { self }
  @inline(__always) init(nearest value: Float) { self = value }
  @inline(__always) init(nearest value: Double) { self = Float(value) }
}

/// A picture's sizes in pixels and channels.
struct PictureSize: Equatable {
  var height, width, channels: Int
  var shape: Shape { [height, width, channels] }
}

extension PictureSize {
  /// - Throws: `GXError` that says what a tensor of `shape` is instead.
  init(_ shape: Shape) throws(GXError) {
    guard shape.count == 3, shape.allSatisfy({ $0 > 0 }) else {
      throw GXError("a tensor of shape \(shape) is no picture: [height, width, channels] is needed, none of them 0")
    }
    self.init(height: shape[0], width: shape[1], channels: shape[2])
  }
}

extension Tensor {
  /// The sizes of a picture, or an error that says what the tensor is instead.
  func pictureSize() throws(GXError) -> PictureSize { try PictureSize(shape) }

  /// A picture of the same type and of another size, written by `kernel` from this one's elements.
  func mapPicture(to size: PictureSize, _ kernel: some PictureKernel) throws -> Tensor {
    func run<E: PixelElement>(_ type: E.Type) throws -> Tensor {
      try Tensor(dtype, size.shape) { out in
        try withElements(of: type) { pixels in
          try kernel.run(pixels.baseAddress!, out.baseAddress!.assumingMemoryBound(to: type))
        }
      }
    }
    return switch dtype {
    case .u8: try run(UInt8.self)
    case .u16: try run(UInt16.self)
    case .f16: try run(Float16.self)
    case .f32: try run(Float.self)
    }
  }
}

/// Work on a picture's elements, whatever their type: from `source` to `target`.
protocol PictureKernel {
  func run<E: PixelElement>(_ source: UnsafePointer<E>, _ target: UnsafeMutablePointer<E>) throws
}
