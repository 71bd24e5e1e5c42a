/* profile.h - a [tls] section at run time: the context that new connections get, made anew when its files change.
 *
 * A reload makes new profiles for all sections; old ones live as long as services and upstreams use them.
 */
#pragma once

#include "base/list.h"
#include "config/config.h"
#include "net/tls.h"
#include "net/watch.h"

#include <stdio.h>

struct tls_profile {
	struct list node;		/* server's profiles */
	unsigned references;
	const struct tls_config *tls;	/* borrowed from `config` */
	struct config *config;
	struct tls_keep *keep;		/* the server's */
	struct tls_context *context;	/* for whoever connects now */
	struct watch *watch;		/* of its files; NULL: none */
	int watch_error;		/* why there is none; 0: there is nothing to watch */
};

/* Reads the files of the section and builds; with `watches` their changes are seen from then on, which takes a loop.
 * What is wrong with them is written to `diagnostics` as the reader of the configuration would write it. -errno of
 * tls_context_new(). */
int profile_new(struct config *config, const struct tls_config *tls, struct tls_keep *keep, bool watches,
		FILE *diagnostics, struct tls_profile **ret) _must_check_;
struct tls_profile *profile_ref(struct tls_profile *p);
struct tls_profile *profile_unref(struct tls_profile *p);
DEFINE_CLEANUP(struct tls_profile *, profile_unref)

/* [suspends] The body of the task that keeps a profile: takes the files up again when they have changed, and warns of
 * each certificate that soon expires, 30, 14, 7, 3 and 1 days before and when it does; of what was due before it
 * began profile_log() has told. Without a watch it says that changes are not seen, and looks at the dates all the
 * same. `arg` is the profile. Ends when it is cancelled. */
int profile_keep(void *arg);
/* Logs the certificates that it presents, warns of those that have expired or soon will, and says at debug level who
 * encrypts what is sent. */
void profile_log(const struct tls_profile *p);
/* The same as a table of all sections, for --check. -errno, after having said what is wrong. */
int profile_check_all(struct config *config, FILE *to);
