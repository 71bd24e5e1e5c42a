/* include.c - paths and patterns of files to be read in. */

#include "config/include.h"

#include "base/fault.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/value.h"

#include <glob.h>
#include <string.h>

static const char pattern_characters[] = "*?[";

static bool ends_with(const char *text, const char *ending)
{
	size_t length = strlen(text), ending_length = strlen(ending);

	return length >= ending_length && strcmp(text + length - ending_length, ending) == 0;
}

/* A copy beside the file that is meant would silently double it, or bring back what was changed. */
static bool is_left_behind(const char *path)
{
	static const char *const endings[] = {
		"~", ".bak", ".orig", ".rej", ".swp", ".rpmnew", ".rpmsave", ".rpmorig",
	};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (name[0] == '.' || strstr(name, ".dpkg-") || strstr(name, ".ucf-"))
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(endings); i++)
		if (ends_with(name, endings[i]))
			return true;
	return false;
}

/* The path from where we are. What a pattern must not take for its own in the folder's name is escaped. */
static char *resolve(const char *including, const char *path, bool is_pattern)
{
	const char *slash = strrchr(including, '/');
	size_t folder_length = *path == '/' || !slash ? 0 : (size_t) (slash - including) + 1, length = 0;
	char *resolved = memory_new(2 * folder_length + strlen(path) + 1);

	if (!resolved)
		return NULL;
	for (size_t i = 0; i < folder_length; i++) {
		if (is_pattern && strchr("*?[]\\", including[i]))
			resolved[length++] = '\\';
		resolved[length++] = including[i];
	}
	memcpy(resolved + length, path, strlen(path) + 1);
	return resolved;
}

static int find_files(const char *pattern, glob_t *found)
{
	int r = fault_point("config_glob", ENOMEM);

	if (r < 0)
		return r;
	switch (glob(pattern, 0, NULL, found)) {
	case 0:
	case GLOB_NOMATCH:
		return 0;
	case GLOB_NOSPACE:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static int read_matching(const char *pattern, const struct mark *mark, struct diag *diag, include_fn *read,
			 void *context)
{
	_cleanup_(globfree) glob_t found = { 0 };
	int r = find_files(pattern, &found);

	if (r == -EIO)
		diag_error(diag, mark, "[daemon] include: a folder of this pattern cannot be read");
	if (r < 0)
		return r == -EIO ? 0 : r;
	for (size_t i = 0; i < found.gl_pathc && r >= 0; i++)
		if (!is_left_behind(found.gl_pathv[i]))
			r = read(context, found.gl_pathv[i], mark);
	return r;
}

static int include_one(const char *item, const struct entry *e, const struct mark *mark, struct diag *diag,
		       include_fn *read, void *context)
{
	bool is_pattern = strpbrk(item, pattern_characters) != NULL;
	_cleanup_(memory_freep) char *path = resolve(e->value.line.source->name, item, is_pattern);

	if (!path)
		return -ENOMEM;
	return is_pattern ? read_matching(path, mark, diag, read, context) : read(context, path, mark);
}

int include_each(const struct entry *e, struct diag *diag, include_fn *read, void *context)
{
	struct span span = { 0 };
	int r = 0;

	while (r >= 0 && span_next(e->text, true, &span)) {
		_cleanup_(memory_freep) char *item = memory_copy_bytes(e->text + span.start, span.length);
		struct mark mark = entry_mark(e, span.start, span.length);

		if (!item)
			return -ENOMEM;
		if (span.length == 0)
			diag_error(diag, &mark, "[daemon] include: there is nothing on one side of a comma");
		else
			r = include_one(item, e, &mark, diag, read, context);
	}
	return r;
}
