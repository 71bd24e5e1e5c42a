/* compare.c - what a reload changes. */

#include "config/document.h"

#include "base/text.h"

#include <string.h>

#define CHANGE_BYTES 1024	/* of a value that is reported; a longer list is cut */

struct comparison {
	config_change_fn *report;
	void *context;
};

/* The next item of an option, or NULL. */
static const struct item *next_item(const struct section *s, const struct option *o, const struct item *before)
{
	const struct list *node = before ? before->node.next : s->items.next;

	for (; node != &s->items; node = node->next) {
		const struct item *i = container_of(node, const struct item, node);

		if (i->option == o)
			return i;
	}
	return NULL;
}

static bool is_same(const struct section *a, const struct section *b, const struct option *o)
{
	const struct item *of_a = next_item(a, o, NULL), *of_b = next_item(b, o, NULL);

	while (of_a && of_b && strcmp(of_a->text, of_b->text) == 0) {
		of_a = next_item(a, o, of_a);
		of_b = next_item(b, o, of_b);
	}
	return !of_a && !of_b;
}

static void print_values(const struct section *s, const struct option *o, char buffer[CHANGE_BYTES])
{
	size_t position = 0;

	buffer[0] = '\0';
	for (const struct item *i = next_item(s, o, NULL); i; i = next_item(s, o, i))
		text_append(buffer, CHANGE_BYTES, &position, "%s%s", position > 0 ? ", " : "", i->text);
}

static void compare_sections(const struct comparison *to, const struct section *a, const struct section *b)
{
	char old_value[CHANGE_BYTES], new_value[CHANGE_BYTES];

	OPTION_EACH (o, a->kind) {
		if (is_same(a, b, o))
			continue;
		print_values(a, o, old_value);
		print_values(b, o, new_value);
		to->report(to->context, a->title, o->key, old_value, new_value, o->reload != RELOAD_RESTART);
	}
}

void config_compare(const struct config *old_config, const struct config *new_config, config_change_fn *report,
		    void *context)
{
	const struct comparison to = { .report = report, .context = context };

	SECTION_EACH (a, old_config->values) {
		const struct section *b = document_find(new_config->values, a->kind, a->name);

		if (b)
			compare_sections(&to, a, b);
		else
			report(context, a->title, NULL, a->title, NULL, true);
	}
	SECTION_EACH (b, new_config->values)
		if (!document_find(old_config->values, b->kind, b->name))
			report(context, b->title, NULL, NULL, b->title, true);
}
