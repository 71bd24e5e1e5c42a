#include "service/http_target.h"
#include "service/http_class.h"

#include <string.h>
#include <strings.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Every percent sign is followed by two hexadecimal digits. */
static bool percents_are_valid(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '%')
			continue;
		if (length - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
			return false;
		i += 2;
	}
	return true;
}

/* A name or an IPv4 address: reg-name of RFC 3986 section 3.2.2. */
static bool host_is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!http_is(text[i], HTTP_HOST))
			return false;
	return percents_are_valid(text, length);
}

/* "[...]": an IPv6 address or one of a version to come. */
static bool host_is_bracketed(const char *text, size_t length)
{
	if (length < 4 || text[0] != '[' || text[length - 1] != ']')
		return false;
	for (size_t i = 1; i < length - 1; i++)
		if (!http_is(text[i], HTTP_HOST) && text[i] != ':')
			return false;
	return true;
}

bool http_authority_is_valid(const char *text, size_t length)
{
	size_t host = length;

	while (host > 0 && text[host - 1] >= '0' && text[host - 1] <= '9')
		host--;
	if (host > 0 && text[host - 1] == ':')
		host--;
	else
		host = length;

	if (length > 0 && text[0] == '[')
		return host_is_bracketed(text, host);
	return host_is_name(text, host);
}

/* Where the authority of an absolute form begins, or 0 when it is not of our schemes. */
static size_t scheme_length(const char *target, size_t length)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (length >= n && strncasecmp(target, schemes[i], n) == 0)
			return n;
	}
	return 0;
}

/* An absolute form: where its path begins, or -EINVAL. */
static ssize_t skip_authority(const char *target, size_t length, const char **ret_why)
{
	size_t begin = scheme_length(target, length), end = begin;

	while (end < length && target[end] != '/' && target[end] != '?')
		end++;
	if (memchr(target + begin, '@', end - begin)) {
		*ret_why = "user information in the target";	/* RFC 9110 section 4.2.4 */
		return -EINVAL;
	}
	if (begin == end || target[begin] == ':' || !http_authority_is_valid(target + begin, end - begin)) {
		*ret_why = "bad host in the target";
		return -EINVAL;
	}
	return (ssize_t) end;
}

int http_target_split(const char *target, size_t length, struct http_target *ret, const char **ret_why)
{
	struct http_target t = { .form = HTTP_FORM_OTHER };
	ssize_t path = 0;

	if (!percents_are_valid(target, length)) {
		*ret_why = "bad percent-encoding in the target";
		return -EINVAL;
	}

	if (length == 1 && target[0] == '*')
		t.form = HTTP_FORM_ASTERISK;
	else if (length > 0 && target[0] == '/')
		t.form = HTTP_FORM_ORIGIN;
	else if (scheme_length(target, length) > 0) {
		t.form = HTTP_FORM_ABSOLUTE;
		path = skip_authority(target, length, ret_why);
		if (path < 0)
			return (int) path;
	}

	if (t.form == HTTP_FORM_ORIGIN || t.form == HTTP_FORM_ABSOLUTE) {
		const char *mark = memchr(target + path, '?', length - (size_t) path);

		t.path_at = (size_t) path;
		t.path_length = (mark ? (size_t) (mark - target) : length) - t.path_at;
		t.query_at = mark ? (size_t) (mark - target) + 1 : length;
		t.query_length = length - t.query_at;
	}
	*ret = t;
	return 0;
}

int http_percent_decode(const char *text, size_t length, char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		int byte = (unsigned char) text[i];

		if (byte == '%') {
			int high = length - i >= 3 ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;

			if (low < 0)
				return -EINVAL;
			byte = high * 16 + low;
			i += 2;
		}
		if (byte == 0)
			return -EINVAL;
		if (used + 1 >= size)
			return -ENAMETOOLONG;
		buffer[used++] = (char) byte;
	}
	if (used >= size)
		return -ENAMETOOLONG;
	buffer[used] = '\0';
	return (int) used;
}

int http_query_get(const char *query, size_t length, const char *name, char *buffer, size_t size)
{
	size_t name_length = strlen(name);

	for (size_t at = 0; at < length;) {
		const char *and = memchr(query + at, '&', length - at);
		size_t end = and ? (size_t) (and - query) : length;

		if (end - at > name_length && query[at + name_length] == '=' &&
		    memcmp(query + at, name, name_length) == 0) {
			at += name_length + 1;
			int r = http_percent_decode(query + at, end - at, buffer, size);
			return r < 0 ? r : 1;
		}
		at = end + 1;
	}
	return 0;
}
