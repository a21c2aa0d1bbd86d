import CCairo
import GXCore
import GXImage

extension Drawing {
  /// The most pixels of a PNG.
  public static let pixelLimit = 64_000_000

  /// The drawing as pixels, u8 `[height, width, 3]`, by Cairo.
  /// - Parameter scale: pixels a unit.
  /// - Throws: `GXError` where there would be more than `pixelLimit` pixels.
  public func pixels(scale: Double) throws -> Tensor {
    let (columns, rows) = ((width * scale).rounded(), (height * scale).rounded())
    guard columns >= 1, rows >= 1, columns * rows <= Double(Self.pixelLimit), max(columns, rows) <= 32767 else {
      throw GXError(
        "a picture of \(fixed(columns, 0))x\(fixed(rows, 0)) pixels is over the limit of \(Self.pixelLimit) pixels")
    }
    let (w, h) = (Int(columns), Int(rows))
    guard let surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, Int32(w), Int32(h)),
      let context = cairo_create(surface)
    else { throw GXError("Cairo: no memory") }
    defer {
      cairo_destroy(context)
      cairo_surface_destroy(surface)
    }
    cairo_scale(context, scale, scale)
    paint(on: context)
    cairo_surface_flush(surface)
    let status = cairo_status(context)
    guard status == CAIRO_STATUS_SUCCESS, let data = cairo_image_surface_get_data(surface) else {
      throw GXError("Cairo: \(String(cString: cairo_status_to_string(status)))")
    }
    let stride = Int(cairo_image_surface_get_stride(surface))
    return try Tensor(.u8, [h, w, 3]) { out in
      for y in 0..<h {
        for x in 0..<w {
          // 32 bits a pixel in the machine's order, the upper 8 unused.
          let pixel = UnsafeRawPointer(data).loadUnaligned(fromByteOffset: y * stride + 4 * x, as: UInt32.self)
          for c in 0..<3 { out[3 * (y * w + x) + c] = UInt8(truncatingIfNeeded: pixel >> (16 - 8 * UInt32(c))) }
        }
      }
    }
  }

  /// The drawing as a PNG file.
  /// - Parameter scale: pixels a unit: 2 for screens of today.
  public func png(scale: Double = 2) throws -> [UInt8] { try Image.encodePNG(pixels(scale: scale)) }

  private func paint(on context: OpaquePointer) {
    func use(_ color: Color) {
      cairo_set_source_rgb(
        context, Double(color.red) / 255, Double(color.green) / 255, Double(color.blue) / 255)
    }
    func font(_ size: Double, bold: Bool) {
      cairo_select_font_face(
        context, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL)
      cairo_set_font_size(context, size)
    }
    // Whatever the desktop prefers: letters have the shapes and the places that they have in SVG.
    let options = cairo_font_options_create()
    defer { cairo_font_options_destroy(options) }
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY)
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE)
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF)
    cairo_set_font_options(context, options)
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND)
    use(theme.background)
    cairo_paint(context)
    for mark in marks {
      switch mark {
      case .rect(let r, let color):
        use(color)
        cairo_new_path(context)
        cairo_rectangle(context, r.x, r.y, r.width, r.height)
        cairo_fill(context)
      case .line(let points, let stroke):
        use(stroke.color)
        cairo_set_line_width(context, stroke.width)
        cairo_set_dash(context, stroke.dash, Int32(stroke.dash.count), 0)
        cairo_new_path(context)  // text leaves a point behind
        for point in points { cairo_line_to(context, point.x, point.y) }
        cairo_stroke(context)
      case .dot(let at, let radius, let color):
        use(color)
        cairo_new_path(context)
        cairo_arc(context, at.x, at.y, radius, 0, 2 * Double.pi)
        cairo_fill(context)
      case .text(let text, let at, let anchor, let size, let bold, let color):
        use(color)
        font(size, bold: bold)
        var extents = cairo_text_extents_t()
        cairo_text_extents(context, text, &extents)
        let share = anchor == .start ? 0 : anchor == .middle ? 0.5 : 1
        cairo_move_to(context, at.x - share * extents.x_advance, at.y + Self.halfCapital * size)
        cairo_show_text(context, text)
      case .turnedText(let text, let at, let size, let color):
        use(color)
        font(size, bold: false)
        cairo_save(context)
        cairo_translate(context, at.x + Self.halfCapital * size, at.y)
        cairo_rotate(context, -Double.pi / 2)
        cairo_move_to(context, 0, 0)
        cairo_show_text(context, text)
        cairo_restore(context)
      }
    }
  }
}
