// What Swift cannot import from libc as it stands: mutable globals, variadics and macros.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// Sockets: the constants are enumerators in some C libraries and macros in others. None of these waits.
static inline int gx_stream_socket(int family) { return socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }
static inline int gx_datagram_socket(void) { return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }
static inline int gx_accept(int fd, struct sockaddr *address, socklen_t *size) {
  const int client = accept(fd, address, size);
  if (client >= 0) {
    fcntl(client, F_SETFD, FD_CLOEXEC);
    fcntl(client, F_SETFL, fcntl(client, F_GETFL) | O_NONBLOCK);
  }
  return client;
}
static inline long gx_send(int fd, const void *bytes, size_t count) {
  return send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}
static inline long gx_receive(int fd, void *bytes, size_t count) { return recv(fd, bytes, count, MSG_DONTWAIT); }
/// 1 where bytes wait to be read, 0 where the other end has said that no more will come, -1 where there are none yet.
static inline int gx_peek(int fd) { char byte; return (int) recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK); }
static inline int gx_end_reading(int fd) { return shutdown(fd, SHUT_RD); }
static inline int gx_end(int fd) { return shutdown(fd, SHUT_RDWR); }

#ifndef F_SETPIPE_SZ
#define F_SETPIPE_SZ 1031
#endif

static inline int gx_getopt_long(int argc, char *const argv[], const char *shorts, const struct option *longs, int *index) {
  return getopt_long(argc, argv, shorts, longs, index);
}
/// Begins a new command line (glibc starts anew where optind is 0) and leaves the messages to us.
static inline void gx_getopt_begin(void) {
  opterr = 0;
  optind = 0;
}
static inline const char *gx_optarg(void) { return optarg; }
static inline int gx_optind(void) { return optind; }
static inline int gx_optopt(void) { return optopt; }

static inline int gx_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }
/// Asks for a larger pipe; returns the size in force, or -1 where `fd` is no pipe or the kernel refuses.
static inline int gx_set_pipe_size(int fd, int size) { return fcntl(fd, F_SETPIPE_SZ, size); }
/// Size of the terminal in characters and, where it tells them, pixels; -1 where `fd` is none.
static inline int gx_terminal_size(int fd, struct winsize *size) { return ioctl(fd, TIOCGWINSZ, size); }
/// Width of the terminal in columns, or 0 where `fd` is none.
static inline int gx_terminal_columns(int fd) {
  struct winsize w;
  return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

/// Pictures come and go by the thousand: without this, malloc would give their memory back to the kernel and ask
/// for it again each time, and the page faults would cost as much as the work. Up to 64 MiB are kept.
static inline void gx_keep_freed_memory(void) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}
