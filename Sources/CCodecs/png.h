// A PNG decoder whose errors come back as return values: libpng's longjmp ends inside these functions and
// never crosses a Swift frame. Open, look at the sizes, read, close.
#pragma once
#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct gx_png {
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t count, offset;
  uint32_t width, height;
  /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; 8 bits each.
  int channels;
  char message[128];
} gx_png;

static inline void gx_png_fail(png_structp png, png_const_charp message) {
  gx_png *state = (gx_png *)png_get_error_ptr(png);
  strncpy(state->message, message, sizeof state->message - 1);
  png_longjmp(png, 1);
}

static inline void gx_png_warn(png_structp png, png_const_charp message) { (void)png, (void)message; }

static inline void gx_png_take(png_structp png, png_bytep out, size_t count) {
  gx_png *state = (gx_png *)png_get_io_ptr(png);
  if (count > state->count - state->offset) png_error(png, "ends too early");
  memcpy(out, state->bytes + state->offset, count);
  state->offset += count;
}

static inline void gx_png_close(gx_png *state) {
  png_destroy_read_struct(&state->png, &state->info, NULL);
  free(state);
}

/// Reads the header alone: `width` and `height` are set, no memory is taken for pixels. NULL without memory;
/// otherwise `message` is empty if all went well. `bytes` must outlive the state.
static inline gx_png *gx_png_open(const uint8_t *bytes, size_t count) {
  gx_png *state = (gx_png *)calloc(1, sizeof *state);
  if (!state) return NULL;
  state->bytes = bytes;
  state->count = count;
  state->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, state, gx_png_fail, gx_png_warn);
  if (state->png) state->info = png_create_info_struct(state->png);
  if (!state->info) {
    gx_png_close(state);
    return NULL;
  }
  if (setjmp(png_jmpbuf(state->png))) return state;
  png_set_read_fn(state->png, state, gx_png_take);
  // Any damage is an error, also where libpng would guess.
  png_set_crc_action(state->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_benign_errors(state->png, 0);
  // Of what surrounds the pixels, only eXIf (and tRNS) is read: the rest, compressed texts and profiles
  // above all, is skipped without taking memory.
  png_set_keep_unknown_chunks(state->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(state->png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
  png_set_chunk_malloc_max(state->png, 1 << 20);
  png_set_user_limits(state->png, 0x7fffffff, 0x7fffffff);
  png_read_info(state->png, state->info);
  state->width = png_get_image_width(state->png, state->info);
  state->height = png_get_image_height(state->png, state->info);
  const int type = png_get_color_type(state->png, state->info);
  const int alpha = type & PNG_COLOR_MASK_ALPHA || png_get_valid(state->png, state->info, PNG_INFO_tRNS);
  state->channels = (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (alpha ? 1 : 0);
  return state;
}

/// Reads all pixels, `height * width * channels` bytes, and what follows them. False on damage, told in `message`.
static inline int gx_png_read(gx_png *state, uint8_t *pixels) {
  if (setjmp(png_jmpbuf(state->png))) return 0;
  const size_t stride = (size_t)state->width * state->channels;
  // All kinds become 8-bit samples: palettes and small depths expanded, tRNS made alpha, 16 bits cut to the upper 8.
  png_set_expand(state->png);
  png_set_strip_16(state->png);
  const int passes = png_set_interlace_handling(state->png);
  png_read_update_info(state->png, state->info);
  if (png_get_rowbytes(state->png, state->info) != stride) png_error(state->png, "rows are not as long as they should be");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < state->height; y++) png_read_row(state->png, pixels + y * stride, NULL);
  png_read_end(state->png, state->info);
  return 1;
}

/// The eXIf chunk's bytes, or NULL. They live until `gx_png_close`.
static inline const uint8_t *gx_png_exif(gx_png *state, uint32_t *count) {
  png_bytep exif = NULL;
  if (setjmp(png_jmpbuf(state->png))) return NULL;
  return png_get_eXIf_1(state->png, state->info, count, &exif) ? exif : NULL;
}
