#include "service/privileges.h"

#include "base/log.h"
#include "coro/coro.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

struct drop {
	const char *user, *group;
	int result;
};

static int look_up(const struct drop *d, uid_t *ret_uid, gid_t *ret_gid)
{
	if (d->user) {
		const struct passwd *pw = getpwnam(d->user);

		if (!pw) {
			log_error("[daemon] user: there is no user '%s'", d->user);
			return -ENOENT;
		}
		*ret_uid = pw->pw_uid;
		*ret_gid = pw->pw_gid;
	}
	if (d->group) {
		const struct group *gr = getgrnam(d->group);

		if (!gr) {
			log_error("[daemon] group: there is no group '%s'", d->group);
			return -ENOENT;
		}
		*ret_gid = gr->gr_gid;
	}
	return 0;
}

static int become(const struct drop *d, uid_t uid, gid_t gid)
{
	if (geteuid() == uid && getegid() == gid)
		return 0;
	if ((d->user && initgroups(d->user, gid) < 0) || setgid(gid) < 0 || setuid(uid) < 0) {
		int error = errno;

		log_error("cannot become user %s: %s", d->user ? d->user : "(same)", strerrordesc_np(error));
		return -error;
	}
	return 0;
}

/* On the main stack: the name service switch is deep. */
static void drop(void *arg)
{
	struct drop *d = arg;
	uid_t uid = geteuid();
	gid_t gid = getegid();

	d->result = look_up(d, &uid, &gid);
	if (d->result >= 0)
		d->result = become(d, uid, gid);
}

int privileges_drop(const char *user, const char *group)
{
	struct drop d = { user, group, 0 };

	if (user || group)
		call_on_main_stack(drop, &d);
	return d.result;
}
