/* tls_keep.c - what outlives contexts; and the certificate for who has none. */

#include "net/tls_inside.h"

#include "base/memory.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SELF_SIGNED_DAYS 30
#define DAY_S (24 * 60 * 60)
#define HOUR_S (60 * 60)
#define SERIAL_BITS 127		/* RFC 5280 section 4.1.2.2: positive, of 20 bytes at most */

int tls_keep_new(struct tls_keep **ret)
{
	struct tls_keep *keep = memory_new_object(struct tls_keep);

	if (!keep)
		return -ENOMEM;
	*ret = keep;
	return 0;
}

struct tls_keep *tls_keep_free(struct tls_keep *keep)
{
	if (!keep)
		return NULL;
	tls_rings_done(keep);
	X509_free(keep->certificate);
	EVP_PKEY_free(keep->key);
	return memory_free(keep);
}

/* -- the self-signed pair -- */

static void free_certificate(X509 **owner)
{
	X509_free(*owner);
}

static void free_key(EVP_PKEY **owner)
{
	EVP_PKEY_free(*owner);
}

/* True when the name of this host can stand in a list of names. */
static bool host_name(char *buffer, size_t size)
{
	if (gethostname(buffer, size) < 0 || !memchr(buffer, '\0', size) || strcmp(buffer, "localhost") == 0)
		return false;
	return buffer[0] && strspn(buffer, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
	       strlen(buffer);
}

static bool set_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool is_set = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		      BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));

	BN_free(number);
	return is_set;
}

static bool add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool is_added;

	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	is_added = extension && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static bool add_extensions(X509 *certificate)
{
	char names[512] = "DNS:localhost,IP:127.0.0.1,IP:::1", host[256];
	size_t length = strlen(names);

	if (host_name(host, sizeof(host)))
		snprintf(names + length, sizeof(names) - length, ",DNS:%s", host);
	return add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
	       add_extension(certificate, NID_subject_alt_name, names) &&
	       add_extension(certificate, NID_subject_key_identifier, "hash");
}

/* It begins an hour ago, for those whose clocks are behind. */
static bool fill(X509 *certificate, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(certificate);

	return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -HOUR_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), SELF_SIGNED_DAYS * DAY_S - HOUR_S) &&
	       X509_set_pubkey(certificate, key) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *) "localhost", -1, -1, 0) == 1 &&
	       X509_set_issuer_name(certificate, name) == 1 && add_extensions(certificate) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool is_good(const X509 *certificate)
{
	return certificate && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

int tls_keep_pair(struct tls_keep *keep, X509 **ret_certificate, EVP_PKEY **ret_key)
{
	if (!is_good(keep->certificate)) {
		_cleanup_(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
		_cleanup_(free_certificate) X509 *certificate = X509_new();

		if (!key || !certificate || !fill(certificate, key))
			return -ENOMEM;
		X509_free(keep->certificate);
		EVP_PKEY_free(keep->key);
		keep->certificate = TAKE(certificate);
		keep->key = TAKE(key);
	}
	*ret_certificate = keep->certificate;
	*ret_key = keep->key;
	return 0;
}
