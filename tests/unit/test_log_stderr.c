/* test_log_stderr.c - what the log does with the standard error that it finds: full, lost, a terminal.
 *
 * Each scenario runs in a child with another standard error; what went wrong it says on the one it had before.
 */
#include "base/fault.h"
#include "base/log.h"
#include "base/text.h"
#include "tests/support/child.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include <cmocka.h>

#define CHECK(condition)                                                                                   \
	do {                                                                                               \
		if (!(condition)) {                                                                        \
			dprintf(report_fd, "line %d: %s\n", __LINE__, #condition);                         \
			_exit(1);                                                                          \
		}                                                                                          \
	} while (0)

/* Makes `sink` the standard error and returns the old one. A record that blocks ends in SIGALRM. */
static int replace_stderr(int sink)
{
	int report_fd = dup(STDERR_FILENO);

	alarm(30);
	log_set_sink(NULL, NULL);
	CHECK(dup2(sink, STDERR_FILENO) == STDERR_FILENO);
	log_open(LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
	return report_fd;
}

/* Reads all that waits in a pipe or socket. */
static size_t drain(int fd, char *buffer, size_t size)
{
	size_t length = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (length < size - 1 && (n = read(fd, buffer + length, size - 1 - length)) > 0)
		length += (size_t) n;
	buffer[length] = '\0';
	return length;
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '\n')); text++)
		count++;
	return count;
}

static void assert_child_is_content(void (*fn)(void *arg), void *arg)
{
	struct child_end end;

	child_run(fn, arg, &end);
	if (!child_exited(&end, 0))
		print_error("%s\n", end.text);
	assert_true(child_exited(&end, 0));
}

static void fill_and_drain(int report_fd, int drain_fd)
{
	static char content[1 << 20];
	size_t written = 0;

	while (log_dropped() == 0) {
		log_info("record %zu with some length, so that the sink is full before long ..........", written);
		written++;
		CHECK(written < 100000);
	}
	log_info("lost too");
	log_info("lost as well");
	CHECK(log_dropped() == 3);

	/* All that was taken is whole. */
	CHECK(drain(drain_fd, content, sizeof(content)) > 0);
	CHECK(count_lines(content) == written - 1);
	CHECK(content[strlen(content) - 1] == '\n');
	CHECK(!strstr(content, "dropped="));

	/* The next record counts the lost ones, and the one behind it does not. */
	log_info("room again");
	log_info("and on");
	drain(drain_fd, content, sizeof(content));
	CHECK(strstr(content, "msg=\"room again\" dropped=3\n"));
	CHECK(strstr(content, "msg=\"and on\"\n"));
	CHECK(log_dropped() == 3);
}

static void fill_a_pipe(void *arg)
{
	int ends[2], report_fd;

	(void) arg;
	if (pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	fill_and_drain(report_fd, ends[0]);
}

static void fill_a_socket(void *arg)
{
	int ends[2], report_fd;

	(void) arg;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	fill_and_drain(report_fd, ends[0]);
}

static void a_full_pipe_drops_and_counts_and_never_blocks(void **unused)
{
	(void) unused;
	assert_child_is_content(fill_a_pipe, NULL);
}

static void a_full_socket_drops_and_counts_and_never_blocks(void **unused)
{
	(void) unused;
	assert_child_is_content(fill_a_socket, NULL);
}

static void fill_a_pipe_with_longest_lines(void *arg)
{
	char message[2 * LOG_LINE_BYTES], *content = malloc(1 << 20);
	int ends[2], report_fd;
	size_t taken;

	(void) arg;
	if (!content || pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	memset(message, 'm', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';

	for (taken = 0; log_dropped() == 0; taken++)
		log_info("%s", message);
	drain(ends[0], content, 1 << 20);
	CHECK(count_lines(content) == taken - 1);

	/* The longest line still has room for the count. */
	log_info("%s", message);
	drain(ends[0], content, 1 << 20);
	CHECK(strstr(content, "mmm...\" dropped=1\n"));
	CHECK(strlen(content) <= LOG_LINE_BYTES);
	free(content);
}

static void the_longest_lines_are_written_whole_or_not_at_all(void **unused)
{
	(void) unused;
	assert_true(LOG_LINE_BYTES <= PIPE_BUF);
	assert_child_is_content(fill_a_pipe_with_longest_lines, NULL);
}

static void count_in_text(void *arg)
{
	char content[65536];
	int ends[2], report_fd;

	(void) arg;
	if (pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	while (log_dropped() == 0)
		log_info("record");
	drain(ends[0], content, sizeof(content));

	log_info("room again");
	drain(ends[0], content, sizeof(content));
	CHECK(strstr(content, " info    room again: dropped=1\n"));
}

static void a_text_record_counts_the_lost_ones_too(void **unused)
{
	(void) unused;
	assert_child_is_content(count_in_text, NULL);
}

static void lose_the_reader(void *arg)
{
	int ends[2], report_fd;

	(void) arg;
	if (pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	close(ends[0]);
	log_info("to nobody");
	CHECK(log_dropped() == 1);

	close(STDERR_FILENO);
	log_info("to nothing");
	CHECK(log_dropped() == 2);
}

static void a_reader_that_has_gone_costs_records_and_not_the_process(void **unused)
{
	(void) unused;
	assert_child_is_content(lose_the_reader, NULL);
}

/* -- gathering -- */

static int open_gathering(int ends[2])
{
	if (pipe(ends) < 0)
		_exit(2);

	int report_fd = replace_stderr(ends[1]);
	log_gather(true);
	return report_fd;
}

static void gather_some(void *arg)
{
	char content[4096];
	int ends[2], report_fd = open_gathering(ends);
	const char *two;

	(void) arg;
	log_info("one");
	log_notice("two");	/* is told at once, behind what came before */
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	two = strstr(content, "msg=\"two\"\n");
	CHECK(two && strstr(content, "msg=\"one\"\n") < two);

	log_info("three");
	log_info("four");
	CHECK(drain(ends[0], content, sizeof(content)) == 0);
	log_flush();
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	CHECK(count_lines(content) == 2 && strstr(content, "msg=\"four\"\n"));
	log_flush();
	CHECK(drain(ends[0], content, sizeof(content)) == 0);

	log_info("five");
	log_gather(false);
	log_info("six");
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	CHECK(count_lines(content) == 2 && strstr(content, "msg=\"six\"\n"));
	CHECK(log_dropped() == 0);
}

static void records_that_can_wait_go_together_when_told_to(void **unused)
{
	(void) unused;
	assert_child_is_content(gather_some, NULL);
}

static void gather_many(void *arg)
{
	char content[3 * LOG_LINE_BYTES];
	int ends[2], report_fd = open_gathering(ends);
	size_t written = 0, length = 0;

	(void) arg;
	for (; length == 0; length = drain(ends[0], content, sizeof(content))) {
		log_info("record");
		written++;
		CHECK(written < LOG_LINE_BYTES);
	}
	CHECK(length <= LOG_LINE_BYTES && content[length - 1] == '\n');
	CHECK(count_lines(content) == written - 1);
	CHECK(written > 10);
	log_flush();
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	CHECK(count_lines(content) == 1);
}

static void what_is_gathered_leaves_when_it_would_be_more_than_a_pipe_takes_at_once(void **unused)
{
	(void) unused;
	assert_child_is_content(gather_many, NULL);
}

static void fill_up(int fd)
{
	char filler[4096] = "";

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, filler, sizeof(filler)) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

static void lose_what_was_gathered(void *arg)
{
	static char content[1 << 20];
	int ends[2], report_fd = open_gathering(ends);

	(void) arg;
	fill_up(ends[1]);
	log_info("a");
	log_info("b");
	log_info("c");
	log_flush();
	CHECK(log_dropped() == 3);

	/* Who tells of them is lost too. */
	log_info("d");
	log_info("e");
	log_flush();
	CHECK(log_dropped() == 5);

	drain(ends[0], content, sizeof(content));
	log_info("f");
	log_info("g");
	log_flush();
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	CHECK(strstr(content, "msg=\"f\" dropped=5\n"));
	CHECK(strstr(content, "msg=\"g\"\n"));
	log_info("h");
	log_flush();
	CHECK(drain(ends[0], content, sizeof(content)) > 0);
	CHECK(strstr(content, "msg=\"h\"\n"));
}

static void each_gathered_record_that_is_lost_counts(void **unused)
{
	(void) unused;
	assert_child_is_content(lose_what_was_gathered, NULL);
}

static void lose_a_part(void *arg)
{
	char path[] = "/tmp/test_log.XXXXXX", content[4096];
	int fd = mkstemp(path), report_fd = replace_stderr(fd);
	struct rlimit limit;
	struct stat status;

	(void) arg;
	CHECK(fd >= 0 && unlink(path) == 0);
	CHECK(fcntl(STDERR_FILENO, F_SETFL, O_APPEND) == 0);
	signal(SIGXFSZ, SIG_IGN);
	log_info("whole");
	CHECK(fstat(fd, &status) == 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0);

	/* Room for one and a half more. */
	const struct rlimit low = { (rlim_t) status.st_size * 5 / 2, limit.rlim_max };
	CHECK(setrlimit(RLIMIT_FSIZE, &low) == 0);
	log_gather(true);
	log_info("whole");
	log_info("torn");
	log_info("lost");
	log_flush();
	CHECK(log_dropped() == 2);

	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	log_info("room");
	log_flush();
	ssize_t length = pread(fd, content, sizeof(content) - 1, 0);
	CHECK(length > 0);
	content[length] = '\0';
	CHECK(count_lines(content) == 3);	/* the torn one has no end */
	CHECK(strstr(content, "msg=\"room\" dropped=2\n"));
}

static void of_a_write_that_was_cut_the_whole_records_count_as_written(void **unused)
{
	(void) unused;
	assert_child_is_content(lose_a_part, NULL);
}

#ifdef ENABLE_FAULTS
static void plant_in_the_write(void *arg)
{
	char content[4096];
	int ends[2], report_fd;

	(void) arg;
	if (pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	for (uint64_t nth = 1; nth <= 2; nth++) {
		fault_plant(nth);
		log_info("lost");
		CHECK(fault_fired());
		CHECK(log_dropped() == nth);
		log_info("written");
		drain(ends[0], content, sizeof(content));
		CHECK(strstr(content, "msg=\"written\" dropped=1\n"));
	}
}

static void a_failed_system_call_drops_the_record(void **unused)
{
	(void) unused;
	assert_child_is_content(plant_in_the_write, NULL);
}
#endif

/* -- formats -- */

/* Opens a terminal as standard error, logs to it, and leaves in `content` what it shows. */
static int log_to_terminal(char *content, size_t size, enum log_format format)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), terminal, report_fd;
	struct termios settings;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		_exit(2);
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (terminal < 0 || tcgetattr(terminal, &settings) < 0)
		_exit(2);
	cfmakeraw(&settings);
	tcsetattr(terminal, TCSANOW, &settings);

	report_fd = replace_stderr(terminal);
	log_open(format, LOG_LEVEL_INFO);
	log_error("broken");
	log_info("fine");
	drain(master, content, size);
	return report_fd;
}

static void show_colours(void *arg)
{
	char content[4096];
	int report_fd;

	(void) arg;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	report_fd = log_to_terminal(content, sizeof(content), LOG_FORMAT_AUTO);
	CHECK(strstr(content, " \033[31merror  \033[0m broken\n"));
	CHECK(strstr(content, " info    fine\n"));
}

static void show_no_colours(void *arg)
{
	const char *const *variable = arg;
	char content[4096];
	int report_fd;

	setenv("TERM", "xterm", 1);
	setenv(variable[0], variable[1], 1);
	report_fd = log_to_terminal(content, sizeof(content), LOG_FORMAT_AUTO);
	CHECK(strstr(content, " error   broken\n"));
	CHECK(!strchr(content, '\033'));
}

static void show_logfmt(void *arg)
{
	char content[4096];
	int report_fd;

	(void) arg;
	report_fd = log_to_terminal(content, sizeof(content), LOG_FORMAT_LOGFMT);
	CHECK(strstr(content, " level=error msg=\"broken\"\n"));
	CHECK(!strchr(content, '\033'));
}

static void auto_is_coloured_text_on_a_terminal(void **unused)
{
	(void) unused;
	assert_child_is_content(show_colours, NULL);
}

static void no_color_and_dumb_terminals_are_respected(void **unused)
{
	const char *no_color[] = { "NO_COLOR", "1" }, *dumb[] = { "TERM", "dumb" };

	(void) unused;
	assert_child_is_content(show_no_colours, no_color);
	assert_child_is_content(show_no_colours, dumb);
}

static void logfmt_on_a_terminal_has_no_colours(void **unused)
{
	(void) unused;
	assert_child_is_content(show_logfmt, NULL);
}

static void log_to_pipe(void *arg)
{
	char content[4096];
	int ends[2], report_fd;

	(void) arg;
	if (pipe(ends) < 0)
		_exit(2);
	report_fd = replace_stderr(ends[1]);
	log_error("one");
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_error("two");
	drain(ends[0], content, sizeof(content));
	CHECK(text_starts_with(content, "ts="));
	CHECK(strstr(content, " level=error msg=\"one\"\n"));
	CHECK(strstr(content, " error   two\n"));
}

static void auto_is_logfmt_elsewhere_and_text_has_no_colours_there(void **unused)
{
	(void) unused;
	assert_child_is_content(log_to_pipe, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_pipe_drops_and_counts_and_never_blocks),
		cmocka_unit_test(a_full_socket_drops_and_counts_and_never_blocks),
		cmocka_unit_test(the_longest_lines_are_written_whole_or_not_at_all),
		cmocka_unit_test(a_text_record_counts_the_lost_ones_too),
		cmocka_unit_test(a_reader_that_has_gone_costs_records_and_not_the_process),
		cmocka_unit_test(records_that_can_wait_go_together_when_told_to),
		cmocka_unit_test(what_is_gathered_leaves_when_it_would_be_more_than_a_pipe_takes_at_once),
		cmocka_unit_test(each_gathered_record_that_is_lost_counts),
		cmocka_unit_test(of_a_write_that_was_cut_the_whole_records_count_as_written),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_failed_system_call_drops_the_record),
#endif
		cmocka_unit_test(auto_is_coloured_text_on_a_terminal),
		cmocka_unit_test(no_color_and_dumb_terminals_are_respected),
		cmocka_unit_test(logfmt_on_a_terminal_has_no_colours),
		cmocka_unit_test(auto_is_logfmt_elsewhere_and_text_has_no_colours_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
