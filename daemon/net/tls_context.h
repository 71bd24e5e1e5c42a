/* tls_context.h - what a [tls] section becomes: certificates and keys, whom to trust, what is spoken.
 *
 * A context is immutable, so handshakes on pool threads may look at it; another one takes its place when files or the
 * configuration change, and connections keep the one that they began with. It is counted on the loop's thread.
 * OpenSSL stays behind net/tls*.c.
 */
#pragma once

#include "base/base.h"

#include <netinet/in.h>

enum tls_verify {
	TLS_VERIFY_AUTO,		/* of servers: required; of clients: the same if client_ca is set, else off */
	TLS_VERIFY_OFF,
	TLS_VERIFY_OPTIONAL,		/* of clients: one that has no certificate may come in */
	TLS_VERIFY_REQUIRED,
};

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* Texts are borrowed for the call only. Lists end with NULL; a list that is NULL is empty. */
struct tls_options {
	const char *name;			/* of the section: a session of one is no good in another one */
	/* Files in PEM, each with its chain, the first being the default, and their keys in the same order. A file
	 * may be `credential:NAME`, one that the service manager passed (systemd.exec(5), LoadCredential). A key that
	 * is open to others, or that its group can change, is refused, unless it is a credential.
	 * The client chooses by name: the whole name before *.example.org, which is one label more, and the earlier
	 * before the later. Pairs with the same names and different kinds of key (RSA, EC) are one choice,
	 * of which the client gets what it can verify; of the same kind they are a mistake. The common name is one
	 * only where there are no others. */
	const char *const *certificates;
	const char *const *keys;
	bool self_signed;			/* the pair of `keep` instead */
	bool strict_sni;			/* refuses who asks for no name, or for one that no certificate has */
	const char *client_ca;			/* file: who may sign the certificates of clients; NULL: nobody */
	const char *const *client_names;	/* of these names, or *.example.org, one must be in it; empty: any */
	const char *ca;				/* file or directory, for servers; NULL: what the system trusts */
	const char *server_name;		/* that servers must prove; NULL: the host that was connected to */
	enum tls_verify verify;
	enum tls_version min_version, max_version;
	/* Names between colons, as OpenSSL has them, TLS_... for 1.3; ours for a version without any. NULL: ours. */
	const char *ciphers;
	const char *groups;			/* the same for key exchange */
	const char *const *alpn;		/* the best first */
	bool tickets;
	int64_t ticket_lifetime_ms;
	bool ktls;				/* when the kernel has it */
};

/* What outlives all contexts, so that a reload breaks nothing: for each section the ticket keys, and the self-signed
 * pair, which is made when it is first wanted. Processes forked afterwards have the same, and go on to the same next
 * keys; what one of them makes later is its own, and a ticket of another one is then no good there, which costs a
 * full handshake. */
struct tls_keep;
int tls_keep_new(struct tls_keep **ret) _must_check_;
struct tls_keep *tls_keep_free(struct tls_keep *keep);
DEFINE_CLEANUP(struct tls_keep *, tls_keep_free)

/* What is wrong with the options: which one (a key of the section), which of its elements, and why. */
struct tls_problem {
	const char *key;			/* "certificate"; literal */
	size_t index;
	char text[320];
};

struct tls_context;
/* Reads the files and builds. `accepts`: for connections that come in, which takes a certificate; `connects`: for
 * those that go out, where a section that does not accept presents its certificate too. -EINVAL with *ret_problem:
 * the options or what is in the files; -ENOENT, -EACCES, ...: with it too, a file that cannot be read; -ENOMEM, and
 * *ret_problem is untouched. An expired certificate is no problem here.
 * Blocks on files; deep: on the main stack or a pool thread only, and with the same keep one at a time. */
int tls_context_new(const struct tls_options *options, struct tls_keep *keep, bool accepts, bool connects,
		    struct tls_context **ret, struct tls_problem *ret_problem) _must_check_;
struct tls_context *tls_context_ref(struct tls_context *c);
struct tls_context *tls_context_unref(struct tls_context *c);
DEFINE_CLEANUP(struct tls_context *, tls_context_unref)

/* True when two contexts present the same certificates: then there is nothing to say about a reload. */
bool tls_context_presents_same(const struct tls_context *a, const struct tls_context *b);
/* True when it connects, verifies and has no name of its own: then each server needs an address with a host. */
bool tls_context_needs_host(const struct tls_context *c);

/* Why all that is sent is encrypted by OpenSSL and not by the kernel (kTLS), in words (literal). NULL: the kernel
 * does it where it knows the cipher. */
const char *tls_context_no_ktls(const struct tls_context *c);

/* A certificate that a context presents. */
struct tls_certificate {
	const char *file;			/* as it was given; NULL: self-signed */
	char subject[128];			/* escaped, as everything here */
	char names[256];			/* that it is good for, between commas */
	char key[32];				/* "RSA 2048", "EC prime256v1" */
	char fingerprint[96];			/* SHA-256 in hexadecimal, between colons */
	char pin[64];				/* SHA-256 of the public key in base64, for curl --pinnedpubkey */
	int64_t begins_s, ends_s;		/* seconds since 1970 */
};
size_t tls_context_certificates(const struct tls_context *c);
/* Deep: on the main stack only. */
void tls_context_describe(const struct tls_context *c, size_t n, struct tls_certificate *ret);
