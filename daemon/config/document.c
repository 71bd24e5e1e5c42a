/* document.c - keeps what was written, and where. */

#include "config/document.h"

#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct config_values *document_new(void)
{
	struct config_values *v = memory_new_object(struct config_values);

	if (!v)
		return NULL;
	list_init(&v->sources);
	list_init(&v->sections);
	return v;
}

static void free_entry(struct entry *e)
{
	memory_free(e->text);
	memory_free(e->places);
	memory_free(e->environment);
	memory_free(e);
}

static void free_item(struct item *i)
{
	list_remove(&i->node);
	memory_free(i->text);
	memory_free(i);
}

static void free_section(struct section *s)
{
	struct list *node;

	while ((node = list_take_first(&s->items)))
		free_item(list_entry(node, struct item, node));
	while ((node = list_take_first(&s->entries)))
		free_entry(list_entry(node, struct entry, node));
	memory_free(s);
}

struct config_values *document_free(struct config_values *v)
{
	struct list *node;

	if (!v)
		return NULL;
	while ((node = list_take_first(&v->sections)))
		free_section(list_entry(node, struct section, node));
	while ((node = list_take_first(&v->sources)))
		source_free(list_entry(node, struct source, node));
	return memory_free(v);
}

void document_add_source(struct config_values *v, struct source *s)
{
	list_append(&v->sources, &s->node);
}

struct section *document_find(const struct config_values *v, enum section_kind kind, const char *name)
{
	SECTION_EACH (s, v)
		if (s->kind == kind && !s->is_duplicate && strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

const char *document_suggest(const struct config_values *v, enum section_kind kind, const char *name)
{
	const char *names[SECTIONS_MAX + 1];
	size_t count = 0;

	SECTION_EACH (s, v)
		if (s->kind == kind && strcmp(s->name, name) != 0)
			names[count++] = s->name;
	names[count] = NULL;
	return text_suggest(name, names);
}

/* [daemon] may be continued in another file, so that a drop-in can set an option of it. */
static bool may_continue(const struct section *first, const struct mark *mark)
{
	return !section_kind_is_named(first->kind) &&
	       (!mark->line.source->is_file || first->mark.line.source != mark->line.source);
}

static int add_section(struct config_values *v, enum section_kind kind, const char *name, const struct mark *mark,
		       struct section **ret)
{
	struct section *s = memory_new_object(struct section);

	if (!s)
		return -ENOMEM;
	s->kind = kind;
	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->title, sizeof s->title, "[%s%s%s]", section_kind_name(kind), *name ? " " : "", name);
	s->mark = *mark;
	list_init(&s->entries);
	list_init(&s->items);
	list_append(&v->sections, &s->node);
	v->section_count++;
	*ret = s;
	return 0;
}

int document_open_section(struct config_values *v, enum section_kind kind, const char *name, const struct mark *mark,
			  struct diag *diag, struct section **ret)
{
	struct section *first = document_find(v, kind, name), *s;
	int r;

	if (first && may_continue(first, mark)) {
		if (!first->mark.line.source)
			first->mark = *mark;
		*ret = first;
		return 0;
	}
	if (v->section_count == SECTIONS_MAX) {
		diag_error(diag, mark, "more than %d sections", SECTIONS_MAX);
		return -E2BIG;
	}
	r = add_section(v, kind, name, mark, &s);
	if (r < 0)
		return r;
	if (first) {
		char place[PLACE_BYTES];

		s->is_duplicate = true;
		diag_error(diag, mark, "%s is there already (%s): join the two, or rename one", s->title,
			   mark_print(&first->mark, place));
	}
	*ret = s;
	return 0;
}

int document_add_entry(struct section *s, const struct option *o, const struct mark *key, const struct mark *value,
		       struct entry **ret)
{
	struct entry *e = memory_new_object(struct entry);

	if (!e)
		return -ENOMEM;
	e->option = o;
	e->key = *key;
	e->value = *value;
	list_append(&s->entries, &e->node);
	s->mentioned[option_index(o)] = true;
	*ret = e;
	return 0;
}

bool entry_is_setting(const struct entry *e)
{
	return !e->value.line.source->is_file;
}

struct mark entry_mark(const struct entry *e, size_t start, size_t length)
{
	const char *value = e->value.line.text + e->value.start;
	size_t end = start + length;

	if (e->places) {
		start = e->places[start];
		end = e->places[end];
		/* Both ends lie in what one variable stands for: that variable is meant. */
		if (end <= start && length > 0) {
			const char *brace = memchr(value + start, '}', e->value.length - start);

			end = brace ? (size_t) (brace - value) + 1 : e->value.length;
		}
	}
	return mark_make(&e->value.line, e->value.start + start, end > start ? end - start : 0);
}

int document_add_item(struct section *s, const struct option *o, const struct entry *e, const struct mark *mark,
		      const char *text)
{
	struct item *i = memory_new_object(struct item);

	if (!i)
		return -ENOMEM;
	i->text = memory_copy_text(text);
	if (!i->text) {
		memory_free(i);
		return -ENOMEM;
	}
	i->option = o;
	i->entry = e;
	i->mark = *mark;
	list_append(&s->items, &i->node);
	return 0;
}

void document_drop_items(struct section *s, const struct option *o)
{
	LIST_EACH_SAFE (node, &s->items) {
		struct item *i = list_entry(node, struct item, node);

		if (i->option == o)
			free_item(i);
	}
}

const struct entry *section_last_entry(const struct section *s, enum option_type type)
{
	const struct entry *last = NULL;

	ENTRY_EACH (e, s)
		if (e->option->type == type)
			last = e;
	return last;
}

const struct item *section_find_item(const struct section *s, const char *key, size_t index)
{
	ITEM_EACH (i, s)
		if (i->entry && strcmp(i->option->key, key) == 0 && index-- == 0)
			return i;
	return NULL;
}

bool section_name_is_valid(const char *name, const char **ret_error)
{
	if (!*name) {
		*ret_error = "the name is missing";
		return false;
	}
	if (strlen(name) >= CONFIG_NAME_BYTES) {
		*ret_error = "the name is longer than 63 bytes";
		return false;
	}
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char) *p) && (p == name || !strchr("_-.", *p))) {
			*ret_error = "it has letters, digits, '_', '-' and '.', first a letter or a digit";
			return false;
		}
	return true;
}
