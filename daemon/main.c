/* corelayd - options, start, exit status. Everything else is in the layers below. */
#include "base/ensure.h"
#include "base/fault.h"
#include "base/log.h"
#include "command_line.h"
#include "config/config.h"
#include "net/listener.h"
#include "net/tls.h"
#include "runtime/crash.h"
#include "runtime/executor.h"
#include "runtime/loop.h"
#include "runtime/wait.h"
#include "service/profile.h"
#include "service/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define SERVICE_TYPES_MAX 32
/* How long a stop waits for jobs on background threads, such as a name server that does not answer. */
#define EXECUTOR_GRACE_MS 2000

/* Descriptors 0, 1 and 2 must be something, or a socket would become standard error. */
static void open_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Sockets are what we are here for: all that the hard limit gives. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
}

static void report_stall(const struct task *t, int64_t slice_ns)
{
	if (!log_is_on(LOG_LEVEL_WARNING))
		return;
	log_begin(LOG_LEVEL_WARNING, "a task held up the loop");
	log_field_text("task", t->name);
	log_field_ms("slice", slice_ns);
	if (t->wait_site) {
		log_field_text("since", t->wait_site->file);
		log_field_number("line", t->wait_site->line);
	}
	log_end();
}

static void report_left_behind(const char *what, int64_t age_ms)
{
	log_warning("a background job did not end: %s, for %lld ms", what, (long long) age_ms);
}

static int exit_status_for(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return EX_UNAVAILABLE;
	case -EACCES:
	case -EPERM:
		return EX_NOPERM;
	case -ENOENT:
		return EX_NOINPUT;
	case -EINVAL:
		return EX_CONFIG;
	default:
		return error < 0 ? EX_OSERR : EX_OK;
	}
}

/* For failures that nobody below has named. */
static int cannot_start(int error)
{
	log_error("cannot start: %s", strerrordesc_np(-error));
	return EX_OSERR;
}

#ifdef ENABLE_FAULTS
/* Builds for tests look at every switch for what one connection could leave behind for another. */
static void check_switch(struct task *t)
{
	(void) t;
	tls_check_error_queue();
}
#endif

static int serve(const struct config_source *source, struct config *config)
{
	struct server_options options = {
		.source = *source,
		.config = config,
		.say_what_to_try = isatty(STDERR_FILENO),
	};
	struct loop_options loop = { .stall_warn_ms = config->daemon.stall_warn_ms, .on_stall = report_stall };

	log_open(config->daemon.log, config->daemon.log_level);
	int r = listener_inherit();
	if (r >= 0)
		r = crash_install();
	if (r >= 0)
		r = loop_open(&loop);
	if (r < 0)
		return cannot_start(r);
#ifdef ENABLE_FAULTS
	wait_set_hook(check_switch);
#endif

	r = loop_run("server", server_run, &options);
	(void) executor_shutdown(EXECUTOR_GRACE_MS, report_left_behind);
	loop_close();
	crash_remove();
	if (r == SERVER_FORCED)
		return EXIT_FAILURE;
	/* The file was read, so what is missing is a socket, a directory or a user that it names: the log says
	 * which. */
	if (r == -ENOENT || r == -EINVAL)
		return EX_CONFIG;
	return exit_status_for(r) == EX_OSERR ? cannot_start(r) : exit_status_for(r);
}

/* The files that the configuration names are looked at too. */
static int check(struct config *config)
{
	int r = profile_check_all(config, stderr);

	if (r == -ENOMEM)
		return cannot_start(r);
	if (r < 0)
		return r == -ENOENT ? EX_CONFIG : exit_status_for(r);
	fprintf(stderr, "corelayd: the configuration is fine\n");
	return EX_OK;
}

static int with_config(const struct command_line *line, const struct config_source *source)
{
	_cleanup_(config_unrefp) struct config *config = NULL;

	int r = config_load(source, stderr, &config);
	if (r == -ENOMEM)
		return cannot_start(r);
	if (r < 0)
		return exit_status_for(r);

	switch (line->mode) {
	case COMMAND_CHECK:
		return check(config);
	case COMMAND_DUMP:
		config_dump(config, stdout);
		return fflush(stdout) == 0 ? EX_OK : EX_OSERR;
	default:
		return serve(source, config);
	}
}

/* The service types in the form that the configuration wants; returns how many. */
static size_t list_types(struct config_service_type types[SERVICE_TYPES_MAX])
{
	size_t count = 0;

	for (const struct service_type *t = service_types; t->config.name; t++) {
		ENSURE(count < SERVICE_TYPES_MAX, "more than %d service types", SERVICE_TYPES_MAX);
		types[count++] = t->config;
	}
	return count;
}

static int run(const struct command_line *line, const struct config_service_type *types, size_t type_count)
{
	struct config_source source = {
		.file = line->file,
		.settings = (const char *const *) line->settings,
		.types = types,
		.type_count = type_count,
	};

	switch (line->mode) {
	case COMMAND_HELP:
		command_line_print_help(stdout);
		return EX_OK;
	case COMMAND_VERSION:
		printf("corelayd %s\n", PACKAGE_VERSION);
		return EX_OK;
	default:
		return with_config(line, &source);
	}
}

int main(int argc, char **argv)
{
	_cleanup_(command_line_done) struct command_line line = { 0 };
	struct config_service_type types[SERVICE_TYPES_MAX];
	size_t type_count = list_types(types);

	open_standard_streams();
	umask(022);
	raise_fd_limit();
	fault_plant_from_environment();
	log_open(LOG_FORMAT_AUTO, LOG_LEVEL_INFO);

	int r = command_line_parse(argc, argv, types, type_count, stderr, &line);
	if (r == -ENOMEM)
		return cannot_start(r);
	return r < 0 ? EX_USAGE : run(&line, types, type_count);
}
