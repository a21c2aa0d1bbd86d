// Debian: libmicrohttpd-dev
// libmicrohttpd without variadics and function-like macros, which Swift does not import.
#pragma once
#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

/// All that a daemon is started with. `context` goes to each callback first.
typedef struct gx_http_options {
  int listen_fd;
  unsigned connections;
  /// Memory a connection: its request's head must fit into it.
  size_t connection_memory;
  /// PEM texts; NULL without TLS.
  const char *certificate, *key;
  void *context;
  MHD_AcceptPolicyCallback accept;
  MHD_NotifyConnectionCallback connection;
  void *(*target)(void *context, const char *target, struct MHD_Connection *connection);
  MHD_AccessHandlerCallback request;
  MHD_RequestCompletedCallback completed;
} gx_http_options;

/// Starts a daemon with one thread of its own on `listen_fd`; NULL where that fails.
static inline struct MHD_Daemon *gx_http_start(const gx_http_options *o) {
  struct MHD_OptionItem items[12];
  memset(items, 0, sizeof items);
  struct MHD_OptionItem *next = items;
#define GX_OPTION(name, number, pointer) \
  *next++ = (struct MHD_OptionItem) { (name), (intptr_t) (number), (void *) (pointer) }
  GX_OPTION(MHD_OPTION_LISTEN_SOCKET, o->listen_fd, NULL);
  GX_OPTION(MHD_OPTION_CONNECTION_LIMIT, o->connections, NULL);
  GX_OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->connection_memory, NULL);
  GX_OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
  GX_OPTION(MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL);
  GX_OPTION(MHD_OPTION_NOTIFY_CONNECTION, o->connection, o->context);
  GX_OPTION(MHD_OPTION_URI_LOG_CALLBACK, o->target, o->context);
  GX_OPTION(MHD_OPTION_NOTIFY_COMPLETED, o->completed, o->context);
  if (o->certificate) {
    GX_OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, o->certificate);
    GX_OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, o->key);
    GX_OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
  }
  GX_OPTION(MHD_OPTION_END, 0, NULL);
#undef GX_OPTION
  const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (o->certificate ? MHD_USE_TLS : 0);
  return MHD_start_daemon(flags, 0, o->accept, o->context, o->request, o->context, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

/// The socket of a connection, or -1.
static inline int gx_http_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

/// Its peer's address.
static inline const struct sockaddr *gx_http_peer(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  return info ? info->client_addr : NULL;
}

/// What the connection callback left in its socket context.
static inline void *gx_http_socket_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

/// Its TLS session, a gnutls_session_t; NULL where it is plain.
static inline void *gx_http_tls(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info ? (void *) info->tls_session : NULL;
}
