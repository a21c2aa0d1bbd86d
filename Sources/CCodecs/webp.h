// Debian: libwebp-dev
#pragma once
#include <webp/decode.h>
#include "library.h"

#define GX_WEBP_FUNCTIONS(F) F(WebPGetFeaturesInternal) F(WebPInitDecoderConfigInternal) F(WebPDecode)
GX_LIBRARY(gx_webp, "libwebp.so.7", "libwebp7", GX_WEBP_FUNCTIONS)
