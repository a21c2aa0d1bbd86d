// GnuTLS: hashes, random bytes, a comparison in constant time, and TLS records.
#pragma once
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
