import CDNNL
import GXCore

/// How an array lies in memory: the type of its numbers, its sizes (NCHW, OIHW, …), and their order, blocking and padding.
struct Layout: Equatable {
  var descriptor: dnnl_memory_desc_t

  init(_ descriptor: dnnl_memory_desc_t) { self.descriptor = descriptor }

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
  func acrossBatch(filters: Bool) throws(GXError) -> Layout {
    let sizes = sizes
    return try .any(filters ? sizes + [1] : [1] + sizes[1...] + [sizes[0]], precision)
  }

  /// The same memory seen with some of its axes only, in this order; the others have one place.
  func picking(_ axes: [Int]) -> Layout {
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
