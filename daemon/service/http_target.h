/* http_target.h - what a request is for: the target's forms, percent-encoding, query parameters (RFC 9112 section
 * 3.2, RFC 3986).
 *
 * Knows no sockets, allocates nothing.
 */
#pragma once

#include "base/base.h"

enum http_form {
	HTTP_FORM_ORIGIN,	/* /path?query */
	HTTP_FORM_ABSOLUTE,	/* http://host/path?query */
	HTTP_FORM_ASTERISK,	/* * */
	HTTP_FORM_OTHER,	/* host:port, or nothing that we know */
};

struct http_target {
	enum http_form form;
	size_t path_at, path_length;
	size_t query_at, query_length;	/* without the question mark */
};

/* Takes a target apart whose bytes are all of the class HTTP_TARGET. 0, or -EINVAL with a literal in *ret_why: a
 * stray percent sign, an absolute form with another scheme than http and https, with user information or with a
 * bad host. */
int http_target_split(const char *target, size_t length, struct http_target *ret, const char **ret_why) _must_check_;

/* uri-host [":" port], as Host has it; the empty one is good (RFC 9112 section 3.2). */
bool http_authority_is_valid(const char *text, size_t length);

/* Decodes %XX into a terminated string. Its length; -EINVAL: not two hexadecimal digits, or a NUL; -ENAMETOOLONG. */
int http_percent_decode(const char *text, size_t length, char *buffer, size_t size) _must_check_;

/* The value of the first parameter of that name, decoded. 1; 0: there is none; -EINVAL, -ENAMETOOLONG. */
int http_query_get(const char *query, size_t length, const char *name, char *buffer, size_t size) _must_check_;
