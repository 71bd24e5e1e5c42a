/* test_regress_resolve.c - a C library that fails and does not say why. */
#include "net/connect.h"
#include "tests/support/harness.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* In place of the C library's. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	(void) host;
	(void) port;
	(void) hints;
	(void) ret;
	errno = 0;
	return EAI_SYSTEM;
}

static int connects_by_name(void *arg)
{
	struct address to = { .kind = ADDRESS_NAME, .port = 80, .name = "host.example" };
	struct stream *s = NULL;

	(void) arg;
	assert_int_equal(connect_stream(&to, NULL, 0, &s), -EHOSTUNREACH);
	assert_null(s);
	return 0;
}

static void a_system_error_without_an_errno_is_not_success(void **state)
{
	(void) state;
	assert_int_equal(harness_run(connects_by_name, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_system_error_without_an_errno_is_not_success),
	};

	return cmocka_run_group_tests_name("regress_resolve", tests, NULL, NULL);
}
