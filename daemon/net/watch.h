/* watch.h - tells when files have changed: written again, replaced, or led elsewhere by a link on their way.
 *
 * By inotify(7) on the folders that lead to the files and on the files themselves, so nothing runs while nothing
 * happens; what happens to other files of the folders is passed over. What it tells may be a false alarm; whoever is
 * told looks.
 */
#pragma once

#include "runtime/io.h"

struct watch;

/* Watches these files (ends with NULL; borrowed for the call). One that is not there is awaited, and so are folders
 * on its way. To be called before the files are read, so that no change falls between. It looks at them, but does not
 * read them. -ENOMEM; -ENAMETOOLONG; or -errno: there is no watching, such as -EMFILE, -ENOSPC
 * (fs.inotify.max_user_watches). */
int watch_new(const char *const *paths, struct watch **ret) _must_check_;
/* Wakes who waits with -EBADF. NULL is fine. Returns NULL. */
struct watch *watch_free(struct watch *w);
DEFINE_CLEANUP(struct watch *, watch_free)

/* [suspends] Until one of the files has changed, and then until none has for `settle_ms`, because a certificate and
 * its key are replaced one after the other: 0. A change since watch_new(), or since it last returned 0, counts.
 * -ECANCELED, -ETIMEDOUT, -EBADF; -errno as of watch_new() when what is there now cannot be watched: nothing is
 * forgotten, and a later call tries again. */
#define watch_wait(w, settle_ms) AWAIT(watch_wait, (w, settle_ms))
int (watch_wait)(struct watch *w, int64_t settle_ms) _must_check_;
