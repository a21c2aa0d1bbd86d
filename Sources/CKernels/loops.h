// What kernels.c compiles for V of LANES lanes; OF(name) tells its names apart.

// One kernel row's weights, WIDTH of them, along one row of the picture. Where every tap lies inside, the sums
// stay in registers; near the ends, taps are looked at one by one.
INLINE void OF(row)(
    const V *x, int width, const V *dy, int results, int taps, int stride, int left, V *sums) {
  int first = (left + stride - 1) / stride;
  int end = width + left >= taps ? (width + left - taps) / stride + 1 : 0;
  if (end > results) end = results;
  if (first > results) first = results;
  if (end < first) end = first;
  for (int r = 0; r < results; r++) {
    if (r == first) r = end;
    if (r >= results) break;
    for (int k = 0; k < taps; k++) {
      int c = r * stride - left + k;
      if (c >= 0 && c < width) sums[k] += dy[r] * x[c];
    }
  }
  V t[7];
  for (int k = 0; k < taps; k++) t[k] = sums[k];
  for (int r = first; r < end; r++) {
    const V *from = x + r * stride - left;
    for (int k = 0; k < taps; k++) t[k] += dy[r] * from[k];
  }
  for (int k = 0; k < taps; k++) sums[k] = t[k];
}

INLINE void OF(depthwise)(
    gx_blocked s, const float *x, gx_blocked d, const float *dy, gx_window w, float *dw, int at, int taps,
    int stride) {
  V *out = (V *)dw + (size_t)at * w.kernel_height * taps;
  for (int i = 0; i < w.kernel_height * taps; i++) out[i] = (V){0};
  for (int n = 0; n < s.samples; n++) {
    const V *source = (const V *)x + ((size_t)n * s.blocks + at) * s.height * s.width;
    const V *result = (const V *)dy + ((size_t)n * d.blocks + at) * d.height * d.width;
    for (int r = 0; r < d.height; r++) {
      for (int k = 0; k < w.kernel_height; k++) {
        int row = r * w.stride_height - w.top + k;
        if (row < 0 || row >= s.height) continue;
        OF(row)(
            source + (size_t)row * s.width, s.width, result + (size_t)r * d.width, d.width, taps, stride, w.left,
            out + k * taps);
      }
    }
  }
}

// The usual sizes are spelt out, so that the sums get registers.
INLINE void OF(depthwise_any)(
    gx_blocked s, const float *x, gx_blocked d, const float *dy, gx_window w, float *dw, int at) {
  int taps = w.kernel_width, stride = w.stride_width;
  if (taps == 3 && stride == 1) OF(depthwise)(s, x, d, dy, w, dw, at, 3, 1);
  else if (taps == 3 && stride == 2) OF(depthwise)(s, x, d, dy, w, dw, at, 3, 2);
  else if (taps == 5 && stride == 1) OF(depthwise)(s, x, d, dy, w, dw, at, 5, 1);
  else if (taps == 5 && stride == 2) OF(depthwise)(s, x, d, dy, w, dw, at, 5, 2);
  else if (taps == 7 && stride == 1) OF(depthwise)(s, x, d, dy, w, dw, at, 7, 1);
  else OF(depthwise)(s, x, d, dy, w, dw, at, taps, stride);
}

INLINE V OF(load)(const float *p, int channels, int at) {
  V v = {0};
  for (int i = 0; i < LANES && at * LANES + i < channels; i++) v[i] = p[at * LANES + i];
  return v;
}

INLINE void OF(store)(V v, float *p, int channels, int at) {
  for (int i = 0; i < LANES && at * LANES + i < channels; i++) p[at * LANES + i] = v[i];
}

// Sums are in f64, of sums in f32 over runs of RUN: exact enough for any size of picture.
INLINE void OF(add)(double *total, V part) {
  for (int i = 0; i < LANES; i++) total[i] += part[i];
}

INLINE V OF(root)(V v) {
  for (int i = 0; i < LANES; i++) v[i] = sqrtf(v[i]);
  return v;
}

INLINE void OF(norm)(
    gx_blocked p, int channels, const float *x, const float *scale, const float *shift, float epsilon,
    gx_range range, float *y, float *mean, float *variance, int at) {
  int area = p.height * p.width;
  size_t step = (size_t)p.blocks * area;
  const V *source = (const V *)x + (size_t)at * area;
  // Differences from a value of the channel's own, so that squares do not drown in the mean.
  V pivot = source[0];
  double sum[LANES] = {0}, squares[LANES] = {0};
  for (int n = 0; n < p.samples; n++) {
    const V *from = source + n * step;
    for (int start = 0; start < area; start += RUN) {
      int end = start + RUN < area ? start + RUN : area;
      V s[4] = {{0}}, q[4] = {{0}};
      int i = start;
      for (; i + 4 <= end; i += 4) {
        for (int k = 0; k < 4; k++) {
          V d = from[i + k] - pivot;
          s[k] += d;
          q[k] += d * d;
        }
      }
      for (; i < end; i++) {
        V d = from[i] - pivot;
        s[0] += d;
        q[0] += d * d;
      }
      OF(add)(sum, s[0] + s[1] + (s[2] + s[3]));
      OF(add)(squares, q[0] + q[1] + (q[2] + q[3]));
    }
  }
  double count = (double)area * p.samples;
  V m, v;
  for (int i = 0; i < LANES; i++) {
    double d = sum[i] / count, spread = squares[i] / count - d * d;
    m[i] = (float)(pivot[i] + d);
    v[i] = spread > 0 ? (float)spread : 0;
  }
  OF(store)(m, mean, channels, at);
  OF(store)(v, variance, channels, at);
  V a = OF(load)(scale, channels, at) / OF(root)(v + epsilon), b = OF(load)(shift, channels, at);
  V low = (V){0} + range.low, high = (V){0} + range.high;
  for (int n = 0; n < p.samples; n++) {
    const V *from = source + n * step;
    V *to = (V *)y + (size_t)at * area + n * step;
    for (int i = 0; i < area; i++) {
      V z = (from[i] - m) * a + b;
      z = z > low ? z : low;
      to[i] = z < high ? z : high;
    }
  }
}

INLINE void OF(norm_gradient)(
    gx_blocked p, int channels, const float *x, const float *scale, const float *shift, const float *mean,
    const float *variance, float epsilon, gx_range range, const float *dy, float *dx, float *dscale,
    float *dshift, int at) {
  int area = p.height * p.width;
  size_t step = (size_t)p.blocks * area;
  V zero = {0};
  V m = OF(load)(mean, channels, at), root = OF(root)(OF(load)(variance, channels, at) + epsilon);
  V a = OF(load)(scale, channels, at) / root, b = OF(load)(shift, channels, at);
  V low = zero + range.low, high = zero + range.high;
  double sum[LANES] = {0}, moment[LANES] = {0};
  for (int n = 0; n < p.samples; n++) {
    const V *from = (const V *)x + (size_t)at * area + n * step;
    const V *gradient = (const V *)dy + (size_t)at * area + n * step;
    for (int start = 0; start < area; start += RUN) {
      int end = start + RUN < area ? start + RUN : area;
      V s = {0}, q = {0}, s1 = {0}, q1 = {0};
      for (int i = start; i < end; i++) {
        V d = from[i] - m, z = d * a + b, g = gradient[i];
        g = z > low ? g : zero;
        g = z < high ? g : zero;
        if (i & 1) {
          s1 += g;
          q1 += g * d;
        } else {
          s += g;
          q += g * d;
        }
      }
      OF(add)(sum, s + s1);
      OF(add)(moment, q + q1);
    }
  }
  float count = (float)((double)area * p.samples);
  V ds, db;
  for (int i = 0; i < LANES; i++) {
    db[i] = (float)sum[i];
    ds[i] = (float)(moment[i] / root[i]);
  }
  OF(store)(ds, dscale, channels, at);
  OF(store)(db, dshift, channels, at);
  V offset = db / count, slope = ds / (root * count);
  for (int n = 0; n < p.samples; n++) {
    size_t place = (size_t)at * area + n * step;
    const V *from = (const V *)x + place, *gradient = (const V *)dy + place;
    V *to = (V *)dx + place;
    for (int i = 0; i < area; i++) {
      V d = from[i] - m, z = d * a + b, g = gradient[i];
      g = z > low ? g : zero;
      g = z < high ? g : zero;
      to[i] = a * (g - offset - d * slope);
    }
  }
}
