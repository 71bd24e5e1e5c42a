#include "tests/support/log_lines.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

/* As many as any test needs; more are not kept. */
#define LINES_BYTES (256 * 1024)

static struct {
	char text[LINES_BYTES];		/* each line ends with a zero in place of its newline */
	size_t length;
} kept;

static void keep(void *context, enum log_level level, const char *line, size_t length)
{
	(void) context;
	(void) level;
	if (length > sizeof(kept.text) - kept.length)
		return;
	memcpy(kept.text + kept.length, line, length);
	kept.length += length;
	kept.text[kept.length - 1] = '\0';
}

void log_lines_open(void)
{
	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG);
	log_set_sink(keep, NULL);
	log_lines_forget();
}

void log_lines_forget(void)
{
	kept.length = 0;
}

static bool has_all(const char *line, const char *const *words)
{
	for (; *words; words++)
		if (!strstr(line, *words))
			return false;
	return true;
}

static const char *next_line(const char *line)
{
	return line + strlen(line) + 1;
}

size_t log_lines_count(const char *const *words)
{
	size_t count = 0;

	for (const char *line = kept.text; line < kept.text + kept.length; line = next_line(line))
		count += has_all(line, words);
	return count;
}

void log_lines_print(void)
{
	for (const char *line = kept.text; line < kept.text + kept.length; line = next_line(line))
		fprintf(stderr, "# %s\n", line);
}
