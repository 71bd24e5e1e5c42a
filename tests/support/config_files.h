/* config_files.h - configurations in files of a folder that lasts as long as a test. */
#pragma once

#include "base/base.h"
#include "config/config.h"

/* What is needed to load one configuration, and what came of it. */
struct sample {
	char folder[64];
	const char *const *settings;
	bool no_file, file_is_optional;
	int result;
	struct config *config;		/* NULL after a failure */
	char *said;			/* the diagnostics */
};

void sample_open(struct sample *s);
void sample_close(struct sample *s);
/* Writes a file of the folder; its parent folders are made. */
void sample_write(struct sample *s, const char *name, const char *text);
void sample_write_bytes(struct sample *s, const char *name, const void *bytes, size_t length);
/* Reads main.ini of the folder, in place of what was read before. Returns the result. */
int sample_load(struct sample *s);
/* Writes main.ini and reads it. */
int sample_read(struct sample *s, const char *text);
/* The dump of what was read; to be freed. */
char *sample_dump(const struct sample *s);
