/* tls_ticket.c - the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1), which follow the clock.
 *
 * A section has a chain of secrets, one for each epoch. The keys of an epoch are made of its secret, and so is the
 * next secret; then the secret is erased. So whoever gets hold of the memory later cannot open what was sent before
 * the last epoch (forward secrecy), and processes that began with the same secret agree without talking. Keys of the
 * current epoch and of the one before are good, so that a ticket is good for as long as it says.
 *
 * The ring moves on the loop's thread when somebody comes. Pool threads take copies of keys under its lock.
 */

#include "net/tls_inside.h"

#include "base/memory.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define SECRET_BYTES 32
#define KEY_NAME_BYTES 16
/* Shorter epochs would only make a long way out of the first connection after a quiet year. */
#define EPOCH_MS_MIN (10 * 60 * 1000)
#define LIFETIME_S_MAX (7 * 24 * 60 * 60)	/* RFC 8446 section 4.6.1 */

enum age { CURRENT, PREVIOUS, AGES };

struct ticket_key {
	uint8_t name[KEY_NAME_BYTES];	/* that a ticket begins with */
	uint8_t encrypts[SECRET_BYTES], authenticates[SECRET_BYTES];
};

struct tls_ring {
	atomic_uint references;		/* contexts are made on pool threads too */
	struct tls_ring *next;		/* of the keep */
	char *section;
	int64_t lifetime_ms;
	/* Of the loop's thread. */
	int64_t epoch_ns, ends_ns;	/* how long epochs are, and when this one is over */
	uint8_t secret[SECRET_BYTES];	/* of this epoch */
	/* Of whoever has the lock. */
	CRYPTO_RWLOCK *lock;
	struct ticket_key keys[AGES];
};

/* -- the chain -- */

static bool derive(const uint8_t secret[SECRET_BYTES], const char *purpose, uint8_t ret[SECRET_BYTES])
{
	return HMAC(EVP_sha256(), secret, SECRET_BYTES, (const uint8_t *) purpose, strlen(purpose), ret, NULL);
}

static bool derive_key(const uint8_t secret[SECRET_BYTES], struct ticket_key *ret)
{
	uint8_t name[SECRET_BYTES];

	if (!derive(secret, "name", name) || !derive(secret, "encrypt", ret->encrypts) ||
	    !derive(secret, "authenticate", ret->authenticates))
		return false;
	memcpy(ret->name, name, sizeof(ret->name));
	return true;
}

/* What a ring becomes, made beside it: without memory it stays what it is until the next try. */
struct move {
	uint8_t secret[SECRET_BYTES], previous[SECRET_BYTES];
	int64_t ends_ns;
	struct ticket_key keys[AGES];
};

static bool move_make(struct move *m, const struct tls_ring *ring, int64_t now_ns)
{
	memcpy(m->secret, ring->secret, SECRET_BYTES);
	for (m->ends_ns = ring->ends_ns; m->ends_ns <= now_ns; m->ends_ns += ring->epoch_ns) {
		memcpy(m->previous, m->secret, SECRET_BYTES);
		if (!derive(m->previous, "next", m->secret))
			return false;
	}
	return derive_key(m->secret, &m->keys[CURRENT]) && derive_key(m->previous, &m->keys[PREVIOUS]);
}

void tls_ring_roll(struct tls_ring *ring, int64_t now_ns)
{
	struct move m;

	if (now_ns < ring->ends_ns)
		return;
	if (move_make(&m, ring, now_ns) && CRYPTO_THREAD_write_lock(ring->lock)) {
		memcpy(ring->keys, m.keys, sizeof(m.keys));
		CRYPTO_THREAD_unlock(ring->lock);
		memcpy(ring->secret, m.secret, SECRET_BYTES);
		ring->ends_ns = m.ends_ns;
	}
	OPENSSL_cleanse(&m, sizeof(m));
	ERR_clear_error();
}

/* The same in all processes of a machine, and it goes on while the machine sleeps. */
int64_t tls_ring_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* -- rings -- */

static struct tls_ring *ring_free(struct tls_ring *ring)
{
	CRYPTO_THREAD_lock_free(ring->lock);
	memory_free(ring->section);
	OPENSSL_cleanse(ring, sizeof(*ring));
	return memory_free(ring);
}

struct tls_ring *tls_ring_unref(struct tls_ring *ring)
{
	if (ring && atomic_fetch_sub(&ring->references, 1) == 1)
		ring_free(ring);
	return NULL;
}
DEFINE_CLEANUP(struct tls_ring *, tls_ring_unref)

static int ring_new(const char *section, int64_t lifetime_ms, struct tls_ring **ret)
{
	_cleanup_(tls_ring_unrefp) struct tls_ring *ring = memory_new_object(struct tls_ring);

	if (!ring)
		return -ENOMEM;
	ring->references = 1;
	ring->section = memory_copy_text(section);
	ring->lock = CRYPTO_THREAD_lock_new();
	if (!ring->section || !ring->lock)
		return -ENOMEM;
	ring->lifetime_ms = lifetime_ms;
	ring->epoch_ns = MAX(lifetime_ms, (int64_t) EPOCH_MS_MIN) * NS_PER_MS;
	ring->ends_ns = tls_ring_now() + ring->epoch_ns;
	/* There is no epoch before the first one: nobody has its key. */
	if (RAND_priv_bytes(ring->secret, SECRET_BYTES) != 1 ||
	    RAND_priv_bytes((uint8_t *) &ring->keys[PREVIOUS], sizeof(ring->keys[PREVIOUS])) != 1 ||
	    !derive_key(ring->secret, &ring->keys[CURRENT]))
		return -ENOMEM;
	*ret = TAKE(ring);
	return 0;
}

/* A section with another lifetime begins anew: its tickets cost a full handshake, once. */
int tls_ring_get(struct tls_keep *keep, const char *section, int64_t lifetime_ms, struct tls_ring **ret)
{
	struct tls_ring *ring = keep->rings;
	int r;

	lifetime_ms = MIN(lifetime_ms, (int64_t) LIFETIME_S_MAX * 1000);
	while (ring && (strcmp(ring->section, section) != 0 || ring->lifetime_ms != lifetime_ms))
		ring = ring->next;
	if (!ring) {
		r = ring_new(section, lifetime_ms, &ring);
		if (r < 0)
			return r;
		ring->next = keep->rings;
		keep->rings = ring;
	}
	atomic_fetch_add(&ring->references, 1);
	*ret = ring;
	return 0;
}

void tls_rings_done(struct tls_keep *keep)
{
	while (keep->rings) {
		struct tls_ring *ring = keep->rings;

		keep->rings = ring->next;
		tls_ring_unref(ring);
	}
}

/* -- tickets, on whichever thread the handshake is -- */

static bool start(const struct ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		  bool encrypts)
{
	char digest[] = "SHA256";
	uint8_t authenticates[SECRET_BYTES];
	OSSL_PARAM settings[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, authenticates, sizeof(authenticates)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	bool is_started;

	memcpy(authenticates, key->authenticates, sizeof(authenticates));
	is_started = EVP_MAC_CTX_set_params(mac, settings) == 1 &&
		     EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->encrypts, iv, encrypts) == 1;
	OPENSSL_cleanse(authenticates, sizeof(authenticates));
	return is_started;
}

/* Takes a key out of the ring: the current one, or that of the name. */
static bool copy_key(struct tls_ring *ring, const uint8_t *name, struct ticket_key *ret, enum age *ret_age)
{
	enum age age = CURRENT;

	if (!CRYPTO_THREAD_read_lock(ring->lock))
		return false;
	while (name && age < AGES && memcmp(ring->keys[age].name, name, KEY_NAME_BYTES) != 0)
		age++;
	if (age < AGES)
		*ret = ring->keys[age];
	CRYPTO_THREAD_unlock(ring->lock);
	*ret_age = age;
	return age < AGES;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 is good, 2 is good and wants a new one, 0 does without, -1 fails. */
static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		      int encrypts)
{
	struct tls_ring *ring = tls_session_of(ssl)->context->ring;
	struct ticket_key key;
	enum age age;
	int r = -1;

	if (!copy_key(ring, encrypts ? NULL : name, &key, &age))
		return 0;
	if (!encrypts || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1) {
		if (encrypts)
			memcpy(name, key.name, KEY_NAME_BYTES);
		if (start(&key, iv, cipher, mac, encrypts))
			r = age == CURRENT ? 1 : 2;
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return r;
}

/* In TLS 1.3 each resumption brings a new ticket, and might go on for ever: not beyond the client's certificate. */
static bool is_over(SSL_SESSION *session)
{
	const X509 *peer = SSL_SESSION_get0_peer(session);

	return peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0;
}

/* server_name of RFC 6066 section 3, as it came: a list's length, and of its one entry type, length and name. */
#define NAME_LIST_HEADER_BYTES 5
#define NAME_LIST_TYPE_AT 2

/* The name that the first message asks for, not terminated; NULL: it asks for none. While the message is at hand. */
static const char *asked_name(SSL *ssl, size_t *ret_length)
{
	const unsigned char *list;
	size_t bytes;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &list, &bytes) != 1 ||
	    bytes <= NAME_LIST_HEADER_BYTES || list[NAME_LIST_TYPE_AT] != TLSEXT_NAMETYPE_host_name)
		return NULL;
	*ret_length = bytes - NAME_LIST_HEADER_BYTES;
	return (const char *) list + NAME_LIST_HEADER_BYTES;
}

/* Up to TLS 1.2 a session has the name that it was made under, and OpenSSL would go by it, whatever is asked for
 * now: so would certificates, strict_sni and match_sni. RFC 6066 section 3: "Instead, it proceeds with a full
 * handshake". In TLS 1.3 it is the new name that counts (RFC 8446 section 4.6.1). */
static bool is_of_another_name(SSL *ssl, const SSL_SESSION *session)
{
	const char *known = SSL_SESSION_get0_hostname(session);
	size_t length = 0;
	const char *asked = asked_name(ssl, &length);

	if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
		return false;
	if (!known || !asked)
		return known || asked;
	return strlen(known) != length || memcmp(known, asked, length) != 0;
}

static SSL_TICKET_RETURN take_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_bytes,
				     SSL_TICKET_STATUS status, void *arg)
{
	(void) name;
	(void) name_bytes;
	(void) arg;
	if (!session || is_over(session) || is_of_another_name(ssl, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE :
	       status == SSL_TICKET_SUCCESS_RENEW ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
}

int tls_ring_use(const struct tls_context *c, const struct tls_options *o, SSL_CTX *ssl)
{
	int64_t lifetime_s = o->ticket_lifetime_ms / 1000;

	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	if (!c->ring) {
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		/* Without it TLS 1.3 would send tickets that lead to the cache. */
		return SSL_CTX_set_num_tickets(ssl, 0) == 1 ? 0 : -ENOMEM;
	}
	SSL_CTX_set_timeout(ssl, (long) MIN(MAX(lifetime_s, (int64_t) 1), (int64_t) LIFETIME_S_MAX));
	if (SSL_CTX_set_num_tickets(ssl, 1) != 1 ||
	    SSL_CTX_set_session_ticket_cb(ssl, NULL, take_ticket, NULL) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, ticket_key) != 1)
		return -ENOMEM;
	return 0;
}
