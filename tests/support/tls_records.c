#include "support/tls_records.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32
#define TAG_BYTES 16

/* HKDF-Expand-Label() with an empty context, RFC 8446 section 7.1. */
static bool sealer_expand(const unsigned char *secret, const char *label, unsigned char *ret, size_t length)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	char prefix[] = "tls13 ", digest[] = "SHA256";
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) secret, SECRET_BYTES),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix, strlen(prefix)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *) label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	bool done = EVP_KDF_derive(context, ret, length, parameters) == 1;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return done;
}

bool record_sealer_init(struct record_sealer *s, const char *secret)
{
	unsigned char bytes[SECRET_BYTES];
	size_t length;

	*s = (struct record_sealer){0};
	return OPENSSL_hexstr2buf_ex(bytes, sizeof(bytes), &length, secret, '\0') == 1 && length == SECRET_BYTES &&
	       sealer_expand(bytes, "key", s->key, sizeof(s->key)) &&
	       sealer_expand(bytes, "iv", s->iv, sizeof(s->iv));
}

static void record_head(unsigned char *record, enum record_type type, size_t length)
{
	record[0] = (unsigned char) type;
	record[1] = 3;
	record[2] = 3;
	record[3] = (unsigned char) (length >> 8);
	record[4] = (unsigned char) length;
}

/* What is sealed has its type behind it, and is called data; the head is authenticated. */
static size_t record_seal(struct record_sealer *s, enum record_type type, const void *content, size_t length,
			  unsigned char *ret)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	unsigned char nonce[sizeof(s->iv)], last = (unsigned char) type, *sealed = ret + RECORD_HEAD_BYTES;
	int n;

	memcpy(nonce, s->iv, sizeof(nonce));
	for (size_t i = 0; i < sizeof(s->sequence); i++)
		nonce[sizeof(nonce) - 1 - i] ^= (unsigned char) (s->sequence >> (8 * i));
	s->sequence++;
	record_head(ret, RECORD_DATA, length + 1 + TAG_BYTES);
	if (EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, s->key, nonce) != 1 ||
	    EVP_EncryptUpdate(context, NULL, &n, ret, RECORD_HEAD_BYTES) != 1 ||
	    EVP_EncryptUpdate(context, sealed, &n, content, (int) length) != 1 ||
	    EVP_EncryptUpdate(context, sealed + length, &n, &last, 1) != 1 ||
	    EVP_EncryptFinal_ex(context, sealed + length + 1, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, sealed + length + 1) != 1)
		abort();
	EVP_CIPHER_CTX_free(context);
	return RECORD_HEAD_BYTES + length + 1 + TAG_BYTES;
}

size_t record_make(struct record_sealer *s, enum record_type type, const void *content, size_t length,
		   unsigned char *ret)
{
	if (s)
		return record_seal(s, type, content, length, ret);
	record_head(ret, type, length);
	memcpy(ret + RECORD_HEAD_BYTES, content, length);
	return RECORD_HEAD_BYTES + length;
}
