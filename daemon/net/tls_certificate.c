/* tls_certificate.c - the certificates that a context presents: read, sorted by their names, described. */

#include "net/tls_inside.h"

#include "base/memory.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define NO_SUCH_EXTENSION (-1)	/* X509_get_ext_d2i(3) */

/* -- names -- */

char **tls_names_free(char **names)
{
	for (char **name = names; name && *name; name++)
		memory_free(*name);
	return memory_free(names);
}
DEFINE_CLEANUP(char **, tls_names_free)

static void free_general_names(GENERAL_NAMES **owner)
{
	GENERAL_NAMES_free(*owner);
}

/* The text of a string that is ASCII by its type. One with a NUL inside is there to deceive, and no name. */
static const char *text_of(const ASN1_STRING *s)
{
	const char *text = (const char *) ASN1_STRING_get0_data(s);
	size_t length = (size_t) ASN1_STRING_length(s);

	return length > 0 && strlen(text) == length ? text : NULL;
}

static char *copy_lower(const char *text)
{
	char *copy = memory_copy_text(text);

	for (char *c = copy; c && *c; c++)
		*c = (char) tolower((unsigned char) *c);
	return copy;
}

static int add_name(char **names, size_t *count, const char *text)
{
	if (!text)
		return 0;
	names[*count] = copy_lower(text);
	return names[*count] ? (int) ++*count : -ENOMEM;
}

/* The last one is the most specific. */
static int add_common_name(const X509 *certificate, char **names, size_t *count)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int last = -1, next;
	unsigned char *text;
	int r;

	while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, last)) >= 0)
		last = next;
	if (last < 0)
		return 0;
	r = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
	if (r < 0)
		return 0;
	r = (size_t) r == strlen((char *) text) && r > 0 ? add_name(names, count, (char *) text) : 0;
	OPENSSL_free(text);
	return r;
}

/* What a client may ask for to get this certificate: RFC 6125 section 6.4. */
static int names_of(struct tls_build *b, size_t n, char ***ret)
{
	const X509 *certificate = b->context->pairs[n].certificate;
	int criticality;
	_cleanup_(free_general_names) GENERAL_NAMES *all =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, &criticality, NULL);
	int total = all ? sk_GENERAL_NAME_num(all) : 0;
	_cleanup_(tls_names_freep) char **names = memory_new_array((size_t) total + 2, sizeof(*names));
	size_t count = 0;
	bool has_dns = false;
	int r = 0;

	if (!names)
		return -ENOMEM;
	if (!all && criticality != NO_SUCH_EXTENSION)
		return tls_complain_openssl(b->problem, "certificate", n, "its subjectAltName cannot be read");
	for (int i = 0; i < total && r >= 0; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

		if (name->type != GEN_DNS)
			continue;
		has_dns = true;
		r = add_name(names, &count, text_of(name->d.dNSName));
	}
	if (!has_dns)
		r = add_common_name(certificate, names, &count);
	if (r < 0)
		return r;
	*ret = TAKE(names);
	return 0;
}

static bool has_all(char *const *names, char *const *others)
{
	for (; *others; others++) {
		char *const *name = names;

		while (*name && strcmp(*name, *others) != 0)
			name++;
		if (!*name)
			return false;
	}
	return true;
}

/* -- reading -- */

static void words_of_key(const EVP_PKEY *key, char *buffer, size_t size)
{
	const char *type = EVP_PKEY_get0_type_name(key) ?: "unknown";
	char curve[32];
	size_t position = 0;

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1)
		text_append(buffer, size, &position, "%s %s", type, curve);
	else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		text_append(buffer, size, &position, "%s %d", type, EVP_PKEY_get_bits(key));
	else
		text_append(buffer, size, &position, "%s", type);
}

static void pair_done(struct tls_pair *pair)
{
	memory_free(pair->file);
	X509_free(pair->certificate);
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
}

void tls_pairs_done(struct tls_context *c)
{
	for (size_t i = 0; i < c->pair_count; i++)
		pair_done(&c->pairs[i]);
	c->pairs = memory_free(c->pairs);
	c->pair_count = 0;
}

static int complain_of_mismatch(struct tls_build *b, size_t n, const struct tls_pair *pair)
{
	const char *key = b->options->keys[n], *certificate = b->options->certificates[n];

	if (tls_memory_was_short())
		return -ENOMEM;
	for (int i = 0; i < sk_X509_num(pair->chain); i++)
		if (X509_check_private_key(sk_X509_value(pair->chain, i), pair->key) == 1)
			return tls_complain(b->problem, -EINVAL, "certificate", n, "'%s' has the certificate of the "
					    "key as number %d: the file begins with it, and what it was signed by "
					    "follows", tls_quote(certificate).text, i + 2);
	return tls_complain(b->problem, -EINVAL, "key", n, "'%s' is not the key of '%s'", tls_quote(key).text,
			    tls_quote(certificate).text);
}

static int read_pair(struct tls_build *b, size_t n, struct tls_pair *pair)
{
	const char *certificate = b->options->certificates[n], *key = b->options->keys[n];
	_cleanup_(tls_file_done) struct tls_file in_certificate = { NULL, 0 }, in_key = { NULL, 0 };
	int r;

	pair->file = memory_copy_text(certificate);
	if (!pair->file)
		return -ENOMEM;
	r = tls_file_read(b->problem, "certificate", n, certificate, false, &in_certificate);
	if (r < 0)
		return r;
	r = tls_file_certificates(b->problem, "certificate", n, certificate, &in_certificate, &pair->chain);
	if (r < 0)
		return r;
	pair->certificate = sk_X509_shift(pair->chain);
	r = tls_file_read(b->problem, "key", n, key, true, &in_key);
	if (r < 0)
		return r;
	r = tls_file_key(b->problem, n, key, &in_key, &pair->key);
	if (r < 0)
		return r;
	return X509_check_private_key(pair->certificate, pair->key) == 1 ? 0 : complain_of_mismatch(b, n, pair);
}

static int take_self_signed(struct tls_build *b, struct tls_pair *pair)
{
	int r = tls_keep_pair(b->keep, &pair->certificate, &pair->key);

	if (r < 0)
		return r;
	X509_up_ref(pair->certificate);
	EVP_PKEY_up_ref(pair->key);
	return 0;
}

static size_t length_of(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int tls_pairs_read(struct tls_build *b)
{
	const struct tls_options *o = b->options;
	size_t count = o->self_signed ? 1 : length_of(o->certificates), keys = length_of(o->keys);
	struct tls_context *c = b->context;

	if (!o->self_signed && count != keys)
		return tls_complain(b->problem, -EINVAL, count > keys ? "key" : "certificate", MIN(count, keys),
				    "%zu certificates and %zu keys: each certificate has a key", count, keys);
	if (count == 0)
		return !b->accepts ? 0 : tls_complain(b->problem, -EINVAL, "certificate", 0, "a service needs a "
						      "certificate: set 'certificate' and 'key', or for a trial "
						      "'self_signed = yes'");
	c->pairs = memory_new_array(count, sizeof(*c->pairs));
	if (!c->pairs)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		int r;

		c->pair_count++;
		r = o->self_signed ? take_self_signed(b, &c->pairs[i]) : read_pair(b, i, &c->pairs[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- presenting -- */

static int complain_of_pair(struct tls_build *b, size_t n)
{
	struct tls_quoted file = tls_quote(b->context->pairs[n].file ?: "self-signed");
	char words[192], kind[64];
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	if (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL) {
		words_of_key(X509_get0_pubkey(b->context->pairs[n].certificate), kind, sizeof(kind));
		return tls_complain(b->problem, -EINVAL, "certificate", n, "'%s' has a key that is too weak (%s): "
				    "make one of RSA 2048 or EC prime256v1", file.text,
				    reason == SSL_R_EE_KEY_TOO_SMALL ? kind : "that of its authority");
	}
	size_t position = 0;
	text_append(words, sizeof(words), &position, "'%s' cannot be used", file.text);
	return tls_complain_openssl(b->problem, "certificate", n, words);
}

static int use_pair(struct tls_build *b, size_t n, SSL_CTX *ssl)
{
	const struct tls_pair *pair = &b->context->pairs[n];

	if (SSL_CTX_use_cert_and_key(ssl, pair->certificate, pair->key, pair->chain, 1) == 1)
		return 0;
	return complain_of_pair(b, n);
}

/* One SSL_CTX has room for one pair of each kind of key: the one before pair n that has taken its place, or NULL. */
static const struct tls_pair *find_rival(const struct tls_context *c, size_t identity, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c->pairs[i].identity == identity &&
		    EVP_PKEY_get_base_id(c->pairs[i].key) == EVP_PKEY_get_base_id(c->pairs[n].key))
			return &c->pairs[i];
	return NULL;
}

/* The identity that a pair joins, because it has the same names. */
static size_t find_identity(const struct tls_context *c, char *const *names)
{
	size_t i = 0;

	while (i < c->identity_count &&
	       (!has_all(c->identities[i].names, names) || !has_all(names, c->identities[i].names)))
		i++;
	return i;
}

/* Gives pair n its place among the identities, and makes a new one of its names when there is none with them. */
static int identify(struct tls_build *b, size_t n)
{
	_cleanup_(tls_names_freep) char **names = NULL;
	struct tls_context *c = b->context;
	int r = names_of(b, n, &names);

	if (r < 0)
		return r;
	size_t found = find_identity(c, names);
	if (found == c->identity_count) {
		c->identities[found].names = TAKE(names);
		c->identity_count++;
		r = tls_build_ssl(b, TLS_server_method(), &c->identities[found].ssl);
		if (r < 0)
			return r;
	}

	const struct tls_pair *rival = find_rival(c, found, n);
	if (rival)
		return tls_complain(b->problem, -EINVAL, "certificate", n,
				    "'%s' is never presented: '%s' has the same names and the same kind of key",
				    tls_quote(c->pairs[n].file).text, tls_quote(rival->file).text);
	c->pairs[n].identity = found;
	return use_pair(b, n, c->identities[found].ssl);
}

int tls_pairs_identify(struct tls_build *b)
{
	struct tls_context *c = b->context;

	c->identities = memory_new_array(c->pair_count, sizeof(*c->identities));
	if (!c->identities)
		return -ENOMEM;
	for (size_t n = 0; n < c->pair_count; n++) {
		int r = identify(b, n);

		if (r < 0)
			return r;
	}
	return 0;
}

int tls_pairs_present(struct tls_build *b, SSL_CTX *ssl)
{
	const struct tls_context *c = b->context;

	for (size_t n = 0; n < c->pair_count; n++) {
		int r;

		if (find_rival(c, 0, n))
			return tls_complain(b->problem, -EINVAL, "certificate", n, "'%s' is never presented: to "
					    "servers there is one certificate for each kind of key",
					    tls_quote(c->pairs[n].file).text);
		r = use_pair(b, n, ssl);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- describing -- */

/* The whole chain: a new intermediate certificate is one too. */
static bool are_same_pairs(const struct tls_pair *a, const struct tls_pair *b)
{
	int length = a->chain ? sk_X509_num(a->chain) : 0;
	bool are_same = X509_cmp(a->certificate, b->certificate) == 0 &&
			length == (b->chain ? sk_X509_num(b->chain) : 0);

	for (int i = 0; are_same && i < length; i++)
		are_same = X509_cmp(sk_X509_value(a->chain, i), sk_X509_value(b->chain, i)) == 0;
	return are_same;
}

bool tls_context_presents_same(const struct tls_context *a, const struct tls_context *b)
{
	bool are_same = a->pair_count == b->pair_count;

	ERR_clear_error();
	for (size_t i = 0; are_same && i < a->pair_count; i++)
		are_same = are_same_pairs(&a->pairs[i], &b->pairs[i]);
	ERR_clear_error();
	return are_same;
}

size_t tls_context_certificates(const struct tls_context *c)
{
	return c->pair_count;
}

static void describe_subject(const X509 *certificate, char *buffer, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long length;

	/* Escaped once, by us. */
	if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
				      XN_FLAG_RFC2253 & ~(ASN1_STRFLGS_ESC_MSB | ASN1_STRFLGS_ESC_CTRL)) >= 0) {
		length = BIO_get_mem_data(bio, &text);
		text_escape(text, (size_t) length, buffer, size);
	}
	BIO_free(bio);
}

static void describe_names(const X509 *certificate, char *buffer, size_t size)
{
	_cleanup_(free_general_names) GENERAL_NAMES *all =
		X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	size_t position = 0;

	for (int i = 0; i < (all ? sk_GENERAL_NAME_num(all) : 0); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		const ASN1_OCTET_STRING *ip = name->type == GEN_IPADD ? name->d.iPAddress : NULL;
		char address[INET6_ADDRSTRLEN], text[256];
		const char *words = NULL;

		if (name->type == GEN_DNS)
			words = text_of(name->d.dNSName);
		else if (ip && (ASN1_STRING_length(ip) == 4 || ASN1_STRING_length(ip) == 16))
			words = inet_ntop(ASN1_STRING_length(ip) == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip),
					  address, sizeof(address));
		if (!words)
			continue;
		text_escape(words, strlen(words), text, sizeof(text));
		text_append(buffer, size, &position, "%s%s", position > 0 ? ", " : "", text);
	}
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm parts;

	return ASN1_TIME_to_tm(time, &parts) == 1 ? timegm(&parts) : 0;
}

static void describe_digests(const X509 *certificate, struct tls_certificate *d)
{
	uint8_t digest[EVP_MAX_MD_SIZE], *key = NULL;
	unsigned length = 0;
	size_t position = 0;
	int bytes;

	if (X509_digest(certificate, EVP_sha256(), digest, &length) == 1)
		for (unsigned i = 0; i < length; i++)
			text_append(d->fingerprint, sizeof(d->fingerprint), &position, "%s%02X", i > 0 ? ":" : "",
				    digest[i]);
	bytes = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
	if (bytes > 0 && EVP_Digest(key, (size_t) bytes, digest, &length, EVP_sha256(), NULL) == 1)
		EVP_EncodeBlock((unsigned char *) d->pin, digest, (int) length);
	OPENSSL_free(key);
}

void tls_context_describe(const struct tls_context *c, size_t n, struct tls_certificate *ret)
{
	const X509 *certificate = c->pairs[n].certificate;

	ERR_clear_error();
	*ret = (struct tls_certificate) {
		.file = c->pairs[n].file,
		.begins_s = seconds_of(X509_get0_notBefore(certificate)),
		.ends_s = seconds_of(X509_get0_notAfter(certificate)),
	};
	describe_subject(certificate, ret->subject, sizeof(ret->subject));
	describe_names(certificate, ret->names, sizeof(ret->names));
	words_of_key(c->pairs[n].key, ret->key, sizeof(ret->key));
	describe_digests(certificate, ret);
	ERR_clear_error();
}
