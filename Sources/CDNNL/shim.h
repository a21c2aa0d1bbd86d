// Debian: libdnnl-dev
#ifndef GX_CDNNL_SHIM_H
#define GX_CDNNL_SHIM_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>

#if DNNL_VERSION_MAJOR != 2
#error "gx speaks oneDNN's v2 C API (2.5 or later)"
#endif

#endif
