#include "kernels.h"

// As many multiply-adds as a core can do, on 12 vectors of `lanes` floats that stay in registers.
#define GX_UNROLLED _Pragma("clang loop unroll(full)") for (int k = 0; k < 12; k++)
#define GX_MULTIPLY_ADDS(name, lanes, attributes)                                                          \
  typedef float name##_vector __attribute__((vector_size(4 * lanes)));                                     \
  attributes static __attribute__((noinline)) double name(long rounds, volatile float *result) {    \
    _Pragma("clang fp contract(fast)")                                                                     \
    name##_vector sums[12], factor = (name##_vector){} + 0.5f, term = (name##_vector){} + *result;         \
    GX_UNROLLED sums[k] = term + (float)k;                                                                 \
    for (long round = 0; round < rounds; round++) { GX_UNROLLED sums[k] = sums[k] * factor + term; }       \
    GX_UNROLLED sums[0] += sums[k];                                                                        \
    *result = sums[0][0];                                                                                  \
    return 2.0 * 12 * lanes * rounds;                                                                      \
  }
#ifdef __x86_64__
GX_MULTIPLY_ADDS(gx_multiply_adds_512, 16, __attribute__((target("avx512f"))))
GX_MULTIPLY_ADDS(gx_multiply_adds_256, 8, __attribute__((target("avx2,fma"))))
#endif
GX_MULTIPLY_ADDS(gx_multiply_adds_128, 4, )

double gx_multiply_adds(long rounds, volatile float *result) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return gx_multiply_adds_512(rounds, result);
  if (__builtin_cpu_supports("fma")) return gx_multiply_adds_256(rounds, result);
#endif
  return gx_multiply_adds_128(rounds, result);
}
