// The web page, as it lies in the program: the bytes of each file of page/.
#pragma once
#include <stddef.h>

typedef struct {
  const char *name;  // as the browser asks for it behind the slash, such as style.css; of the page itself, empty
  const char *type;  // the value of Content-Type
  const unsigned char *bytes;
  size_t size;
} gx_page_file;

extern const size_t gx_page_count;
const gx_page_file *gx_page_files(void);
