/* command_line.h - what corelayd was asked to do.
 *
 * Options may stand before and behind the words. What is to be served without a file becomes settings of the
 * configuration, so there is one way to it only.
 */
#pragma once

#include "config/config.h"

#include <stdio.h>

enum command_mode {
	COMMAND_SERVE,
	COMMAND_CHECK,
	COMMAND_DUMP,
	COMMAND_VERSION,
	COMMAND_HELP,
};

struct command_line {
	enum command_mode mode;
	const char *file;		/* of argv, or the default; NULL: the settings say everything */
	bool file_was_named;
	bool has_log_level;
	enum log_level log_level;	/* also among the settings */
	char **settings;		/* NULL-terminated, for struct config_source */
	size_t setting_count;
};

/* Reads the arguments. 0; -EINVAL: a mistake, which was written to `errors` with the way to help (exit status 64);
 * -ENOMEM. --help and --version win over everything else, mistakes too. */
int command_line_parse(int argc, char *const *argv, const struct config_service_type *types, size_t type_count,
		       FILE *errors, struct command_line *ret) _must_check_;
void command_line_done(struct command_line *c);

/* The help text, for standard output. */
void command_line_print_help(FILE *to);
