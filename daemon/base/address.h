/* address.h - where to listen and where to connect, as people write it and as the kernel wants it.
 *
 * `host:port`, `:port` (all IPv4 and IPv6), `1.2.3.4:port`, `[v6]:port`, `unix:/path`, `unix:@abstract`,
 * and for listeners `systemd:NAME` (a socket passed in by the service manager). IPv6 addresses stand in
 * brackets (RFC 3986 section 3.2.2); a link-local one names its interface, and an IPv4-mapped one is read as
 * the IPv4 address. Nothing here looks a host name up; only the name of an interface is asked of the kernel.
 */
#pragma once

#include "base/base.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define ADDRESS_NAME_BYTES 256	/* a DNS name has at most 253 (RFC 1035 section 2.3.4), a Unix path 107 */
#define ADDRESS_TEXT_BYTES (ADDRESS_NAME_BYTES + 16)

enum address_kind {
	ADDRESS_ANY = 1,	/* :port */
	ADDRESS_IPV4,
	ADDRESS_IPV6,
	ADDRESS_NAME,		/* a host name, to be resolved */
	ADDRESS_UNIX,		/* a path */
	ADDRESS_ABSTRACT,	/* a name in the abstract namespace, unix(7) */
	ADDRESS_SYSTEMD,	/* an inherited socket, by name */
};

enum address_use { ADDRESS_LISTEN, ADDRESS_CONNECT };

struct address {
	enum address_kind kind;
	uint16_t port;				/* host byte order */
	struct in_addr ipv4;
	struct in6_addr ipv6;
	uint32_t scope_id;			/* of [fe80::1%eth0]:port, as an interface index */
	char name[ADDRESS_NAME_BYTES];		/* host name, path, abstract name without '@', socket name */
};

/* Reads an address. Returns 0 or -EINVAL; then *ret_error is a literal that says what is wrong, such as
 * "the port is missing". Port 0 is fine for a listener (the kernel chooses) and an error for a connection,
 * and so is a port without host. */
int address_parse(const char *text, enum address_use use, struct address *ret, const char **ret_error) _must_check_;

/* Writes the address as it would be read. Returns buffer. */
char *address_print(const struct address *a, char buffer[ADDRESS_TEXT_BYTES]);

/* True when both are written alike. */
bool address_equal(const struct address *a, const struct address *b);
/* True when a second listener would collide with the first: `:80` and `0.0.0.0:80` are not equal, but overlap;
 * two on port 0 are equal, but do not. What a host name stands for is not known here. */
bool address_overlaps(const struct address *a, const struct address *b);

/* Fills in the kernel's form of any kind but NAME and SYSTEMD (-EINVAL). ANY becomes the IPv6 wildcard. */
int address_to_sockaddr(const struct address *a, struct sockaddr_storage *ret, socklen_t *ret_length);

/* One end of a connection, as compact as can be: 28 bytes. Of a Unix socket only the family is kept. */
struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	};
};

#define ENDPOINT_TEXT_BYTES 72

/* From what accept4() or getsockname() gave; IPv4-mapped IPv6 addresses become IPv4 (RFC 4291 section 2.5.5.2),
 * so one access rule covers both. */
void endpoint_from_sockaddr(const struct sockaddr *from, socklen_t length, struct endpoint *ret);
/* `127.0.0.1:80`, `[::1]:80`, `unix`. Returns buffer. */
char *endpoint_print(const struct endpoint *e, char buffer[ENDPOINT_TEXT_BYTES]);

/* A block of addresses, `10.0.0.0/8`, `::1`, `unix`, or `all` (RFC 4632 section 3.1). */
struct cidr {
	int family;		/* AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC for all */
	unsigned prefix_bits;
	uint8_t network[16];
};

/* Returns 0 or -EINVAL with *ret_error: no such address, prefix too long, or bits set behind the prefix.
 * A block of IPv4-mapped addresses is read as the IPv4 block that it stands for. */
int cidr_parse(const char *text, struct cidr *ret, const char **ret_error) _must_check_;
char *cidr_print(const struct cidr *c, char buffer[ENDPOINT_TEXT_BYTES]);
bool cidr_contains(const struct cidr *c, const struct endpoint *e);
