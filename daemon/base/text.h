/* text.h - strict parsers and printers for the small values that people write.
 *
 * A parser takes the whole string or nothing: no leading or trailing blanks, no sign where none is meant;
 * digits are decimal, also behind a zero. It returns 0, -EINVAL (not such a value), -ERANGE (too large), or for
 * a time and a size -ENOTUNIQ when the unit is missing, so that the caller can ask "30: did you mean 30s?".
 * Outputs are untouched on failure.
 */
#pragma once

#include "base/base.h"

/* `500ms 30s 5m 1h 2d`, compound forms such as `1h30m` too, the larger unit first; `0` needs no unit; `off`, in
 * any case, is FOREVER, and so long a span cannot be written otherwise. The units are some of systemd.time(7). */
int text_parse_duration(const char *text, int64_t *ret_ms) _must_check_;
/* `0 512b 64k 1m 2g`: powers of 1024. */
int text_parse_size(const char *text, uint64_t *ret_bytes) _must_check_;
int text_parse_number(const char *text, uint64_t *ret) _must_check_;
/* `on off yes no true false`, in any case. */
int text_parse_bool(const char *text, bool *ret) _must_check_;

/* The shortest form that parses back to the same value: `5m`, `1500ms`, `off`. Returns buffer. */
#define TEXT_SHORT_BYTES 32
char *text_print_duration(int64_t ms, char buffer[TEXT_SHORT_BYTES]);
char *text_print_size(uint64_t bytes, char buffer[TEXT_SHORT_BYTES]);

/* Writes `length` bytes with everything that is not printable UTF-8, and `"` and `\`, escaped as \n, \t,
 * \", \\ or \xHH. Always ends with NUL; a result that does not fit is cut at a whole character.
 * Returns the bytes written, without the NUL. */
size_t text_escape(const char *bytes, size_t length, char *buffer, size_t size);

/* The length of the valid UTF-8 character at `bytes` (1 to 4), or 0 if there is none. RFC 3629. */
size_t text_utf8_length(const char *bytes, size_t length);

/* Damerau-Levenshtein distance (optimal string alignment), for suggestions; at most `limit` + 1 is returned.
 * Strings longer than 63 bytes are never near. */
unsigned text_distance(const char *a, const char *b, unsigned limit);

/* The word of `words` (NULL-terminated) that `text` was probably meant to be, or NULL. */
const char *text_suggest(const char *text, const char *const *words);

/* Writes a number in at least `digits` decimal digits, without a NUL. Returns how many: TEXT_NUMBER_BYTES at most. */
#define TEXT_NUMBER_BYTES 20
size_t text_put_number(char *buffer, uint64_t number, unsigned digits);

bool text_starts_with(const char *text, const char *prefix);
/* Appends formatted text at `*position` of a buffer, cutting at its end; the buffer always stays terminated. */
_printf_(4, 5) void text_append(char *buffer, size_t size, size_t *position, const char *format, ...);
