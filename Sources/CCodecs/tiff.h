// Debian: libtiff-dev
// A TIFF file in memory, opened and described; its blocks are then read by `TIFFReadEncodedStrip` and `...Tile`. What
// libtiff has to complain of ends in `message`, and none of it on stderr.
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include "library.h"

#define GX_TIFF_FUNCTIONS(F)                                                                                         \
  F(TIFFOpenOptionsAlloc) F(TIFFOpenOptionsFree) F(TIFFOpenOptionsSetMaxSingleMemAlloc)                              \
  F(TIFFOpenOptionsSetErrorHandlerExtR) F(TIFFOpenOptionsSetWarningHandlerExtR) F(TIFFClientOpenExt) F(TIFFClose)    \
  F(TIFFGetField) F(TIFFGetFieldDefaulted) F(TIFFSetField) F(TIFFIsTiled) F(TIFFVStripSize64) F(TIFFVTileSize64)     \
  F(TIFFComputeStrip) F(TIFFComputeTile) F(TIFFGetStrileOffset) F(TIFFGetStrileByteCount) F(TIFFReadEncodedStrip)    \
  F(TIFFReadEncodedTile)
GX_LIBRARY(gx_tiff, "libtiff.so.6", "libtiff6", GX_TIFF_FUNCTIONS)

/// A file's first picture. Blocks are tiles or strips.
typedef struct gx_tiff_file {
  TIFF *tiff;
  const uint8_t *bytes;
  uint64_t count, offset;
  uint32_t width, height, block_width, block_height;
  uint16_t bits, samples, format, planar, photometric, compression, orientation;
  /// What the first sample behind the colours is; EXTRASAMPLE_UNSPECIFIED where there is none.
  uint16_t extra;
  int is_tiled;
  /// Of a palette: red, green and blue, 1 << bits of each, of 16 bits.
  uint16_t *palette[3];
  char message[256];
} gx_tiff_file;

static inline int gx_tiff_fail(TIFF *tiff, void *state, const char *module, const char *format, va_list values) {
  gx_tiff_file *file = (gx_tiff_file *)state;
  // The first fault is the cause of the others.
  if (!*file->message) vsnprintf(file->message, sizeof file->message, format, values);
  return 1;
}

/// Warnings are of tags that say nothing of the pixels; but those of libjpeg are of damage.
static inline int gx_tiff_warn(TIFF *tiff, void *state, const char *module, const char *format, va_list values) {
  if (!module || strcmp(module, "JPEGLib")) return 1;
  return gx_tiff_fail(tiff, state, module, format, values);
}

static inline tmsize_t gx_tiff_take(thandle_t handle, void *out, tmsize_t size) {
  gx_tiff_file *file = (gx_tiff_file *)handle;
  const uint64_t left = file->offset < file->count ? file->count - file->offset : 0;
  const uint64_t count = size < 0 ? 0 : (uint64_t)size < left ? (uint64_t)size : left;
  if (count) memcpy(out, file->bytes + file->offset, count);
  file->offset += count;
  return (tmsize_t)count;
}

static inline tmsize_t gx_tiff_put(thandle_t handle, void *bytes, tmsize_t size) { return -1; }

static inline toff_t gx_tiff_seek(thandle_t handle, toff_t offset, int whence) {
  gx_tiff_file *file = (gx_tiff_file *)handle;
  // Beyond the end is allowed; nothing is read there. Unsigned sums wrap, which is no harm either.
  file->offset = offset + (whence == SEEK_CUR ? file->offset : whence == SEEK_END ? file->count : 0);
  return file->offset;
}

static inline int gx_tiff_done(thandle_t handle) { return 0; }

static inline toff_t gx_tiff_size(thandle_t handle) { return ((gx_tiff_file *)handle)->count; }

static inline void gx_tiff_close(const gx_tiff *library, gx_tiff_file *file) {
  if (file->tiff) library->TIFFClose(file->tiff);
  free(file);
}

/// Reads the header and the first directory; no memory is taken for pixels. NULL without memory; otherwise `message` is
/// empty if all went well. `bytes` must outlive the file.
static inline gx_tiff_file *gx_tiff_open(const gx_tiff *library, const uint8_t *bytes, size_t count) {
  gx_tiff_file *file = (gx_tiff_file *)calloc(1, sizeof *file);
  TIFFOpenOptions *options = library->TIFFOpenOptionsAlloc();
  if (!file || !options) {
    free(file);
    library->TIFFOpenOptionsFree(options);
    return NULL;
  }
  file->bytes = bytes;
  file->count = count;
  // What libtiff itself holds are pieces of the file, and tables of their places.
  library->TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)count + (16 << 20));
  library->TIFFOpenOptionsSetErrorHandlerExtR(options, gx_tiff_fail, file);
  library->TIFFOpenOptionsSetWarningHandlerExtR(options, gx_tiff_warn, file);
  TIFF *tiff = library->TIFFClientOpenExt(
    "the file", "rm", file, gx_tiff_take, gx_tiff_put, gx_tiff_seek, gx_tiff_done, gx_tiff_size, NULL, NULL, options);
  library->TIFFOpenOptionsFree(options);
  if (!(file->tiff = tiff)) {
    if (!*file->message) strcpy(file->message, "damaged");
    return file;
  }
  // The directory may have been mended: only what is read from here on counts as a fault.
  *file->message = 0;
  if (!library->TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &file->width)
      || !library->TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &file->height)
      || !library->TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &file->photometric)) {
    strcpy(file->message, "without a size or a kind of colours");
    return file;
  }
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &file->bits);
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &file->samples);
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &file->format);
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &file->planar);
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &file->compression);
  library->TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &file->orientation);
  uint16_t extras = 0, *kinds = NULL;
  if (library->TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &extras, &kinds) && extras) file->extra = kinds[0];
  if (file->photometric == PHOTOMETRIC_PALETTE
      && !library->TIFFGetField(tiff, TIFFTAG_COLORMAP, &file->palette[0], &file->palette[1], &file->palette[2]))
    strcpy(file->message, "a palette is missing");
  file->is_tiled = library->TIFFIsTiled(tiff);
  file->block_width = file->width;
  if (file->is_tiled) {
    library->TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &file->block_width);
    library->TIFFGetField(tiff, TIFFTAG_TILELENGTH, &file->block_height);
  } else {
    library->TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &file->block_height);
    if (file->block_height > file->height) file->block_height = file->height;
  }
  if (file->compression == COMPRESSION_JPEG && file->photometric == PHOTOMETRIC_YCBCR) {
    library->TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    file->photometric = PHOTOMETRIC_RGB;
  }
  return file;
}
