/* test_watch.c - files that change: how it is noticed, what is passed over, and when it is told. */
#include "base/ensure.h"
#include "base/fault.h"
#include "net/watch.h"
#include "tests/support/harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SETTLE_MS 1000
#define QUIET_MS 5000

/* -- a folder that lasts as long as a test -- */

struct folder {
	char path[32];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void) st;
	(void) type;
	(void) at;
	return remove(path);
}

static void folder_done(struct folder *f)
{
	nftw(f->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/corelay-watch-XXXXXX");
	ENSURE(mkdtemp(f->path), "no folder for the test");
}

#define FOLDER(f) _cleanup_(folder_done) struct folder f; folder_make(&f)

/* The path of something in the folder; a few can be used at a time. */
static const char *in(const struct folder *f, const char *name)
{
	static char paths[8][128];
	static unsigned turn;
	char *path = paths[turn++ % ARRAY_LENGTH(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->path, name);
	return path;
}

static void write_file(const struct folder *f, const char *name, const char *text)
{
	FILE *file = fopen(in(f, name), "w");

	ENSURE(file && fputs(text, file) >= 0 && fclose(file) == 0, "%s cannot be written", name);
}

static void rename_file(const struct folder *f, const char *from, const char *to)
{
	ENSURE(rename(in(f, from), in(f, to)) == 0, "%s cannot be renamed", from);
}

static void make_folder(const struct folder *f, const char *name)
{
	ENSURE(mkdir(in(f, name), 0700) == 0, "%s cannot be made", name);
}

/* Leads there by a rename, as those do who do it well. */
static void make_link(const struct folder *f, const char *name, const char *target)
{
	ENSURE(symlink(target, in(f, "new-link")) == 0, "a link cannot be made");
	rename_file(f, "new-link", name);
}

static void remove_file(const struct folder *f, const char *name)
{
	ENSURE(unlink(in(f, name)) == 0, "%s cannot be removed", name);
}

/* -- what is asserted -- */

static struct watch *watch_one(const char *path)
{
	const char *const paths[] = { path, NULL };
	struct watch *w;

	assert_int_equal(watch_new(paths, &w), 0);
	return w;
}

static int wait_quietly(struct watch *w)
{
	DEADLINE(limit, QUIET_MS);

	return watch_wait(w, SETTLE_MS);
}

/* Told once, when it has settled, and no second time. */
static void assert_told(struct watch *w)
{
	int64_t began_ms = time_now_ms();

	assert_int_equal(wait_quietly(w), 0);
	assert_int_equal(time_now_ms() - began_ms, SETTLE_MS);
	assert_int_equal(wait_quietly(w), -ETIMEDOUT);
}

static void assert_not_told(struct watch *w)
{
	assert_int_equal(wait_quietly(w), -ETIMEDOUT);
}

static void run(task_fn *body)
{
	assert_int_equal(harness_run(body, NULL), 0);
}

#define WATCH(w, path) _cleanup_(watch_freep) struct watch *w = watch_one(path)

/* -- what is a change -- */

static int write_again(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	assert_not_told(w);
	write_file(&f, "cert", "two, longer");
	assert_told(w);
	/* Of the same size, and maybe within the same tick of the clock of files. */
	write_file(&f, "cert", "abc");
	assert_told(w);
	write_file(&f, "cert", "xyz");
	assert_told(w);
	return 0;
}

static void a_file_written_in_place_is_told(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run_each_backend(write_again, NULL), 0);
}

static int replace(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	for (int i = 0; i < 3; i++) {
		write_file(&f, "new", "one");
		assert_not_told(w);
		rename_file(&f, "new", "cert");
		assert_told(w);
	}
	return 0;
}

static void a_file_replaced_by_a_rename_is_told_each_time(void **unused)
{
	(void) unused;
	run(replace);
}

static int remove_and_make(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	remove_file(&f, "cert");
	write_file(&f, "cert", "one");
	assert_told(w);
	remove_file(&f, "cert");
	assert_told(w);
	write_file(&f, "cert", "one");
	assert_told(w);
	write_file(&f, "cert", "more");
	assert_told(w);
	return 0;
}

static void a_file_removed_and_made_again_is_told(void **unused)
{
	(void) unused;
	run(remove_and_make);
}

static int make_at_last(void *arg)
{
	FOLDER(f);
	WATCH(w, in(&f, "a/b/cert"));

	(void) arg;
	make_folder(&f, "a");
	assert_not_told(w);
	make_folder(&f, "a/b");
	assert_not_told(w);
	write_file(&f, "a/b/cert", "one");
	assert_told(w);
	rename_file(&f, "a/b", "a/c");
	assert_told(w);
	rename_file(&f, "a/c", "a/b");
	assert_told(w);
	return 0;
}

static void a_file_whose_folder_is_not_there_is_awaited(void **unused)
{
	(void) unused;
	run(make_at_last);
}

static int change_the_mode(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	assert_int_equal(chmod(in(&f, "cert"), 0400), 0);
	assert_told(w);
	return 0;
}

static void a_file_that_may_be_readable_now_is_told(void **unused)
{
	(void) unused;
	run(change_the_mode);
}

static int add_to_folder(void *arg)
{
	FOLDER(f);
	make_folder(&f, "ca");
	WATCH(w, in(&f, "ca"));

	(void) arg;
	write_file(&f, "ca/1.pem", "one");
	assert_told(w);
	remove_file(&f, "ca/1.pem");
	assert_told(w);
	return 0;
}

static void a_folder_in_place_of_a_file_is_told_when_its_list_changes(void **unused)
{
	(void) unused;
	run(add_to_folder);
}

static int go_elsewhere_and_back(void *arg)
{
	char before[256];
	FOLDER(f);

	(void) arg;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(f.path), 0);
	WATCH(w, "cert");
	assert_int_equal(chdir(before), 0);
	write_file(&f, "cert", "one");
	assert_int_equal(chdir(f.path), 0);
	assert_told(w);
	assert_int_equal(chdir(before), 0);
	return 0;
}

static void a_path_may_be_relative(void **unused)
{
	(void) unused;
	run(go_elsewhere_and_back);
}

/* -- links -- */

/* As certbot does: live/cert leads to archive/certN. */
static int renew(void *arg)
{
	FOLDER(f);
	make_folder(&f, "archive");
	make_folder(&f, "live");
	write_file(&f, "archive/cert1", "one");
	write_file(&f, "archive/cert2", "two");
	make_link(&f, "live/cert", "../archive/cert1");
	WATCH(w, in(&f, "live/cert"));

	(void) arg;
	write_file(&f, "archive/cert1", "one more");
	assert_told(w);
	write_file(&f, "archive/cert2", "two, before it counts");
	assert_not_told(w);
	make_link(&f, "live/cert", "../archive/cert2");
	assert_told(w);
	write_file(&f, "archive/cert2", "two more");
	assert_told(w);
	write_file(&f, "archive/cert1", "one, when it counts no more");
	assert_not_told(w);
	return 0;
}

static void a_link_and_what_it_leads_to_are_told(void **unused)
{
	(void) unused;
	run(renew);
}

/* As Kubernetes does: cert leads to ..data/cert, and ..data to a folder of which there is another one now. */
static int swap_data(void *arg)
{
	FOLDER(f);
	make_folder(&f, "..1");
	make_folder(&f, "..2");
	write_file(&f, "..1/cert", "one");
	write_file(&f, "..2/cert", "two");
	make_link(&f, "..data", "..1");
	make_link(&f, "cert", "..data/cert");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	make_link(&f, "..data", "..2");
	remove_file(&f, "..1/cert");
	assert_int_equal(rmdir(in(&f, "..1")), 0);
	assert_told(w);
	make_folder(&f, "..3");
	write_file(&f, "..3/cert", "three");
	assert_not_told(w);
	make_link(&f, "..data", in(&f, "..3"));
	assert_told(w);
	write_file(&f, "..3/cert", "three more");
	assert_told(w);
	return 0;
}

static void a_link_in_the_middle_is_told(void **unused)
{
	(void) unused;
	run(swap_data);
}

/* How many the kernel keeps for this process. */
static unsigned count_watches(void)
{
	char path[64], line[256];
	unsigned count = 0;

	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		FILE *file = fopen(path, "r");

		while (file && fgets(line, sizeof(line), file))
			count += strncmp(line, "inotify wd:", 11) == 0;
		if (file)
			fclose(file);
	}
	return count;
}

static int renew_often(void *arg)
{
	char name[32];
	FOLDER(f);
	make_folder(&f, "archive");
	write_file(&f, "archive/cert0", "none");
	make_link(&f, "cert", "archive/cert0");
	WATCH(w, in(&f, "cert"));
	unsigned count = count_watches();

	(void) arg;
	assert_true(count > 0);
	for (int i = 1; i < 10; i++) {
		snprintf(name, sizeof(name), "archive/cert%d", i);
		write_file(&f, name, "another");
		make_link(&f, "cert", name);
		assert_told(w);
		assert_int_equal(count_watches(), count);
	}
	return 0;
}

static void what_no_link_leads_to_any_more_is_let_go(void **unused)
{
	(void) unused;
	run(renew_often);
}

static int follow_in_circles(void *arg)
{
	FOLDER(f);
	make_link(&f, "a", "b");
	make_link(&f, "b", "a");
	WATCH(w, in(&f, "a"));

	(void) arg;
	assert_not_told(w);
	remove_file(&f, "b");
	write_file(&f, "b", "at last");
	assert_told(w);
	return 0;
}

static void links_that_lead_in_circles_are_no_trap(void **unused)
{
	(void) unused;
	run(follow_in_circles);
}

/* -- what is no change -- */

static int change_others(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	make_folder(&f, "folder");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	write_file(&f, "other", "one");
	write_file(&f, "other", "two");
	assert_int_equal(chmod(in(&f, "other"), 0400), 0);
	rename_file(&f, "other", "another");
	remove_file(&f, "another");
	write_file(&f, "folder/cert", "one");
	assert_not_told(w);

	FILE *file = fopen(in(&f, "cert"), "r");
	char byte;
	assert_non_null(file);
	assert_int_equal(fread(&byte, 1, 1, file), 1);
	fclose(file);
	assert_not_told(w);
	return 0;
}

static void other_files_of_the_folder_and_readers_are_no_alarm(void **unused)
{
	(void) unused;
	run(change_others);
}

static int overflow(void *arg)
{
	unsigned events_max = 16384;
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	(void) arg;
	if (limit && fscanf(limit, "%u", &events_max) != 1)
		events_max = 16384;
	if (limit)
		fclose(limit);
	if (events_max > 20000)
		return 1;
	/* Two events each. */
	write_file(&f, "a", "");
	for (unsigned i = 0; i <= events_max; i += 4) {
		rename_file(&f, "a", "b");
		rename_file(&f, "b", "a");
	}
	write_file(&f, "new", "two");
	rename_file(&f, "new", "cert");
	assert_told(w);
	return 0;
}

static void a_change_among_too_many_events_is_told(void **unused)
{
	(void) unused;
	if (harness_run(overflow, NULL) == 1)
		skip();
}

/* -- when it is told -- */

static int change_one_after_the_other(void *arg)
{
	const struct folder *f = arg;

	assert_int_equal(sleep_for(100), 0);
	write_file(f, "cert", "new cert");
	assert_int_equal(sleep_for(900), 0);
	write_file(f, "key", "new key");
	assert_int_equal(sleep_for(600), 0);
	write_file(f, "other", "does not count");
	return 0;
}

static int settle_once(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "cert");
	write_file(&f, "key", "key");
	const char *const paths[] = { in(&f, "cert"), in(&f, "key"), NULL };
	_cleanup_(watch_freep) struct watch *w = NULL;

	(void) arg;
	assert_int_equal(watch_new(paths, &w), 0);
	int64_t began_ms = time_now_ms();
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "changes", change_one_after_the_other, &f, NULL), 0);
	assert_int_equal(wait_quietly(w), 0);
	assert_int_equal(time_now_ms() - began_ms, 100 + 900 + SETTLE_MS);
	assert_not_told(w);
	return group_wait(&group);
}

static void two_files_changed_one_after_the_other_are_told_once(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run_each_backend(settle_once, NULL), 0);
}

static int be_interrupted(void *arg)
{
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	write_file(&f, "cert", "two");
	{
		DEADLINE(limit, SETTLE_MS / 2);

		assert_int_equal(watch_wait(w, SETTLE_MS), -ETIMEDOUT);
	}
	assert_told(w);
	write_file(&f, "cert", "three");
	assert_int_equal(watch_wait(w, 0), 0);
	return 0;
}

static void a_change_that_nobody_was_told_of_is_not_forgotten(void **unused)
{
	(void) unused;
	run(be_interrupted);
}

/* -- ends -- */

static int wait_for_it(void *arg)
{
	return watch_wait(arg, SETTLE_MS);
}

static int free_under_it(void *arg)
{
	bool settles = arg;
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "waiter", wait_for_it, w, NULL), 0);
	harness_settle();
	if (settles)
		write_file(&f, "cert", "two");
	assert_int_equal(sleep_for(1), 0);
	w = watch_free(w);
	assert_int_equal(group_wait(&group), -EBADF);
	return 0;
}

static int free_while_it_settles(void *arg)
{
	(void) arg;
	return free_under_it((void *) 1);
}

static void whoever_waits_is_told_when_it_is_freed(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run_each_backend(free_under_it, NULL), 0);
	assert_int_equal(harness_run_each_backend(free_while_it_settles, NULL), 0);
}

static int watch_too_long_a_path(void *arg)
{
	char path[5000];
	const char *const paths[] = { path, NULL };
	struct watch *w = NULL;

	(void) arg;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(watch_new(paths, &w), -ENAMETOOLONG);
	assert_null(w);
	return 0;
}

static void what_cannot_be_a_path_is_refused(void **unused)
{
	(void) unused;
	run(watch_too_long_a_path);
}

#ifdef ENABLE_FAULTS
static int run_out_of_watches(void *arg)
{
	const char *const paths[] = { "/tmp/corelay-watch-none", NULL };
	struct watch *none = NULL;
	FOLDER(f);
	write_file(&f, "cert", "one");
	WATCH(w, in(&f, "cert"));

	(void) arg;
	fault_plant_named("inotify_init1", 1, 0, 1);
	assert_int_equal(watch_new(paths, &none), -EMFILE);
	fault_plant_named("inotify_add_watch", 2, 0, 1);
	assert_int_equal(watch_new(paths, &none), -ENOSPC);
	assert_null(none);

	write_file(&f, "new", "two");
	rename_file(&f, "new", "cert");
	fault_plant_named("inotify_add_watch", 1, 0, 2);
	assert_int_equal(wait_quietly(w), -ENOSPC);
	assert_int_equal(wait_quietly(w), -ENOSPC);
	fault_plant(0);
	assert_told(w);
	write_file(&f, "cert", "three");
	assert_told(w);
	return 0;
}

static void a_lack_of_watches_is_told_and_loses_no_change(void **unused)
{
	(void) unused;
	run(run_out_of_watches);
}
#endif

/* -- everything, with something done to it -- */

static int change_twice(void *arg)
{
	const struct folder *f = arg;
	int r = sleep_for(10);

	write_file(f, "new", "two");
	rename_file(f, "new", "cert");
	if (r >= 0)
		r = sleep_for(10);
	write_file(f, "cert", "three");
	return r;
}

static int watch_round(void *arg)
{
	FOLDER(f);
	write_file(&f, "real", "one");
	make_link(&f, "cert", "real");
	const char *const paths[] = { in(&f, "cert"), in(&f, "key"), NULL };
	_cleanup_(watch_freep) struct watch *w = NULL;

	(void) arg;
	int r = watch_new(paths, &w);
	if (r < 0)
		return r;
	TASK_GROUP(group, GROUP_ALL);
	r = task_spawn(&group, "changes", change_twice, &f, NULL);
	if (r >= 0)
		r = watch_wait(w, 100);
	return r < 0 ? r : group_wait(&group);
}

static void nothing_is_left_whatever_happens(void **unused)
{
	const struct harness_scenario s = { .body = watch_round };

	(void) unused;
	assert_true(harness_torture(&s) > 3);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_written_in_place_is_told),
		cmocka_unit_test(a_file_replaced_by_a_rename_is_told_each_time),
		cmocka_unit_test(a_file_removed_and_made_again_is_told),
		cmocka_unit_test(a_file_whose_folder_is_not_there_is_awaited),
		cmocka_unit_test(a_file_that_may_be_readable_now_is_told),
		cmocka_unit_test(a_folder_in_place_of_a_file_is_told_when_its_list_changes),
		cmocka_unit_test(a_path_may_be_relative),
		cmocka_unit_test(a_link_and_what_it_leads_to_are_told),
		cmocka_unit_test(a_link_in_the_middle_is_told),
		cmocka_unit_test(what_no_link_leads_to_any_more_is_let_go),
		cmocka_unit_test(links_that_lead_in_circles_are_no_trap),
		cmocka_unit_test(other_files_of_the_folder_and_readers_are_no_alarm),
		cmocka_unit_test(a_change_among_too_many_events_is_told),
		cmocka_unit_test(two_files_changed_one_after_the_other_are_told_once),
		cmocka_unit_test(a_change_that_nobody_was_told_of_is_not_forgotten),
		cmocka_unit_test(whoever_waits_is_told_when_it_is_freed),
		cmocka_unit_test(what_cannot_be_a_path_is_refused),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_lack_of_watches_is_told_and_loses_no_change),
#endif
		cmocka_unit_test(nothing_is_left_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
