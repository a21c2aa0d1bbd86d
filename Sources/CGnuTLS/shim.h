// Debian: libgnutls28-dev
// GnuTLS: hashes, random bytes, a comparison in constant time, TLS records, and certificates.
#pragma once
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
