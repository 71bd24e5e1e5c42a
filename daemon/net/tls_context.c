/* tls_context.c - settings to OpenSSL's own; and what a server chooses by the client's first message. */

#include "net/tls_context.h"

#include "base/memory.h"
#include "base/text.h"
#include "net/tls_inside.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <string.h>

/* Without a section's own wish. Of TLS 1.2 only what keeps sessions secret when the key is lost, and authenticates
 * what it encrypts; the faster on processors with AES instructions first. In TLS 1.3 there is nothing else. */
#define CIPHERS                                                                                            \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"         \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256:P-384"
#define SUITE_1_3 "TLS_"

/* Two full records with all that is around them: one system call for both takes 6 % less time than two, and three
 * would gain nothing. The buffer is there only while bytes come. */
#define READ_BUFFER_BYTES (2 * (SSL3_RT_MAX_PLAIN_LENGTH + 32))
#define ALPN_NAME_BYTES_MAX 255

/* -- names between colons -- */

/* The next word of a list, copied; *list moves behind it. */
static int next_word(const char **list, char **ret)
{
	size_t length = strcspn(*list, ":");
	char *word = memory_copy_bytes(*list, length);

	if (!word)
		return -ENOMEM;
	*list += length + ((*list)[length] == ':');
	*ret = word;
	return 0;
}

/* OpenSSL overlooks unknown names in a list, so each is tried by itself. */
static bool is_suite(SSL_CTX *scratch, const char *name)
{
	const STACK_OF(SSL_CIPHER) *all;

	if (SSL_CTX_set_ciphersuites(scratch, name) != 1)
		return false;
	all = SSL_CTX_get_ciphers(scratch);
	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
		if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)), name) == 0)
			return true;
	return false;
}

/* What takes away, moves or sorts, openssl-ciphers(1), may find nothing to do. */
static bool is_cipher(SSL_CTX *scratch, const char *name)
{
	return *name && (strchr("!-+@", *name) || SSL_CTX_set_cipher_list(scratch, name) == 1);
}

static bool is_group(SSL_CTX *scratch, const char *name)
{
	return SSL_CTX_set1_groups_list(scratch, name) == 1;
}

static int complain_of_unknown(struct tls_build *b, const char *key, const char *name)
{
	bool is_group_key = strcmp(key, "groups") == 0;

	if (tls_memory_was_short())
		return -ENOMEM;
	return tls_complain(b->problem, -EINVAL, key, 0, "'%s' is not known to OpenSSL: %s", tls_quote(name).text,
			    is_group_key ? "there are X25519, X448, P-256, P-384 and P-521"
					 : "'openssl ciphers -s -v ALL' lists what there is");
}

static int check_list(struct tls_build *b, SSL_CTX *scratch, const char *key, const char *list)
{
	do {
		_cleanup_(memory_freep) char *word = NULL;
		int r = next_word(&list, &word);
		bool is_known;

		if (r < 0)
			return r;
		if (strcmp(key, "groups") == 0)
			is_known = is_group(scratch, word);
		else if (text_starts_with(word, SUITE_1_3))
			is_known = is_suite(scratch, word);
		else
			is_known = is_cipher(scratch, word);
		if (!is_known)
			return complain_of_unknown(b, key, word);
	} while (*list);
	return 0;
}

static int check_lists(struct tls_build *b)
{
	SSL_CTX *scratch = SSL_CTX_new(TLS_method());
	int r = scratch ? 0 : -ENOMEM;

	if (r >= 0 && b->options->ciphers)
		r = check_list(b, scratch, "ciphers", b->options->ciphers);
	if (r >= 0 && b->options->groups)
		r = check_list(b, scratch, "groups", b->options->groups);
	SSL_CTX_free(scratch);
	ERR_clear_error();
	return r;
}

/* Those of a list that are, or are not, for TLS 1.3; "" when there are none. */
static int pick(const char *list, bool for_1_3, char **ret)
{
	_cleanup_(memory_freep) char *picked = memory_new(strlen(list) + 2);
	size_t position = 0, size = strlen(list) + 2;

	if (!picked)
		return -ENOMEM;
	while (*list) {
		_cleanup_(memory_freep) char *word = NULL;
		int r = next_word(&list, &word);

		if (r < 0)
			return r;
		if (text_starts_with(word, SUITE_1_3) == for_1_3)
			text_append(picked, size, &position, "%s%s", position > 0 ? ":" : "", word);
	}
	*ret = TAKE(picked);
	return 0;
}

static int set_ciphers(struct tls_build *b, SSL_CTX *ssl)
{
	const char *wish = b->options->ciphers ?: "";
	_cleanup_(memory_freep) char *suites = NULL, *ciphers = NULL;
	int r = pick(wish, true, &suites);

	if (r < 0)
		return r;
	r = pick(wish, false, &ciphers);
	if (r < 0)
		return r;
	if (SSL_CTX_set_cipher_list(ssl, *ciphers ? ciphers : CIPHERS) != 1)
		return tls_complain_openssl(b->problem, "ciphers", 0, "nothing is left of the list");
	if (*suites && SSL_CTX_set_ciphersuites(ssl, suites) != 1)
		return tls_complain_openssl(b->problem, "ciphers", 0, "nothing is left of the list");
	if (SSL_CTX_set1_groups_list(ssl, b->options->groups ?: GROUPS) != 1)
		return tls_complain_openssl(b->problem, "groups", 0, "the list is not possible");
	return 0;
}

/* -- both sides -- */

static int protocol_version(enum tls_version version)
{
	return version == TLS_VERSION_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static void free_ssl(SSL_CTX **owner)
{
	SSL_CTX_free(*owner);
}

int tls_build_ssl(struct tls_build *b, const SSL_METHOD *method, SSL_CTX **ret)
{
	_cleanup_(free_ssl) SSL_CTX *ssl = SSL_CTX_new(method);
	int r;

	if (!ssl || SSL_CTX_set_min_proto_version(ssl, protocol_version(b->options->min_version)) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, protocol_version(b->options->max_version)) != 1)
		return -ENOMEM;
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			    SSL_OP_PRIORITIZE_CHACHA);
	/* The chain is sent as it is in the file, not completed from whom we trust. */
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER_BYTES);
	r = set_ciphers(b, ssl);
	if (r < 0)
		return r;
	*ret = TAKE(ssl);
	return 0;
}

static int check_versions(struct tls_build *b)
{
	if (b->options->min_version <= b->options->max_version)
		return 0;
	return tls_complain(b->problem, -EINVAL, "min_version", 0, "1.3 is more than max_version, 1.2");
}

static int make_alpn(struct tls_build *b)
{
	const char *const *names = b->options->alpn;
	struct tls_context *c = b->context;
	size_t total = 0;

	for (size_t i = 0; names && names[i]; i++) {
		size_t length = strlen(names[i]);

		if (length == 0 || length > ALPN_NAME_BYTES_MAX)
			return tls_complain(b->problem, -EINVAL, "alpn", i, "a protocol has a name of 1 to %d bytes, "
					    "such as http/1.1", ALPN_NAME_BYTES_MAX);
		total += 1 + length;
	}
	if (total == 0)
		return 0;
	if (total > UINT16_MAX)
		return tls_complain(b->problem, -EINVAL, "alpn", 0, "the names have more than %d bytes", UINT16_MAX);
	c->alpn = memory_new(total);
	if (!c->alpn)
		return -ENOMEM;
	for (size_t i = 0; names[i]; i++) {
		size_t length = strlen(names[i]);

		c->alpn[c->alpn_bytes++] = (uint8_t) length;
		memcpy(c->alpn + c->alpn_bytes, names[i], length);
		c->alpn_bytes += (unsigned) length;
	}
	return 0;
}

/* -- what a server chooses, on whichever thread the handshake is -- */

/* By the whole name, or by *.example.org for one label. */
static const struct tls_identity *find_identity(const struct tls_context *c, const char *name, bool by_pattern)
{
	for (size_t i = 0; i < c->identity_count; i++)
		for (char *const *known = c->identities[i].names; *known; known++)
			if (by_pattern ? text_starts_with(*known, "*.") && strcmp(*known + 1, name) == 0
				       : strcmp(*known, name) == 0)
				return &c->identities[i];
	return NULL;
}

static const struct tls_identity *choose(const struct tls_context *c, const char *asked)
{
	char name[TLSEXT_MAXLEN_host_name + 1];
	size_t length = strnlen(asked, sizeof(name) - 1);
	const struct tls_identity *chosen;
	const char *dot;

	if (length > 0 && asked[length - 1] == '.')
		length--;
	for (size_t i = 0; i < length; i++)
		name[i] = (char) tolower((unsigned char) asked[i]);
	name[length] = '\0';
	chosen = find_identity(c, name, false);
	dot = strchr(name, '.');
	return chosen || !dot || dot == name ? chosen : find_identity(c, dot, true);
}

/* SSL_CTX_set_tlsext_servername_callback(3). It comes twice when the first key exchange does not suit. */
static int choose_by_name(SSL *ssl, int *ret_alert, void *arg)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_session *session = tls_session_of(ssl);
	const struct tls_context *c = session->context;
	const struct tls_identity *chosen = NULL;

	(void) arg;
	session->sni = memory_free(session->sni);
	*ret_alert = SSL_AD_INTERNAL_ERROR;
	if (asked) {
		session->sni = memory_copy_text(asked);
		if (!session->sni)
			return SSL_TLSEXT_ERR_ALERT_FATAL;
		chosen = choose(c, asked);
	}
	if (!chosen && c->strict_sni) {
		session->refusal = asked ? "no certificate for that name" : "no name was asked for";
		*ret_alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (!chosen)
		return SSL_TLSEXT_ERR_OK;
	return SSL_set_SSL_CTX(ssl, chosen->ssl) ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* SSL_CTX_set_alpn_select_cb(3). RFC 7301 section 3.2: the server's best, or none at all. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
			   const unsigned char *offered, unsigned offered_bytes, void *arg)
{
	struct tls_session *session = tls_session_of(ssl);
	unsigned char *chosen;

	(void) arg;
	if (SSL_select_next_proto(&chosen, ret_length, session->context->alpn, session->context->alpn_bytes, offered,
				  offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
		session->refusal = "no application protocol in common";
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* -- the two directions -- */

static int build_accepting(struct tls_build *b)
{
	struct tls_context *c = b->context;
	int r = tls_verify_read(b);

	if (r < 0)
		return r;
	if (b->options->tickets) {
		r = tls_ring_get(b->keep, b->options->name, b->options->ticket_lifetime_ms, &c->ring);
		if (r < 0)
			return r;
	}
	r = tls_pairs_identify(b);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->identity_count; i++) {
		SSL_CTX *ssl = c->identities[i].ssl;

		r = tls_verify_clients(b, ssl);
		if (r < 0)
			return r;
		r = tls_ring_use(c, b->options, ssl);
		if (r < 0)
			return r;
		if (c->alpn)
			SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, NULL);
	}
	SSL_CTX_set_tlsext_servername_callback(c->identities[0].ssl, choose_by_name);
	return 0;
}

/* A host name, RFC 1123 section 2.1 and with the underscores that there are, or an address. */
static bool is_host(const char *name)
{
	uint8_t address[sizeof(struct in6_addr)];
	size_t label = 0, length = strlen(name);

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return true;
	if (length == 0 || length > 253 || *name == '.')
		return false;
	for (; *name; name++) {
		label = *name == '.' ? 0 : label + 1;
		if (label > 63 || (*name == '.' ? name[1] == '.' || !name[1]
						 : !isalnum((unsigned char) *name) && *name != '-' && *name != '_'))
			return false;
	}
	return true;
}

static int build_connecting(struct tls_build *b)
{
	const struct tls_options *o = b->options;
	struct tls_context *c = b->context;
	int r;

	if (o->server_name) {
		if (!is_host(o->server_name))
			return tls_complain(b->problem, -EINVAL, "server_name", 0, "'%s' is neither the name of a "
					    "host nor an address", tls_quote(o->server_name).text);
		c->server_name = memory_copy_text(o->server_name);
		if (!c->server_name)
			return -ENOMEM;
	}
	c->verifies_server = o->verify != TLS_VERIFY_OFF;
	r = tls_build_ssl(b, TLS_client_method(), &c->connecting);
	if (r < 0)
		return r;
	/* What servers give for the next time is for whoever connects to keep, not for OpenSSL. */
	SSL_CTX_set_session_cache_mode(c->connecting, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->connecting, tls_session_learn);
	if (c->alpn && SSL_CTX_set_alpn_protos(c->connecting, c->alpn, c->alpn_bytes) != 0)
		return -ENOMEM;
	r = tls_verify_servers(b, c->connecting);
	if (r < 0)
		return r;
	/* What a service presents is not for servers. */
	return b->accepts ? 0 : tls_pairs_present(b, c->connecting);
}

static int copy_client_names(struct tls_build *b)
{
	const char *const *names = b->options->client_names;
	size_t count = 0;

	while (names && names[count])
		count++;
	if (count == 0)
		return 0;
	b->context->client_names = memory_new_array(count + 1, sizeof(char *));
	if (!b->context->client_names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		b->context->client_names[i] = memory_copy_text(names[i]);
		if (!b->context->client_names[i])
			return -ENOMEM;
	}
	return 0;
}

static int build(struct tls_build *b)
{
	int r = check_versions(b);

	if (r < 0)
		return r;
	b->context->strict_sni = b->options->strict_sni;
	b->context->no_ktls = b->options->ktls ? tls_kernel_missing() : "ktls = off";
	r = check_lists(b);
	if (r < 0)
		return r;
	r = make_alpn(b);
	if (r < 0)
		return r;
	r = copy_client_names(b);
	if (r < 0)
		return r;
	r = tls_pairs_read(b);
	if (r < 0)
		return r;
	if (b->accepts) {
		r = build_accepting(b);
		if (r < 0)
			return r;
	}
	return b->connects ? build_connecting(b) : 0;
}

int tls_context_new(const struct tls_options *options, struct tls_keep *keep, bool accepts, bool connects,
		    struct tls_context **ret, struct tls_problem *ret_problem)
{
	_cleanup_(tls_context_unrefp) struct tls_context *c = memory_new_object(struct tls_context);
	struct tls_problem problem = { 0 };
	struct tls_build b = { options, keep, accepts, connects, .context = c, .problem = &problem };
	int r;

	if (!c)
		return -ENOMEM;
	c->references = 1;
	ERR_clear_error();
	c->socket = tls_socket_method();
	r = c->socket ? build(&b) : -ENOMEM;
	tls_verify_done(&b);
	ERR_clear_error();
	if (r < 0) {
		if (r != -ENOMEM)
			*ret_problem = problem;
		return r;
	}
	*ret = TAKE(c);
	return 0;
}

/* -- life -- */

struct tls_context *tls_context_ref(struct tls_context *c)
{
	c->references++;
	return c;
}

/* On the main stack: OpenSSL is deep. */
static void context_free(void *arg)
{
	struct tls_context *c = arg;

	ERR_clear_error();
	for (size_t i = 0; i < c->identity_count; i++) {
		SSL_CTX_free(c->identities[i].ssl);
		tls_names_free(c->identities[i].names);
	}
	memory_free(c->identities);
	SSL_CTX_free(c->connecting);
	BIO_meth_free(c->socket);
	tls_pairs_done(c);
	tls_ring_unref(c->ring);
	memory_free(c->server_name);
	tls_names_free(c->client_names);
	memory_free(c->alpn);
	ERR_clear_error();
	memory_free(c);
}

struct tls_context *tls_context_unref(struct tls_context *c)
{
	if (c && --c->references == 0)
		call_on_main_stack(context_free, c);
	return NULL;
}

void tls_context_refresh(struct tls_context *c)
{
	if (c->ring)
		tls_ring_roll(c->ring, tls_ring_now());
}
