// Vectors are arguments of inlined functions alone.
#pragma clang diagnostic ignored "-Wpsabi"
#include "kernels.h"

#include <math.h>
#include <stddef.h>

// Every loop is written once, over a vector type of 16 or 8 lanes, and compiled for the instructions that have
// them; blocks of 16 on a processor without AVX-512 are still right, if slower.

typedef float v16 __attribute__((ext_vector_type(16)));
typedef float v8 __attribute__((ext_vector_type(8)));
#define INLINE static inline __attribute__((always_inline))

#ifdef __x86_64__
#define AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,fma")))
#define AVX2 __attribute__((target("avx2,fma")))
#else
#define AVX512
#define AVX2
#endif

// Elements of a sum that are added up in f32.
#define RUN 64

#define V v16
#define LANES 16
#define OF(name) v16_##name
#include "loops.h"
#undef V
#undef LANES
#undef OF

#define V v8
#define LANES 8
#define OF(name) v8_##name
#include "loops.h"

// A function for each set of instructions, and the choice among them.
#define VARIANTS(NAME, BODY, PARAMETERS, ARGUMENTS)                                                                   \
  AVX512 static void NAME##_512 PARAMETERS { v16_##BODY ARGUMENTS; }                                                  \
  AVX2 static void NAME##_256 PARAMETERS { v8_##BODY ARGUMENTS; }                                                     \
  static void NAME##_16 PARAMETERS { v16_##BODY ARGUMENTS; }                                                          \
  static void NAME##_8 PARAMETERS { v8_##BODY ARGUMENTS; }

#ifdef __x86_64__
#define CALL(NAME, BLOCK, ARGUMENTS)                                                                                  \
  if (BLOCK == 16 && __builtin_cpu_supports("avx512f")) NAME##_512 ARGUMENTS;                                         \
  else if (BLOCK == 16) NAME##_16 ARGUMENTS;                                                                          \
  else if (__builtin_cpu_supports("fma")) NAME##_256 ARGUMENTS;                                                       \
  else NAME##_8 ARGUMENTS
#else
#define CALL(NAME, BLOCK, ARGUMENTS)                                                                                  \
  if (BLOCK == 16) NAME##_16 ARGUMENTS;                                                                               \
  else NAME##_8 ARGUMENTS
#endif

VARIANTS(
    depthwise, depthwise_any,
    (gx_blocked s, const float *x, gx_blocked d, const float *dy, gx_window w, float *dw, int at),
    (s, x, d, dy, w, dw, at))

void gx_depthwise_weights_gradient(
    gx_blocked s, const float *x, gx_blocked d, const float *dy, gx_window w, float *dw, int at) {
  CALL(depthwise, s.block, (s, x, d, dy, w, dw, at));
}

VARIANTS(
    norm, norm,
    (gx_blocked p, int channels, const float *x, const float *scale, const float *shift, float epsilon,
     gx_range range, float *y, float *mean, float *variance, int at),
    (p, channels, x, scale, shift, epsilon, range, y, mean, variance, at))

void gx_batch_norm(
    gx_blocked p, int channels, const float *x, const float *scale, const float *shift, float epsilon, gx_range range,
    float *y, float *mean, float *variance, int at) {
  CALL(norm, p.block, (p, channels, x, scale, shift, epsilon, range, y, mean, variance, at));
}

VARIANTS(
    norm_gradient, norm_gradient,
    (gx_blocked p, int channels, const float *x, const float *scale, const float *shift, const float *mean,
     const float *variance, float epsilon, gx_range range, const float *dy, float *dx, float *dscale, float *dshift,
     int at),
    (p, channels, x, scale, shift, mean, variance, epsilon, range, dy, dx, dscale, dshift, at))

void gx_batch_norm_gradient(
    gx_blocked p, int channels, const float *x, const float *scale, const float *shift, const float *mean,
    const float *variance, float epsilon, gx_range range, const float *dy, float *dx, float *dscale, float *dshift,
    int at) {
  CALL(norm_gradient, p.block,
       (p, channels, x, scale, shift, mean, variance, epsilon, range, dy, dx, dscale, dshift, at));
}
