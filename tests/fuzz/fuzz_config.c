/* fuzz_config.c - any file is a configuration or is refused in words, and a dump is as good as what it was made from.
 *
 * The input is the file. Lines at its beginning that start with '%' are settings of the command line instead:
 * `%daemon.log_level=debug`. The file stands in a folder of its own, alone, and cannot reach others: an input that
 * includes a path which leaves the folder is passed over.
 */

#include "tests/fuzz/fuzz.h"

#include "base/ensure.h"
#include "base/text.h"
#include "tests/support/config_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS_MAX 8

static struct sample sample;

const char *const fuzz_corpora[] = { "tests/fuzz/corpus/config", "tests/golden/config", NULL };

static void close_sample(void)
{
	sample_close(&sample);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	setenv("FUZZ_EMPTY", "", 1);
	setenv("FUZZ_LIST", ":1, :2", 1);
	setenv("FUZZ_COMMENT", "a ;b", 1);
	setenv("FUZZ_DOLLAR", "${FUZZ_LIST}", 1);
	sample_open(&sample);
	return atexit(close_sample);
}

/* True when the file could make the reader look outside of its folder, or into large parts of the machine. */
static bool leaves_folder(const uint8_t *bytes, size_t length)
{
	return memmem(bytes, length, "include", 7) && (memchr(bytes, '/', length) || memmem(bytes, length, "..", 2));
}

/* What is said goes to terminals and logs: whatever the input was, it is printable text. */
static void check_said(const char *said, bool is_refused)
{
	size_t length = strlen(said);

	for (const char *p = said; *p;) {
		size_t n = text_utf8_length(p, length - (size_t) (p - said));

		ENSURE(n > 0, "a diagnostic is not UTF-8");
		ENSURE(n > 1 || *p == '\n' || *p == '\t' || (*p >= ' ' && *p < 0x7f), "a diagnostic has \\x%02x",
		       (unsigned) *p);
		p += n;
	}
	if (is_refused)
		ENSURE(strstr(said, "error: "), "refused without a word");
	else
		ENSURE(!strstr(said, ": error: "), "accepted, and yet: %s", said);
}

static void report_difference(void *context, const char *section, const char *key, const char *old_value,
			      const char *new_value, bool live)
{
	(void) context;
	(void) live;
	ENSURE(false, "%s %s was '%s' and is '%s' in the dump", section, key ? key : "", old_value ? old_value : "",
	       new_value ? new_value : "");
}

/* Reads the dump, which has to be the same configuration again. */
static void check_dump(void)
{
	_cleanup_(config_unrefp) struct config *before = config_ref(sample.config);
	char *dump = sample_dump(&sample);

	sample.settings = NULL;
	ENSURE(sample_read(&sample, dump) == 0, "the dump is refused:\n%s\n%s", sample.said, dump);
	config_compare(before, sample.config, report_difference, NULL);
	free(dump);
}

/* Takes the settings off the front. They are cut out of `text` in place; returns where the file begins. */
static char *take_settings(char *text, const char *settings[SETTINGS_MAX + 1])
{
	size_t count = 0;

	while (*text == '%' && count < SETTINGS_MAX) {
		settings[count++] = text + 1;
		text += strcspn(text, "\n");
		if (*text)
			*text++ = '\0';
	}
	settings[count] = NULL;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *settings[SETTINGS_MAX + 1];
	char *text, *file;

	if (leaves_folder(data, size))
		return 0;
	text = calloc(1, size + 1);
	ENSURE(text, "no memory");
	memcpy(text, data, size);
	file = take_settings(text, settings);

	sample.settings = settings;
	sample_write_bytes(&sample, "main.ini", file, size - (size_t) (file - text));
	sample_load(&sample);
	ENSURE(sample.result == 0 || sample.result == -EINVAL || sample.result == -EFBIG, "the result is %d",
	       sample.result);
	check_said(sample.said, sample.result < 0);
	if (sample.result == 0)
		check_dump();
	sample.settings = NULL;
	free(text);
	return 0;
}
