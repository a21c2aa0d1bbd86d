// Debian: libturbojpeg0-dev
#pragma once
#include <turbojpeg.h>
#include "library.h"

#define GX_JPEG_FUNCTIONS(F)                                                                        \
  F(tjInitDecompress) F(tjDecompressHeader3) F(tjDecompress2) F(tjInitCompress) F(tjCompress2)      \
  F(tjDestroy) F(tjFree) F(tjGetErrorStr2) F(tjGetErrorCode)
GX_LIBRARY(gx_jpeg, "libturbojpeg.so.0", "libturbojpeg0", GX_JPEG_FUNCTIONS)
