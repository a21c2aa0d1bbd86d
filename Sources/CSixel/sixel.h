// Debian: libsixel-dev
#pragma once
#include <sixel/sixel.h>
#include "../CCodecs/library.h"

#define GX_SIXEL_FUNCTIONS(F)                                                                       \
  F(sixel_output_new) F(sixel_output_unref) F(sixel_dither_new) F(sixel_dither_initialize)          \
  F(sixel_dither_unref) F(sixel_encode) F(sixel_helper_format_error)
GX_LIBRARY(gx_sixel, "libsixel.so.1", "libsixel1", GX_SIXEL_FUNCTIONS)
