/* fuzz_address.c - the small values that people write: what is read and printed reads as the same again.
 *
 * The input is one string, up to its first NUL; all readers get it.
 */

#include "tests/fuzz/fuzz.h"

#include "base/address.h"
#include "base/ensure.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const fuzz_corpora[] = { "tests/fuzz/corpus/address", NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	return 0;
}

/* -- addresses -- */

/* The kernel's form and back is the same address. */
static void check_kernel_form(const struct address *a, const char *printed)
{
	struct sockaddr_storage kernel;
	char text[ENDPOINT_TEXT_BYTES];
	struct endpoint e;
	socklen_t length = 0;
	int r = address_to_sockaddr(a, &kernel, &length);

	ENSURE((r < 0) == (a->kind == ADDRESS_NAME || a->kind == ADDRESS_SYSTEMD), "%s: %d", printed, r);
	if (r < 0)
		return;
	ENSURE(length > 0 && length <= sizeof kernel, "%s takes %u bytes", printed, (unsigned) length);
	endpoint_from_sockaddr((const struct sockaddr *) &kernel, length, &e);
	endpoint_print(&e, text);
	if (a->kind == ADDRESS_IPV4 || a->kind == ADDRESS_IPV6)
		ENSURE(strcmp(text, printed) == 0, "%s becomes %s", printed, text);
	if (a->kind == ADDRESS_UNIX || a->kind == ADDRESS_ABSTRACT)
		ENSURE(strcmp(text, "unix") == 0, "%s becomes %s", printed, text);
}

static bool check_address(const char *text, enum address_use use, struct address *ret)
{
	char printed[ADDRESS_TEXT_BYTES], again[ADDRESS_TEXT_BYTES];
	const char *error = NULL;
	struct address second;

	if (address_parse(text, use, ret, &error) < 0) {
		ENSURE(error && *error, "refused without a word");
		return false;
	}
	ENSURE(!error, "accepted, and yet: %s", error);
	address_print(ret, printed);
	ENSURE(address_parse(printed, use, &second, &error) == 0, "%s is refused: %s", printed, error);
	ENSURE(address_equal(ret, &second), "%s is not itself", printed);
	ENSURE(strcmp(printed, address_print(&second, again)) == 0, "%s becomes %s", printed, again);
	check_kernel_form(ret, printed);
	return true;
}

static void check_both_uses(const char *text)
{
	struct address listen, connect;
	bool is_listener = check_address(text, ADDRESS_LISTEN, &listen);

	if (!check_address(text, ADDRESS_CONNECT, &connect))
		return;
	ENSURE(is_listener, "to be connected to, but not to be listened on");
	ENSURE(address_equal(&listen, &connect), "another address for each use");
	ENSURE(address_overlaps(&listen, &connect), "an address does not overlap itself");
}

/* -- blocks -- */

static void endpoint_of_network(const struct cidr *c, struct endpoint *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->any.sa_family = (sa_family_t) c->family;
	if (c->family == AF_INET)
		memcpy(&ret->ipv4.sin_addr, c->network, sizeof ret->ipv4.sin_addr);
	if (c->family == AF_INET6)
		memcpy(&ret->ipv6.sin6_addr, c->network, sizeof ret->ipv6.sin6_addr);
}

static void check_block(const char *text)
{
	char printed[ENDPOINT_TEXT_BYTES], again[ENDPOINT_TEXT_BYTES];
	const char *error = NULL;
	struct cidr c, second;
	struct endpoint e;

	if (cidr_parse(text, &c, &error) < 0) {
		ENSURE(error && *error, "refused without a word");
		return;
	}
	cidr_print(&c, printed);
	ENSURE(cidr_parse(printed, &second, &error) == 0, "%s is refused: %s", printed, error);
	ENSURE(strcmp(printed, cidr_print(&second, again)) == 0, "%s becomes %s", printed, again);

	endpoint_of_network(&c, &e);
	ENSURE(cidr_contains(&c, &e), "%s does not contain its first address", printed);
	if (c.prefix_bits == 0)
		return;
	c.network[(c.prefix_bits - 1) / 8] ^= (uint8_t) (0x80 >> (c.prefix_bits - 1) % 8);
	ENSURE(!cidr_contains(&c, &e), "%s contains its neighbour", printed);
}

/* -- times, sizes, numbers -- */

static void check_duration(const char *text)
{
	char printed[TEXT_SHORT_BYTES];
	int64_t ms = -1, again;
	int r = text_parse_duration(text, &ms);

	ENSURE(r == 0 || ms == -1, "the output is touched by a failure");
	if (r < 0)
		return;
	ENSURE((ms == FOREVER) == (strcasecmp(text, "off") == 0), "%lld ms", (long long) ms);
	text_print_duration(ms, printed);
	ENSURE(strlen(printed) <= strlen(text), "%s is not the shortest form", printed);
	ENSURE(text_parse_duration(printed, &again) == 0 && again == ms, "%s is not what was read", printed);
}

static void check_size(const char *text)
{
	char printed[TEXT_SHORT_BYTES];
	uint64_t bytes, again;

	if (text_parse_size(text, &bytes) < 0)
		return;
	text_print_size(bytes, printed);
	ENSURE(strlen(printed) <= strlen(text), "%s is not the shortest form", printed);
	ENSURE(text_parse_size(printed, &again) == 0 && again == bytes, "%s is not what was read", printed);
}

static void check_number(const char *text)
{
	uint64_t number, size;

	if (text_parse_number(text, &number) < 0)
		return;
	ENSURE(text[strspn(text, "0123456789")] == '\0', "a number of other things than digits");
	ENSURE(number != 0 || text_parse_size(text, &size) == 0, "0 needs no unit");
	ENSURE(number == 0 || text_parse_size(text, &size) == -ENOTUNIQ, "%llu bytes have no unit",
	       (unsigned long long) number);
}

/* -- escapes -- */

static void check_escape(const char *bytes, size_t length)
{
	size_t room = 4 * length + 1, full, cut;
	char *whole = malloc(room), *part = malloc(room);

	ENSURE(whole && part, "no memory");
	full = text_escape(bytes, length, whole, room);
	ENSURE(full == strlen(whole), "%zu bytes written, %zu said", strlen(whole), full);
	for (size_t at = 0, n; at < full; at += n) {
		n = text_utf8_length(whole + at, full - at);
		ENSURE(n > 1 || (n == 1 && whole[at] >= ' ' && whole[at] != 0x7f), "\\x%02x is not escaped",
		       (unsigned char) whole[at]);
		ENSURE(n != 2 || (unsigned char) whole[at] != 0xc2 || (unsigned char) whole[at + 1] >= 0xa0,
		       "a control character of ISO 6429 is not escaped");
	}
	for (size_t size = 1; size <= MIN(full, (size_t) 24); size++) {
		cut = text_escape(bytes, length, part, size);
		ENSURE(cut < size && part[cut] == '\0' && memcmp(part, whole, cut) == 0, "cut at %zu: %s", size,
		       part);
	}
	free(whole);
	free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t length = strnlen((const char *) data, size);
	char *text = calloc(1, length + 1);	/* of exactly that size, so that a read behind it is seen */

	ENSURE(text, "no memory");
	memcpy(text, data, length);
	check_both_uses(text);
	check_block(text);
	check_duration(text);
	check_size(text);
	check_number(text);
	check_escape((const char *) data, size);
	free(text);
	return 0;
}
