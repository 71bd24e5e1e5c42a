/* print_options.c - the table of options as a configuration file with a comment for each; what
 * conf/corelay.ini.reference has to be. */

#include "base/text.h"
#include "config/option.h"

#include <stdio.h>

static const char heading[] =
	"; corelay.ini.reference - every option there is, at its default.\n"
	";\n"
	"; Times need a unit (500ms 30s 5m 1h 1h30m), sizes too (512b 64k 1m 2g, powers of 1024). A key that takes\n"
	"; a list may be repeated, or take commas. ${NAME} and ${NAME:-default} are from the environment, $$ is a\n"
	"; dollar. A comment begins with ; or # at the start of a line, and with a blank and ; behind a value.\n"
	"; corelayd --check says all that is wrong with a file, corelayd --dump-config what it amounts to.\n";

static const char *const about[SECTION_KINDS] = {
	[SECTION_DAEMON] = "The daemon as a whole.",
	[SECTION_SERVICE] = "A service, with a name of its own; there may be many.",
	[SECTION_UPSTREAM] = "Servers that proxies relay to.",
	[SECTION_TLS] = "How TLS is spoken, with clients or with servers.",
};

static void print_bounds(const struct option *o)
{
	char least[TEXT_SHORT_BYTES], most[TEXT_SHORT_BYTES];

	switch (o->type) {
	case OPTION_NUMBER:
		printf("; From %lld to %lld.\n", (long long) o->min, (long long) o->max);
		break;
	case OPTION_SIZE:
		printf("; From %s to %s.\n", text_print_size((uint64_t) o->min, least),
		       text_print_size((uint64_t) o->max, most));
		break;
	case OPTION_DURATION:
		printf("; From %s to %s%s.\n", text_print_duration(o->min, least),
		       text_print_duration(o->max, most), o->may_be_off ? ", or off" : "");
		break;
	default:
		break;
	}
}

static void print_option(const struct option *o)
{
	printf("\n; %s\n", o->help);
	print_bounds(o);
	if (o->only_for)
		printf("; For type %s only.\n", o->only_for);
	if (o->required)
		printf("; Required.\n");
	if (option_is_list(o))
		printf("; A list.\n");
	if (o->reload == RELOAD_RESTART)
		printf("; A change needs a restart.\n");
	printf("; %s =%s%s\n", o->key, o->standard ? " " : "", o->standard ? o->standard : "");
}

int main(void)
{
	fputs(heading, stdout);
	for (enum section_kind kind = 0; kind < SECTION_KINDS; kind++) {
		printf("\n\n; %s\n; [%s%s]\n", about[kind], section_kind_name(kind),
		       section_kind_is_named(kind) ? " NAME" : "");
		OPTION_EACH (o, kind)
			print_option(o);
	}
	return 0;
}
