// What a header says of a C library that is not linked, but loaded when something of it is first called (GXImage's
// `Library` does it). Starting a command that needs no picture, or pictures of one kind alone, costs no more so.
#pragma once

#define GX_POINTER(function) __typeof__(&function) function;
#define GX_NAME(function) #function " "

/// Declares `struct NAME` of pointers to the functions of a list (a macro that applies its argument to each), their
/// names in the same order, the file to load, and Debian's package that brings it.
#define GX_LIBRARY(name, file, package, functions)                        \
  typedef struct name {                                                   \
    functions(GX_POINTER)                                                 \
  } name;                                                                 \
  static const char *const name##_soname = file;                            \
  static const char *const name##_package = package;                      \
  static const char *const name##_functions = functions(GX_NAME);
