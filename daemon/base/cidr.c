/* cidr.c - the ends of connections, and the blocks of addresses that they are matched with. */

#include "base/address.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_BITS 96		/* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */

static const char *const no_such_address = "this is no IPv4 or IPv6 address";

void endpoint_from_sockaddr(const struct sockaddr *from, socklen_t length, struct endpoint *ret)
{
	struct endpoint e;

	memset(&e, 0, sizeof(e));
	if (length < sizeof(from->sa_family))
		e.any.sa_family = AF_UNSPEC;
	else if (from->sa_family == AF_INET && length >= sizeof(e.ipv4))
		memcpy(&e.ipv4, from, sizeof(e.ipv4));
	else if (from->sa_family == AF_INET6 && length >= sizeof(e.ipv6))
		memcpy(&e.ipv6, from, sizeof(e.ipv6));
	else if (from->sa_family == AF_UNIX)
		e.any.sa_family = AF_UNIX;

	if (e.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&e.ipv6.sin6_addr)) {
		struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = e.ipv6.sin6_port };

		memcpy(&ipv4.sin_addr, &e.ipv6.sin6_addr.s6_addr[12], sizeof(ipv4.sin_addr));
		memset(&e, 0, sizeof(e));
		e.ipv4 = ipv4;
	}
	*ret = e;
}

/* Writes one of the four numbers of an address. Returns the place behind it. */
static char *put_octet(char *to, unsigned octet)
{
	if (octet >= 100)
		*to++ = (char) ('0' + octet / 100);
	if (octet >= 10)
		*to++ = (char) ('0' + octet / 10 % 10);
	*to++ = (char) ('0' + octet % 10);
	return to;
}

/* By hand: it is in the record of each connection, and inet_ntop() takes printf() for it. */
static void print_ipv4(const struct sockaddr_in *address, char buffer[ENDPOINT_TEXT_BYTES])
{
	uint32_t host = ntohl(address->sin_addr.s_addr);
	char *end = buffer;

	for (int shift = 24; shift >= 0; shift -= 8) {
		end = put_octet(end, host >> shift & 0xff);
		*end++ = shift > 0 ? '.' : ':';
	}
	end += text_put_number(end, ntohs(address->sin_port), 1);
	*end = '\0';
}

char *endpoint_print(const struct endpoint *e, char buffer[ENDPOINT_TEXT_BYTES])
{
	char host[INET6_ADDRSTRLEN] = "", scope[16] = "";

	switch (e->any.sa_family) {
	case AF_INET:
		print_ipv4(&e->ipv4, buffer);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &e->ipv6.sin6_addr, host, sizeof(host));
		if (e->ipv6.sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u", (unsigned) e->ipv6.sin6_scope_id);
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "[%s%s]:%u", host, scope, (unsigned) ntohs(e->ipv6.sin6_port));
		break;
	case AF_UNIX:
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "unix");
		break;
	default:
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "unknown");
		break;
	}
	return buffer;
}

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* True when both agree in their first `bits` bits. */
static bool has_prefix(const uint8_t *address, const uint8_t *network, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(address, network, whole) != 0)
		return false;
	return rest == 0 || (address[whole] ^ network[whole]) >> (8 - rest) == 0;
}

/* True when all bits behind the prefix are zero: `10.0.0.1/8` is more likely a mistake than a network. */
static bool is_network(const struct cidr *c)
{
	struct cidr network = { .family = c->family };

	for (unsigned bit = 0; bit < c->prefix_bits; bit++)
		network.network[bit / 8] |= c->network[bit / 8] & (uint8_t) (0x80 >> bit % 8);
	return memcmp(network.network, c->network, sizeof(network.network)) == 0;
}

/* Reads `address` or `address/prefix`. Returns NULL, or what is wrong. */
static const char *read_block(const char *text, struct cidr *c)
{
	size_t length = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;

	if (length >= sizeof(address))
		return no_such_address;
	memcpy(address, text, length);
	address[length] = '\0';

	c->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(c->family, address, c->network) != 1)
		return no_such_address;

	bits = family_bits(c->family);
	if (text[length] == '/') {
		const char *prefix = text + length + 1;
		int r = text_parse_number(prefix, &bits);

		if (r == -EINVAL || (r == 0 && prefix[0] == '0' && prefix[1]))
			return "the prefix length behind the '/' is not a number";
		if (r < 0 || bits > family_bits(c->family))
			return "the prefix is longer than the address";
	}

	c->prefix_bits = (unsigned) bits;
	return is_network(c) ? NULL : "there are bits set behind the prefix";
}

int cidr_parse(const char *text, struct cidr *ret, const char **ret_error)
{
	static const struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	struct cidr c = { .family = AF_UNSPEC };
	const char *error = NULL;

	if (strcmp(text, "unix") == 0)
		c.family = AF_UNIX;
	else if (strcmp(text, "all") != 0)
		error = read_block(text, &c);

	if (error) {
		*ret_error = error;
		return -EINVAL;
	}

	/* Endpoints with a mapped address are IPv4: a rule for them that stayed IPv6 would never match. */
	if (c.family == AF_INET6 && c.prefix_bits >= MAPPED_BITS &&
	    has_prefix(c.network, mapped.s6_addr, MAPPED_BITS)) {
		memmove(c.network, c.network + 12, 4);
		memset(c.network + 4, 0, sizeof(c.network) - 4);
		c.family = AF_INET;
		c.prefix_bits -= MAPPED_BITS;
	}
	*ret = c;
	return 0;
}

char *cidr_print(const struct cidr *c, char buffer[ENDPOINT_TEXT_BYTES])
{
	char address[INET6_ADDRSTRLEN] = "";

	if (c->family == AF_UNSPEC || c->family == AF_UNIX) {
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "%s", c->family == AF_UNIX ? "unix" : "all");
		return buffer;
	}

	inet_ntop(c->family, c->network, address, sizeof(address));
	if (c->prefix_bits == family_bits(c->family))
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "%s", address);
	else
		snprintf(buffer, ENDPOINT_TEXT_BYTES, "%s/%u", address, c->prefix_bits);
	return buffer;
}

bool cidr_contains(const struct cidr *c, const struct endpoint *e)
{
	const void *address;

	if (c->family == AF_UNSPEC)
		return true;
	if (c->family != e->any.sa_family)
		return false;
	if (c->family == AF_UNIX)
		return true;

	address = c->family == AF_INET ? (const void *) &e->ipv4.sin_addr : (const void *) &e->ipv6.sin6_addr;
	return has_prefix(address, c->network, c->prefix_bits);
}
