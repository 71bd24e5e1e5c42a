/* expand.c - puts the environment into values. */

#include "config/expand.h"

#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE_BYTES 128	/* of a name, with the NUL */

struct expansion {
	struct entry *entry;
	const struct section *section;
	struct diag *diag;
	const char *value;
	size_t length;			/* of entry->text so far */
	size_t used_length;		/* of entry->environment so far */
};

/* `${NAME}` or `${NAME:-standard}`. */
struct reference {
	size_t start, length;		/* of the whole, in the value */
	char name[VARIABLE_BYTES];
	const char *standard;		/* NULL: none */
	size_t standard_length;
};

static int refuse(const struct expansion *x, size_t start, size_t length, const char *what, const char *advice)
{
	struct mark mark = mark_make(&x->entry->value.line, x->entry->value.start + start, length);

	diag_error(x->diag, &mark, "%s %s: %s%s", x->section->title, x->entry->option->key, what, advice);
	return -EINVAL;
}

/* Appends text that stands for `place` of the value: each byte for the next one, or all for the same. */
static int append(struct expansion *x, const char *text, size_t length, size_t place, bool is_literal)
{
	struct entry *e = x->entry;
	char *grown_text;
	uint32_t *grown_places;

	if (length > EXPANDED_BYTES_MAX - x->length)
		return refuse(x, place, 1, "the value becomes too long", "");
	grown_text = memory_resize(e->text, x->length + length + 1);
	if (!grown_text)
		return -ENOMEM;
	e->text = grown_text;
	grown_places = memory_resize(e->places, (x->length + length + 1) * sizeof *grown_places);
	if (!grown_places)
		return -ENOMEM;
	e->places = grown_places;

	for (size_t i = 0; i < length; i++) {
		e->text[x->length] = text[i];
		e->places[x->length++] = (uint32_t) (is_literal ? place + i : place);
	}
	return 0;
}

/* The dump says where a value came from; that is not a secret, unlike what may be in it. */
static int note_variable(struct expansion *x, const char *name)
{
	struct entry *e = x->entry;
	size_t size = x->used_length + strlen(name) + sizeof ", ";
	char *grown = memory_resize(e->environment, size);

	if (!grown)
		return -ENOMEM;
	e->environment = grown;
	grown[x->used_length] = '\0';
	text_append(grown, size, &x->used_length, "%s%s", x->used_length > 0 ? ", " : "", name);
	return 0;
}

static bool is_variable_name(const char *name, size_t length)
{
	if (length == 0 || length >= VARIABLE_BYTES || isdigit((unsigned char) name[0]))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char) name[i]) && name[i] != '_')
			return false;
	return true;
}

static int parse_reference(const struct expansion *x, size_t start, struct reference *ret)
{
	const char *name = x->value + start + 2, *end = strchr(name, '}'), *separator;
	size_t name_length;

	if (!end)
		return refuse(x, start, strlen(x->value + start), "'${' without its '}'", "");
	ret->start = start;
	ret->length = (size_t) (end - name) + 3;
	separator = memmem(name, (size_t) (end - name), ":-", 2);
	name_length = (size_t) ((separator ? separator : end) - name);
	if (memmem(name, (size_t) (end - name), "${", 2))
		return refuse(x, start, ret->length, "a variable cannot stand inside another one", "");
	if (!is_variable_name(name, name_length))
		return refuse(x, start, ret->length, "this is no name of a variable",
			      ": write ${NAME} or ${NAME:-default}");

	memcpy(ret->name, name, name_length);
	ret->name[name_length] = '\0';
	ret->standard = separator ? separator + 2 : NULL;
	ret->standard_length = separator ? (size_t) (end - ret->standard) : 0;
	return 0;
}

static int check_environment(const struct expansion *x, const struct reference *reference, const char *found)
{
	const char *what;

	if (source_find_bad_byte(found, strlen(found), &what) || strstr(found, " ;"))
		return refuse(x, reference->start, reference->length,
			      "the variable has bytes that cannot stand in a value", ", such as a line end or ' ;'");
	return 0;
}

static int append_reference(struct expansion *x, const struct reference *reference)
{
	const char *found = getenv(reference->name);
	int r;

	/* As in a shell, an empty variable counts as none where there is a default. */
	if (reference->standard && (!found || !*found))
		return append(x, reference->standard, reference->standard_length, reference->start, false);
	if (!found)
		return refuse(x, reference->start, reference->length, "the environment has no such variable",
			      ": set it, or write ${NAME:-default}");

	r = check_environment(x, reference, found);
	if (r < 0)
		return r;
	r = note_variable(x, reference->name);
	if (r < 0)
		return r;
	return append(x, found, strlen(found), reference->start, false);
}

/* Takes what stands at a dollar, and moves *at behind it. */
static int expand_dollar(struct expansion *x, size_t *at)
{
	struct reference reference;
	int r;

	switch (x->value[*at + 1]) {
	case '$':
		r = append(x, "$", 1, *at, false);
		*at += 2;
		return r;
	case '{':
		r = parse_reference(x, *at, &reference);
		if (r < 0)
			return r;
		*at += reference.length;
		return append_reference(x, &reference);
	default:
		return refuse(x, *at, 1, "a '$' by itself",
			      ": write '$$' for a dollar, ${NAME} for a variable of the environment");
	}
}

/* A ';' behind a blank begins a comment, and so it would where the dump is read again. Either may be from another
 * variable than the other, or from the file. */
static int check_whole(const struct expansion *x)
{
	const struct entry *e = x->entry;

	for (size_t i = 1; i < x->length; i++)
		if (e->text[i] == ';' && is_blank(e->text[i - 1]))
			return refuse(x, e->places[i], 1, "the value would have a ' ;'", ", which begins a comment");
	return 0;
}

int expand_entry(struct entry *e, const struct section *s, const char *value, struct diag *diag)
{
	struct expansion x = { .entry = e, .section = s, .diag = diag, .value = value };
	int r = 0;

	if (!strchr(value, '$')) {
		e->text = memory_copy_text(value);
		return e->text ? 0 : -ENOMEM;
	}

	for (size_t at = 0; value[at] && r >= 0; ) {
		size_t literal = strcspn(value + at, "$");

		if (literal > 0) {
			r = append(&x, value + at, literal, at, true);
			at += literal;
		} else {
			r = expand_dollar(&x, &at);
		}
	}
	if (r >= 0)
		r = check_whole(&x);
	if (r < 0) {
		e->text = memory_free(e->text);
		e->places = memory_free(e->places);
		return r;
	}
	e->text[x.length] = '\0';
	e->places[x.length] = (uint32_t) strlen(value);
	return 0;
}
