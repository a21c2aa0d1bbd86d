// Loops over blocked pictures that oneDNN 2.6 lacks, or does in more passes over memory than it takes.
//
// A blocked picture is oneDNN's nChw16c (block 16) or nChw8c (block 8): [samples][channel blocks][height][width][block],
// f32, aligned to 64 bytes, zero in the channels that fill up the last block. Each call does one channel block,
// number `at`, of all samples, so that callers can share the blocks out among threads; the result does not depend on how.

#ifndef GX_KERNELS_H
#define GX_KERNELS_H

typedef struct {
  int block, samples, blocks, height, width;
} gx_blocked;

typedef struct {
  int kernel_height, kernel_width, stride_height, stride_width, top, left;
} gx_window;

/// A depthwise convolution's gradient by its weights, [kernel_height][kernel_width][block] for each channel block
/// (oneDNN's Goihw16g), from its source and its result's gradient.
void gx_depthwise_weights_gradient(
    gx_blocked source, const float *x, gx_blocked result, const float *dy, gx_window window, float *dw, int at);

/// What stands between `low` and `high` after batch normalisation passes: relu is 0 to infinity, relu6 0 to 6.
typedef struct {
  float low, high;
} gx_range;

/// Batch normalisation with the batch's own statistics, and what follows it: y = clip(scale (x - mean) / sqrt(variance
/// + epsilon) + shift). Sets mean and (biased) variance. The five vectors have `channels` elements.
void gx_batch_norm(
    gx_blocked picture, int channels, const float *x, const float *scale, const float *shift, float epsilon,
    gx_range range, float *y, float *mean, float *variance, int at);

/// Its gradients by x, scale and shift, from that by y; `dx` may be `dy`.
void gx_batch_norm_gradient(
    gx_blocked picture, int channels, const float *x, const float *scale, const float *shift, const float *mean,
    const float *variance, float epsilon, gx_range range, const float *dy, float *dx, float *dscale, float *dshift,
    int at);

/// Multiplies and adds in registers alone, on the widest vectors that the processor has, as fast as a core can; returns
/// how many floating-point operations that were. `result` keeps the compiler from leaving them out.
double gx_multiply_adds(long rounds, volatile float *result);

#endif
