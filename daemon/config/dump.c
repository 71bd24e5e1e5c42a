/* dump.c - the configuration as a file that can be read again. */

#include "config/document.h"

#include <string.h>

#define VALUE_WIDTH 36		/* the origins stand in one column behind it */

static void print_origin(const struct item *i, FILE *to)
{
	char place[PLACE_BYTES];

	fprintf(to, " ; %s", mark_print(&i->mark, place));
	if (i->entry && i->entry->environment)
		fprintf(to, ", environment %s", i->entry->environment);
	fputc('\n', to);
}

static void print_item(const struct item *i, FILE *to)
{
	int width = fprintf(to, "%s = ", i->option->key);

	for (const char *p = i->text; *p; p++) {
		/* A dollar is doubled, or the next reader would look for a variable. */
		width += fprintf(to, *p == '$' ? "$%c" : "%c", *p);
	}
	fprintf(to, "%*s", width < VALUE_WIDTH ? VALUE_WIDTH - width : 0, "");
	print_origin(i, to);
}

static void print_option(const struct section *s, const struct option *o, FILE *to)
{
	bool is_set = false;

	ITEM_EACH (i, s)
		if (i->option == o) {
			print_item(i, to);
			is_set = true;
		}
	/* What was read in is in the dump already. */
	if (!is_set && o->type != OPTION_INCLUDE && option_applies(o, s->service_type))
		fprintf(to, "; %s is not set\n", o->key);
}

void config_dump(const struct config *c, FILE *to)
{
	bool is_first = true;

	SECTION_EACH (s, c->values) {
		fprintf(to, "%s%s\n", is_first ? "" : "\n", s->title);
		OPTION_EACH (o, s->kind)
			print_option(s, o, to);
		is_first = false;
	}
}
