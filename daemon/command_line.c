/* command_line.c - arguments to a mode, a file and settings. */

#include "command_line.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define UPSTREAM_NAME "to"	/* of the upstream that --to makes */
#define TLS_NAME "self-signed"	/* of the tls section that --self-signed makes */

enum option_name {
	NAME_CONFIG, NAME_CHECK, NAME_DUMP, NAME_SET, NAME_LOG_LEVEL, NAME_VERSION, NAME_HELP, NAME_TO,
	NAME_SELF_SIGNED, NAMES
};

static const struct {
	char letter;			/* '\0': none */
	const char *word;
	const char *value;		/* what it takes; NULL: nothing */
} names[NAMES] = {
	[NAME_CONFIG] = { 'c', "--config", "FILE" },
	[NAME_CHECK] = { 't', "--check", NULL },
	[NAME_DUMP] = { 'T', "--dump-config", NULL },
	[NAME_SET] = { 's', "--set", "SECTION.KEY=VALUE" },
	[NAME_LOG_LEVEL] = { 'l', "--log-level", "LEVEL" },
	[NAME_VERSION] = { 'V', "--version", NULL },
	[NAME_HELP] = { 'h', "--help", NULL },
	[NAME_TO] = { '\0', "--to", "ADDRESS" },
	[NAME_SELF_SIGNED] = { '\0', "--self-signed", NULL },
};

struct parser {
	char *const *arguments;		/* what is still to be read; ends with NULL */
	const struct config_service_type *types;
	size_t type_count;
	FILE *errors;
	const struct config_service_type *type;	/* what is served without a file */
	bool behind_to;			/* words are servers, no longer addresses to listen on */
	bool only_words;		/* behind `--` */
	bool self_signed;
	size_t listen_count, server_count;
	struct command_line result;
};

void command_line_done(struct command_line *c)
{
	for (size_t i = 0; i < c->setting_count; i++)
		memory_free(c->settings[i]);
	c->settings = memory_free(c->settings);
	c->setting_count = 0;
}

_printf_(2, 3) static int refuse(const struct parser *p, const char *format, ...)
{
	va_list arguments;

	fputs("corelayd: ", p->errors);
	va_start(arguments, format);
	vfprintf(p->errors, format, arguments);
	va_end(arguments);
	fputs("\nTry 'corelayd --help'.\n", p->errors);
	return -EINVAL;
}

/* Arguments may come from anywhere: they are shown escaped, and cut. */
struct shown {
	char text[128];
};

static struct shown show(const char *argument)
{
	struct shown s;

	text_escape(argument, strlen(argument), s.text, sizeof s.text);
	return s;
}

/* -- settings -- */

_printf_(2, 3) static int add_setting(struct parser *p, const char *format, ...)
{
	struct command_line *c = &p->result;
	_cleanup_(memory_freep) char *text = NULL;
	char **grown = memory_resize(c->settings, (c->setting_count + 2) * sizeof *grown);
	va_list arguments;
	int length;

	if (!grown)
		return -ENOMEM;
	c->settings = grown;
	c->settings[c->setting_count] = NULL;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	text = memory_new((size_t) length + 1);
	if (!text)
		return -ENOMEM;
	va_start(arguments, format);
	vsnprintf(text, (size_t) length + 1, format, arguments);
	va_end(arguments);

	c->settings[c->setting_count++] = TAKE(text);
	c->settings[c->setting_count] = NULL;
	return 0;
}

/* -- words -- */

static int refuse_service(const struct parser *p, const char *word)
{
	_cleanup_(memory_freep) const char **known = memory_new_array(p->type_count + 1, sizeof *known);
	const char *nearest;

	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < p->type_count; i++)
		known[i] = p->types[i].name;
	nearest = text_suggest(word, known);
	if (nearest)
		return refuse(p, "there is no service '%s', did you mean '%s'?", show(word).text, nearest);
	if (strchr(word, '/') || strstr(word, ".ini"))
		return refuse(p, "there is no service '%s', did you mean --config %s?", show(word).text,
			      show(word).text);
	return refuse(p, "there is no service '%s'", show(word).text);
}

/* The first word says what is served: `proxy` becomes [service proxy]. */
static int take_service(struct parser *p, const char *word)
{
	for (size_t i = 0; i < p->type_count; i++)
		if (strcmp(p->types[i].name, word) == 0) {
			p->type = &p->types[i];
			return add_setting(p, "service.%s.type=%s", word, word);
		}
	return refuse_service(p, word);
}

static int take_server(struct parser *p, const char *address)
{
	if (!p->type || !p->type->needs_upstream)
		return refuse(p, "--to stands behind 'proxy' and the addresses to listen on");
	p->behind_to = true;
	if (p->server_count++ == 0) {
		int r = add_setting(p, "service.%s.upstream=%s", p->type->name, UPSTREAM_NAME);

		if (r < 0)
			return r;
	}
	return add_setting(p, "upstream.%s.server=%s", UPSTREAM_NAME, address);
}

static int take_word(struct parser *p, const char *word)
{
	if (!p->type)
		return take_service(p, word);
	if (p->behind_to)
		return take_server(p, word);
	p->listen_count++;
	return add_setting(p, "service.%s.listen=%s", p->type->name, word);
}

/* -- options -- */

static int take_log_level(struct parser *p, const char *text)
{
	static const char *const levels[] = { "alert", "error", "warning", "notice", "info", "debug", NULL };
	const char *nearest;

	if (log_level_parse(text, &p->result.log_level) == 0) {
		p->result.has_log_level = true;
		return add_setting(p, "daemon.log_level=%s", text);
	}
	nearest = text_suggest(text, levels);
	if (nearest)
		return refuse(p, "there is no log level '%s', did you mean '%s'?", show(text).text, nearest);
	return refuse(p, "there is no log level '%s': it is alert, error, warning, notice, info or debug",
		      show(text).text);
}

static int take_option(struct parser *p, enum option_name name, const char *value)
{
	struct command_line *c = &p->result;

	switch (name) {
	case NAME_CONFIG:
		if (c->file_was_named)
			return refuse(p, "--config stands twice, and there is one file: it can include others");
		c->file_was_named = true;
		c->file = value;
		return 0;
	case NAME_CHECK:
		c->mode = c->mode == COMMAND_DUMP ? COMMAND_DUMP : COMMAND_CHECK;
		return 0;
	case NAME_DUMP:
		c->mode = COMMAND_DUMP;
		return 0;
	case NAME_SET:
		return add_setting(p, "%s", value);
	case NAME_LOG_LEVEL:
		return take_log_level(p, value);
	case NAME_TO:
		return take_server(p, value);
	case NAME_SELF_SIGNED:
		p->self_signed = true;
		return 0;
	case NAME_VERSION:
	case NAME_HELP:		/* were seen before */
	case NAMES:
		break;
	}
	return 0;
}

/* The value that the option takes: what is attached to it, or the next argument. */
static int take_with_value(struct parser *p, enum option_name name, const char *attached)
{
	const char *value = attached ? attached : *p->arguments;

	if (!value || !*value || (!attached && value[0] == '-' && value[1]))
		return refuse(p, "%s needs a value: %s %s", names[name].word, names[name].word, names[name].value);
	if (!attached)
		p->arguments++;
	return take_option(p, name, value);
}

static int take_long(struct parser *p, const char *argument)
{
	const char *words[NAMES + 1] = { NULL }, *nearest;
	size_t length = strcspn(argument, "=");
	const char *attached = argument[length] ? argument + length + 1 : NULL;
	char word[64] = "";

	for (enum option_name name = 0; name < NAMES; name++) {
		words[name] = names[name].word;
		if (strlen(names[name].word) != length || memcmp(names[name].word, argument, length) != 0)
			continue;
		if (names[name].value)
			return take_with_value(p, name, attached);
		if (attached)
			return refuse(p, "%s takes no value", names[name].word);
		return take_option(p, name, NULL);
	}

	if (length < sizeof word)
		memcpy(word, argument, length);
	nearest = text_suggest(word, words);
	if (nearest)
		return refuse(p, "unknown option '%s', did you mean '%s'?", show(argument).text, nearest);
	return refuse(p, "unknown option '%s'", show(argument).text);
}

/* NAMES when no option has that letter. */
static enum option_name find_letter(char letter)
{
	enum option_name name = 0;

	while (name < NAMES && names[name].letter != letter)
		name++;
	return name;
}

/* `-tT`, `-c FILE`, `-cFILE`. */
static int take_letters(struct parser *p, const char *letters)
{
	for (; *letters; letters++) {
		enum option_name name = find_letter(*letters);
		int r;

		if (name == NAMES)
			return refuse(p, "unknown option '-%s'", show(letters).text);
		if (names[name].value)
			return take_with_value(p, name, letters[1] ? letters + 1 : NULL);
		r = take_option(p, name, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_argument(struct parser *p, const char *argument)
{
	if (p->only_words || argument[0] != '-' || argument[1] == '\0')
		return take_word(p, argument);
	if (strcmp(argument, "--") == 0) {
		p->only_words = true;
		return 0;
	}
	return argument[1] == '-' ? take_long(p, argument) : take_letters(p, argument + 1);
}

/* -- the whole -- */

/* True when the letter is among those of the argument, and not in the value of one of them: -th, but not -ch. */
static bool has_letter(const char *argument, char letter)
{
	if (argument[0] != '-' || argument[1] == '-')
		return false;
	for (const char *p = argument + 1; *p; p++) {
		enum option_name name = find_letter(*p);

		if (*p == letter)
			return true;
		if (name == NAMES || names[name].value)
			return false;
	}
	return false;
}

/* Whoever asks for help gets it, even in the middle of a command that is wrong. */
static bool asks_for(char *const *arguments, enum option_name name)
{
	for (; *arguments && strcmp(*arguments, "--") != 0; arguments++)
		if (strcmp(*arguments, names[name].word) == 0 || has_letter(*arguments, names[name].letter))
			return true;
	return false;
}

/* The option may stand before the word that says what is served, so it is taken at the end. */
static int add_self_signed(struct parser *p)
{
	int r = add_setting(p, "tls.%s.self_signed=yes", TLS_NAME);

	return r < 0 ? r : add_setting(p, "service.%s.tls=%s", p->type->name, TLS_NAME);
}

static int check_words(struct parser *p)
{
	if (!p->type && p->self_signed)
		return refuse(p, "--self-signed is for what is served without a file: corelayd http :8443 "
			      "--self-signed; in a file it is 'self_signed = yes' in a section [tls NAME]");
	if (!p->type)
		return 0;
	if (p->result.file_was_named)
		return refuse(p, "'%s' is served without a file: leave --config out, or the words", p->type->name);
	if (p->listen_count == 0)
		return refuse(p, "the address is missing: corelayd %s :7007%s", p->type->name,
			      p->type->needs_upstream ? " --to HOST:PORT" : "");
	if (p->type->needs_upstream && p->server_count == 0)
		return refuse(p, "the server is missing: corelayd %s ADDRESS --to HOST:PORT", p->type->name);
	p->result.file = NULL;
	return p->self_signed ? add_self_signed(p) : 0;
}

int command_line_parse(int argc, char *const *argv, const struct config_service_type *types, size_t type_count,
		       FILE *errors, struct command_line *ret)
{
	struct parser p = {
		.arguments = argv + (argc > 0),
		.types = types,
		.type_count = type_count,
		.errors = errors,
		.result = { .file = CONFIG_FILE_DEFAULT },
	};
	int r = 0;

	if (asks_for(p.arguments, NAME_HELP) || asks_for(p.arguments, NAME_VERSION)) {
		p.result.mode = asks_for(p.arguments, NAME_HELP) ? COMMAND_HELP : COMMAND_VERSION;
		*ret = p.result;
		return 0;
	}

	while (r >= 0 && *p.arguments)
		r = take_argument(&p, *p.arguments++);
	if (r >= 0)
		r = check_words(&p);
	if (r < 0) {
		command_line_done(&p.result);
		return r;
	}
	*ret = p.result;
	return 0;
}

void command_line_print_help(FILE *to)
{
	fputs("Usage: corelayd [--config FILE]\n"
	      "       corelayd echo|discard|daytime|time|chargen|http ADDRESS...\n"
	      "       corelayd proxy ADDRESS... --to ADDRESS...\n"
	      "A TCP echo server and proxy, in the foreground. See corelayd(8), corelay.ini(5).\n"
	      "\n"
	      "  corelayd echo :7007                      returns what it is sent\n"
	      "  corelayd http 127.0.0.1:8080             answers HTTP requests\n"
	      "  corelayd proxy :9000 --to 10.0.0.5:5432  relays to another server\n"
	      "  corelayd --check --config corelay.ini    says all that is wrong in a file\n"
	      "\n"
	      "  -c, --config FILE    serve what the file says, not the one that is installed:\n"
	      "                       " CONFIG_FILE_DEFAULT "\n"
	      "  -t, --check          do everything but serve\n"
	      "  -T, --dump-config    print the configuration, and where each value is from\n"
	      "  -s, --set SECTION.KEY=VALUE  override the file, such as daemon.log_level=debug\n"
	      "                       or service.NAME.idle_timeout=5s (repeatable)\n"
	      "  -l, --log-level LEVEL  alert, error, warning, notice, info or debug\n"
	      "      --to ADDRESS...  the servers that a proxy relays to\n"
	      "      --self-signed    speak TLS, with a certificate made at start\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this\n"
	      "\n"
	      "ADDRESS is HOST:PORT, :PORT (all), [IPV6]:PORT, unix:PATH or unix:@NAME.\n"
	      "Signals: TERM and INT drain and stop, twice at once; HUP reloads the file.\n", to);
}
