/* load.c - from sources to a configuration. */

#include "base/ensure.h"
#include "base/memory.h"
#include "config/check.h"
#include "config/reader.h"
#include "config/setting.h"
#include "config/value.h"

#include <string.h>

struct load {
	const struct config_source *source;
	struct config *config;
	struct diag *diag;
	const char **type_words;		/* NULL-terminated */
};

/* -- sections become structures -- */

static size_t count_sections(const struct config_values *v, enum section_kind kind)
{
	size_t count = 0;

	SECTION_EACH (s, v)
		count += s->kind == kind && !s->is_duplicate;
	return count;
}

/* The structure of a section, and where its name belongs; NULL: it has none. */
static void *claim_target(struct config *c, const struct section *s, char ***ret_name)
{
	struct service_config *service;
	struct upstream_config *upstream;
	struct tls_config *tls;

	switch (s->kind) {
	case SECTION_SERVICE:
		service = &c->services[c->service_count++];
		*ret_name = &service->name;
		return service;
	case SECTION_UPSTREAM:
		upstream = &c->upstreams[c->upstream_count++];
		*ret_name = &upstream->name;
		return upstream;
	case SECTION_TLS:
		tls = &c->tls[c->tls_count++];
		*ret_name = &tls->name;
		return tls;
	default:
		*ret_name = NULL;
		return &c->daemon;
	}
}

static int make_targets(struct load *l)
{
	struct config *c = l->config;

	c->services = memory_new_array(count_sections(c->values, SECTION_SERVICE), sizeof *c->services);
	c->upstreams = memory_new_array(count_sections(c->values, SECTION_UPSTREAM), sizeof *c->upstreams);
	c->tls = memory_new_array(count_sections(c->values, SECTION_TLS), sizeof *c->tls);
	if (!c->services || !c->upstreams || !c->tls)
		return -ENOMEM;

	SECTION_EACH (s, c->values) {
		char **name;

		if (s->is_duplicate)
			continue;
		s->target = claim_target(c, s, &name);
		if (!name)
			continue;
		*name = memory_copy_text(s->name);
		if (!*name)
			return -ENOMEM;
	}
	return 0;
}

/* Most of what a service may have depends on its type, wherever in the section that stands. */
static const struct config_service_type *find_type(const struct load *l, const struct section *s)
{
	const struct entry *e = section_last_entry(s, OPTION_SERVICE_TYPE);

	for (size_t i = 0; e && e->text && i < l->source->type_count; i++)
		if (strcmp(l->source->types[i].name, e->text) == 0)
			return &l->source->types[i];
	return NULL;
}

/* -- values -- */

static int store_default(struct section *s, const struct option *o, const struct config_service_type *type)
{
	struct service_config *service = s->target;
	struct value_context context = { 0 };
	struct mark nowhere = mark_source(NULL);
	struct value_problem problem;
	char text[VALUE_TEXT_BYTES];
	int r;

	if (!o->standard || !option_applies(o, s->service_type))
		return 0;
	r = value_store(o, o->standard, &context, s->target, &problem);
	ENSURE(r != -EINVAL, "the default of %s is '%s': %s", o->key, o->standard, problem.text);
	if (r < 0)
		return r;
	/* The one default that the service types choose themselves. */
	if (type && s->kind == SECTION_SERVICE && o->offset == offsetof(struct service_config, idle_timeout_ms))
		service->idle_timeout_ms = type->idle_timeout_ms;
	return document_add_item(s, o, NULL, &nowhere, value_print(o, s->target, text));
}

static int store_defaults(struct section *s, const struct config_service_type *type)
{
	int r = 0;

	OPTION_EACH (o, s->kind) {
		r = store_default(s, o, type);
		if (r < 0)
			break;
	}
	return r;
}

/* What may be behind a value that is not understood. */
static const char *hint_for(const char *text)
{
	if (strstr(text, " #"))
		return " (behind a value, a comment begins with ' ;', not with '#')";
	if (*text == '"' || *text == '\'')
		return " (values stand without quotes)";
	return "";
}

static void refuse_value(struct load *l, struct section *s, const struct entry *e, const struct span *span,
			 const struct value_problem *problem, const char *text)
{
	struct mark mark = entry_mark(e, span->start + problem->start, problem->length);

	s->is_incomplete = true;
	diag_error(l->diag, &mark, "%s %s: %s%s", s->title, e->option->key, problem->text, hint_for(text));
}

static int store_span(struct load *l, struct section *s, const struct entry *e, const struct span *span, void *target)
{
	_cleanup_(memory_freep) char *text = memory_copy_bytes(e->text + span->start, span->length);
	const struct value_context context = { .service_types = l->type_words, .source = e->value.line.source };
	struct mark mark = entry_mark(e, span->start, span->length);
	char canonical[VALUE_TEXT_BYTES];
	struct value_problem problem;
	int r;

	if (!text)
		return -ENOMEM;
	if (span->length == 0) {
		s->is_incomplete = true;
		diag_error(l->diag, &mark, "%s %s: there is nothing %s", s->title, e->option->key,
			   option_is_list(e->option) && strchr(e->text, ',') ? "on one side of a comma" :
			   "in the value");
		return 0;
	}
	r = value_store(e->option, text, &context, target, &problem);
	if (r == -EINVAL) {
		refuse_value(l, s, e, span, &problem, text);
		return 0;
	}
	if (r < 0)
		return r;
	return document_add_item(s, e->option, e, &mark, value_print(e->option, target, canonical));
}

/* True when this entry replaces what there is: a single value always, a list when settings follow a file. */
static bool replaces(const struct section *s, const struct entry *e)
{
	if (!option_is_list(e->option))
		return true;
	ITEM_EACH (i, s)
		if (i->option == e->option && i->entry && entry_is_setting(i->entry))
			return false;
	return entry_is_setting(e);
}

static int store_entry(struct load *l, struct section *s, const struct entry *e, void *target)
{
	const struct option *o = e->option;
	struct span span = { 0 };
	int r = 0;

	if (!e->text || o->type == OPTION_INCLUDE)
		return 0;
	if (!option_applies(o, s->service_type)) {
		s->is_incomplete = true;
		diag_error(l->diag, &e->key, "%s the key '%s' does not apply to type %s, it is for %s", s->title,
			   o->key, s->service_type, o->only_for);
		return 0;
	}
	if (replaces(s, e)) {
		document_drop_items(s, o);
		if (option_is_list(o))
			value_clear(o, target);
	}
	while (r >= 0 && span_next(e->text, option_is_list(o), &span))
		r = store_span(l, s, e, &span, target);
	return r;
}

/* Of a duplicate the values are checked, and thrown away. */
static int check_duplicate(struct load *l, struct section *s)
{
	union {
		struct service_config service;
		struct upstream_config upstream;
		struct tls_config tls;
		struct daemon_config daemon;
	} scratch = { 0 };
	int r = 0;

	ENTRY_EACH (e, s) {
		r = store_entry(l, s, e, &scratch);
		if (r < 0)
			break;
	}
	OPTION_EACH (o, s->kind)
		value_clear(o, &scratch);
	return r;
}

static int store_section(struct load *l, struct section *s)
{
	const struct config_service_type *type = find_type(l, s);
	int r;

	s->service_type = type ? type->name : NULL;
	if (s->is_duplicate)
		return check_duplicate(l, s);
	r = store_defaults(s, type);
	if (r < 0)
		return r;
	ENTRY_EACH (e, s) {
		r = store_entry(l, s, e, s->target);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- the whole -- */

static int read_sources(struct load *l)
{
	const struct config_source *source = l->source;
	int r = 0;

	if (source->file)
		r = reader_read_file(l->config->values, source->file, source->file_is_optional, l->diag);
	if (r < 0)
		return r;
	return settings_read(l->config->values, source->settings, l->diag);
}

static int list_type_words(struct load *l)
{
	l->type_words = memory_new_array(l->source->type_count + 1, sizeof *l->type_words);
	if (!l->type_words)
		return -ENOMEM;
	for (size_t i = 0; i < l->source->type_count; i++)
		l->type_words[i] = l->source->types[i].name;
	return 0;
}

static int build(struct load *l)
{
	struct mark nowhere = mark_source(NULL);
	struct section *daemon;
	int r = list_type_words(l);

	if (r < 0)
		return r;
	/* [daemon] has defaults even if nobody writes it. */
	r = document_open_section(l->config->values, SECTION_DAEMON, "", &nowhere, l->diag, &daemon);
	if (r < 0)
		return r;
	r = read_sources(l);
	if (r < 0)
		return r;
	r = make_targets(l);
	if (r < 0)
		return r;
	SECTION_EACH (s, l->config->values) {
		r = store_section(l, s);
		if (r < 0)
			return r;
	}
	r = check_document(l->config, l->source, l->diag);
	if (r < 0)
		return r;
	if (l->diag->out_of_memory)
		return -ENOMEM;
	return l->diag->error_count > 0 ? -EINVAL : 0;
}

/* The types belong to the caller, and may be gone when the configuration is still there. */
static void forget_types(struct config_values *v)
{
	SECTION_EACH (s, v)
		if (s->kind == SECTION_SERVICE && s->target)
			s->service_type = ((struct service_config *) s->target)->type;
}

int config_load(const struct config_source *source, FILE *diagnostics, struct config **ret)
{
	_cleanup_(config_unrefp) struct config *c = memory_new_object(struct config);
	_cleanup_(diag_done) struct diag diag = { 0 };
	struct load l = { .source = source, .config = c, .diag = &diag };
	int r;

	if (!c)
		return -ENOMEM;
	c->references = 1;
	c->values = document_new();
	if (!c->values)
		return -ENOMEM;

	r = build(&l);
	memory_free(l.type_words);
	if (diagnostics && r != -ENOMEM)
		diag_print(&diag, diagnostics);
	if (r < 0)
		return r;
	forget_types(c->values);
	*ret = TAKE(c);
	return 0;
}
