/* http_field.h - what the fields of a request's head mean to us; the parser's other half.
 *
 * Every field is checked by its bytes; these are the few whose values decide how a request is served and where it
 * ends.
 */
#pragma once

#include "service/http_parse.h"

/* Takes up the field q->name with that value (blanks may follow it), or refuses the request. */
void http_field_read(struct http_request *q, const char *head, struct http_span value);
/* The verdict becomes HTTP_REFUSED. `why` is a literal. */
void http_request_refuse(struct http_request *q, unsigned status, const char *why);

/* Walks over the fields of a complete head: *cursor is 0 at first. False at the end. */
bool http_field_next(const struct http_request *q, const char *head, size_t *cursor, struct http_span *ret_name,
		     struct http_span *ret_value);
