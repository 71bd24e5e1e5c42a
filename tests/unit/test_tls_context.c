/* What a [tls] section becomes: handshakes in memory between a plain client of OpenSSL and the context, on a clock of
 * our own. */
#include "net/tls_inside.h"

#include "base/fault.h"
#include "base/memory.h"
#include "tests/support/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_MS (60 * 60 * 1000)
#define DAY_S (24 * 60 * 60)
#define LIST(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* OpenSSL's clock, in place of the one of the C library. */
static time_t later_s;

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += later_s;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

static struct certificates pki;
static const struct certificate *root, *other_root, *web, *wild, *web_rsa, *client;
static struct tls_keep *keep;

static int open_pki(void **state)
{
	(void) state;
	certificates_open(&pki);
	root = certificate_make(&pki, .name = "root", .is_authority = true);
	other_root = certificate_make(&pki, .name = "other-root", .is_authority = true);
	web = certificate_make(&pki, .name = "web", .common_name = "cn.test", .issuer = root,
			       .names = "DNS:Web.test, DNS:www.web.test");
	web_rsa = certificate_make(&pki, .name = "web-rsa", .names = "DNS:www.web.test, DNS:web.test", .issuer = root,
				   .kind = CERTIFICATE_RSA);
	wild = certificate_make(&pki, .name = "wild", .names = "DNS:*.wild.test, DNS:*.web.test", .issuer = root);
	client = certificate_make(&pki, .name = "client", .common_name = "Alice", .issuer = root,
				  .names = "DNS:alice.clients.test, email:alice@clients.test, "
					   "URI:spiffe://test/alice");
	return 0;
}

static int close_pki(void **state)
{
	(void) state;
	certificates_close(&pki);
	return 0;
}

static int open_keep(void **state)
{
	(void) state;
	later_s = 0;
	return tls_keep_new(&keep);
}

static int close_keep(void **state)
{
	(void) state;
	keep = tls_keep_free(keep);
	assert_int_equal(ERR_peek_error(), 0);
	return 0;
}

/* -- contexts -- */

/* As the configuration gives them, with these pairs. */
static struct tls_options usual(const char *const *certificates, const char *const *keys)
{
	return (struct tls_options) {
		.name = "main",
		.certificates = certificates,
		.keys = keys,
		.min_version = TLS_VERSION_1_2,
		.max_version = TLS_VERSION_1_3,
		.tickets = true,
		.ticket_lifetime_ms = HOUR_MS,
	};
}
#define USUAL(one) usual(LIST((one)->file), LIST((one)->key_file))

static struct tls_context *context_new(const struct tls_options *o, bool accepts, bool connects)
{
	struct tls_problem problem = { .text = "" };
	struct tls_context *c = NULL;
	int r;

	/* What others have left there is none of its business. */
	ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
	r = tls_context_new(o, keep, accepts, connects, &c, &problem);
	if (r < 0)
		fail_msg("%s %zu: %s", problem.key, problem.index, problem.text);
	assert_int_equal(ERR_peek_error(), 0);
	return c;
}

static struct tls_context *server_new(const struct tls_options *o)
{
	return context_new(o, true, false);
}

static void assert_problem(const struct tls_options *o, bool accepts, bool connects, int error, const char *key,
			   size_t index, const char *words)
{
	struct tls_problem problem = { .key = "untouched" };
	struct tls_context *c = NULL;
	int r = tls_context_new(o, keep, accepts, connects, &c, &problem);

	assert_int_equal(ERR_peek_error(), 0);
	assert_null(c);
	if (r != error || strcmp(problem.key, key) != 0 || problem.index != index || !strstr(problem.text, words))
		fail_msg("%d %s %zu: \"%s\"\nwanted %d %s %zu: \"%s\"", r, problem.key, problem.index, problem.text,
			 error, key, index, words);
}

/* -- handshakes -- */

struct meeting {
	/* What the client wants. */
	const char *name, *signatures, *ciphers, *groups;
	const struct certificate *certificate;
	const uint8_t *alpn;
	unsigned alpn_bytes;
	int max_version;
	SSL_SESSION *resumes;
	/* What came of it. */
	struct tls_session server;
	bool is_agreed, is_resumed;
	int alert;			/* that the server sent */
	char presented[64];		/* common name */
	char protocol[64];
	SSL_SESSION *session;		/* that can be resumed, or NULL */
};

static void note_alert(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
		container_of(tls_session_of(ssl), struct meeting, server)->alert = value & 0xff;
}

static SSL_CTX *client_context(const struct meeting *m)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	assert_non_null(context);
	if (m->max_version)
		assert_int_equal(SSL_CTX_set_max_proto_version(context, m->max_version), 1);
	if (m->signatures)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(context, m->signatures), 1);
	if (m->groups)
		assert_int_equal(SSL_CTX_set1_groups_list(context, m->groups), 1);
	if (m->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(context, m->ciphers), 1);
	if (m->alpn)
		assert_int_equal(SSL_CTX_set_alpn_protos(context, m->alpn, m->alpn_bytes), 0);
	if (m->certificate) {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(context, m->certificate->file), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(context, m->certificate->key), 1);
	}
	return context;
}

/* One side at a time, until both are through or one has failed. */
static bool shake(SSL *a, SSL *b)
{
	for (int i = 0; i < 20; i++) {
		int ra = SSL_do_handshake(a), error_a = SSL_get_error(a, ra);
		int rb = SSL_do_handshake(b), error_b = SSL_get_error(b, rb);

		if (error_b != SSL_ERROR_NONE && error_b != SSL_ERROR_WANT_READ)
			return false;
		if (error_a != SSL_ERROR_NONE && error_a != SSL_ERROR_WANT_READ)
			return false;
		if (ra == 1 && rb == 1)
			return true;
	}
	return false;
}

static void look(struct meeting *m, SSL *ssl)
{
	const unsigned char *protocol;
	unsigned length;
	X509 *presented;
	char byte;

	/* Tickets of TLS 1.3 come behind the handshake. */
	assert_int_equal(SSL_read(ssl, &byte, 1), -1);
	m->is_resumed = SSL_session_reused(ssl);
	presented = SSL_get1_peer_certificate(ssl);
	if (presented)
		X509_NAME_get_text_by_NID(X509_get_subject_name(presented), NID_commonName, m->presented,
					  sizeof(m->presented));
	X509_free(presented);
	SSL_get0_alpn_selected(ssl, &protocol, &length);
	snprintf(m->protocol, sizeof(m->protocol), "%.*s", (int) length, protocol ? (const char *) protocol : "");
	if (SSL_SESSION_is_resumable(SSL_get0_session(ssl)) && SSL_SESSION_has_ticket(SSL_get0_session(ssl)))
		m->session = SSL_get1_session(ssl);
}

static bool meet_by(struct meeting *m, struct tls_context *c, SSL_CTX *clients)
{
	SSL *ssl = SSL_new(clients);
	BIO *near, *far;

	m->server = (struct tls_session) { .context = c, .accepts = true, .ssl = SSL_new(c->identities[0].ssl) };
	assert_true(ssl && m->server.ssl);
	assert_int_equal(BIO_new_bio_pair(&near, 0, &far, 0), 1);
	SSL_set_app_data(m->server.ssl, &m->server);
	SSL_set_info_callback(m->server.ssl, note_alert);
	SSL_set_bio(ssl, near, near);
	SSL_set_bio(m->server.ssl, far, far);
	SSL_set_connect_state(ssl);
	SSL_set_accept_state(m->server.ssl);
	if (m->name)
		SSL_set_tlsext_host_name(ssl, m->name);
	if (m->resumes)
		assert_int_equal(SSL_set_session(ssl, m->resumes), 1);
	m->is_agreed = shake(ssl, m->server.ssl);
	if (m->is_agreed)
		look(m, ssl);
	/* Or OpenSSL takes the session for a bad one. */
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
	SSL_free(m->server.ssl);
	ERR_clear_error();
	return m->is_agreed;
}

static bool meet(struct meeting *m, struct tls_context *c)
{
	SSL_CTX *clients = client_context(m);
	bool is_agreed = meet_by(m, c, clients);

	SSL_CTX_free(clients);
	return is_agreed;
}

static void meeting_done(struct meeting *m)
{
	memory_free(m->server.sni);
	SSL_SESSION_free(m->session);
}
#define MEETING(m, ...) _cleanup_(meeting_done) struct meeting m = { __VA_ARGS__ }

/* Which certificate who asks for that name is shown. */
static void assert_shown(struct tls_context *c, const char *name, const char *common_name)
{
	MEETING(m, .name = name);

	assert_true(meet(&m, c));
	if (strcmp(m.presented, common_name) != 0)
		fail_msg("%s was shown %s in place of %s", name, m.presented, common_name);
	if (name)
		assert_string_equal(m.server.sni, name);
	else
		assert_null(m.server.sni);
}

/* -- by name -- */

static void a_certificate_is_chosen_by_its_name(void **state)
{
	const struct certificate *plain = certificate_make(&pki, .name = "plain.test", .issuer = root);
	struct tls_options o = usual(LIST(plain->file, wild->file, web->file),
				     LIST(plain->key_file, wild->key_file, web->key_file));
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	assert_shown(c, "web.test", "cn.test");
	assert_shown(c, "WEB.Test", "cn.test");
	assert_shown(c, "web.test.", "cn.test");
	/* The whole name before a pattern that comes earlier. */
	assert_shown(c, "www.web.test", "cn.test");
	assert_shown(c, "other.web.test", "wild");
	assert_shown(c, "a.wild.test", "wild");
	/* One label, no less and no more. */
	assert_shown(c, "wild.test", "plain.test");
	assert_shown(c, "a.b.wild.test", "plain.test");
	/* A common name is a name only where there are no others. */
	assert_shown(c, "plain.test", "plain.test");
	assert_shown(c, "cn.test", "plain.test");
	assert_shown(c, "nobody.test", "plain.test");
	assert_shown(c, NULL, "plain.test");
}

static void a_name_that_is_not_there_is_refused_when_that_is_wished(void **state)
{
	struct tls_options o = USUAL(web);

	o.strict_sni = true;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	MEETING(good, .name = "web.test");
	MEETING(unknown, .name = "nobody.test");
	MEETING(none, .name = NULL);

	(void) state;
	assert_true(meet(&good, c));
	assert_false(meet(&unknown, c));
	assert_int_equal(unknown.alert, SSL_AD_UNRECOGNIZED_NAME);
	assert_string_equal(unknown.server.refusal, "no certificate for that name");
	assert_string_equal(unknown.server.sni, "nobody.test");
	assert_false(meet(&none, c));
	assert_int_equal(none.alert, SSL_AD_UNRECOGNIZED_NAME);
	assert_string_equal(none.server.refusal, "no name was asked for");
}

static void a_client_that_is_asked_to_begin_again_gets_the_same(void **state)
{
	struct tls_options o = usual(LIST(wild->file, web->file), LIST(wild->key_file, web->key_file));
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	/* What it offers first is none of ours. */
	MEETING(m, .name = "web.test", .groups = "P-521:P-384");

	(void) state;
	assert_true(meet(&m, c));
	assert_string_equal(m.presented, "cn.test");
	assert_string_equal(m.server.sni, "web.test");
}

static void of_two_kinds_of_key_the_client_gets_the_one_that_it_can_verify(void **state)
{
	struct tls_options o = usual(LIST(wild->file, web->file, web_rsa->file),
				     LIST(wild->key_file, web->key_file, web_rsa->key_file));
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void) state;
	assert_int_equal(c->identity_count, 2);
	assert_int_equal(tls_context_certificates(c), 3);
	for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
		MEETING(ec, .name = "web.test", .signatures = "ECDSA+SHA256", .max_version = versions[i]);
		MEETING(rsa, .name = "web.test", .signatures = "RSA-PSS+SHA256", .max_version = versions[i]);

		assert_true(meet(&ec, c));
		assert_string_equal(ec.presented, "cn.test");
		assert_true(meet(&rsa, c));
		assert_string_equal(rsa.presented, "web-rsa");
	}
}

static void a_pair_that_would_never_be_presented_is_a_mistake(void **state)
{
	const struct certificate *again = certificate_make(&pki, .name = "again", .issuer = root,
							   .names = "DNS:web.test, DNS:www.web.test");
	struct tls_options o = usual(LIST(web->file, again->file), LIST(web->key_file, again->key_file));

	(void) state;
	assert_problem(&o, true, false, -EINVAL, "certificate", 1, "is never presented: '");
	assert_problem(&o, true, true, -EINVAL, "certificate", 1, "has the same names and the same kind of key");
}

/* -- what is spoken -- */

static void the_server_chooses_the_protocol_and_refuses_who_has_none_of_its_own(void **state)
{
	struct tls_options o = USUAL(web);

	o.alpn = LIST("h2", "http/1.1");
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	MEETING(both, .alpn = (const uint8_t *) "\x08http/1.1\x02h2", .alpn_bytes = 12);
	MEETING(second, .alpn = (const uint8_t *) "\x03xyz\x08http/1.1", .alpn_bytes = 13);
	MEETING(neither, .alpn = (const uint8_t *) "\x03xyz", .alpn_bytes = 4);
	MEETING(silent, .alpn = NULL);

	(void) state;
	assert_true(meet(&both, c));
	assert_string_equal(both.protocol, "h2");
	assert_true(meet(&second, c));
	assert_string_equal(second.protocol, "http/1.1");
	assert_false(meet(&neither, c));
	assert_int_equal(neither.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
	assert_string_equal(neither.server.refusal, "no application protocol in common");
	assert_true(meet(&silent, c));
	assert_string_equal(silent.protocol, "");
}

static void versions_outside_the_range_are_refused(void **state)
{
	struct tls_options o = USUAL(web);

	o.min_version = TLS_VERSION_1_3;
	_cleanup_(tls_context_unrefp) struct tls_context *new = server_new(&o);
	MEETING(old_client, .max_version = TLS1_2_VERSION);
	MEETING(new_client, .max_version = TLS1_3_VERSION);

	(void) state;
	assert_false(meet(&old_client, new));
	assert_int_equal(old_client.alert, SSL_AD_PROTOCOL_VERSION);
	assert_true(meet(&new_client, new));
}

static void by_default_nothing_weak_is_spoken(void **state)
{
	struct tls_options o = USUAL(web_rsa);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	static const char *const weak[] = { "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA", "AES128-GCM-SHA256",
					    "DHE-RSA-AES128-GCM-SHA256" };
	MEETING(good, .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-RSA-AES128-GCM-SHA256");

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(weak); i++) {
		MEETING(m, .max_version = TLS1_2_VERSION, .ciphers = weak[i]);

		assert_false(meet(&m, c));
	}
	assert_true(meet(&good, c));
	assert_true(SSL_CTX_get_options(c->identities[0].ssl) & SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(SSL_CTX_get_max_early_data(c->identities[0].ssl), 0);
}

static size_t count_ciphers(const struct tls_context *c, int version)
{
	const STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(c->identities[0].ssl);
	size_t count = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
		count += strcmp(SSL_CIPHER_get_version(sk_SSL_CIPHER_value(all, i)),
				version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2") == 0;
	return count;
}

static void ciphers_of_both_versions_stand_in_one_list(void **state)
{
	static const struct {
		const char *list;
		size_t of_1_2, of_1_3;
	} cases[] = {
		{ NULL, 6, 3 }, { "TLS_AES_128_GCM_SHA256", 6, 1 }, { "ECDHE-ECDSA-AES128-GCM-SHA256", 1, 3 },
		{ "TLS_AES_128_CCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_256_GCM_SHA384:"
		  "ECDHE-RSA-AES128-GCM-SHA256", 2, 2 },
		{ "ECDHE+AESGCM:!aRSA:!RC4", 2, 3 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct tls_options o = USUAL(web);

		o.ciphers = cases[i].list;
		_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
		assert_int_equal(count_ciphers(c, TLS1_2_VERSION), cases[i].of_1_2);
		assert_int_equal(count_ciphers(c, TLS1_3_VERSION), cases[i].of_1_3);
	}
}

/* -- what is wrong -- */

static void what_is_wrong_with_a_pair_is_said(void **state)
{
	const struct certificate *weak = certificate_make(&pki, .name = "weak", .kind = CERTIFICATE_RSA_1024);
	char empty[CERTIFICATE_PATH_BYTES], broken[CERTIFICATE_PATH_BYTES], order[CERTIFICATE_PATH_BYTES];
	static const char *const bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	struct tls_options o;

	(void) state;
	strcpy(empty, certificates_write(&pki, "empty.pem", "", 0600));
	strcpy(broken, certificates_write(&pki, "broken.pem", bad, 0600));
	strcpy(order, certificates_bundle(&pki, "order.pem", (const struct certificate *[]) { root, web, NULL }));

	o = usual(LIST(web->file, "/nowhere/x\n.pem"), LIST(web->key_file, web->key_file));
	assert_problem(&o, true, false, -ENOENT, "certificate", 1,
		       "'/nowhere/x\\n.pem' cannot be read: No such file or directory");
	o = usual(LIST(web->file), LIST("/nowhere/x.key"));
	assert_problem(&o, true, false, -ENOENT, "key", 0, "cannot be read: No such file or directory");
	o = usual(LIST(pki.folder), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "is a directory, and a file is wanted");
	o = usual(LIST("/dev/null"), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "is a device or a pipe, and a file is wanted");
	o = usual(LIST(empty), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "has no certificate in PEM");
	o = usual(LIST(web->file), LIST(empty));
	assert_problem(&o, true, false, -EINVAL, "key", 0, "has no private key in PEM");
	o = usual(LIST(broken), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "certificate number 1 in '");
	o = usual(LIST(web->file, wild->file), LIST(web->key_file, web->key_file));
	assert_problem(&o, true, false, -EINVAL, "key", 1, "web.key' is not the key of '");
	o = usual(LIST(order), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "has the certificate of the key as number 2");
	o = USUAL(weak);
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "has a key that is too weak (RSA 1024)");
	o = usual(LIST(web->file, wild->file), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "key", 1, "2 certificates and 1 keys: each certificate has a key");
	o = usual(NULL, NULL);
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "a service needs a certificate");
}

static void files_that_are_not_pem_or_need_a_passphrase_are_told_apart(void **state)
{
	char path[CERTIFICATE_PATH_BYTES];
	struct tls_options o;
	FILE *file;
	BIO *bio;

	(void) state;
	strcpy(path, certificates_write(&pki, "der", "", 0600));
	file = fopen(path, "w");
	assert_int_equal(i2d_X509_fp(file, web->x509), 1);
	fclose(file);
	o = usual(LIST(path), LIST(web->key_file));
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "is in DER, and PEM is wanted: run openssl x509");
	o = usual(LIST(web->file), LIST(path));
	assert_problem(&o, true, false, -EINVAL, "key", 0, "is in DER, and PEM is wanted: run openssl pkey");

	file = fopen(path, "w");
	assert_int_equal(PEM_write_PKCS8PrivateKey(file, web->key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL), 1);
	fclose(file);
	assert_problem(&o, true, false, -EINVAL, "key", 0, "is encrypted, and nobody can be asked for its");
	bio = BIO_new_file(path, "w");
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, web->key, EVP_aes_128_cbc(),
							      (unsigned char *) "secret", 6, NULL, NULL), 1);
	BIO_free(bio);
	assert_problem(&o, true, false, -EINVAL, "key", 0, "is encrypted, and nobody can be asked for its");
}

static void what_is_wrong_with_the_settings_is_said(void **state)
{
	struct tls_options o = USUAL(web);

	(void) state;
	o.ciphers = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-FOO";
	assert_problem(&o, true, false, -EINVAL, "ciphers", 0, "'ECDHE-FOO' is not known to OpenSSL");
	o.ciphers = "TLS_FOO:ECDHE-RSA-AES128-GCM-SHA256";
	assert_problem(&o, true, false, -EINVAL, "ciphers", 0, "'TLS_FOO' is not known to OpenSSL");
	o.ciphers = "";
	assert_problem(&o, true, false, -EINVAL, "ciphers", 0, "'' is not known to OpenSSL");
	o = USUAL(web);
	o.groups = "P-256:P-257";
	assert_problem(&o, true, false, -EINVAL, "groups", 0, "'P-257' is not known to OpenSSL: there are X25519");
	o = USUAL(web);
	o.alpn = LIST("http/1.1", "");
	assert_problem(&o, true, false, -EINVAL, "alpn", 1, "a protocol has a name of 1 to 255 bytes");
	o = USUAL(web);
	o.min_version = TLS_VERSION_1_3;
	o.max_version = TLS_VERSION_1_2;
	assert_problem(&o, true, false, -EINVAL, "min_version", 0, "1.3 is more than max_version, 1.2");
	o = USUAL(web);
	o.verify = TLS_VERIFY_OPTIONAL;
	assert_problem(&o, true, false, -EINVAL, "client_ca", 0, "set 'client_ca' to a file");
	o = USUAL(web);
	o.client_names = LIST("alice");
	assert_problem(&o, true, false, -EINVAL, "client_names", 0, "clients are not verified: set 'client_ca'");
	o.client_ca = root->file;
	o.verify = TLS_VERIFY_OFF;
	assert_problem(&o, true, false, -EINVAL, "client_names", 0, "clients are not verified: 'verify' is off");
	o.verify = TLS_VERIFY_AUTO;
	o.client_names = LIST("alice", "");
	assert_problem(&o, true, false, -EINVAL, "client_names", 1, "a name is empty");
	o.client_ca = root->key_file;
	o.client_names = NULL;
	assert_problem(&o, true, false, -EINVAL, "client_ca", 0, "has no certificate in PEM");
}

static void what_is_wrong_with_trust_in_servers_is_said(void **state)
{
	static const char *const hosts[] = { "", "a b", "a..b", ".a", "a.", "a/b", "a:443", "[::1]" };
	char folder[CERTIFICATE_PATH_BYTES + 8];
	struct tls_options o = usual(NULL, NULL);

	(void) state;
	snprintf(folder, sizeof(folder), "%s/cas", pki.folder);
	mkdir(folder, 0700);
	o.ca = folder;
	assert_problem(&o, false, true, -EINVAL, "ca", 0, "has no certificates under hashed names: run openssl");
	o.ca = "/nowhere";
	assert_problem(&o, false, true, -ENOENT, "ca", 0, "cannot be read: No such file or directory");
	o.ca = root->key_file;
	assert_problem(&o, false, true, -EINVAL, "ca", 0, "has no certificate in PEM");
	o.ca = NULL;
	for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
		o.server_name = hosts[i];
		assert_problem(&o, false, true, -EINVAL, "server_name", 0, "is neither the name of a host");
	}
	o = usual(LIST(web->file, wild->file), LIST(web->key_file, wild->key_file));
	assert_problem(&o, false, true, -EINVAL, "certificate", 1, "one certificate for each kind of key");
}

static void a_key_that_others_can_reach_is_refused(void **state)
{
	static const struct {
		unsigned mode;
		const char *words;	/* NULL: good */
	} cases[] = {
		{ 0400, NULL }, { 0600, NULL }, { 0640, NULL }, { 0750, NULL },
		{ 0644, "it is open to everybody (mode 0644): run chmod 640 '" },
		{ 0602, "it is open to everybody (mode 0602)" },
		{ 0660, "its group can change it (mode 0660)" },
		{ 0601, "it is open to everybody (mode 0601)" },
	};
	char link[CERTIFICATE_PATH_BYTES + 8];

	(void) state;
	snprintf(link, sizeof(link), "%s/link", pki.folder);
	assert_int_equal(symlink(web->key_file, link), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct tls_options o = usual(LIST(web->file), LIST(link));

		assert_int_equal(chmod(web->key_file, cases[i].mode), 0);
		if (cases[i].words)
			assert_problem(&o, true, false, -EINVAL, "key", 0, cases[i].words);
		else
			tls_context_unref(server_new(&o));
	}
	chmod(web->key_file, 0600);
	unlink(link);
}

static void credentials_are_files_of_the_service_manager(void **state)
{
	struct tls_options o = usual(LIST("credential:web.pem"), LIST("credential:web.key"));
	struct tls_certificate d;

	(void) state;
	o.client_ca = "credential:root.pem";
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_problem(&o, true, false, -EINVAL, "certificate", 0, "add 'LoadCredential=web.pem:PATH' to [Service]");
	setenv("CREDENTIALS_DIRECTORY", pki.folder, 1);
	/* Its folder is closed to others. */
	chmod(web->key_file, 0644);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	chmod(web->key_file, 0600);
	tls_context_describe(c, 0, &d);
	assert_string_equal(d.file, "credential:web.pem");
	o.keys = LIST("credential:absent");
	assert_problem(&o, true, false, -ENOENT, "key", 0, "/absent' cannot be read: No such file or directory");
	o.keys = LIST("credential:../web.key");
	assert_problem(&o, true, false, -EINVAL, "key", 0, "'../web.key' is no name of a credential");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void an_expired_certificate_is_served(void **state)
{
	const struct certificate *old = certificate_make(&pki, .name = "old", .names = "DNS:old.test", .issuer = root,
							 .begins_days = -20, .ends_days = -10);
	struct tls_options o = USUAL(old);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	assert_shown(c, "old.test", "old");
}

/* -- clients -- */

static void assert_client(struct tls_context *c, const struct certificate *who, bool is_welcome, const char *refusal)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
		MEETING(m, .certificate = who, .max_version = versions[i]);

		meet(&m, c);
		if (m.is_agreed != is_welcome)
			fail_msg("%s: %s", who ? who->file : "nobody", m.is_agreed ? "welcome" : "refused");
		if (refusal)
			assert_string_equal(m.server.refusal, refusal);
		else
			assert_null(m.server.refusal);
	}
}

static void clients_are_verified_by_their_authority(void **state)
{
	struct tls_options o = USUAL(web);

	o.client_ca = root->file;
	_cleanup_(tls_context_unrefp) struct tls_context *required = server_new(&o);
	o.verify = TLS_VERIFY_OPTIONAL;
	_cleanup_(tls_context_unrefp) struct tls_context *optional = server_new(&o);
	o.verify = TLS_VERIFY_OFF;
	_cleanup_(tls_context_unrefp) struct tls_context *off = server_new(&o);
	const struct certificate *middle = certificate_make(&pki, .name = "middle", .is_authority = true,
							     .issuer = root);
	const struct certificate *below = certificate_make(&pki, .name = "below", .issuer = middle);

	(void) state;
	assert_client(required, client, true, NULL);
	assert_client(required, below, true, NULL);
	assert_client(required, NULL, false, NULL);
	assert_client(optional, NULL, true, NULL);
	assert_client(off, NULL, true, NULL);
	assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(required->identities[0].ssl)), 1);

	const struct certificate *bad[] = {
		certificate_make(&pki, .name = "stranger", .issuer = other_root),
		certificate_make(&pki, .name = "pretender", .names = "DNS:alice.clients.test"),
		certificate_make(&pki, .name = "ended", .issuer = root, .begins_days = -9, .ends_days = -1),
		certificate_make(&pki, .name = "early", .issuer = root, .begins_days = 1, .ends_days = 9),
		certificate_make(&pki, .name = "server", .issuer = root, .purpose = "serverAuth"),
		certificate_make(&pki, .name = "by-leaf", .issuer = client),
	};
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		assert_client(required, bad[i], false, NULL);
		assert_client(optional, bad[i], false, NULL);
	}
}

static void clients_are_verified_under_each_name(void **state)
{
	struct tls_options o = usual(LIST(wild->file, web->file), LIST(wild->key_file, web->key_file));

	o.client_ca = root->file;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	const struct certificate *stranger = certificate_make(&pki, .name = "stranger-3", .issuer = other_root);
	static const char *const names[] = { "web.test", "a.wild.test" };

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		MEETING(good, .name = names[i], .certificate = client);
		MEETING(bad, .name = names[i], .certificate = stranger);
		MEETING(none, .name = names[i]);

		assert_true(meet(&good, c));
		assert_false(meet(&bad, c));
		assert_int_equal(bad.alert, SSL_AD_UNKNOWN_CA);
		assert_false(meet(&none, c));
	}
}

static void chains_of_clients_have_a_limit(void **state)
{
	const struct certificate *at = root;
	struct tls_options o = USUAL(web);

	o.client_ca = root->file;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	for (int depth = 1; depth <= 6; depth++) {
		char name[16], leaf[16];

		snprintf(name, sizeof(name), "authority-%d", depth);
		snprintf(leaf, sizeof(leaf), "leaf-%d", depth);
		at = certificate_make(&pki, .name = name, .is_authority = true, .issuer = at);
		assert_client(c, certificate_make(&pki, .name = leaf, .issuer = at), depth <= 5, NULL);
	}
}

static void an_authority_below_another_one_can_be_trusted_alone(void **state)
{
	const struct certificate *middle = certificate_make(&pki, .name = "middle-2", .is_authority = true,
							     .issuer = root);
	const struct certificate *below = certificate_make(&pki, .name = "below-2", .issuer = middle);
	struct tls_options o = USUAL(web);
	char path[CERTIFICATE_PATH_BYTES];

	(void) state;
	strcpy(path, certificates_bundle(&pki, "middle-only.pem", (const struct certificate *[]) { middle, NULL }));
	o.client_ca = path;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	assert_client(c, below, true, NULL);
	assert_client(c, client, false, NULL);
}

static void only_clients_of_the_names_come_in(void **state)
{
	static const struct {
		const char *name;
		bool is_hers;
	} cases[] = {
		{ "Alice", true }, { "alice", true }, { "bob", false }, { "alice.clients.test", true },
		{ "ALICE.Clients.test", true }, { "*.clients.test", true }, { "*.test", false },
		{ "clients.test", false },
		{ "alice@clients.test", true }, { "Alice@clients.test", false }, { "spiffe://test/alice", true },
		{ "spiffe://test/bob", false }, { "*.alice.clients.test", false }, { "spiffe://test/*", false },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct tls_options o = USUAL(web);

		o.client_ca = root->file;
		o.client_names = LIST("nobody", cases[i].name);
		_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
		assert_client(c, client, cases[i].is_hers,
			      cases[i].is_hers ? NULL : "client certificate: its name is not allowed");
	}
}

/* -- resumption -- */

/* A session of a first visit; the caller's. */
static SSL_SESSION *visit(struct tls_context *c, int version)
{
	MEETING(m, .certificate = client, .max_version = version);

	assert_true(meet(&m, c));
	assert_false(m.is_resumed);
	return TAKE(m.session);
}

/* True when the session is resumed; either way the client comes in. */
static bool is_resumed(struct tls_context *c, SSL_SESSION *session, int version)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);
	MEETING(m, .certificate = client, .max_version = version, .resumes = copy);

	assert_true(meet(&m, c));
	SSL_SESSION_free(copy);
	return m.is_resumed;
}

static const int both_versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void tickets_outlive_a_reload(void **state)
{
	struct tls_options o = USUAL(web);

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		struct tls_context *first = server_new(&o);
		SSL_SESSION *session = visit(first, both_versions[i]);

		assert_non_null(session);
		tls_context_unref(first);
		_cleanup_(tls_context_unrefp) struct tls_context *second = server_new(&o);
		assert_true(is_resumed(second, session, both_versions[i]));
		SSL_SESSION_free(session);
	}
}

/* Who comes back and asks for another name, or for none, is shown the certificate of that one. */
static void assert_comes_back(struct tls_context *c, int version, const char *before, const char *now, bool resumes)
{
	MEETING(first, .name = before, .max_version = version);

	assert_true(meet(&first, c));
	MEETING(again, .name = now, .max_version = version, .resumes = first.session);
	assert_true(meet(&again, c));
	if (again.is_resumed != resumes)
		fail_msg("%s after %s was %sresumed", now ?: "no name", before ?: "no name", resumes ? "not " : "");
	if (now)
		assert_string_equal(again.server.sni, now);
	else
		assert_null(again.server.sni);
	if (!resumes)
		assert_string_equal(again.presented, now && strcmp(now, "a.wild.test") == 0 ? "wild" : "cn.test");
}

static void up_to_tls_1_2_a_session_is_good_for_its_name_only(void **state)
{
	struct tls_options o = usual(LIST(web->file, wild->file), LIST(web->key_file, wild->key_file));
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	assert_comes_back(c, TLS1_2_VERSION, "web.test", "web.test", true);
	assert_comes_back(c, TLS1_2_VERSION, NULL, NULL, true);
	assert_comes_back(c, TLS1_2_VERSION, "web.test", "a.wild.test", false);
	assert_comes_back(c, TLS1_2_VERSION, "web.test", "web.tes", false);
	assert_comes_back(c, TLS1_2_VERSION, "web.test", NULL, false);
	assert_comes_back(c, TLS1_2_VERSION, NULL, "web.test", false);
	assert_comes_back(c, TLS1_3_VERSION, "web.test", "web.test", true);
	assert_comes_back(c, TLS1_3_VERSION, "web.test", "a.wild.test", true);
}

static void a_session_does_not_open_what_is_strict_about_names(void **state)
{
	struct tls_options o = USUAL(web);

	(void) state;
	o.strict_sni = true;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		MEETING(first, .name = "web.test", .max_version = both_versions[i]);
		assert_true(meet(&first, c));
		MEETING(other, .name = "other.test", .max_version = both_versions[i], .resumes = first.session);
		assert_false(meet(&other, c));
		MEETING(nameless, .max_version = both_versions[i], .resumes = first.session);
		assert_false(meet(&nameless, c));
	}
}

static void without_tickets_nothing_is_resumed(void **state)
{
	struct tls_options o = USUAL(web);

	o.tickets = false;
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++)
		assert_null(visit(c, both_versions[i]));
}

static void a_session_is_good_only_where_the_trust_is_the_same(void **state)
{
	struct tls_options o = USUAL(web);
	const struct certificate *const two[] = { root, other_root, NULL };
	char both[CERTIFICATE_PATH_BYTES];
	enum { SAME, OTHER_SECTION, OTHER_CA, OTHER_NAMES, OTHER_CIPHERS, OPTIONAL, UNVERIFIED, CASES };
	struct tls_context *c[CASES];

	(void) state;
	strcpy(both, certificates_bundle(&pki, "both.pem", two));
	o.client_ca = root->file;
	c[SAME] = server_new(&o);
	o.name = "other";
	c[OTHER_SECTION] = server_new(&o);
	o.name = "main";
	/* Were their keys the same, it would be no good there either. */
	tls_ring_unref(c[OTHER_SECTION]->ring);
	assert_int_equal(tls_ring_get(keep, "main", HOUR_MS, &c[OTHER_SECTION]->ring), 0);
	o.client_ca = both;
	c[OTHER_CA] = server_new(&o);
	o.client_ca = root->file;
	o.client_names = LIST("alice");
	c[OTHER_NAMES] = server_new(&o);
	o.client_names = NULL;
	/* What a cipher was before it was taken out is not gone on with. */
	o.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384";
	c[OTHER_CIPHERS] = server_new(&o);
	o.ciphers = NULL;
	o.verify = TLS_VERIFY_OPTIONAL;
	c[OPTIONAL] = server_new(&o);
	o.verify = TLS_VERIFY_OFF;
	c[UNVERIFIED] = server_new(&o);
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++)
		for (int from = 0; from < CASES; from++) {
			SSL_SESSION *session = visit(c[from], both_versions[i]);

			assert_non_null(session);
			for (int to = 0; to < CASES; to++)
				assert_int_equal(is_resumed(c[to], session, both_versions[i]), from == to);
			SSL_SESSION_free(session);
		}
	for (int i = 0; i < CASES; i++)
		tls_context_unref(c[i]);
}

static void tickets_are_good_for_their_epoch_and_the_next_one(void **state)
{
	struct tls_options o = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	const int64_t epoch_ns = HOUR_MS * NS_PER_MS, begin_ns = tls_ring_now();

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		int version = both_versions[i];
		int64_t base_ns = begin_ns + 10 * (int64_t) i * epoch_ns;

		tls_ring_roll(c->ring, base_ns);
		SSL_SESSION *first = visit(c, version);

		tls_ring_roll(c->ring, base_ns + epoch_ns);
		assert_true(is_resumed(c, first, version));
		tls_ring_roll(c->ring, base_ns + 2 * epoch_ns);
		assert_false(is_resumed(c, first, version));
		/* Time that goes backwards changes nothing. */
		SSL_SESSION *second = visit(c, version);
		tls_ring_roll(c->ring, base_ns);
		assert_true(is_resumed(c, second, version));
		/* After a leap of many epochs nothing from before is left. */
		tls_ring_roll(c->ring, base_ns + 7 * epoch_ns);
		assert_false(is_resumed(c, second, version));
		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
	}
}

static void a_ticket_of_the_epoch_before_is_replaced(void **state)
{
	struct tls_options o = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	const int64_t epoch_ns = HOUR_MS * NS_PER_MS, begin_ns = tls_ring_now();

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		int version = both_versions[i];
		int64_t base_ns = begin_ns + 10 * (int64_t) i * epoch_ns;

		tls_ring_roll(c->ring, base_ns);
		SSL_SESSION *first = visit(c, version);
		MEETING(m, .certificate = client, .max_version = version, .resumes = first);
		tls_ring_roll(c->ring, base_ns + epoch_ns);
		assert_true(meet(&m, c));
		assert_true(m.is_resumed);
		tls_ring_roll(c->ring, base_ns + 2 * epoch_ns);
		assert_true(is_resumed(c, m.session, version));
		SSL_SESSION_free(first);
	}
}

/* In a forked child, which goes three epochs on: writes a session to the descriptor. */
static void visit_in_child(struct tls_context *c, int64_t epoch_ns, int fd)
{
	unsigned char *der = NULL;
	SSL_SESSION *session;
	int length;

	for (int i = 1; i <= 3; i++)
		tls_ring_roll(c->ring, tls_ring_now() + i * epoch_ns);
	session = visit(c, TLS1_3_VERSION);
	length = i2d_SSL_SESSION(session, &der);
	_exit(write(fd, der, (size_t) length) == length ? 0 : 1);
}

static void processes_with_the_same_secret_agree_on_the_next_ones(void **state)
{
	struct tls_options o = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	const int64_t epoch_ns = HOUR_MS * NS_PER_MS;
	unsigned char der[16384];
	const unsigned char *at = der;
	SSL_SESSION *of_child;
	int ends[2], status;
	ssize_t length;
	pid_t pid;

	(void) state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		visit_in_child(c, epoch_ns, ends[1]);
	close(ends[1]);
	length = read(ends[0], der, sizeof(der));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	of_child = d2i_SSL_SESSION(NULL, &at, length);
	assert_non_null(of_child);
	assert_false(is_resumed(c, of_child, TLS1_3_VERSION));
	/* All at once comes to the same as step by step. */
	tls_ring_roll(c->ring, tls_ring_now() + 3 * epoch_ns);
	assert_true(is_resumed(c, of_child, TLS1_3_VERSION));
	SSL_SESSION_free(of_child);
}

static void a_ticket_ends_with_its_lifetime(void **state)
{
	struct tls_options o = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		SSL_SESSION *session = visit(c, both_versions[i]);

		assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(session), HOUR_MS / 1000);
		later_s = HOUR_MS / 1000 - 60;
		assert_true(is_resumed(c, session, both_versions[i]));
		later_s = HOUR_MS / 1000 + 60;
		assert_false(is_resumed(c, session, both_versions[i]));
		later_s = 0;
		SSL_SESSION_free(session);
	}
}

static void a_session_ends_with_the_certificate_of_the_client(void **state)
{
	const struct certificate *brief = certificate_make(&pki, .name = "brief", .issuer = root, .begins_days = -1,
							   .ends_days = 1);
	struct tls_options o = USUAL(web);

	o.client_ca = root->file;
	o.ticket_lifetime_ms = 7 * DAY_S * INT64_C(1000);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(both_versions); i++) {
		MEETING(first, .certificate = brief, .max_version = both_versions[i]);

		assert_true(meet(&first, c));
		MEETING(again, .certificate = brief, .max_version = both_versions[i], .resumes = first.session);
		assert_true(meet(&again, c));
		assert_true(again.is_resumed);
		later_s = 2 * DAY_S;
		MEETING(late, .certificate = brief, .max_version = both_versions[i], .resumes = first.session);
		assert_false(meet(&late, c));
		later_s = 0;
	}
}

/* One that comes back with what it got the last time, over and over. */
struct visitor {
	struct tls_context *context;
	pthread_t thread;
	unsigned visits;
};
#define VISITS 100

static atomic_uint visitors_left;

static void *come_often(void *arg)
{
	struct visitor *v = arg;
	struct meeting last = { .max_version = TLS1_3_VERSION };
	SSL_CTX *clients = client_context(&last);

	while (v->visits < VISITS) {
		struct meeting m = { .name = "web.test", .resumes = last.session };

		if (!meet_by(&m, v->context, clients))
			break;
		v->visits++;
		meeting_done(&last);
		last = m;
	}
	meeting_done(&last);
	SSL_CTX_free(clients);
	atomic_fetch_sub(&visitors_left, 1);
	return NULL;
}

static void handshakes_on_threads_go_on_while_the_keys_change(void **state)
{
	struct tls_options o = usual(LIST(wild->file, web->file), LIST(wild->key_file, web->key_file));
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	struct visitor visitors[2] = { { .context = c }, { .context = c } };
	const int64_t begin_ns = tls_ring_now();

	(void) state;
	atomic_store(&visitors_left, ARRAY_LENGTH(visitors));
	for (size_t i = 0; i < ARRAY_LENGTH(visitors); i++)
		assert_int_equal(pthread_create(&visitors[i].thread, NULL, come_often, &visitors[i]), 0);
	/* An epoch is about as long as a handshake, so that some keys are found and some are gone. */
	for (int64_t epoch = 1; atomic_load(&visitors_left) > 0; epoch++) {
		MEETING(m, .name = "www.wild.test");

		tls_ring_roll(c->ring, begin_ns + epoch * HOUR_MS * NS_PER_MS);
		tls_context_refresh(c);
		assert_true(meet(&m, c));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(visitors); i++) {
		pthread_join(visitors[i].thread, NULL);
		assert_int_equal(visitors[i].visits, VISITS);
	}
}

/* -- the self-signed pair -- */

static void a_self_signed_pair_is_made_once_and_kept(void **state)
{
	struct tls_options o = usual(NULL, NULL);
	char host[256] = "";

	o.self_signed = true;
	_cleanup_(tls_context_unrefp) struct tls_context *a = server_new(&o), *b = server_new(&o);
	struct tls_options of_files = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *other = server_new(&of_files);
	struct tls_certificate d;

	(void) state;
	assert_true(tls_context_presents_same(a, b));
	assert_false(tls_context_presents_same(a, other));
	tls_context_describe(a, 0, &d);
	assert_null(d.file);
	assert_string_equal(d.subject, "CN=localhost");
	assert_string_equal(d.key, "EC prime256v1");
	assert_ptr_equal(strstr(d.names, "localhost, 127.0.0.1, ::1"), d.names);
	gethostname(host, sizeof(host) - 1);
	assert_non_null(strstr(d.names, host));
	assert_int_equal(d.ends_s - d.begins_s, 30 * DAY_S);
	assert_in_range(time(NULL) - d.begins_s, 3600, 3660);
	assert_shown(a, "localhost", "localhost");

	/* One that is over is of no use. */
	later_s = 31 * DAY_S;
	_cleanup_(tls_context_unrefp) struct tls_context *later = server_new(&o);
	assert_false(tls_context_presents_same(a, later));
}

static void a_chain_is_another_one_when_an_intermediate_certificate_is(void **state)
{
	const struct certificate *const with_root[] = { web, root, NULL };
	const struct certificate *const with_other[] = { web, other_root, NULL };
	char chain[CERTIFICATE_PATH_BYTES], other_chain[CERTIFICATE_PATH_BYTES];
	struct tls_options o = USUAL(web);

	(void) state;
	snprintf(chain, sizeof(chain), "%s", certificates_bundle(&pki, "chain.pem", with_root));
	snprintf(other_chain, sizeof(other_chain), "%s", certificates_bundle(&pki, "other-chain.pem", with_other));
	_cleanup_(tls_context_unrefp) struct tls_context *alone = server_new(&o);
	o.certificates = LIST(chain);
	_cleanup_(tls_context_unrefp) struct tls_context *one = server_new(&o), *same = server_new(&o);
	o.certificates = LIST(other_chain);
	_cleanup_(tls_context_unrefp) struct tls_context *other = server_new(&o);
	assert_true(tls_context_presents_same(one, same));
	assert_false(tls_context_presents_same(one, other));
	assert_false(tls_context_presents_same(one, alone));
	assert_false(tls_context_presents_same(alone, one));
}

/* -- servers -- */

static bool connect_to(const struct certificate *server, const struct tls_options *o, const char *host)
{
	struct tls_options of_server = USUAL(server);

	of_server.client_ca = root->file;
	of_server.verify = o->certificates ? TLS_VERIFY_REQUIRED : TLS_VERIFY_OPTIONAL;
	_cleanup_(tls_context_unrefp) struct tls_context *accepts = server_new(&of_server);
	_cleanup_(tls_context_unrefp) struct tls_context *connects = context_new(o, false, true);
	X509_VERIFY_PARAM *wish = SSL_CTX_get0_param(connects->connecting);
	MEETING(m, .name = host);

	assert_int_equal(X509_VERIFY_PARAM_set1_host(wish, host, 0), 1);
	return meet_by(&m, accepts, connects->connecting);
}

static void servers_are_verified_unless_that_is_off(void **state)
{
	const struct certificate *stranger = certificate_make(&pki, .name = "stranger-2", .names = "DNS:web.test",
							      .issuer = other_root);
	const struct certificate *only_client = certificate_make(&pki, .name = "only-client", .names = "DNS:web.test",
								 .issuer = root, .purpose = "clientAuth");
	struct tls_options o = usual(NULL, NULL);

	(void) state;
	o.ca = root->file;
	assert_true(connect_to(web, &o, "web.test"));
	assert_false(connect_to(web, &o, "other.test"));
	assert_false(connect_to(stranger, &o, "web.test"));
	assert_false(connect_to(only_client, &o, "web.test"));
	/* A server's own certificate may be what is trusted. */
	o.ca = stranger->file;
	assert_true(connect_to(stranger, &o, "web.test"));
	o.ca = NULL;
	assert_false(connect_to(web, &o, "web.test"));
	o.verify = TLS_VERIFY_OFF;
	assert_true(connect_to(stranger, &o, "other.test"));
}

static void authorities_may_be_in_a_directory(void **state)
{
	struct tls_options o = usual(NULL, NULL);
	char folder[CERTIFICATE_PATH_BYTES + 16], path[CERTIFICATE_PATH_BYTES + 64];

	(void) state;
	snprintf(folder, sizeof(folder), "%s/hashed", pki.folder);
	snprintf(path, sizeof(path), "%s/%08lx.0", folder, X509_NAME_hash_ex(X509_get_subject_name(root->x509), NULL,
									    NULL, NULL));
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink(root->file, path), 0);
	o.ca = folder;
	assert_true(connect_to(web, &o, "web.test"));
}

static void a_section_that_only_connects_presents_its_certificate(void **state)
{
	struct tls_options o = USUAL(client);

	(void) state;
	o.ca = root->file;
	assert_true(connect_to(web, &o, "web.test"));

	_cleanup_(tls_context_unrefp) struct tls_context *only = context_new(&o, false, true);
	_cleanup_(tls_context_unrefp) struct tls_context *both = context_new(&o, true, true);
	assert_non_null(SSL_CTX_get0_certificate(only->connecting));
	assert_null(SSL_CTX_get0_certificate(both->connecting));
}

static void a_host_is_needed_where_nothing_else_says_which_name_to_verify(void **state)
{
	struct tls_options o = USUAL(web);
	struct tls_context *c = server_new(&o);

	(void) state;
	assert_false(tls_context_needs_host(c));
	tls_context_unref(c);
	c = context_new(&o, false, true);
	assert_true(tls_context_needs_host(c));
	tls_context_unref(c);
	o.server_name = "web.test";
	c = context_new(&o, false, true);
	assert_false(tls_context_needs_host(c));
	assert_string_equal(c->server_name, "web.test");
	tls_context_unref(c);
	o.server_name = "2001:db8::1";
	tls_context_unref(context_new(&o, false, true));
	o.server_name = NULL;
	o.verify = TLS_VERIFY_OFF;
	c = context_new(&o, false, true);
	assert_false(tls_context_needs_host(c));
	tls_context_unref(c);
}

/* -- descriptions -- */

static void a_certificate_is_described_in_printable_words(void **state)
{
	const struct certificate *odd = certificate_make(&pki, .name = "odd", .common_name = "a\nb\"\xc3\xa4",
							 .names = "DNS:odd.test, IP:192.0.2.1, IP:2001:db8::1",
							 .kind = CERTIFICATE_RSA, .begins_days = -2, .ends_days = 5);
	struct tls_options o = USUAL(odd);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	struct tls_certificate d;

	(void) state;
	tls_context_describe(c, 0, &d);
	assert_int_equal(ERR_peek_error(), 0);
	assert_string_equal(d.file, odd->file);
	assert_string_equal(d.subject, "CN=a\\nb\\\\\\\"\xc3\xa4");
	assert_string_equal(d.names, "odd.test, 192.0.2.1, 2001:db8::1");
	assert_string_equal(d.key, "RSA 2048");
	assert_int_equal(strlen(d.fingerprint), 32 * 3 - 1);
	assert_int_equal(strlen(d.pin), 44);
	assert_int_equal(d.ends_s - d.begins_s, 7 * DAY_S);
}

#ifdef ENABLE_FAULTS
static void without_memory_or_files_there_is_an_error_and_nothing_is_left(void **state)
{
	struct tls_options o = usual(LIST(web->file, web_rsa->file, wild->file),
				     LIST(web->key_file, web_rsa->key_file, wild->key_file));
	struct tls_context *c = NULL;
	uint64_t points;

	(void) state;
	o.client_ca = root->file;
	o.client_names = LIST("alice", "*.clients.test");
	o.ca = root->file;
	o.server_name = "web.test";
	o.ciphers = "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
	o.groups = "X25519:P-256";
	o.alpn = LIST("h2", "http/1.1");
	fault_plant(0);
	tls_context_unref(context_new(&o, true, true));
	points = fault_count();
	assert_in_range(points, 20, 200);
	for (uint64_t nth = 1; nth <= points; nth++) {
		struct tls_problem problem = { .key = NULL };
		int r;

		/* What the keep has of the section would be one failure less. */
		tls_keep_free(keep);
		assert_int_equal(tls_keep_new(&keep), 0);
		fault_plant(nth);
		r = tls_context_new(&o, keep, true, true, &c, &problem);
		assert_non_null(fault_fired());
		assert_null(c);
		assert_int_equal(ERR_peek_error(), 0);
		if (strcmp(fault_fired(), "malloc") == 0) {
			assert_int_equal(r, -ENOMEM);
			assert_null(problem.key);
		} else {
			assert_true(r == -EACCES || r == -EIO);
			assert_non_null(strstr(problem.text, "cannot be read: "));
		}
	}
	fault_plant_named("malloc", 1, 0, 1);
	assert_int_equal(tls_keep_new(&(struct tls_keep *) { NULL }), -ENOMEM);
	fault_plant(0);
}

static void a_handshake_without_memory_for_the_name_fails(void **state)
{
	struct tls_options o = USUAL(web);
	_cleanup_(tls_context_unrefp) struct tls_context *c = server_new(&o);
	MEETING(m, .name = "web.test");

	(void) state;
	fault_plant_named("malloc", 1, 0, 1);
	assert_false(meet(&m, c));
	assert_int_equal(m.alert, SSL_AD_INTERNAL_ERROR);
	fault_plant(0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_keep, close_keep)
		TEST(a_certificate_is_chosen_by_its_name),
		TEST(a_name_that_is_not_there_is_refused_when_that_is_wished),
		TEST(a_client_that_is_asked_to_begin_again_gets_the_same),
		TEST(of_two_kinds_of_key_the_client_gets_the_one_that_it_can_verify),
		TEST(a_pair_that_would_never_be_presented_is_a_mistake),
		TEST(the_server_chooses_the_protocol_and_refuses_who_has_none_of_its_own),
		TEST(versions_outside_the_range_are_refused),
		TEST(by_default_nothing_weak_is_spoken),
		TEST(ciphers_of_both_versions_stand_in_one_list),
		TEST(what_is_wrong_with_a_pair_is_said),
		TEST(files_that_are_not_pem_or_need_a_passphrase_are_told_apart),
		TEST(what_is_wrong_with_the_settings_is_said),
		TEST(what_is_wrong_with_trust_in_servers_is_said),
		TEST(a_key_that_others_can_reach_is_refused),
		TEST(credentials_are_files_of_the_service_manager),
		TEST(an_expired_certificate_is_served),
		TEST(clients_are_verified_by_their_authority),
		TEST(clients_are_verified_under_each_name),
		TEST(chains_of_clients_have_a_limit),
		TEST(an_authority_below_another_one_can_be_trusted_alone),
		TEST(only_clients_of_the_names_come_in),
		TEST(tickets_outlive_a_reload),
		TEST(up_to_tls_1_2_a_session_is_good_for_its_name_only),
		TEST(a_session_does_not_open_what_is_strict_about_names),
		TEST(without_tickets_nothing_is_resumed),
		TEST(a_session_is_good_only_where_the_trust_is_the_same),
		TEST(tickets_are_good_for_their_epoch_and_the_next_one),
		TEST(a_ticket_of_the_epoch_before_is_replaced),
		TEST(processes_with_the_same_secret_agree_on_the_next_ones),
		TEST(a_ticket_ends_with_its_lifetime),
		TEST(a_session_ends_with_the_certificate_of_the_client),
		TEST(handshakes_on_threads_go_on_while_the_keys_change),
		TEST(a_self_signed_pair_is_made_once_and_kept),
		TEST(a_chain_is_another_one_when_an_intermediate_certificate_is),
		TEST(servers_are_verified_unless_that_is_off),
		TEST(authorities_may_be_in_a_directory),
		TEST(a_section_that_only_connects_presents_its_certificate),
		TEST(a_host_is_needed_where_nothing_else_says_which_name_to_verify),
		TEST(a_certificate_is_described_in_printable_words),
#ifdef ENABLE_FAULTS
		TEST(without_memory_or_files_there_is_an_error_and_nothing_is_left),
		TEST(a_handshake_without_memory_for_the_name_fails),
#endif
	};

	return cmocka_run_group_tests(tests, open_pki, close_pki);
}
