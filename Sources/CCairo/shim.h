// Debian: libcairo2-dev fonts-dejavu-core
#pragma once
#include <cairo.h>
