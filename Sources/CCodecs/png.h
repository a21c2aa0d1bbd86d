// Debian: libpng-dev
// A PNG decoder whose errors come back as return values: libpng's errors end, by longjmp, inside these functions and
// never cross a Swift frame. Open, look at the sizes, read, close, all on one thread.
#pragma once
#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "library.h"

#define GX_PNG_FUNCTIONS(F)                                                                                           \
  F(png_create_read_struct) F(png_create_info_struct) F(png_destroy_read_struct) F(png_error) F(png_set_read_fn)      \
  F(png_set_crc_action) F(png_set_benign_errors) F(png_set_keep_unknown_chunks) F(png_set_chunk_malloc_max)           \
  F(png_set_user_limits) F(png_read_info) F(png_get_image_width) F(png_get_image_height) F(png_get_color_type)        \
  F(png_get_valid) F(png_set_expand) F(png_set_strip_16) F(png_set_interlace_handling) F(png_read_update_info)        \
  F(png_get_rowbytes) F(png_read_row) F(png_read_end) F(png_image_write_to_memory) F(png_image_free)
GX_LIBRARY(gx_png, "libpng16.so.16", "libpng16-16", GX_PNG_FUNCTIONS)

/// A PNG file that is being read.
typedef struct gx_png_file {
  const gx_png *library;
  png_structp png;
  png_infop info;
  const uint8_t *bytes;
  size_t count, offset;
  uint32_t width, height;
  /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; 8 bits each.
  int channels;
  char message[128];
  jmp_buf failed;
} gx_png_file;

/// What the callbacks work for, as libpng's own way to tell them is a function of libpng. (A variable of its own, outside
/// a function, Swift would not emit.)
static inline gx_png_file **gx_png_current(void) {
  static _Thread_local gx_png_file *current;
  return &current;
}

static inline void gx_png_fail(png_structp png, png_const_charp message) {
  gx_png_file *file = *gx_png_current();
  strncpy(file->message, message, sizeof file->message - 1);
  longjmp(file->failed, 1);
}

/// A wrong checksum of a chunk that says nothing of the pixels is passed over; of tRNS, it is not known what is
/// transparent, and of eXIf, which side is up.
static inline void gx_png_warn(png_structp png, png_const_charp message) {
  if (!strcmp(message, "tRNS: CRC error") || !strcmp(message, "eXIf: CRC error")) gx_png_fail(png, message);
}

static inline void gx_png_take(png_structp png, png_bytep out, size_t count) {
  gx_png_file *file = *gx_png_current();
  if (count > file->count - file->offset) file->library->png_error(png, "ends too early");
  memcpy(out, file->bytes + file->offset, count);
  file->offset += count;
}

static inline void gx_png_close(gx_png_file *file) {
  *gx_png_current() = file;
  file->library->png_destroy_read_struct(&file->png, &file->info, NULL);
  free(file);
}

/// Reads the header alone: `width` and `height` are set, no memory is taken for pixels. NULL without memory;
/// otherwise `message` is empty if all went well. `bytes` must outlive the file.
static inline gx_png_file *gx_png_open(const gx_png *library, const uint8_t *bytes, size_t count) {
  gx_png_file *file = (gx_png_file *)calloc(1, sizeof *file);
  if (!file) return NULL;
  *gx_png_current() = file;
  file->library = library;
  file->bytes = bytes;
  file->count = count;
  if (setjmp(file->failed)) return file;
  file->png = library->png_create_read_struct(PNG_LIBPNG_VER_STRING, file, gx_png_fail, gx_png_warn);
  if (file->png) file->info = library->png_create_info_struct(file->png);
  if (!file->info) {
    gx_png_close(file);
    return NULL;
  }
  png_structp png = file->png;
  library->png_set_read_fn(png, file, gx_png_take);
  // Any damage of the pixels is an error, also where libpng would guess.
  library->png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
  library->png_set_benign_errors(png, 0);
  // Of what surrounds the pixels, only tRNS is read: the rest, compressed texts and profiles above all, is skipped
  // without taking memory. No chunk is longer than the file.
  library->png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  library->png_set_chunk_malloc_max(png, count);
  library->png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  library->png_read_info(png, file->info);
  file->width = library->png_get_image_width(png, file->info);
  file->height = library->png_get_image_height(png, file->info);
  const int type = library->png_get_color_type(png, file->info);
  const int alpha = type & PNG_COLOR_MASK_ALPHA || library->png_get_valid(png, file->info, PNG_INFO_tRNS);
  file->channels = (type & PNG_COLOR_MASK_COLOR ? 3 : 1) + (alpha ? 1 : 0);
  return file;
}

/// Reads all pixels, `height * width * channels` bytes, and what follows them. False on damage, told in `message`.
static inline int gx_png_read(gx_png_file *file, uint8_t *pixels) {
  *gx_png_current() = file;
  if (setjmp(file->failed)) return 0;
  const gx_png *library = file->library;
  png_structp png = file->png;
  const size_t stride = (size_t)file->width * file->channels;
  // All kinds become 8-bit samples: palettes and small depths expanded, tRNS made alpha, 16 bits cut to the upper 8.
  library->png_set_expand(png);
  library->png_set_strip_16(png);
  const int passes = library->png_set_interlace_handling(png);
  library->png_read_update_info(png, file->info);
  if (library->png_get_rowbytes(png, file->info) != stride)
    library->png_error(png, "rows are not as long as they should be");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < file->height; y++) library->png_read_row(png, pixels + y * stride, NULL);
  library->png_read_end(png, file->info);
  return 1;
}
