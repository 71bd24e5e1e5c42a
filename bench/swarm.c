/* swarm - a load generator that checks every byte. See README.md. */
#include "swarm.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#define SPARE_FDS 16 /* standard streams, epoll, what proc(5) is read with */

static const struct mode *const modes[] = {&mode_echo, &mode_bulk, &mode_churn, &mode_handshake, &mode_idle};

static void usage(FILE *to)
{
	fputs("usage: swarm MODE --to ADDRESS [OPTION...]\n\nModes:\n", to);
	for (size_t i = 0; i < ARRAY_LENGTH(modes); i++)
		fprintf(to, "  %-22s %s\n", modes[i]->name, modes[i]->what);
	fputs("\nOptions:\n"
	      "  --to ADDRESS           host:port, [v6]:port, unix:/path, unix:@abstract\n"
	      "  --connections N        at once (50)\n"
	      "  --size BYTES           of a message (64; k, m, g); bulk: of each stream\n"
	      "  --seconds S            how long to measure (3)\n"
	      "  --warm-up S            echo: before that (0.5)\n"
	      "  --pipeline K           echo: messages under way on each connection (1)\n"
	      "  --count N              echo: messages on each connection; churn, handshake: connections in all; "
	      "instead of --seconds\n"
	      "  --close half|now|reset churn: how a connection ends (half: finish, wait for the server's end)\n"
	      "  --until-line           idle: hold until a line or the end of standard input\n"
	      "  --tls FILE             through TLS, with servers whose certificate is in the file, or signed by "
	      "one\n"
	      "  --tls-version 1.2|1.3  and no other (1.3)\n"
	      "  --resume               handshake: all connections but the first go on with a session\n"
	      "  --cpu-of PID           report what that server used for each unit of work\n"
	      "  --patience S           give up when nothing comes for so long (10)\n"
	      "  --json, --keys         results as one JSON object, or as key=value lines\n"
	      "\nExit status: 0 every byte was right, 1 wrong bytes or failed connections, 64 usage, 71 system "
	      "error.\n",
	      to);
}

static _noreturn_ _printf_(1, 2) void die_usage(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("swarm: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\n(swarm --help lists the options)\n", stderr);
	exit(EX_USAGE);
}

static uint64_t parse_count(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < least || value > most)
		die_usage("--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'", option, least, most, text);
	return value;
}

static uint64_t parse_size(const char *option, const char *text)
{
	static const char units[] = "kmg";
	char *end;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	const char *unit = end != text && *end ? strchr(units, *end) : NULL;
	unsigned shift = unit ? 10 * (unsigned) (unit - units + 1) : 0;
	if (errno || end == text || *text == '-' || (*end && !unit) || (unit && end[1]) ||
	    value > UINT64_MAX >> 20 >> shift)
		die_usage("--%s takes a size such as 64, 16k or 1m, not '%s'", option, text);
	return value << shift;
}

static int64_t parse_seconds(const char *option, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds < 1e6))
		die_usage("--%s takes seconds, not '%s'", option, text);
	return (int64_t) (seconds * 1e9);
}

static enum churn_close parse_close(const char *text)
{
	static const char *const names[] = {"half", "now", "reset"};

	for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
		if (strcmp(names[i], text) == 0)
			return (enum churn_close) i;
	die_usage("--close takes half, now or reset, not '%s'", text);
}

static int parse_tls_version(const char *text)
{
	if (strcmp(text, "1.2") == 0)
		return TLS1_2_VERSION;
	if (strcmp(text, "1.3") == 0)
		return TLS1_3_VERSION;
	die_usage("--tls-version takes 1.2 or 1.3, not '%s'", text);
}

static const struct option names[] = {
	{"to", required_argument, NULL, 't'},
	{"connections", required_argument, NULL, 'c'},
	{"size", required_argument, NULL, 's'},
	{"seconds", required_argument, NULL, 'S'},
	{"warm-up", required_argument, NULL, 'w'},
	{"pipeline", required_argument, NULL, 'p'},
	{"count", required_argument, NULL, 'n'},
	{"close", required_argument, NULL, 'e'},
	{"until-line", no_argument, NULL, 'l'},
	{"tls", required_argument, NULL, 'T'},
	{"tls-version", required_argument, NULL, 'V'},
	{"resume", no_argument, NULL, 'r'},
	{"cpu-of", required_argument, NULL, 'u'},
	{"patience", required_argument, NULL, 'P'},
	{"json", no_argument, NULL, 'j'},
	{"keys", no_argument, NULL, 'k'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static void options_read(struct options *o, int argc, char **argv)
{
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "h", names, &index)) != -1) {
		const char *option = names[index].name;

		switch (c) {
		case 't':
			o->to = optarg;
			break;
		case 'c':
			o->connections = parse_count(option, optarg, 1, 1000000);
			break;
		case 's':
			o->size_bytes = parse_size(option, optarg);
			o->size_given = true;
			break;
		case 'S':
			o->duration_ns = parse_seconds(option, optarg);
			break;
		case 'w':
			o->warm_up_ns = parse_seconds(option, optarg);
			break;
		case 'p':
			o->pipeline = parse_count(option, optarg, 1, 65536);
			break;
		case 'n':
			o->count = parse_count(option, optarg, 1, UINT32_MAX);
			break;
		case 'e':
			o->close = parse_close(optarg);
			break;
		case 'l':
			o->until_line = true;
			break;
		case 'T':
			o->tls = optarg;
			break;
		case 'V':
			o->tls_version = parse_tls_version(optarg);
			break;
		case 'r':
			o->resume = true;
			break;
		case 'u':
			o->server = (pid_t) parse_count(option, optarg, 1, INT32_MAX);
			break;
		case 'P':
			o->patience_ns = parse_seconds(option, optarg);
			break;
		case 'j':
			o->form = REPORT_JSON;
			break;
		case 'k':
			o->form = REPORT_KEYS;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			die_usage("see above");
		}
	}
}

static void options_check(struct options *o, int left, char **argv)
{
	struct process_use use;

	if (left != 1)
		die_usage(left ? "one mode, please" : "which mode?");
	for (size_t i = 0; i < ARRAY_LENGTH(modes); i++)
		if (strcmp(modes[i]->name, argv[0]) == 0)
			o->mode = modes[i];
	if (!o->mode)
		die_usage("there is no mode '%s'", argv[0]);
	if (!o->to)
		die_usage("--to ADDRESS is missing");
	if (!o->size_bytes && o->mode != &mode_churn)
		die_usage("--size 0 makes sense for churn only");
	if (!o->tls && o->mode == &mode_handshake)
		die_usage("--tls FILE is missing");
	if (o->resume && o->mode != &mode_handshake)
		die_usage("--resume is for handshake only");
	if (o->server && process_use(o->server, &use) < 0)
		die_usage("there is no process %d", (int) o->server);
}

static void raise_fd_limit(uint64_t connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (connections + SPARE_FDS > limit.rlim_max)
		die_usage("%" PRIu64 " connections need %" PRIu64 " file descriptors, and the limit is %" PRIu64
			  ": raise it, or run "
			  "several swarms",
			  connections, connections + SPARE_FDS, (uint64_t) limit.rlim_max);
}

int main(int argc, char **argv)
{
	struct options o = {
		.connections = 50,
		.size_bytes = 64,
		.pipeline = 1,
		.duration_ns = 3 * NS_PER_S,
		.warm_up_ns = NS_PER_S / 2,
		.patience_ns = 10 * NS_PER_S,
		.tls_version = TLS1_3_VERSION,
	};
	const char *error;
	struct report report;

	options_read(&o, argc, argv);
	options_check(&o, argc - optind, argv + optind);
	raise_fd_limit(o.connections);
	signal(SIGPIPE, SIG_IGN);

	struct swarm *s = calloc(1, sizeof(*s));
	if (!s)
		return EX_OSERR;
	s->epoll_fd = -1;
	s->to_open = o.connections;
	if (target_parse(o.to, &s->target, &error) < 0)
		die_usage("--to %s: %s", o.to, error);
	if (o.tls && tls_open(&s->tls, o.tls, o.tls_version, o.resume, &error) < 0)
		die_usage("--tls %s: %s", o.tls, error);

	int r = swarm_run(s, &o);
	if (r < 0) {
		fprintf(stderr, "swarm: %s\n", strerror(-r));
		return EX_OSERR;
	}
	report_begin(&report, stdout, o.form);
	o.mode->report(s, &report);
	report_end(&report);
	bool right = !s->failed && !s->mismatched;
	swarm_done(s);
	free(s);
	return right ? 0 : 1;
}
