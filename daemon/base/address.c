/* address.c - reads, prints and compares addresses of listeners and of servers.
 *
 * The readers return NULL or the literal that says what is wrong; address_parse() is their only caller
 * from outside and keeps the caller's address untouched until all of it was read.
 */

#include "base/address.h"

#include "base/fault.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define HOST_NAME_BYTES 253		/* RFC 1035 section 2.3.4, without the length bytes at both ends */
#define HOST_LABEL_BYTES 63
#define UNIX_NAME_BYTES (sizeof(((struct sockaddr_un *) NULL)->sun_path) - 1)

#define DIGITS "0123456789"
#define HEX_DIGITS "0123456789abcdefABCDEF"

static const char *const port_is_missing = "the port is missing, as in localhost:7007";
static const char *const no_ipv6_address = "this is not an IPv6 address";

static const char *read_port(const char *text, enum address_use use, struct address *a)
{
	uint64_t port = 0;
	int r;

	if (!*text)
		return port_is_missing;

	r = text_parse_number(text, &port);
	if (r == -EINVAL)
		return "the port is not a number";
	if (r < 0 || port > UINT16_MAX)
		return "the port is above 65535";
	if (text[0] == '0' && text[1])
		return "the port has leading zeros";
	if (port == 0 && use == ADDRESS_CONNECT)
		return "port 0 is no port to connect to";

	a->port = (uint16_t) port;
	return NULL;
}

/* Reads the interface behind the '%', an index or a name (RFC 4007 section 11.2). */
static const char *read_scope(const char *text, struct address *a)
{
	uint64_t index;

	if (text_parse_number(text, &index) < 0)
		index = fault_point("if_nametoindex", ENODEV) < 0 ? 0 : if_nametoindex(text);
	if (index == 0 || index > UINT32_MAX)
		return "there is no such network interface";

	a->scope_id = (uint32_t) index;
	return NULL;
}

/* Reads what stands between the brackets. */
static const char *read_ipv6(const char *text, size_t length, struct address *a)
{
	char host[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	const char *scope = NULL;
	bool is_local;
	char *percent;

	if (length >= sizeof(host))
		return no_ipv6_address;
	memcpy(host, text, length);
	host[length] = '\0';

	percent = strchr(host, '%');
	if (percent) {
		*percent = '\0';
		scope = percent + 1;
	}
	if (inet_pton(AF_INET6, host, &a->ipv6) != 1)
		return no_ipv6_address;

	/* Such addresses exist once per link (RFC 4291 section 2.5.6), all others once. */
	is_local = IN6_IS_ADDR_LINKLOCAL(&a->ipv6) || IN6_IS_ADDR_MC_LINKLOCAL(&a->ipv6);
	if (scope && !is_local)
		return "only a link-local address takes an interface";
	if (!scope && is_local)
		return "a link-local address needs its interface, as in [fe80::1%eth0]:7007";

	/* One form for one address, as for endpoints: a mapped one is the IPv4 address itself. */
	if (IN6_IS_ADDR_V4MAPPED(&a->ipv6)) {
		memcpy(&a->ipv4, &a->ipv6.s6_addr[12], sizeof(a->ipv4));
		memset(&a->ipv6, 0, sizeof(a->ipv6));
		a->kind = ADDRESS_IPV4;
		return NULL;
	}

	a->kind = ADDRESS_IPV6;
	return scope ? read_scope(scope, a) : NULL;
}

static const char *read_bracketed(const char *text, enum address_use use, struct address *a)
{
	const char *close = strchr(text, ']'), *error;

	if (!close)
		return "the ']' behind the IPv6 address is missing";

	error = read_ipv6(text + 1, (size_t) (close - text - 1), a);
	if (error)
		return error;
	if (!close[1])
		return port_is_missing;
	if (close[1] != ':')
		return "only ':' and a port may follow the ']'";
	return read_port(close + 2, use, a);
}

/* True when the last label is a number, decimal or hexadecimal. The resolver would take such a "name" for an IPv4
 * address in one of its historic forms (`127.1`, `0x7f000001`), or look up a typing error; no real name ends so. */
static bool ends_in_number(const char *host)
{
	size_t end = strlen(host), start;

	if (end > 0 && host[end - 1] == '.')
		end--;
	for (start = end; start > 0 && host[start - 1] != '.'; start--)
		;

	if (strncasecmp(host + start, "0x", 2) == 0)
		return start + 2 + strspn(host + start + 2, HEX_DIGITS) == end;
	return start < end && start + strspn(host + start, DIGITS) == end;
}

/* Checks a host name by RFC 1123 section 2.1, and lets '_' pass, which names inside of a cluster have. */
static const char *check_name(const char *host)
{
	const char *label = host;

	if (host[strspn(host, DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.")])
		return "a host name has only letters, digits, '-', '_' and '.'";

	while (*label) {
		size_t length = strcspn(label, ".");

		if (length == 0)
			return "the host name has an empty part";
		if (length > HOST_LABEL_BYTES)
			return "a part of the host name is longer than 63 bytes";
		if (label[0] == '-' || label[length - 1] == '-')
			return "a part of the host name begins or ends with '-'";

		/* One dot at the very end is fine: it makes the name absolute. */
		label += length;
		if (*label == '.')
			label++;
	}
	return NULL;
}

static const char *read_host(const char *text, size_t length, enum address_use use, struct address *a)
{
	char *host = a->name;

	if (length == 0) {
		if (use == ADDRESS_CONNECT)
			return "the host to connect to is missing, as in localhost:7007";
		a->kind = ADDRESS_ANY;
		return NULL;
	}
	if (length > HOST_NAME_BYTES + (text[length - 1] == '.'))
		return "the host name is longer than 253 bytes";
	memcpy(host, text, length);
	host[length] = '\0';

	if (strcmp(host, "*") == 0)
		return "all addresses are written without '*', as in :7007";

	if (inet_pton(AF_INET, host, &a->ipv4) == 1) {
		memset(a->name, 0, sizeof(a->name));
		a->kind = ADDRESS_IPV4;
		return NULL;
	}
	if (ends_in_number(host))
		return "an IPv4 address is four numbers from 0 to 255 without leading zeros";

	a->kind = ADDRESS_NAME;
	return check_name(host);
}

static const char *read_host_and_port(const char *text, enum address_use use, struct address *a)
{
	const char *colon = strrchr(text, ':'), *error;

	if (!colon)
		return text[strspn(text, DIGITS)] ? port_is_missing :
						    "a port alone is written with a colon, as in :7007";

	if (strchr(text, ':') != colon) {
		char behind = text[strspn(text, HEX_DIGITS ":.")];

		return behind == '\0' || behind == '%' ? "an IPv6 address stands in brackets, as in [::1]:7007" :
							 "there is more than one ':'";
	}

	error = read_host(text, (size_t) (colon - text), use, a);
	return error ? error : read_port(colon + 1, use, a);
}

static const char *read_unix(const char *text, struct address *a)
{
	if (*text != '/' && *text != '@')
		return *text ? "the path of a Unix socket begins with '/', an abstract name with '@'" :
			       "the path of the Unix socket is missing";

	a->kind = *text == '@' ? ADDRESS_ABSTRACT : ADDRESS_UNIX;
	if (a->kind == ADDRESS_ABSTRACT && !*++text)
		return "the abstract name is empty";
	if (strlen(text) > UNIX_NAME_BYTES)
		return a->kind == ADDRESS_UNIX ? "the path of the Unix socket is longer than 107 bytes" :
						 "the abstract name is longer than 107 bytes";

	memcpy(a->name, text, strlen(text) + 1);
	return NULL;
}

/* Reads a name as FileDescriptorName= of systemd.socket(5) has it. */
static const char *read_systemd(const char *text, enum address_use use, struct address *a)
{
	if (use != ADDRESS_LISTEN)
		return "systemd: names a socket to listen on, not one to connect to";
	if (!*text)
		return "the name behind systemd: is missing";
	if (strlen(text) >= sizeof(a->name))
		return "the name behind systemd: is longer than 255 bytes";
	for (const char *p = text; *p; p++)
		if (*p == ':' || *p & 0x80)
			return "the name behind systemd: has a ':' or is not ASCII";

	a->kind = ADDRESS_SYSTEMD;
	memcpy(a->name, text, strlen(text) + 1);
	return NULL;
}

static const char *read_address(const char *text, enum address_use use, struct address *a)
{
	if (!*text)
		return "the address is empty";
	for (const char *p = text; *p; p++)
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return "there is a control character in the address";

	if (text_starts_with(text, "unix:"))
		return read_unix(text + strlen("unix:"), a);
	if (text_starts_with(text, "systemd:"))
		return read_systemd(text + strlen("systemd:"), use, a);
	if (*text == '[')
		return read_bracketed(text, use, a);
	return read_host_and_port(text, use, a);
}

int address_parse(const char *text, enum address_use use, struct address *ret, const char **ret_error)
{
	struct address a = { 0 };
	const char *error = read_address(text, use, &a);

	if (error) {
		*ret_error = error;
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

static void print_ipv6(const struct address *a, char buffer[ADDRESS_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "", scope[16] = "";

	inet_ntop(AF_INET6, &a->ipv6, host, sizeof(host));
	if (a->scope_id)
		snprintf(scope, sizeof(scope), "%%%u", (unsigned) a->scope_id);
	snprintf(buffer, ADDRESS_TEXT_BYTES, "[%s%s]:%u", host, scope, (unsigned) a->port);
}

char *address_print(const struct address *a, char buffer[ADDRESS_TEXT_BYTES])
{
	char host[INET_ADDRSTRLEN] = "";

	buffer[0] = '\0';
	switch (a->kind) {
	case ADDRESS_ANY:
		snprintf(buffer, ADDRESS_TEXT_BYTES, ":%u", (unsigned) a->port);
		break;
	case ADDRESS_IPV4:
		inet_ntop(AF_INET, &a->ipv4, host, sizeof(host));
		snprintf(buffer, ADDRESS_TEXT_BYTES, "%s:%u", host, (unsigned) a->port);
		break;
	case ADDRESS_IPV6:
		print_ipv6(a, buffer);
		break;
	case ADDRESS_NAME:
		snprintf(buffer, ADDRESS_TEXT_BYTES, "%s:%u", a->name, (unsigned) a->port);
		break;
	case ADDRESS_UNIX:
		snprintf(buffer, ADDRESS_TEXT_BYTES, "unix:%s", a->name);
		break;
	case ADDRESS_ABSTRACT:
		snprintf(buffer, ADDRESS_TEXT_BYTES, "unix:@%s", a->name);
		break;
	case ADDRESS_SYSTEMD:
		snprintf(buffer, ADDRESS_TEXT_BYTES, "systemd:%s", a->name);
		break;
	}
	return buffer;
}

bool address_equal(const struct address *a, const struct address *b)
{
	if (a->kind != b->kind)
		return false;

	switch (a->kind) {
	case ADDRESS_ANY:
		return a->port == b->port;
	case ADDRESS_IPV4:
		return a->port == b->port && a->ipv4.s_addr == b->ipv4.s_addr;
	case ADDRESS_IPV6:
		return a->port == b->port && IN6_ARE_ADDR_EQUAL(&a->ipv6, &b->ipv6) && a->scope_id == b->scope_id;
	case ADDRESS_NAME:
		/* Case does not count in host names (RFC 4343). */
		return a->port == b->port && strcasecmp(a->name, b->name) == 0;
	case ADDRESS_UNIX:
	case ADDRESS_ABSTRACT:
	case ADDRESS_SYSTEMD:
		return strcmp(a->name, b->name) == 0;
	}
	return false;
}

static bool has_port(const struct address *a)
{
	return a->kind == ADDRESS_ANY || a->kind == ADDRESS_IPV4 || a->kind == ADDRESS_IPV6 ||
	       a->kind == ADDRESS_NAME;
}

static bool is_wildcard(const struct address *a)
{
	return (a->kind == ADDRESS_IPV4 && a->ipv4.s_addr == htonl(INADDR_ANY)) ||
	       (a->kind == ADDRESS_IPV6 && IN6_IS_ADDR_UNSPECIFIED(&a->ipv6));
}

bool address_overlaps(const struct address *a, const struct address *b)
{
	if (!has_port(a) || !has_port(b))
		return address_equal(a, b);

	/* Each listener on port 0 gets a port of its own. */
	if (a->port != b->port || a->port == 0)
		return false;
	if (a->kind == ADDRESS_ANY || b->kind == ADDRESS_ANY)
		return true;
	if (a->kind == b->kind && (is_wildcard(a) || is_wildcard(b)))
		return true;
	return address_equal(a, b);
}

static socklen_t fill_unix(const struct address *a, struct sockaddr_un *ret)
{
	/* An abstract name begins behind a NUL and has none at its end (unix(7)); a path has its NUL. */
	size_t before = a->kind == ADDRESS_ABSTRACT ? 1 : 0, length = strnlen(a->name, UNIX_NAME_BYTES);

	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	memcpy(ret->sun_path + before, a->name, length);
	return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + 1);
}

int address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_length)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(a->port), .sin_addr = a->ipv4 };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_addr = a->ipv6,
				     .sin6_scope_id = a->scope_id };
	struct sockaddr_un local;
	const void *from = NULL;
	socklen_t length = 0;

	switch (a->kind) {
	case ADDRESS_IPV4:
		from = &ipv4;
		length = sizeof(ipv4);
		break;
	case ADDRESS_ANY:
		ipv6.sin6_addr = in6addr_any;
		from = &ipv6;
		length = sizeof(ipv6);
		break;
	case ADDRESS_IPV6:
		from = &ipv6;
		length = sizeof(ipv6);
		break;
	case ADDRESS_UNIX:
	case ADDRESS_ABSTRACT:
		from = &local;
		length = fill_unix(a, &local);
		break;
	case ADDRESS_NAME:
	case ADDRESS_SYSTEMD:
		break;
	}
	if (!from)
		return -EINVAL;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret, from, length);
	*ret_length = length;
	return 0;
}
