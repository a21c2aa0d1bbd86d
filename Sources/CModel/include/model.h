// The model in the box, as it lies in the program: the bytes of galaxy.safetensors.
#pragma once
#include <stddef.h>

extern const size_t gx_model_size;
const void *gx_model_bytes(void);
