/* value_text.c - values that are texts: host names, paths, names for OpenSSL, routes by name. */

#include "config/value_inside.h"

#include "base/memory.h"
#include "base/text.h"
#include "config/diag.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CREDENTIAL "credential:"
#define CREDENTIAL_BYTES_MAX 255	/* systemd.exec(5): the name of a file */
#define PROTOCOL_BYTES_MAX 255		/* RFC 7301 section 3.1 */
#define PROTOCOLS_MAX 32

/* -- host names -- */

/* The rules are those of a host to connect to; with a final dot nothing else can be meant. Returns what is wrong. */
static const char *check_host(const char *text)
{
	char with_port[ADDRESS_TEXT_BYTES];
	size_t length = strlen(text);
	struct address address;
	const char *error;

	for (const char *p = text; *p; p++) {
		if ((unsigned char) *p >= 0x80)
			return "names of other scripts are written in ASCII, xn--...";
		if (!isalnum((unsigned char) *p) && !strchr("-_.", *p))
			return "a host name has only letters, digits, '-', '_' and '.'";
	}
	if (length == 0)
		return "there is nothing in it";
	if (text[strspn(text, "0123456789.")] == '\0')
		return "it is an address";
	if ((size_t) snprintf(with_port, sizeof with_port, "%s%s:1", text, text[length - 1] == '.' ? "" : ".") >=
	    sizeof with_port)
		return "the host name is longer than 253 bytes";
	return address_parse(with_port, ADDRESS_CONNECT, &address, &error) < 0 ? error : NULL;
}

/* In lower case and without the dot that makes it absolute: as names are compared (RFC 4343, RFC 6066 section 3). */
static int read_name(const char *text, bool may_be_pattern, char buffer[VALUE_TEXT_BYTES],
		     struct value_problem *problem)
{
	bool is_pattern = may_be_pattern && text_starts_with(text, "*.");
	const char *error = check_host(is_pattern ? text + strlen("*.") : text);
	size_t length = strlen(text);

	if (error && may_be_pattern && strchr(text, '*') && !is_pattern)
		return value_refuse(problem, text, "'%s' is not a name: a star stands for a whole first part, as in "
				    "*.example.org", quote(text).text);
	if (error)
		return value_refuse(problem, text, "'%s' is not a name: %s", quote(text).text, error);
	if (text[length - 1] == '.')
		length--;
	for (size_t i = 0; i < length; i++)
		buffer[i] = (char) tolower((unsigned char) text[i]);
	buffer[length] = '\0';
	return 0;
}

/* -- paths -- */

static const char *skip_here(const char *path)
{
	while (text_starts_with(path, "./"))
		path += strlen("./");
	return path;
}

/* Puts the folder before a relative path. False when the whole is too long. */
static bool resolve(const char *path, const struct source *source, char buffer[VALUE_TEXT_BYTES])
{
	const char *name = source->is_file && *path != '/' ? skip_here(source->name) : "";
	const char *slash = strrchr(name, '/');
	int folder_length = slash ? (int) (slash - name) + 1 : 0, length;
	char here[PATH_MAX] = "";

	/* Where we are may be gone. Then a relative path leads nowhere, and whoever opens it will say so. */
	if (*path != '/' && *name != '/' && !getcwd(here, sizeof here))
		here[0] = '\0';
	length = snprintf(buffer, VALUE_TEXT_BYTES, "%s%s%.*s%s", here, *here && strcmp(here, "/") != 0 ? "/" : "",
			  folder_length, name, skip_here(path));
	return length < VALUE_TEXT_BYTES;
}

/* What is of no harm in the name of a folder may be no good in a value, where the dump would have it. */
static bool is_writable(const char *path, bool is_list)
{
	const char *what;

	return !source_find_bad_byte(path, strlen(path), &what) && !strstr(path, " ;") && !strstr(path, "\t;") &&
	       !(is_list && strchr(path, ','));
}

static int read_credential(const char *text, char buffer[VALUE_TEXT_BYTES], struct value_problem *problem)
{
	const char *name = text + strlen(CREDENTIAL);

	if (!*name || strlen(name) > CREDENTIAL_BYTES_MAX || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return value_refuse(problem, text, "'%s' is no name of a credential, such as credential:web.key",
				    quote(text).text);
	snprintf(buffer, VALUE_TEXT_BYTES, "%s", text);
	return 0;
}

static int read_path(const struct option *o, const char *text, const struct source *source,
		     char buffer[VALUE_TEXT_BYTES], struct value_problem *problem)
{
	if (text_starts_with(text, CREDENTIAL))
		return read_credential(text, buffer, problem);
	if (!resolve(text, source, buffer))
		return value_refuse(problem, text, "the path is longer than %d bytes, with the folder that it begins "
				    "at", VALUE_TEXT_BYTES - 1);
	if (!is_writable(buffer, option_is_list(o)))
		return value_refuse(problem, text, "the folder that '%s' begins at has bytes in its name that cannot "
				    "stand in a value, such as a comma: write the whole path, by another way",
				    quote(text).text);
	return 0;
}

/* -- names for OpenSSL, and of protocols -- */

static bool is_name_byte(char c)
{
	return isgraph((unsigned char) c) && !strchr(",;\"'\\", c);
}

static int read_colon_names(const char *text, char buffer[VALUE_TEXT_BYTES], struct value_problem *problem)
{
	for (const char *p = text; *p; p++)
		if (!is_name_byte(*p)) {
			value_refuse(problem, text, "names stand with colons between them, without blanks and "
				     "quotes");
			problem->start = (size_t) (p - text);
			problem->length = MAX(text_utf8_length(p, strlen(p)), (size_t) 1);
			return -EINVAL;
		}
	if (strlen(text) >= VALUE_TEXT_BYTES)
		return value_refuse(problem, text, "the text is longer than %d bytes", VALUE_TEXT_BYTES - 1);
	snprintf(buffer, VALUE_TEXT_BYTES, "%s", text);
	return 0;
}

static int read_protocol(const char *text, char buffer[VALUE_TEXT_BYTES], struct value_problem *problem)
{
	if (strlen(text) > PROTOCOL_BYTES_MAX)
		return value_refuse(problem, text, "the name is longer than %d bytes", PROTOCOL_BYTES_MAX);
	for (const char *p = text; *p; p++)
		if (!is_name_byte(*p))
			return value_refuse(problem, text, "'%s' is not a protocol, such as h2 or http/1.1",
					    quote(text).text);
	snprintf(buffer, VALUE_TEXT_BYTES, "%s", text);
	return 0;
}

/* -- one, and a list -- */

static int read_text(const struct option *o, const char *text, const struct value_context *context,
		     char buffer[VALUE_TEXT_BYTES], struct value_problem *problem)
{
	switch (o->type) {
	case OPTION_NAME:
	case OPTION_NAMES:
		return read_name(text, o->type == OPTION_NAMES, buffer, problem);
	case OPTION_PROTOCOLS:
		return read_protocol(text, buffer, problem);
	case OPTION_COLON_NAMES:
		return read_colon_names(text, buffer, problem);
	default:
		return read_path(o, text, context->source, buffer, problem);
	}
}

int value_store_text(const struct option *o, const char *text, const struct value_context *context, char **field,
		     struct value_problem *problem)
{
	char canonical[VALUE_TEXT_BYTES];
	int r = read_text(o, text, context, canonical, problem);

	return r < 0 ? r : value_keep_text(canonical, field);
}

int value_store_element(const struct option *o, const char *text, const struct value_context *context,
			struct text_list *list, struct value_problem *problem)
{
	char canonical[VALUE_TEXT_BYTES], *copy;
	int r = read_text(o, text, context, canonical, problem);

	if (r < 0)
		return r;
	/* The client sends all of them in one message. */
	if (o->type == OPTION_PROTOCOLS && list->count == PROTOCOLS_MAX)
		return value_refuse(problem, text, "more than %d protocols", PROTOCOLS_MAX);
	r = VALUE_GROW(list, items, count, text, problem);
	if (r < 0)
		return r;
	copy = memory_copy_text(canonical);
	if (copy)
		list->items[list->count++] = copy;
	list->items[list->count] = NULL;
	return copy ? 0 : -ENOMEM;
}

void value_clear_texts(struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		memory_free(list->items[i]);
	list->items = memory_free(list->items);
	list->count = 0;
}

/* -- routes -- */

static int add_route(struct sni_routes *routes, const char *pattern, const char *upstream, const char *text,
		     struct value_problem *problem)
{
	_cleanup_(memory_freep) char *pattern_copy = NULL, *upstream_copy = NULL;
	int r = VALUE_GROW(routes, items, count, text, problem);

	if (r < 0)
		return r;
	pattern_copy = memory_copy_text(pattern);
	upstream_copy = memory_copy_text(upstream);
	if (!pattern_copy || !upstream_copy)
		return -ENOMEM;
	routes->items[routes->count++] = (struct sni_route) {
		.pattern = TAKE(pattern_copy), .upstream = TAKE(upstream_copy),
	};
	return 0;
}

int value_store_route(const char *text, struct sni_routes *routes, struct value_problem *problem)
{
	_cleanup_(memory_freep) char *pattern = memory_copy_text(text);
	char canonical[VALUE_TEXT_BYTES], *upstream;
	int r;

	if (!pattern)
		return -ENOMEM;
	upstream = pattern + strcspn(pattern, " \t");
	if (*upstream)
		*upstream++ = '\0';
	upstream += strspn(upstream, " \t");
	if (strcmp(pattern, "*") == 0)
		return value_refuse(problem, pattern, "a star alone is not a name: what has no match goes to "
				    "'upstream'");
	r = read_name(pattern, true, canonical, problem);
	if (r < 0)
		return r;
	if (!*upstream)
		return value_refuse(problem, text, "the upstream is missing: write '%s UPSTREAM'",
				    quote(pattern).text);
	if (upstream[strcspn(upstream, " \t")]) {
		value_refuse(problem, upstream, "behind a name there is one upstream, before the next name there is "
			     "a comma");
		problem->start = (size_t) (upstream - pattern);
		return -EINVAL;
	}
	return add_route(routes, canonical, upstream, text, problem);
}

void value_print_route(const struct sni_routes *routes, char buffer[VALUE_TEXT_BYTES])
{
	const struct sni_route *last = &routes->items[routes->count - 1];

	snprintf(buffer, VALUE_TEXT_BYTES, "%s %s", last->pattern, last->upstream);
}

void value_clear_routes(struct sni_routes *routes)
{
	for (size_t i = 0; i < routes->count; i++) {
		memory_free(routes->items[i].pattern);
		memory_free(routes->items[i].upstream);
	}
	routes->items = memory_free(routes->items);
	routes->count = 0;
}
