#include "service/privileges.h"

#include "base/log.h"
#include "base/text.h"
#include "coro/coro.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

struct drop {
	const char *user, *group;
	int result;
};

/* A number need not be known to the system; (uid_t) -1 means "leave it" to setuid(2), so it is none. */
static bool is_id(const char *text, uint64_t *ret)
{
	return text_parse_number(text, ret) == 0 && *ret < UINT32_MAX;
}

static int look_up_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	uint64_t id;
	const struct passwd *pw = getpwnam(name);

	if (!pw && is_id(name, &id)) {
		pw = getpwuid((uid_t) id);
		*ret_uid = (uid_t) id;
		*ret_gid = pw ? pw->pw_gid : (gid_t) id;
		return 0;
	}
	if (!pw) {
		log_error("[daemon] user: there is no user '%s'", name);
		return -ENOENT;
	}
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

static int look_up_group(const char *name, gid_t *ret_gid)
{
	uint64_t id;
	const struct group *gr = getgrnam(name);

	if (!gr && !is_id(name, &id)) {
		log_error("[daemon] group: there is no group '%s'", name);
		return -ENOENT;
	}
	*ret_gid = gr ? gr->gr_gid : (gid_t) id;
	return 0;
}

static int look_up(const struct drop *d, uid_t *ret_uid, gid_t *ret_gid)
{
	int r = d->user ? look_up_user(d->user, ret_uid, ret_gid) : 0;

	return r >= 0 && d->group ? look_up_group(d->group, ret_gid) : r;
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
