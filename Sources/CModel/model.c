#include "model.h"

// Aligned as memory for tensors is. The pages are read from the program's file when somebody looks at them.
_Alignas(64) static const unsigned char model[] = {
#embed "galaxy.safetensors"
};

const size_t gx_model_size = sizeof model;
const void *gx_model_bytes(void) { return model; }
