/* tls_verify.c - whom a section trusts: clients and servers, by authority and by name. */

#include "net/tls_inside.h"

#include "base/memory.h"
#include "net/hello.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

/* Authorities between the one that is trusted and the peer. */
#define CHAIN_DEPTH 5

static void free_certificates(STACK_OF(X509) **owner)
{
	sk_X509_pop_free(*owner, X509_free);
}

static void free_store(X509_STORE **owner)
{
	X509_STORE_free(*owner);
}

/* -- authorities -- */

/* Whatever the operator has put there is trusted, be it signed by another authority or a server's own certificate. */
static int store_new(X509_STORE **ret)
{
	X509_STORE *store = X509_STORE_new();

	if (!store || X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
		X509_STORE_free(store);
		return -ENOMEM;
	}
	*ret = store;
	return 0;
}

static int add_authorities(const STACK_OF(X509) *found, X509_STORE *store)
{
	for (int i = 0; i < sk_X509_num(found); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(found, i)) != 1)
			return -ENOMEM;
	return 0;
}

/* -- clients -- */

static int list_authorities(struct tls_build *b, const STACK_OF(X509) *found)
{
	b->client_authorities = sk_X509_NAME_new_null();
	if (!b->client_authorities)
		return -ENOMEM;
	for (int i = 0; i < sk_X509_num(found); i++) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(sk_X509_value(found, i)));

		if (!name || sk_X509_NAME_push(b->client_authorities, name) == 0) {
			X509_NAME_free(name);
			return -ENOMEM;
		}
	}
	return 0;
}

static bool add_text(EVP_MD_CTX *digest, const char *text)
{
	return EVP_DigestUpdate(digest, text, strlen(text) + 1) == 1;
}

/* A session is resumed without looking at certificates, and up to TLS 1.2 with the cipher that it had, so only where
 * all that was looked at then is the same. */
static int measure_scope(struct tls_build *b, const struct tls_file *authorities)
{
	const struct tls_options *o = b->options;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool is_good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && add_text(digest, o->name) &&
		       add_text(digest, o->ciphers ?: "") && add_text(digest, o->groups ?: "") &&
		       EVP_DigestUpdate(digest, &b->verify_mode, sizeof(b->verify_mode)) == 1;

	for (const char *const *name = o->client_names; is_good && name && *name; name++)
		is_good = add_text(digest, *name);
	/* No name is empty: that ends them. */
	is_good = is_good && EVP_DigestUpdate(digest, "", 1) == 1 &&
		  (!authorities->bytes ||
		   EVP_DigestUpdate(digest, authorities->bytes, authorities->length) == 1) &&
		  EVP_DigestFinal_ex(digest, b->session_scope, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return is_good ? 0 : -ENOMEM;
}

/* What is asked for makes sense together. */
static int check_wishes(struct tls_build *b)
{
	const struct tls_options *o = b->options;
	bool has_names = o->client_names && o->client_names[0];

	if ((o->verify == TLS_VERIFY_OPTIONAL || o->verify == TLS_VERIFY_REQUIRED) && !o->client_ca)
		return tls_complain(b->problem, -EINVAL, "client_ca", 0, "certificates of clients cannot be verified"
				    ": set 'client_ca' to a file with the authorities that may sign them");
	if (has_names && b->verify_mode == SSL_VERIFY_NONE)
		return tls_complain(b->problem, -EINVAL, "client_names", 0, "clients are not verified: %s",
				    o->verify == TLS_VERIFY_OFF ? "'verify' is off" : "set 'client_ca'");
	for (size_t i = 0; has_names && o->client_names[i]; i++)
		if (!o->client_names[i][0] || strcmp(o->client_names[i], "*.") == 0)
			return tls_complain(b->problem, -EINVAL, "client_names", i, "a name is empty");
	return 0;
}

int tls_verify_read(struct tls_build *b)
{
	const struct tls_options *o = b->options;
	_cleanup_(free_certificates) STACK_OF(X509) *found = NULL;
	_cleanup_(tls_file_done) struct tls_file file = { NULL, 0 };
	int r;

	b->verify_mode = o->verify == TLS_VERIFY_OFF || !o->client_ca ? SSL_VERIFY_NONE :
			 o->verify == TLS_VERIFY_OPTIONAL ? SSL_VERIFY_PEER :
			 SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	r = check_wishes(b);
	if (r < 0)
		return r;
	if (b->verify_mode == SSL_VERIFY_NONE)
		return measure_scope(b, &file);
	r = tls_file_read(b->problem, "client_ca", 0, o->client_ca, false, &file);
	if (r < 0)
		return r;
	r = tls_file_certificates(b->problem, "client_ca", 0, o->client_ca, &file, &found);
	if (r < 0)
		return r;
	r = store_new(&b->client_store);
	if (r < 0)
		return r;
	r = add_authorities(found, b->client_store);
	if (r < 0)
		return r;
	r = list_authorities(b, found);
	return r < 0 ? r : measure_scope(b, &file);
}

void tls_verify_done(struct tls_build *b)
{
	X509_STORE_free(b->client_store);
	sk_X509_NAME_pop_free(b->client_authorities, X509_NAME_free);
}

/* `text` is not always NUL-terminated where `length` ends: a NUL inside is there to deceive, and no name. */
static bool is_allowed(const unsigned char *text, int length, bool is_host, char *const *patterns)
{
	const char *name = (const char *) text;

	if (length <= 0 || strlen(name) != (size_t) length)
		return false;
	for (; *patterns; patterns++)
		if (is_host ? hello_name_matches(name, *patterns) : strcmp(name, *patterns) == 0)
			return true;
	return false;
}

/* Common names are compared in any case too: X.520 section 6.2.2, caseIgnoreMatch. */
static bool has_allowed_common_name(const X509 *certificate, char *const *patterns)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	bool is_found = false;
	int at = -1;

	while (!is_found && (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0) {
		unsigned char *text = NULL;
		int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));

		is_found = is_allowed(text, length, true, patterns);
		OPENSSL_free(text);
	}
	return is_found;
}

static bool has_allowed_name(const X509 *certificate, char *const *patterns)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool is_found = has_allowed_common_name(certificate, patterns);

	for (int i = 0; !is_found && i < (all ? sk_GENERAL_NAME_num(all) : 0); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		/* These three are strings of the same type. */
		if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI)
			is_found = is_allowed(ASN1_STRING_get0_data(name->d.ia5), ASN1_STRING_length(name->d.ia5),
					      name->type == GEN_DNS, patterns);
	}
	GENERAL_NAMES_free(all);
	return is_found;
}

/* SSL_CTX_set_verify(3): called for each certificate of a chain, that of the peer last. On whichever thread the
 * handshake is. */
static int check_client(int is_good, X509_STORE_CTX *chain)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_session *session = tls_session_of(ssl);
	char *const *patterns = session->context->client_names;

	if (!is_good || !patterns || X509_STORE_CTX_get_error_depth(chain) > 0 ||
	    has_allowed_name(X509_STORE_CTX_get_current_cert(chain), patterns))
		return is_good;
	X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
	session->refusal = "client certificate: its name is not allowed";
	return 0;
}

int tls_verify_clients(struct tls_build *b, SSL_CTX *ssl)
{
	STACK_OF(X509_NAME) *authorities;

	if (SSL_CTX_set_session_id_context(ssl, b->session_scope, sizeof(b->session_scope)) != 1)
		return -ENOMEM;
	if (b->verify_mode == SSL_VERIFY_NONE)
		return 0;
	authorities = SSL_dup_CA_list(b->client_authorities);
	if (!authorities)
		return -ENOMEM;
	SSL_CTX_set_client_CA_list(ssl, authorities);
	SSL_CTX_set_verify(ssl, b->verify_mode, check_client);
	SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH);
	return SSL_CTX_set1_verify_cert_store(ssl, b->client_store) == 1 ? 0 : -ENOMEM;
}

/* -- servers -- */

/* Files of authorities are found by a hash in their names: openssl-rehash(1). */
static bool is_hashed(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] &&
	       strspn(name + 9, "0123456789") == strlen(name + 9);
}

static int check_folder(struct tls_build *b, const char *path)
{
	DIR *folder = opendir(path);
	bool has_any = false;

	if (!folder) {
		int error = errno;

		return tls_complain(b->problem, -error, "ca", 0, "'%s' cannot be read: %s", tls_quote(path).text,
				    strerrordesc_np(error));
	}
	for (const struct dirent *e; !has_any && (e = readdir(folder));)
		has_any = is_hashed(e->d_name);
	closedir(folder);
	if (has_any)
		return 0;
	return tls_complain(b->problem, -EINVAL, "ca", 0, "'%s' has no certificates under hashed names: run openssl "
			    "rehash '%s'", tls_quote(path).text, tls_quote(path).text);
}

static int trust_file(struct tls_build *b, X509_STORE *store)
{
	_cleanup_(free_certificates) STACK_OF(X509) *found = NULL;
	_cleanup_(tls_file_done) struct tls_file file = { NULL, 0 };
	int r = tls_file_read(b->problem, "ca", 0, b->options->ca, false, &file);

	if (r < 0)
		return r;
	r = tls_file_certificates(b->problem, "ca", 0, b->options->ca, &file, &found);
	return r < 0 ? r : add_authorities(found, store);
}

static int trust_servers(struct tls_build *b, X509_STORE *store)
{
	_cleanup_(memory_freep) char *path = NULL;
	struct stat st;
	int r;

	if (!b->options->ca)
		return X509_STORE_set_default_paths(store) == 1 ? 0 : -ENOMEM;
	r = tls_file_path(b->problem, "ca", 0, b->options->ca, &path);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return trust_file(b, store);
	r = check_folder(b, path);
	if (r < 0)
		return r;
	return X509_STORE_load_path(store, path) == 1 ? 0 : -ENOMEM;
}

int tls_verify_servers(struct tls_build *b, SSL_CTX *ssl)
{
	_cleanup_(free_store) X509_STORE *store = NULL;
	int r;

	if (!b->context->verifies_server)
		return 0;
	r = store_new(&store);
	if (r < 0)
		return r;
	r = trust_servers(b, store);
	if (r < 0)
		return r;
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH);
	return SSL_CTX_set1_verify_cert_store(ssl, store) == 1 ? 0 : -ENOMEM;
}
