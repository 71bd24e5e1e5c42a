/* tls_records.h - records of TLS made by hand: ones that no library would send.
 *
 * Plain ones as they are before there are keys, and ones sealed as those of a client with TLS_AES_128_GCM_SHA256 are
 * (RFC 8446 sections 5.2, 5.3 and 7.3).
 */
#pragma once

#include "base/base.h"

#define RECORD_HEAD_BYTES ((size_t) 5)
#define RECORD_CONTENT_BYTES_MAX ((size_t) 1 << 14)
/* Of one whose content is as long as is allowed, and some more. */
#define RECORD_BYTES_MAX (RECORD_HEAD_BYTES + RECORD_CONTENT_BYTES_MAX + 1024)

enum record_type {
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_DATA = 23,
	RECORD_UNKNOWN = 99,
};

struct record_sealer {
	unsigned char key[16], iv[12];
	uint64_t sequence;
};

/* `secret`: of the client's traffic, 64 hexadecimal digits. False: it is not. */
bool record_sealer_init(struct record_sealer *s, const char *secret) _must_check_;

/* Writes a record with this content to ret (RECORD_BYTES_MAX); returns its length. Without a sealer it is plain. */
size_t record_make(struct record_sealer *s, enum record_type type, const void *content, size_t length,
		   unsigned char *ret);
