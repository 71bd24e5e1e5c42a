/* value.c - values of all types: their syntax, their bounds, and what to say when they are wrong. */

#include "config/value.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/diag.h"
#include "config/value_inside.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SERVER_WEIGHT_MAX 256
#define ACCOUNT_BYTES_MAX 32	/* useradd(8) */

bool span_next(const char *text, bool is_list, struct span *span)
{
	size_t start, end;

	if (span->is_done)
		return false;
	start = span->next;
	end = start + strcspn(text + start, is_list ? "," : "");
	span->is_done = text[end] == '\0';
	span->next = end + 1;
	while (start < end && is_blank(text[start]))
		start++;
	while (end > start && is_blank(text[end - 1]))
		end--;
	span->start = start;
	span->length = end - start;
	return true;
}

static void *field_of(const struct option *o, const void *target)
{
	return (char *) target + o->offset;
}

int value_refuse(struct value_problem *problem, const char *text, const char *format, ...)
{
	va_list arguments;

	problem->start = 0;
	problem->length = strlen(text);
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* -- numbers, sizes, times -- */

static int store_number(const struct option *o, const char *text, uint64_t *field, struct value_problem *problem)
{
	uint64_t number;
	int r = text_parse_number(text, &number);

	if (r == -EINVAL)
		return value_refuse(problem, text, "'%s' is not a number from %lld to %lld", quote(text).text,
				    (long long) o->min, (long long) o->max);
	if (r < 0 || number < (uint64_t) o->min || number > (uint64_t) o->max)
		return value_refuse(problem, text, "%s is out of bounds, it must be from %lld to %lld",
				    quote(text).text, (long long) o->min, (long long) o->max);
	*field = number;
	return 0;
}

static int store_size(const struct option *o, const char *text, uint64_t *field, struct value_problem *problem)
{
	char least[TEXT_SHORT_BYTES], most[TEXT_SHORT_BYTES];
	uint64_t bytes;
	int r = text_parse_size(text, &bytes);

	if (r == -ENOTUNIQ)
		return value_refuse(problem, text, "%s has no unit, did you mean %sb or %sk?", quote(text).text,
				    quote(text).text, quote(text).text);
	if (r == -EINVAL)
		return value_refuse(problem, text, "'%s' is not a size, such as 512b, 64k, 1m or 2g",
				    quote(text).text);
	if (r < 0 || bytes < (uint64_t) o->min || bytes > (uint64_t) o->max)
		return value_refuse(problem, text, "%s is out of bounds, it must be from %s to %s", quote(text).text,
				    text_print_size((uint64_t) o->min, least),
				    text_print_size((uint64_t) o->max, most));
	*field = bytes;
	return 0;
}

static int store_duration(const struct option *o, const char *text, int64_t *field, struct value_problem *problem)
{
	char least[TEXT_SHORT_BYTES], most[TEXT_SHORT_BYTES];
	int64_t ms;
	int r = text_parse_duration(text, &ms);

	if (r == -ENOTUNIQ)
		return value_refuse(problem, text, "%s has no unit, did you mean %ss?", quote(text).text,
				    quote(text).text);
	if (r == -EINVAL)
		return value_refuse(problem, text, "'%s' is not a time, such as 500ms, 30s, 5m, 1h or 1h30m",
				    quote(text).text);
	if (r == 0 && ms == FOREVER && o->may_be_off) {
		*field = ms;
		return 0;
	}
	if (r == 0 && ms == FOREVER)
		return value_refuse(problem, text, "this time cannot be off, it must be from %s to %s",
				    text_print_duration(o->min, least), text_print_duration(o->max, most));
	if (r < 0 || ms < o->min || ms > o->max)
		return value_refuse(problem, text, "%s is out of bounds, it must be from %s to %s%s",
				    quote(text).text, text_print_duration(o->min, least),
				    text_print_duration(o->max, most), o->may_be_off ? ", or off for no limit" : "");
	*field = ms;
	return 0;
}

/* -- words and names -- */

static int refuse_word(const char *text, const char *const *words, struct value_problem *problem)
{
	const char *nearest = text_suggest(text, words);
	char list[PROBLEM_BYTES / 2] = "";
	size_t position = 0;

	if (nearest)
		return value_refuse(problem, text, "there is no '%s', did you mean '%s'?", quote(text).text, nearest);
	for (size_t i = 0; words[i]; i++)
		text_append(list, sizeof list, &position, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ",
			    words[i]);
	return value_refuse(problem, text, "there is no '%s': it is %s", quote(text).text, list);
}

static int find_word(const char *text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

static int store_word(const struct option *o, const char *text, int *field, struct value_problem *problem)
{
	int found = find_word(text, o->words);

	if (found < 0)
		return refuse_word(text, o->words, problem);
	*field = found;
	return 0;
}

int value_keep_text(const char *text, char **field)
{
	char *copy = memory_copy_text(text);

	if (!copy)
		return -ENOMEM;
	memory_free(*field);
	*field = copy;
	return 0;
}

static int store_service_type(const char *text, const char *const *service_types, char **field,
			      struct value_problem *problem)
{
	if (find_word(text, service_types) < 0)
		return refuse_word(text, service_types, problem);
	return value_keep_text(text, field);
}

static int store_account(const char *text, char **field, struct value_problem *problem)
{
	if (strlen(text) > ACCOUNT_BYTES_MAX)
		return value_refuse(problem, text, "the name is longer than %d bytes", ACCOUNT_BYTES_MAX);
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char) *p) && (p == text ? *p != '_' : !strchr("_.-$", *p)))
			return value_refuse(problem, text, "'%s' is no name of an account", quote(text).text);
	return value_keep_text(text, field);
}

/* -- lists -- */

int value_grow(void **items, size_t count, size_t bytes, const char *text, struct value_problem *problem)
{
	void *grown;

	if (count == LIST_ITEMS_MAX)
		return value_refuse(problem, text, "more than %d elements", LIST_ITEMS_MAX);
	grown = memory_resize(*items, (count + 2) * bytes);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	return 0;
}

static int store_listen(const char *text, struct address_list *list, struct value_problem *problem)
{
	struct address address;
	const char *error;
	int r;

	if (address_parse(text, ADDRESS_LISTEN, &address, &error) < 0)
		return value_refuse(problem, text, "'%s' is not an address: %s", quote(text).text, error);
	r = VALUE_GROW(list, items, count, text, problem);
	if (r < 0)
		return r;
	list->items[list->count++] = address;
	return 0;
}

static int store_block(const char *text, struct cidr_list *list, struct value_problem *problem)
{
	struct cidr block;
	const char *error;
	int r;

	if (cidr_parse(text, &block, &error) < 0)
		return value_refuse(problem, text, "'%s' is not a block of addresses: %s", quote(text).text, error);
	r = VALUE_GROW(list, items, count, text, problem);
	if (r < 0)
		return r;
	list->items[list->count++] = block;
	return 0;
}

static int refuse_server_word(const char *word, struct value_problem *problem)
{
	static const char *const words[] = { "backup", "weight", NULL };
	char name[VALUE_TEXT_BYTES];
	const char *nearest;

	snprintf(name, sizeof name, "%.*s", (int) strcspn(word, "="), word);
	nearest = text_suggest(name, words);
	if (nearest)
		return value_refuse(problem, word, "unknown word '%s', did you mean '%s'?", quote(word).text,
				    nearest == words[0] ? "backup" : "weight=N");
	return value_refuse(problem, word, "unknown word '%s': behind an address there are weight=N and backup, "
			    "before the next one there is a comma", quote(word).text);
}

/* A word behind the address of a server. */
static int take_server_word(const char *word, struct server_config *server, struct value_problem *problem)
{
	uint64_t weight;

	if (strcmp(word, "backup") == 0) {
		server->backup = true;
		return 0;
	}
	if (text_starts_with(word, "weight=")) {
		const char *number = word + strlen("weight=");

		if (text_parse_number(number, &weight) < 0 || weight < 1 || weight > SERVER_WEIGHT_MAX)
			return value_refuse(problem, word, "the weight '%s' is no number from 1 to %d",
					    quote(number).text, SERVER_WEIGHT_MAX);
		server->weight = (unsigned) weight;
		return 0;
	}
	return refuse_server_word(word, problem);
}

/* `ADDRESS [weight=N] [backup]`. The text is cut into words in place. */
static int parse_server(char *text, struct server_config *server, struct value_problem *problem)
{
	char *rest = text, *word = strsep(&rest, " \t");
	const char *error;
	int r;

	if (address_parse(word, ADDRESS_CONNECT, &server->address, &error) < 0)
		return value_refuse(problem, word, "'%s' is not an address: %s", quote(word).text, error);
	while ((word = strsep(&rest, " \t"))) {
		if (!*word)
			continue;
		r = take_server_word(word, server, problem);
		if (r < 0) {
			problem->start = (size_t) (word - text);
			return r;
		}
	}
	return 0;
}

static int store_server(const char *text, struct upstream_config *u, struct value_problem *problem)
{
	_cleanup_(memory_freep) char *words = memory_copy_text(text);
	struct server_config server = { .weight = 1 };
	int r;

	if (!words)
		return -ENOMEM;
	r = parse_server(words, &server, problem);
	if (r < 0)
		return r;
	r = VALUE_GROW(u, servers, server_count, text, problem);
	if (r < 0)
		return r;
	u->servers[u->server_count++] = server;
	return 0;
}

/* -- all types -- */

int value_store(const struct option *o, const char *text, const struct value_context *context, void *target,
		struct value_problem *ret_problem)
{
	void *field = field_of(o, target);

	switch (o->type) {
	case OPTION_NUMBER:
		return store_number(o, text, field, ret_problem);
	case OPTION_SIZE:
		return store_size(o, text, field, ret_problem);
	case OPTION_DURATION:
		return store_duration(o, text, field, ret_problem);
	case OPTION_WORD:
		return store_word(o, text, field, ret_problem);
	case OPTION_ACCOUNT:
		return store_account(text, field, ret_problem);
	case OPTION_SERVICE_TYPE:
		return store_service_type(text, context->service_types, field, ret_problem);
	case OPTION_UPSTREAM:
	case OPTION_TLS:
		return value_keep_text(text, field);
	case OPTION_NAME:
	case OPTION_PATH:
	case OPTION_COLON_NAMES:
		return value_store_text(o, text, context, field, ret_problem);
	case OPTION_NAMES:
	case OPTION_PATHS:
	case OPTION_PROTOCOLS:
		return value_store_element(o, text, context, field, ret_problem);
	case OPTION_SNI_ROUTES:
		return value_store_route(text, field, ret_problem);
	case OPTION_LISTEN:
		return store_listen(text, field, ret_problem);
	case OPTION_ADDRESS_BLOCKS:
		return store_block(text, field, ret_problem);
	case OPTION_SERVERS:
		return store_server(text, target, ret_problem);
	case OPTION_INCLUDE:
		break;
	}
	return 0;
}

static void print_server(const struct server_config *server, char *buffer)
{
	char address[ADDRESS_TEXT_BYTES];
	size_t position = 0;

	text_append(buffer, VALUE_TEXT_BYTES, &position, "%s", address_print(&server->address, address));
	if (server->weight != 1)
		text_append(buffer, VALUE_TEXT_BYTES, &position, " weight=%u", server->weight);
	if (server->backup)
		text_append(buffer, VALUE_TEXT_BYTES, &position, " backup");
}

char *value_print(const struct option *o, const void *target, char buffer[VALUE_TEXT_BYTES])
{
	const void *field = field_of(o, target);
	const struct address_list *listen = field;
	const struct cidr_list *blocks = field;
	const struct upstream_config *u = target;
	const struct text_list *texts = field;

	switch (o->type) {
	case OPTION_NUMBER:
		snprintf(buffer, VALUE_TEXT_BYTES, "%llu", (unsigned long long) *(const uint64_t *) field);
		break;
	case OPTION_SIZE:
		text_print_size(*(const uint64_t *) field, buffer);
		break;
	case OPTION_DURATION:
		text_print_duration(*(const int64_t *) field, buffer);
		break;
	case OPTION_WORD:
		snprintf(buffer, VALUE_TEXT_BYTES, "%s", o->words[*(const int *) field]);
		break;
	case OPTION_ACCOUNT:
	case OPTION_SERVICE_TYPE:
	case OPTION_UPSTREAM:
	case OPTION_TLS:
	case OPTION_NAME:
	case OPTION_PATH:
	case OPTION_COLON_NAMES:
		snprintf(buffer, VALUE_TEXT_BYTES, "%s", *(char *const *) field);
		break;
	case OPTION_NAMES:
	case OPTION_PATHS:
	case OPTION_PROTOCOLS:
		snprintf(buffer, VALUE_TEXT_BYTES, "%s", texts->items[texts->count - 1]);
		break;
	case OPTION_SNI_ROUTES:
		value_print_route(field, buffer);
		break;
	case OPTION_LISTEN:
		address_print(&listen->items[listen->count - 1], buffer);
		break;
	case OPTION_ADDRESS_BLOCKS:
		cidr_print(&blocks->items[blocks->count - 1], buffer);
		break;
	case OPTION_SERVERS:
		print_server(&u->servers[u->server_count - 1], buffer);
		break;
	case OPTION_INCLUDE:
		buffer[0] = '\0';
		break;
	}
	return buffer;
}

void value_clear(const struct option *o, void *target)
{
	struct address_list *listen = field_of(o, target);
	struct cidr_list *blocks = field_of(o, target);
	struct upstream_config *u = target;
	char **text = field_of(o, target);

	switch (o->type) {
	case OPTION_ACCOUNT:
	case OPTION_SERVICE_TYPE:
	case OPTION_UPSTREAM:
	case OPTION_TLS:
	case OPTION_NAME:
	case OPTION_PATH:
	case OPTION_COLON_NAMES:
		*text = memory_free(*text);
		break;
	case OPTION_NAMES:
	case OPTION_PATHS:
	case OPTION_PROTOCOLS:
		value_clear_texts(field_of(o, target));
		break;
	case OPTION_SNI_ROUTES:
		value_clear_routes(field_of(o, target));
		break;
	case OPTION_LISTEN:
		listen->items = memory_free(listen->items);
		listen->count = 0;
		break;
	case OPTION_ADDRESS_BLOCKS:
		blocks->items = memory_free(blocks->items);
		blocks->count = 0;
		break;
	case OPTION_SERVERS:
		u->servers = memory_free(u->servers);
		u->server_count = 0;
		break;
	default:
		break;
	}
}
