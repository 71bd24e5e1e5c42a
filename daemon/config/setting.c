/* setting.c - takes `SECTION.KEY=VALUE` apart. */

#include "config/setting.h"

#include "base/memory.h"

#include <string.h>

struct setting {
	struct config_values *values;
	struct diag *diag;
	struct source_line line;
	struct mark whole, kind, name, key, value;
};

/* The text of a mark as a string of its own, for the tables. */
struct word {
	char text[CONFIG_NAME_BYTES];
};

/* Longer than any name or key there is: it is cut, and stays unknown. */
static struct word word_of(const struct mark *m)
{
	struct word w = { { 0 } };

	memcpy(w.text, m->line.text + m->start, MIN(m->length, sizeof w.text - 1));
	return w;
}

/* Finds the parts; the last dot before the `=` stands before the key, as names may have dots. */
static bool split(struct setting *s, const char *text)
{
	const char *equals = strchr(text, '='), *end = text + strlen(text), *dot = NULL;
	size_t kind_length;

	for (const char *p = text; equals && p < equals; p++)
		if (*p == '.')
			dot = p;
	if (!dot)
		return false;
	kind_length = MIN(strcspn(text, ". "), (size_t) (dot - text));
	s->kind = mark_make(&s->line, 0, kind_length);
	if (text + kind_length < dot)
		s->name = mark_make(&s->line, kind_length + 1, (size_t) (dot - text) - kind_length - 1);
	else
		s->name = mark_make(&s->line, kind_length, 0);
	s->key = mark_make(&s->line, (size_t) (dot - text) + 1, (size_t) (equals - dot) - 1);
	s->value = mark_make(&s->line, (size_t) (equals - text) + 1, (size_t) (end - equals) - 1);
	return true;
}

static enum section_kind check_section(struct setting *s)
{
	struct word kind = word_of(&s->kind), name = word_of(&s->name);
	enum section_kind found = section_kind_find(kind.text, s->kind.length);
	const char *nearest, *error = "the name is longer than 63 bytes";

	if (found == SECTION_KINDS) {
		nearest = section_kind_suggest(kind.text);
		diag_error(s->diag, &s->kind, "unknown kind of section '%s'%s%s%s", quote(kind.text).text,
			   nearest ? ", did you mean '" : ": there are daemon, service NAME, upstream NAME and "
			   "tls NAME", nearest ? nearest : "", nearest ? "'?" : "");
	} else if (!section_kind_is_named(found) && s->name.length > 0) {
		diag_error(s->diag, &s->name, "daemon takes no name: write daemon.KEY=VALUE");
		found = SECTION_KINDS;
	} else if (section_kind_is_named(found) && s->name.length == 0) {
		diag_error(s->diag, &s->kind, "the name is missing: write %s.NAME.KEY=VALUE", kind.text);
		found = SECTION_KINDS;
	} else if (section_kind_is_named(found) &&
		   (s->name.length >= CONFIG_NAME_BYTES || !section_name_is_valid(name.text, &error))) {
		diag_error(s->diag, &s->name, "'%s' is no name for a section: %s", quote(name.text).text, error);
		found = SECTION_KINDS;
	}
	return found;
}

static const struct option *check_key(struct setting *s, enum section_kind kind)
{
	struct word key = word_of(&s->key);
	const struct option *o = option_find(kind, key.text);
	char advice[OPTION_ADVICE_BYTES];

	if (!o) {
		option_advise(kind, key.text, advice);
		diag_error(s->diag, &s->key, "unknown key '%s'%s %s", quote(key.text).text,
			   advice[0] == 'd' ? "," : ":", advice);
		return NULL;
	}
	if (o->type == OPTION_INCLUDE) {
		diag_error(s->diag, &s->key, "include stands in files only: name the file with --config");
		return NULL;
	}
	return o;
}

static bool check_value(struct setting *s)
{
	const char *text = s->line.text + s->value.start, *what, *bad;
	size_t length = 1;
	struct mark mark;

	if (s->value.length == 0) {
		diag_error(s->diag, &s->key, "the value is missing");
		return false;
	}
	bad = source_find_bad_byte(text, s->value.length, &what);
	if (!bad) {
		bad = strstr(text, " ;");
		length = 2;
		what = "' ;', which would begin a comment,";
	}
	if (!bad && s->value.length <= LINE_BYTES_MAX)
		return true;

	mark = bad ? mark_make(&s->line, (size_t) (bad - s->line.text), length) : s->value;
	diag_error(s->diag, &mark, "%s cannot stand in a value", bad ? what : "so long a text");
	return false;
}

static int add(struct setting *s, enum section_kind kind, const struct option *o)
{
	struct section *section = document_find(s->values, kind, word_of(&s->name).text);
	struct entry *e;
	int r = 0;

	if (!section)
		r = document_open_section(s->values, kind, word_of(&s->name).text, &s->whole, s->diag, &section);
	if (r == -E2BIG)
		return 0;
	if (r < 0)
		return r;
	r = document_add_entry(section, o, &s->key, &s->value, &e);
	if (r < 0)
		return r;
	e->text = memory_copy_text(s->line.text + s->value.start);
	return e->text ? 0 : -ENOMEM;
}

static int read_setting(struct config_values *v, const char *text, struct diag *diag)
{
	struct setting s = { .values = v, .diag = diag };
	struct source *source = source_new_setting(text);
	const struct option *o;
	enum section_kind kind;

	if (!source)
		return -ENOMEM;
	document_add_source(v, source);
	s.line = (struct source_line) { .source = source, .number = 1, .order = ++v->line_count,
					.text = source->text, .length = source->length };
	s.whole = mark_make(&s.line, 0, s.line.length);
	if (!split(&s, text)) {
		diag_error(diag, &s.whole, "a setting is SECTION.KEY=VALUE, such as daemon.log_level=debug or "
			   "service.NAME.idle_timeout=5s");
		return 0;
	}
	kind = check_section(&s);
	if (kind == SECTION_KINDS)
		return 0;
	o = check_key(&s, kind);
	return o && check_value(&s) ? add(&s, kind, o) : 0;
}

int settings_read(struct config_values *v, const char *const *settings, struct diag *diag)
{
	int r = 0;

	for (size_t i = 0; settings && settings[i] && r >= 0; i++)
		r = read_setting(v, settings[i], diag);
	return r;
}
