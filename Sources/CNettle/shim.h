// SPDX-License-Identifier: Apache-2.0
#include <nettle/sha2.h>
#include <nettle/version.h>

/// Ends a hash; Nettle 4 no longer takes the length.
static inline void accord_sha256_digest(struct sha256_ctx *state, uint8_t *digest) {
#if NETTLE_VERSION_MAJOR < 4
    sha256_digest(state, SHA256_DIGEST_SIZE, digest);
#else
    sha256_digest(state, digest);
#endif
}
