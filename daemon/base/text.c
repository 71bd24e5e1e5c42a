/* text.c - strict parsers and printers for the small values that people write. */

#include "base/text.h"

#include "base/ensure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DISTANCE_BYTES 63	/* longer strings are never near */
#define SUGGEST_DISTANCE 2	/* farther words are not what was meant */
#define ESCAPE_BYTES 4		/* the longest escape, \xHH, and the longest character */

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the largest down: parsing wants the parts of a compound in this order. */
static const struct unit duration_units[] = {
	{ "d", 24 * 60 * 60 * 1000 }, { "h", 60 * 60 * 1000 }, { "m", 60 * 1000 }, { "s", 1000 }, { "ms", 1 },
};

static const struct unit size_units[] = {
	{ "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "b", 1 },
};

/* Reads the digits at *text, decimal even behind a zero, and moves *text behind them. Returns how many there
 * were; a value that does not fit sets *too_large, so that a mistake farther on is still found. */
static size_t read_digits(const char **text, uint64_t *ret_value, bool *too_large)
{
	const char *p = *text;
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t) (*p - '0'), &value))
			*too_large = true;

	size_t count = (size_t) (p - *text);
	*text = p;
	*ret_value = value;
	return count;
}

int text_parse_number(const char *text, uint64_t *ret)
{
	bool too_large = false;
	uint64_t value;

	if (read_digits(&text, &value, &too_large) == 0 || *text)
		return -EINVAL;
	if (too_large)
		return -ERANGE;

	*ret = value;
	return 0;
}

/* The letters of a unit run to the next digit, so "5min" is not 5m with something behind it. */
static const struct unit *find_unit(const char *text, size_t length, const struct unit *units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0)
			return &units[i];
	return NULL;
}

int text_parse_duration(const char *text, int64_t *ret_ms)
{
	const struct unit *above = NULL;
	bool too_large = false;
	uint64_t sum = 0;

	if (strcasecmp(text, "off") == 0) {
		*ret_ms = FOREVER;
		return 0;
	}

	do {
		const struct unit *unit;
		uint64_t value;

		if (read_digits(&text, &value, &too_large) == 0)
			return -EINVAL;
		if (*text == '\0' && !above && value == 0 && !too_large)
			break;
		if (*text == '\0')
			return -ENOTUNIQ;

		size_t length = strcspn(text, "0123456789");
		unit = find_unit(text, length, duration_units, ARRAY_LENGTH(duration_units));
		if (!unit || (above && unit <= above))
			return -EINVAL;

		if (__builtin_mul_overflow(value, unit->factor, &value) || __builtin_add_overflow(sum, value, &sum))
			too_large = true;
		above = unit;
		text += length;
	} while (*text);

	/* FOREVER itself is not a span that can be written in units. */
	if (too_large || sum >= (uint64_t) FOREVER)
		return -ERANGE;

	*ret_ms = (int64_t) sum;
	return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
	const struct unit *unit;
	bool too_large = false;
	uint64_t value;

	if (read_digits(&text, &value, &too_large) == 0)
		return -EINVAL;

	if (*text == '\0') {
		if (value != 0 || too_large)
			return -ENOTUNIQ;
		*ret_bytes = 0;
		return 0;
	}

	unit = find_unit(text, strlen(text), size_units, ARRAY_LENGTH(size_units));
	if (!unit)
		return -EINVAL;
	if (too_large || __builtin_mul_overflow(value, unit->factor, &value))
		return -ERANGE;

	*ret_bytes = value;
	return 0;
}

int text_parse_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {
		{ "on", true }, { "yes", true }, { "true", true },
		{ "off", false }, { "no", false }, { "false", false },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (strcasecmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

/* Writes the value with those of the units that `mask` names. Returns false when they leave a remainder. */
static bool print_in_units(uint64_t value, unsigned mask, char buffer[TEXT_SHORT_BYTES], size_t *ret_length)
{
	size_t length = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(duration_units); i++) {
		const struct unit *unit = &duration_units[i];

		if (!(mask & 1u << i) || value < unit->factor)
			continue;
		text_append(buffer, TEXT_SHORT_BYTES, &length, "%llu%s",
			    (unsigned long long) (value / unit->factor), unit->name);
		value %= unit->factor;
	}

	*ret_length = length;
	return value == 0;
}

char *text_print_duration(int64_t ms, char buffer[TEXT_SHORT_BYTES])
{
	size_t shortest = SIZE_MAX;

	ENSURE(ms >= 0, "a duration of %lld ms", (long long) ms);

	if (ms == 0 || ms == FOREVER) {
		snprintf(buffer, TEXT_SHORT_BYTES, "%s", ms == 0 ? "0" : "off");
		return buffer;
	}

	/* No rule of thumb finds the shortest form (90m beats 1h30m, 1d1ms beats 86400001ms), but there are only so
	 * many sets of units. Of forms equally long the one that came first stays, which has the larger units. */
	for (unsigned mask = 1; mask < 1u << ARRAY_LENGTH(duration_units); mask++) {
		char form[TEXT_SHORT_BYTES];
		size_t length;

		if (!print_in_units((uint64_t) ms, mask, form, &length) || length >= shortest)
			continue;
		shortest = length;
		memcpy(buffer, form, length + 1);
	}
	return buffer;
}

char *text_print_size(uint64_t bytes, char buffer[TEXT_SHORT_BYTES])
{
	const struct unit *unit = size_units;

	if (bytes == 0) {
		snprintf(buffer, TEXT_SHORT_BYTES, "0");
		return buffer;
	}

	while (bytes % unit->factor != 0)
		unit++;
	snprintf(buffer, TEXT_SHORT_BYTES, "%llu%s", (unsigned long long) (bytes / unit->factor), unit->name);
	return buffer;
}

/* Reads one character (RFC 3629 section 4) and returns its length, or 0 when there is none. */
static size_t read_character(const char *bytes, size_t length, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };	/* less in so many bytes is overlong */
	const unsigned char *p = (const unsigned char *) bytes;
	size_t wanted;
	uint32_t code;

	if (length == 0)
		return 0;
	if (p[0] < 0x80)
		wanted = 1, code = p[0];
	else if ((p[0] & 0xe0) == 0xc0)
		wanted = 2, code = p[0] & 0x1f;
	else if ((p[0] & 0xf0) == 0xe0)
		wanted = 3, code = p[0] & 0x0f;
	else if ((p[0] & 0xf8) == 0xf0)
		wanted = 4, code = p[0] & 0x07;
	else
		return 0;

	if (length < wanted)
		return 0;
	for (size_t i = 1; i < wanted; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[wanted] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;

	*ret_code = code;
	return wanted;
}

size_t text_utf8_length(const char *bytes, size_t length)
{
	uint32_t code;

	return read_character(bytes, length, &code);
}

/* True for characters beyond ASCII that move the cursor, turn the direction of writing or cannot be seen: with
 * these a peer could make a log line show something that it does not say. */
static bool is_hidden(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x80, 0x9f },		/* C1 controls, among them a one-character CSI */
		{ 0xad, 0xad },		/* soft hyphen */
		{ 0x61c, 0x61c },	/* Arabic letter mark */
		{ 0x200b, 0x200f },	/* zero width, direction marks */
		{ 0x2028, 0x202e },	/* line and paragraph separators, direction embeddings */
		{ 0x2060, 0x206f },	/* invisible operators, direction isolates */
		{ 0xfeff, 0xfeff },	/* byte order mark */
		{ 0xfff9, 0xfffb },	/* interlinear annotation */
		{ 0xe0000, 0xe0fff },	/* tags, variation selectors */
	};

	for (size_t i = 0; i < ARRAY_LENGTH(hidden); i++)
		if (code >= hidden[i].first && code <= hidden[i].last)
			return true;
	return false;
}

/* Writes one byte as an escape and returns its length. */
static size_t escape_byte(unsigned char byte, char out[ESCAPE_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	out[0] = '\\';
	switch (byte) {
	case '\n':
		out[1] = 'n';
		return 2;
	case '\t':
		out[1] = 't';
		return 2;
	case '"':
	case '\\':
		out[1] = (char) byte;
		return 2;
	default:
		out[1] = 'x';
		out[2] = digits[byte >> 4];
		out[3] = digits[byte & 0xf];
		return 4;
	}
}

/* How many bytes there are at the start that stand for themselves: nearly all there is to escape, so they are looked
 * for first. */
static size_t plain_length(const char *bytes, size_t length)
{
	static const bool is_plain[256] = { [' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true };
	size_t n = 0;

	while (n < length && is_plain[(unsigned char) bytes[n]])
		n++;
	return n;
}

size_t text_escape(const char *bytes, size_t length, char *buffer, size_t size)
{
	size_t written = 0;

	if (size == 0)
		return 0;

	for (size_t at = 0; at < length;) {
		char piece[ESCAPE_BYTES];
		uint32_t code;
		size_t taken, given;

		size_t plain = plain_length(bytes + at, MIN(length - at, size - 1 - written));

		memcpy(buffer + written, bytes + at, plain);
		written += plain;
		at += plain;
		if (at == length || written == size - 1)
			break;

		taken = read_character(bytes + at, length - at, &code);
		if (taken > 1 && !is_hidden(code)) {
			memcpy(piece, bytes + at, taken);
			given = taken;
		} else {
			/* Of an unwanted character the first byte; its others follow, as they are no characters. */
			taken = 1;
			given = escape_byte((unsigned char) bytes[at], piece);
		}

		if (given >= size - written)
			break;
		memcpy(buffer + written, piece, given);
		written += given;
		at += taken;
	}

	buffer[written] = '\0';
	return written;
}

unsigned text_distance(const char *a, const char *b, unsigned limit)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	unsigned rows[3][DISTANCE_BYTES + 1];	/* of the matrix: the one before the last, the last, this one */
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	if (a_length > DISTANCE_BYTES || b_length > DISTANCE_BYTES)
		return limit + 1;

	for (size_t j = 0; j <= b_length; j++)
		now[j] = (unsigned) j;

	for (size_t i = 1; i <= a_length; i++) {
		unsigned *free_row = before;

		before = last;
		last = now;
		now = free_row;
		now[0] = (unsigned) i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned changed = last[j - 1] + (a[i - 1] != b[j - 1]);
			unsigned shifted = MIN(last[j], now[j - 1]) + 1;

			now[j] = MIN(changed, shifted);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
	}
	return MIN(now[b_length], limit + 1);
}

/* Copies a string in lower case; one that does not fit is cut, and then too long to be near anything. */
static void lower(const char *text, char ret[DISTANCE_BYTES + 2])
{
	size_t length = 0;

	for (; text[length] && length <= DISTANCE_BYTES; length++) {
		char c = text[length];

		ret[length] = c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
	}
	ret[length] = '\0';
}

const char *text_suggest(const char *text, const char *const *words)
{
	char text_lower[DISTANCE_BYTES + 2], word_lower[DISTANCE_BYTES + 2];
	const char *nearest = NULL;
	unsigned limit;

	if (!*text)
		return NULL;

	/* In a short word even two changes make a different word. */
	limit = (unsigned) MIN((strlen(text) + 2) / 3, (size_t) SUGGEST_DISTANCE);
	lower(text, text_lower);

	for (; *words; words++) {
		lower(*words, word_lower);

		unsigned distance = text_distance(text_lower, word_lower, limit);
		if (distance > limit || (nearest && distance == limit))
			continue;
		nearest = *words;
		if (distance == 0)
			break;
		limit = distance;
	}
	return nearest;
}

size_t text_put_number(char *buffer, uint64_t number, unsigned digits)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
				    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
				    "8081828384858687888990919293949596979899";
	char text[TEXT_NUMBER_BYTES];
	char *const end = text + sizeof(text);
	char *at = end;

	if (number < 10 && digits <= 1) {
		*buffer = (char) ('0' + number);
		return 1;
	}
	for (; number >= 100; number /= 100)
		at = memcpy(at - 2, pairs + number % 100 * 2, 2);
	if (number >= 10)
		at = memcpy(at - 2, pairs + number * 2, 2);
	else
		*--at = (char) ('0' + number);
	while (end - at < (ptrdiff_t) MIN(digits, (unsigned) sizeof(text)))
		*--at = '0';

	memcpy(buffer, at, (size_t) (end - at));
	return (size_t) (end - at);
}

bool text_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

void text_append(char *buffer, size_t size, size_t *position, const char *format, ...)
{
	va_list arguments;
	int wanted;

	if (*position >= size)
		return;

	va_start(arguments, format);
	wanted = vsnprintf(buffer + *position, size - *position, format, arguments);
	va_end(arguments);

	if (wanted < 0)
		buffer[*position] = '\0';
	else
		*position = MIN(*position + (size_t) wanted, size - 1);
}
