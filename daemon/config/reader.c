/* reader.c - lines to sections and entries; the one file that knows inih. */

#include "config/reader.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/expand.h"
#include "config/include.h"
#include "config/value.h"

#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define INIH_NAME_BYTES 50	/* inih keeps so much of a key, with its NUL */

struct reader {
	struct config_values *values;
	struct diag *diag;
	const struct reader *parent;	/* the reader of the file that includes this one */
	unsigned depth;
	struct source *source;
	size_t offset;			/* of the next line */
	struct source_line line;
	struct section *section;	/* NULL: none yet, or one that is not known */
	bool has_section;
	/* The value that is on its way through inih. */
	struct mark key, value;
	size_t given_length;		/* bytes that inih was given */
	size_t taken_length;		/* bytes that came back */
	char text[LINE_BYTES_MAX + 1];
	int result;			/* -ENOMEM: stop */
};

static int read_source(struct reader *r);

static struct mark trim(const struct source_line *line, size_t start, size_t end)
{
	while (start < end && is_blank(line->text[start]))
		start++;
	while (end > start && is_blank(line->text[end - 1]))
		end--;
	return mark_make(line, start, end - start);
}

static const char *mark_text(const struct mark *m)
{
	return m->line.text + m->start;
}

/* Copies what a mark stands for into a buffer; false when it does not fit. */
static bool copy_mark(const struct mark *m, char *buffer, size_t size)
{
	if (m->length >= size)
		return false;
	memcpy(buffer, mark_text(m), m->length);
	buffer[m->length] = '\0';
	return true;
}

/* -- sections -- */

static void refuse_kind(struct reader *r, const struct mark *kind)
{
	struct quote q = quote_bytes(mark_text(kind), kind->length);
	const char *nearest = section_kind_suggest(q.text);

	if (nearest)
		diag_error(r->diag, kind, "unknown kind of section '%s', did you mean '%s'?", q.text, nearest);
	else
		diag_error(r->diag, kind, "unknown kind of section '%s': there are [daemon], [service NAME], "
			   "[upstream NAME] and [tls NAME]", q.text);
}

/* Looks at the name of a section. Returns false when the section cannot be used. */
static bool take_name(struct reader *r, enum section_kind kind, const struct mark *inside, const struct mark *mark,
		      char name[CONFIG_NAME_BYTES])
{
	const char *error = "the name is longer than 63 bytes";

	name[0] = '\0';
	if (!section_kind_is_named(kind)) {
		if (mark->length > 0)
			diag_error(r->diag, mark, "[daemon] takes no name: there is only one");
		return true;
	}
	if (mark->length == 0) {
		diag_error(r->diag, inside, "[%s] needs a name, such as [%s main]", section_kind_name(kind),
			   section_kind_name(kind));
		return false;
	}
	if (copy_mark(mark, name, CONFIG_NAME_BYTES) && section_name_is_valid(name, &error))
		return true;
	diag_error(r->diag, mark, "'%s' is no name for a section: %s",
		   quote_bytes(mark_text(mark), mark->length).text, error);
	return false;
}

/* `[kind name]`. After a mistake the keys that follow are skipped, unless it is clear where they belong. */
static void take_header(struct reader *r, const struct mark *header)
{
	const char *text = mark_text(header), *close = memchr(text, ']', header->length);
	size_t end = header->start + (close ? (size_t) (close - text) : header->length), kind_end;
	struct mark inside = trim(&r->line, header->start + 1, end), kind, name;
	char name_text[CONFIG_NAME_BYTES];
	enum section_kind found;
	int result;

	r->section = NULL;
	r->has_section = true;
	if (!close) {
		diag_error(r->diag, header, "the header of a section ends with ']'");
	} else if (end + 1 < header->start + header->length) {
		struct mark behind = trim(&r->line, end + 1, header->start + header->length);

		diag_error(r->diag, &behind, "text behind the header of a section: a comment begins with ' ;'");
	}
	if (inside.length == 0) {
		diag_error(r->diag, header, "the header names no section: there are [daemon], [service NAME], "
			   "[upstream NAME] and [tls NAME]");
		return;
	}

	for (kind_end = inside.start; kind_end < inside.start + inside.length; kind_end++)
		if (is_blank(r->line.text[kind_end]))
			break;
	kind = mark_make(&r->line, inside.start, kind_end - inside.start);
	name = trim(&r->line, kind_end, inside.start + inside.length);
	found = section_kind_find(mark_text(&kind), kind.length);
	if (found == SECTION_KINDS) {
		refuse_kind(r, &kind);
		return;
	}
	if (!take_name(r, found, &inside, &name, name_text))
		return;
	result = document_open_section(r->values, found, name_text, header, r->diag, &r->section);
	if (result == -ENOMEM)
		r->result = result;
}

/* -- keys and values -- */

/* Notes that a line is lost, and for which option it was, so that it is not said to be missing as well. */
static void mention(struct reader *r, const struct mark *key)
{
	const struct option *o;
	char text[INIH_NAME_BYTES];

	if (r->section)
		r->section->is_incomplete = true;
	if (!r->section || !copy_mark(key, text, sizeof text))
		return;
	o = option_find(r->section->kind, text);
	if (!o)
		o = option_suggest(r->section->kind, text);
	if (o)
		r->section->mentioned[option_index(o)] = true;
}

static void refuse_key(struct reader *r, const struct mark *key)
{
	char text[OPTION_ADVICE_BYTES] = "", advice[OPTION_ADVICE_BYTES];

	copy_mark(key, text, sizeof text);
	option_advise(r->section->kind, text, advice);
	diag_error(r->diag, key, "%s unknown key '%s'%s %s", r->section->title,
		   quote_bytes(mark_text(key), key->length).text, advice[0] == 'd' ? "," : ":", advice);
	mention(r, key);
}

/* A key that stands before all sections. */
static void refuse_homeless_key(struct reader *r, const struct mark *key)
{
	char text[INIH_NAME_BYTES], advice[OPTION_ADVICE_BYTES];
	bool is_known = false;

	for (enum section_kind kind = 0; kind < SECTION_KINDS && copy_mark(key, text, sizeof text); kind++)
		is_known |= option_find(kind, text) != NULL;
	diag_error(r->diag, key, "'%s' stands before the first section: %s",
		   quote_bytes(mark_text(key), key->length).text,
		   is_known ? option_advise(SECTION_DAEMON, text, advice) :
		   "begin with [daemon], [service NAME], [upstream NAME] or [tls NAME]");
}

/* A line without `=`; when it begins with a key, it is clear what it should be. */
static void refuse_pair(struct reader *r, const struct mark *pair)
{
	const char *text = mark_text(pair);
	struct mark key = *pair, rest;
	char name[INIH_NAME_BYTES];
	size_t length = 0;

	while (length < pair->length && !is_blank(text[length]) && text[length] != ':')
		length++;
	key.length = length;
	mention(r, &key);
	rest = trim(&pair->line, pair->start + length + (length < pair->length && text[length] == ':'),
		    pair->start + pair->length);

	if (r->section && rest.length > 0 && copy_mark(&key, name, sizeof name) &&
	    option_find(r->section->kind, name))
		diag_error(r->diag, pair, "%s the '=' is missing, did you mean '%s = %s'?", r->section->title, name,
			   quote_bytes(mark_text(&rest), rest.length).text);
	else
		diag_error(r->diag, pair, "the '=' is missing: a line is a [SECTION], KEY = VALUE or a comment");
}

/* What inih could not carry is no key either. */
static bool is_word(const struct mark *m)
{
	for (size_t i = 0; i < m->length; i++)
		if (!isalnum((unsigned char) mark_text(m)[i]) && !strchr("_-", mark_text(m)[i]))
			return false;
	return m->length > 0 && m->length < INIH_NAME_BYTES;
}

/* `key = value`: what is fine goes to inih. */
static void take_pair(struct reader *r, const struct mark *pair)
{
	const char *text = mark_text(pair), *equals = memchr(text, '=', pair->length);
	size_t middle, end = pair->start + pair->length;
	struct mark key, value;

	if (r->has_section && !r->section)
		return;
	if (!equals) {
		refuse_pair(r, pair);
		return;
	}
	middle = pair->start + (size_t) (equals - text);
	key = trim(&r->line, pair->start, middle);
	value = trim(&r->line, middle + 1, end);

	if (key.length == 0) {
		diag_error(r->diag, pair, "there is no key before the '='");
	} else if (!r->section) {
		refuse_homeless_key(r, &key);
	} else if (!is_word(&key)) {
		refuse_key(r, &key);
	} else if (value.length == 0) {
		diag_error(r->diag, &key, "%s %s: the value is missing",
			   r->section->title, quote_bytes(mark_text(&key), key.length).text);
		mention(r, &key);
	} else {
		r->key = key;
		r->value = value;
		r->given_length = r->taken_length = 0;
	}
}

/* -- lines -- */

/* Where the line ends for us: before a comment, which is a `;` behind a blank. */
static size_t find_end(const struct source_line *line, size_t start)
{
	for (size_t i = start + 1; i < line->length; i++)
		if (line->text[i] == ';' && is_blank(line->text[i - 1]))
			return i;
	return line->length;
}

/* Refuses a line that is no text, or too long. */
static bool check_line(struct reader *r, const struct mark *all)
{
	const struct source_line *line = &r->line;
	const char *what, *byte = source_find_bad_byte(line->text, line->length, &what);
	const char *equals = memchr(mark_text(all), '=', all->length);
	struct mark bad, key;

	if (!byte && line->length <= LINE_BYTES_MAX)
		return true;

	if (byte) {
		bad = mark_make(line, (size_t) (byte - line->text), 1);
		diag_error(r->diag, &bad, "%s (\\x%02x): the file must be plain UTF-8 text", what,
			   (unsigned char) *byte);
	} else {
		diag_error(r->diag, all, "the line has %zu bytes, and may have %d: a key that takes a list can be "
			   "repeated", line->length, LINE_BYTES_MAX);
	}
	if (equals) {
		key = trim(line, all->start, (size_t) (equals - line->text));
		mention(r, &key);
	}
	return false;
}

static void take_line(struct reader *r)
{
	const struct source_line *line = &r->line;
	struct mark all = trim(line, 0, line->length), content;

	if (!check_line(r, &all))
		return;
	if (all.length == 0 || *mark_text(&all) == ';' || *mark_text(&all) == '#')
		return;

	content = trim(line, all.start, find_end(line, all.start));
	if (*mark_text(&content) == '[')
		take_header(r, &content);
	else
		take_pair(r, &content);
}

static char *give_piece(struct reader *r, char *buffer, size_t size)
{
	size_t frame = r->key.length + strlen("=\"\"\n") + 1, length;

	ENSURE(size > frame, "inih takes lines of %zu bytes", size);
	length = MIN(size - frame, r->value.length - r->given_length);
	snprintf(buffer, size, "%.*s=\"%.*s\"\n", (int) r->key.length, mark_text(&r->key), (int) length,
		 mark_text(&r->value) + r->given_length);
	r->given_length += length;
	return buffer;
}

/* inih asks for a line, as it would ask fgets(). */
static char *give_line(char *buffer, int size, void *context)
{
	struct reader *r = context;

	while (r->result == 0) {
		if (r->given_length < r->value.length)
			return give_piece(r, buffer, (size_t) size);
		if (!source_next_line(r->source, &r->offset, &r->line))
			break;
		r->line.order = ++r->values->line_count;
		take_line(r);
	}
	return NULL;
}

/* A file that is included is read on the spot, in the place of the line. */
static int include_file(void *context, const char *path, const struct mark *mark)
{
	const struct reader *includer = context;
	struct reader r = { .values = includer->values, .diag = includer->diag, .parent = includer,
			    .depth = includer->depth + 1 };
	int result;

	if (r.depth > INCLUDE_DEPTH_MAX) {
		diag_error(r.diag, mark, "[daemon] include: '%s' would be the %dth file inside another one, which is "
			   "too deep", quote(path).text, r.depth);
		return 0;
	}
	r.source = source_new_file(path);
	if (!r.source)
		return -ENOMEM;
	document_add_source(r.values, r.source);
	result = source_read(r.source);
	if (result == -ENOMEM)
		return result;
	if (result < 0) {
		diag_error(r.diag, mark, "[daemon] include: '%s' cannot be read: %s", quote(path).text,
			   strerrordesc_np(-result));
		return 0;
	}
	for (const struct reader *p = includer; p; p = p->parent)
		if (p->source->device == r.source->device && p->source->inode == r.source->inode) {
			diag_error(r.diag, mark, "[daemon] include: '%s' would include itself", quote(path).text);
			return 0;
		}
	return read_source(&r);
}

static int finish_entry(struct reader *r, const struct option *o)
{
	struct section *s = r->section;
	const struct entry **first = &s->written[option_index(o)];
	struct entry *e;
	int result;

	if (*first && !option_is_list(o)) {
		char place[PLACE_BYTES];

		diag_error(r->diag, &r->key, "%s %s is set already (%s): it takes one value", s->title, o->key,
			   mark_print(&(*first)->key, place));
		return 0;
	}
	result = document_add_entry(s, o, &r->key, &r->value, &e);
	if (result < 0)
		return result;
	if (!*first)
		*first = e;
	result = expand_entry(e, s, r->text, r->diag);
	if (result == -EINVAL) {
		s->is_incomplete = true;
		return 0;
	}
	if (result < 0 || o->type != OPTION_INCLUDE)
		return result;
	return include_each(e, r->diag, include_file, r);
}

/* inih hands over a key and a piece of its value. */
static int take_piece(void *context, const char *section, const char *key, const char *piece)
{
	struct reader *r = context;
	size_t length = strlen(piece) - 2;	/* without the quotes */
	const struct option *o;

	(void) section;				/* our own has a place, and the keys that it knows */
	memcpy(r->text + r->taken_length, piece + 1, length);
	r->taken_length += length;
	if (r->taken_length < r->value.length)
		return 1;

	r->text[r->taken_length] = '\0';
	o = option_find(r->section->kind, key);
	if (o)
		r->result = finish_entry(r, o);
	else
		refuse_key(r, &r->key);
	return 1;
}

static int read_source(struct reader *r)
{
	/* inih has nothing to complain about: what it would, was refused before. */
	ini_parse_stream(give_line, r, take_piece, r);
	return r->result;
}

int reader_read_file(struct config_values *v, const char *path, bool is_optional, struct diag *diag)
{
	struct reader r = { .values = v, .diag = diag, .source = source_new_file(path) };
	struct mark mark;
	int result;

	if (!r.source)
		return -ENOMEM;
	document_add_source(v, r.source);
	result = source_read(r.source);
	if (result == 0)
		return read_source(&r);
	if (result == -ENOMEM || (result == -ENOENT && is_optional))
		return result == -ENOMEM ? result : 0;

	mark = mark_source(r.source);
	diag_error(diag, &mark, "the file cannot be read: %s", strerrordesc_np(-result));
	return result;
}
