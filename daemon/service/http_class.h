/* http_class.h - which byte may stand where in HTTP/1.1.
 *
 * One look into a table per byte, for all who read requests.
 */
#pragma once

#include "base/base.h"

enum http_class {
	HTTP_TOKEN = 1,		/* a method, a field's name (RFC 9110 section 5.6.2) */
	HTTP_TARGET = 2,	/* a request target (RFC 3986 section 2; and the brackets that browsers send) */
	HTTP_TEXT = 4,		/* a field's value (RFC 9110 section 5.5) */
	HTTP_BLANK = 8,		/* optional whitespace */
	HTTP_HOST = 16,		/* a host's name or IPv4 address (RFC 3986 section 3.2.2) */
};
extern const uint8_t http_classes[256];

static inline bool http_is(char byte, enum http_class class)
{
	return http_classes[(unsigned char) byte] & class;
}
