/* config_files.c - configurations in files of a folder that lasts as long as a test. */

#include "tests/support/config_files.h"

#include "base/ensure.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 512

static const struct config_service_type types[] = {
	{ "echo", false, 5 * 60 * 1000 },
	{ "http", false, 5 * 60 * 1000 },
	{ "proxy", true, 60 * 60 * 1000 },
};

void sample_open(struct sample *s)
{
	*s = (struct sample) { .folder = "/tmp/corelay-config-XXXXXX" };
	ENSURE(mkdtemp(s->folder), "no folder for the test");
}

static void forget(struct sample *s)
{
	config_unref(s->config);
	free(s->said);
	s->config = NULL;
	s->said = NULL;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void) st;
	(void) flag;
	(void) at;
	return remove(path);
}

void sample_close(struct sample *s)
{
	forget(s);
	nftw(s->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void sample_write_bytes(struct sample *s, const char *name, const void *bytes, size_t length)
{
	char path[PATH_BYTES];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", s->folder, name);
	for (char *slash = path + strlen(s->folder) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		mkdir(path, 0700);
	}
	file = fopen(path, "w");
	ENSURE(file && fwrite(bytes, 1, length, file) == length, "%s cannot be written", path);
	fclose(file);
}

void sample_write(struct sample *s, const char *name, const char *text)
{
	sample_write_bytes(s, name, text, strlen(text));
}

int sample_load(struct sample *s)
{
	char path[PATH_BYTES];
	struct config_source source = {
		.file = s->no_file ? NULL : path,
		.file_is_optional = s->file_is_optional,
		.settings = s->settings,
		.types = types,
		.type_count = ARRAY_LENGTH(types),
	};
	size_t length;
	FILE *to;

	forget(s);
	snprintf(path, sizeof path, "%s/main.ini", s->folder);
	to = open_memstream(&s->said, &length);
	ENSURE(to, "no memory for the diagnostics");
	s->result = config_load(&source, to, &s->config);
	fclose(to);
	return s->result;
}

int sample_read(struct sample *s, const char *text)
{
	sample_write(s, "main.ini", text);
	return sample_load(s);
}

char *sample_dump(const struct sample *s)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	ENSURE(to, "no memory for the dump");
	config_dump(s->config, to);
	fclose(to);
	return text;
}
