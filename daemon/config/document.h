/* document.h - what was written, and where: the sections and entries of all sources, before anything is made of
 * them.
 *
 * It stays with the configuration that was made from it (config.values), for --dump-config and the comparison of a
 * reload.
 */
#pragma once

#include "config/config.h"
#include "config/diag.h"
#include "config/option.h"

#define SECTIONS_MAX 4096
#define TITLE_BYTES (CONFIG_NAME_BYTES + 16)

/* One `key = value`. */
struct entry {
	struct list node;		/* of its section's entries */
	const struct option *option;
	struct mark key, value;
	char *text;			/* the value, after substitution */
	uint32_t *places;		/* of each byte of text and its end, the place in the value; NULL: the same */
	char *environment;		/* the variables that were substituted, "HOST, PORT"; NULL: none */
};

/* One value that holds: a single one, an element of a list, or a default. */
struct item {
	struct list node;		/* of its section's items */
	const struct option *option;
	const struct entry *entry;	/* NULL: a default */
	struct mark mark;
	char *text;			/* in its canonical form, as the dump shows it */
};

struct section {
	struct list node;		/* of the document's sections */
	enum section_kind kind;
	char name[CONFIG_NAME_BYTES];	/* "" for [daemon] */
	char title[TITLE_BYTES];	/* "[service web]" */
	struct mark mark;		/* where it begins */
	bool is_duplicate;		/* checked, but nothing is made of it */
	bool is_incomplete;		/* something of it was refused: what it lacks may be just that */
	struct list entries, items;
	const struct entry *written[OPTIONS_MAX];	/* by option_index(): the entry of a file that came first */
	bool mentioned[OPTIONS_MAX];	/* there was a line for it, good or bad */
	void *target;			/* struct daemon_config, service_config, ...; NULL: none */
	const char *service_type;	/* of a service, when it is known */
};

struct config_values {
	struct list sources, sections;
	size_t section_count;
	unsigned line_count;		/* lines read so far; gives each one its order */
};

#define NODE_EACH(x, type, head)                                                                           \
	for (type *x = list_entry((head)->next, type, node); &x->node != (head);                           \
	     x = list_entry(x->node.next, type, node))
#define SECTION_EACH(s, values) NODE_EACH (s, struct section, &(values)->sections)
#define ENTRY_EACH(e, section) NODE_EACH (e, struct entry, &(section)->entries)
#define ITEM_EACH(i, section) NODE_EACH (i, struct item, &(section)->items)

struct config_values *document_new(void) _must_check_;
struct config_values *document_free(struct config_values *v);
DEFINE_CLEANUP(struct config_values *, document_free)

/* Takes the source over. */
void document_add_source(struct config_values *v, struct source *s);
/* Adds a section, or for a second [daemon] in another file returns the first one. A name that is there already is
 * said, and the section is a duplicate. -ENOMEM; -E2BIG (said) over SECTIONS_MAX. */
int document_open_section(struct config_values *v, enum section_kind kind, const char *name, const struct mark *mark,
			  struct diag *diag, struct section **ret) _must_check_;
/* NULL when there is none that is not a duplicate. */
struct section *document_find(const struct config_values *v, enum section_kind kind, const char *name);
/* The name of a section of that kind that was probably meant, or NULL. */
const char *document_suggest(const struct config_values *v, enum section_kind kind, const char *name);

/* Adds an entry with its value as it is written; entry.text is still NULL. */
int document_add_entry(struct section *s, const struct option *o, const struct mark *key, const struct mark *value,
		       struct entry **ret) _must_check_;
bool entry_is_setting(const struct entry *e);
/* The stretch of the source that bytes of entry.text are from. */
struct mark entry_mark(const struct entry *e, size_t start, size_t length);

int document_add_item(struct section *s, const struct option *o, const struct entry *e, const struct mark *mark,
		      const char *text) _must_check_;
/* Forgets the items of an option. */
void document_drop_items(struct section *s, const struct option *o);
/* The last entry of the one option of that type: it holds. NULL if there is none. */
const struct entry *section_last_entry(const struct section *s, enum option_type type);

/* The item number `index` of the option of that key; NULL if there are not so many. A default does not count. */
const struct item *section_find_item(const struct section *s, const char *key, size_t index);

bool section_name_is_valid(const char *name, const char **ret_error);
