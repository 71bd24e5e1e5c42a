/* certificates.h - certificates for tests, made on the spot: authorities, servers, clients, good ones and bad ones.
 *
 *	struct certificates pki;
 *
 *	certificates_open(&pki);
 *	const struct certificate *root = certificate_make(&pki, .name = "root", .is_authority = true);
 *	const struct certificate *web = certificate_make(&pki, .name = "web", .issuer = root,
 *							 .names = "DNS:web.test");
 *	... web->file, web->key_file ...
 *	certificates_close(&pki);
 *
 * What cannot be made kills the test.
 */
#pragma once

#include "base/base.h"

#include <openssl/x509.h>

#define CERTIFICATE_PATH_BYTES 160

enum certificate_kind { CERTIFICATE_EC, CERTIFICATE_RSA, CERTIFICATE_RSA_1024, CERTIFICATE_ED25519 };

struct certificate {
	char file[CERTIFICATE_PATH_BYTES];	/* NAME.pem, with what it was signed by but for the root */
	char key_file[CERTIFICATE_PATH_BYTES];	/* NAME.key, which only its owner can read */
	X509 *x509;
	EVP_PKEY *key;
	const struct certificate *issuer;	/* NULL: itself */
	struct certificate *next;
};

/* A folder of files, and all that was made in it. */
struct certificates {
	char folder[64];
	struct certificate *all;
};

/* What is not said is as it usually is: EC P-256, good for a server and for a client, of yesterday, for a month. */
struct certificate_wish {
	const char *name;			/* of the files, and the common name */
	const char *common_name;		/* another one; "": none */
	const char *names;			/* "DNS:a.test, IP:127.0.0.1, email:a@b.test, URI:x://y" */
	enum certificate_kind kind;
	bool is_authority;
	const char *purpose;			/* "serverAuth", "clientAuth"; NULL: both */
	const struct certificate *issuer;	/* NULL: self-signed */
	const struct certificate *key_of;	/* has the key of that one */
	int begins_days, ends_days;		/* from now; both 0: as usual */
};

void certificates_open(struct certificates *c);
void certificates_close(struct certificates *c);

const struct certificate *certificate_make_wish(struct certificates *c, const struct certificate_wish *wish);
#define certificate_make(c, ...) certificate_make_wish((c), &(struct certificate_wish) { __VA_ARGS__ })

/* Writes a file of the folder, and returns its path, which lasts until the next call. */
const char *certificates_write(struct certificates *c, const char *name, const char *text, unsigned mode);
/* Writes certificates into one file. The list ends with NULL. */
const char *certificates_bundle(struct certificates *c, const char *name, const struct certificate *const *list);
