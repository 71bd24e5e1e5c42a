#include "tests/support/certificates.h"

#include "base/ensure.h"

#include <ftw.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_S (24 * 60 * 60)

void certificates_open(struct certificates *c)
{
	*c = (struct certificates) { .folder = "/tmp/corelay-certificates-XXXXXX" };
	ENSURE(mkdtemp(c->folder), "no folder for the test");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void) st;
	(void) flag;
	(void) at;
	return remove(path);
}

void certificates_close(struct certificates *c)
{
	while (c->all) {
		struct certificate *one = c->all;

		c->all = one->next;
		X509_free(one->x509);
		EVP_PKEY_free(one->key);
		free(one);
	}
	nftw(c->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* -- files -- */

static FILE *open_file(const char *path, unsigned mode)
{
	FILE *file = fopen(path, "w");

	ENSURE(file && chmod(path, mode) == 0, "%s cannot be written", path);
	return file;
}

static const char *path_of(struct certificates *c, const char *name)
{
	static char path[CERTIFICATE_PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", c->folder, name);
	return path;
}

const char *certificates_write(struct certificates *c, const char *name, const char *text, unsigned mode)
{
	const char *path = path_of(c, name);
	FILE *file = open_file(path, mode);

	fputs(text, file);
	fclose(file);
	return path;
}

const char *certificates_bundle(struct certificates *c, const char *name, const struct certificate *const *list)
{
	const char *path = path_of(c, name);
	FILE *file = open_file(path, 0644);

	for (; *list; list++)
		ENSURE(PEM_write_X509(file, (*list)->x509) == 1, "%s cannot be written", path);
	fclose(file);
	return path;
}

static void write_pair(struct certificates *c, struct certificate *one, const char *name)
{
	FILE *file;

	snprintf(one->file, sizeof(one->file), "%s/%s.pem", c->folder, name);
	snprintf(one->key_file, sizeof(one->key_file), "%s/%s.key", c->folder, name);
	file = open_file(one->file, 0644);
	/* The root is the last one, and whoever trusts it has it. */
	for (const struct certificate *at = one; at && (at == one || at->issuer); at = at->issuer)
		ENSURE(PEM_write_X509(file, at->x509) == 1, "%s cannot be written", one->file);
	fclose(file);
	file = open_file(one->key_file, 0600);
	ENSURE(PEM_write_PrivateKey(file, one->key, NULL, NULL, 0, NULL, NULL) == 1, "%s cannot be written",
	       one->key_file);
	fclose(file);
}

/* -- certificates -- */

static EVP_PKEY *make_key(enum certificate_kind kind)
{
	switch (kind) {
	case CERTIFICATE_RSA:
		return EVP_RSA_gen(2048);
	case CERTIFICATE_RSA_1024:
		return EVP_RSA_gen(1024);
	case CERTIFICATE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case CERTIFICATE_EC:
	default:
		return EVP_EC_gen("P-256");
	}
}

static void add_extension(struct certificate *one, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&context, one->issuer ? one->issuer->x509 : one->x509, one->x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ENSURE(extension && X509_add_ext(one->x509, extension, -1) == 1, "no extension '%s'", value);
	X509_EXTENSION_free(extension);
}

static void describe(struct certificate *one, const struct certificate_wish *w)
{
	static long serial = 1;
	bool is_usual = w->begins_days == 0 && w->ends_days == 0;
	X509_NAME *name = X509_get_subject_name(one->x509);
	const char *common_name = w->common_name ?: w->name;

	X509_set_version(one->x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(one->x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(one->x509), (is_usual ? -1 : w->begins_days) * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(one->x509), (is_usual ? 30 : w->ends_days) * DAY_S);
	X509_set_pubkey(one->x509, one->key);
	if (*common_name)
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *) common_name, -1, -1, 0);
	X509_set_issuer_name(one->x509, one->issuer ? X509_get_subject_name(one->issuer->x509) : name);
	add_extension(one, NID_basic_constraints, w->is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(one, NID_key_usage, w->is_authority ? "critical,keyCertSign,cRLSign"
							  : "critical,digitalSignature");
	add_extension(one, NID_subject_key_identifier, "hash");
	if (one->issuer)
		add_extension(one, NID_authority_key_identifier, "keyid");
	if (!w->is_authority)
		add_extension(one, NID_ext_key_usage, w->purpose ?: "serverAuth,clientAuth");
	if (w->names)
		add_extension(one, NID_subject_alt_name, w->names);
}

const struct certificate *certificate_make_wish(struct certificates *c, const struct certificate_wish *w)
{
	struct certificate *one = calloc(1, sizeof(*one));
	EVP_PKEY *signs;

	ENSURE(one, "no memory for a certificate");
	one->issuer = w->issuer;
	one->next = c->all;
	c->all = one;
	one->x509 = X509_new();
	if (w->key_of)
		EVP_PKEY_up_ref(w->key_of->key);
	one->key = w->key_of ? w->key_of->key : make_key(w->kind);
	ENSURE(one->x509 && one->key, "no certificate '%s'", w->name);
	describe(one, w);
	signs = one->issuer ? one->issuer->key : one->key;
	ENSURE(X509_sign(one->x509, signs, EVP_PKEY_get_base_id(signs) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0,
	       "'%s' cannot be signed", w->name);
	write_pair(c, one, w->name);
	return one;
}
