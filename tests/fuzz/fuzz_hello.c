/* fuzz_hello.c - the first message of a client means the same however much of it has come.
 *
 * The input is what a client sends. It is parsed as a whole, cut at every byte (of long ones, at some), and as the
 * message of records of several lengths. Each piece is a copy of its own size, so that a read behind it is seen.
 */

#include "tests/fuzz/fuzz.h"

#include "base/ensure.h"
#include "net/hello.h"

#include <stdlib.h>
#include <string.h>

#define CUTS_MAX 64

const char *const fuzz_corpora[] = { "tests/fuzz/corpus/hello", NULL };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	return 0;
}

static struct hello parse(const uint8_t *bytes, size_t length)
{
	uint8_t *exact = malloc(MAX(length, (size_t) 1));
	struct hello h;

	ENSURE(exact, "no memory");
	if (length > 0)
		memcpy(exact, bytes, length);
	hello_parse(exact, length, &h);
	free(exact);
	return h;
}

static bool is_same(const struct hello *a, const struct hello *b)
{
	return a->kind == b->kind && a->has_name == b->has_name && strcmp(a->name, b->name) == 0;
}

static void check_name(const struct hello *h)
{
	size_t length = strnlen(h->name, sizeof(h->name));

	ENSURE(length < sizeof(h->name), "a name without an end");
	ENSURE(h->has_name == (length > 0), "a name of %zu bytes, and said to have %d", length, h->has_name);
	ENSURE(h->kind == HELLO_TLS || !h->has_name, "a name without a hello");
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char) h->name[i];

		ENSURE(byte > ' ' && byte != 0x7f && (byte < 'A' || byte > 'Z'), "the byte %u in a name", byte);
	}
	if (!h->has_name)
		return;
	ENSURE(hello_name_matches(h->name, h->name) || h->name[0] == '*', "a name that is not itself");
	(void) !hello_name_matches(h->name, "*.example.org");
}

/* It is incomplete up to some byte, and from there on what the whole is. */
static void check_cuts(const uint8_t *bytes, size_t length, const struct hello *whole)
{
	size_t step = 1 + length / CUTS_MAX;
	bool is_clear = false;

	for (size_t cut = 0; cut < length; cut += step) {
		struct hello h = parse(bytes, cut);

		ENSURE(!is_clear || h.kind != HELLO_INCOMPLETE, "less clear with %zu bytes", cut);
		is_clear = h.kind != HELLO_INCOMPLETE;
		ENSURE(!is_clear || is_same(&h, whole), "another verdict of %zu bytes", cut);
	}
}

/* The same message in records of `piece` bytes is the same. */
static void check_records(const uint8_t *message, size_t length, size_t piece, const struct hello *whole)
{
	uint8_t *records = malloc(length * 6 + 1);
	size_t made = 0;

	ENSURE(records, "no memory");
	for (size_t at = 0; at < length; at += piece) {
		size_t content = MIN(piece, length - at);
		const uint8_t head[] = { 22, 3, 1, (uint8_t) (content >> 8), (uint8_t) content };

		memcpy(records + made, head, sizeof(head));
		memcpy(records + made + sizeof(head), message + at, content);
		made += sizeof(head) + content;
	}

	/* The heads of the records count too: what is still to come may not fit any more. */
	struct hello h = parse(records, made);
	bool is_too_long = made > HELLO_BYTES_MAX || whole->kind == HELLO_INCOMPLETE;
	ENSURE(is_same(&h, whole) || (is_too_long && h.kind == HELLO_OTHER),
	       "another verdict in records of %zu bytes", piece);
	free(records);
}

/* What is behind the first head is taken for a message, whatever the head says of it. */
static void check_as_message(const uint8_t *data, size_t size)
{
	const size_t head_bytes = 5;
	struct hello whole;
	uint8_t *record;

	if (size <= head_bytes || size > HELLO_BYTES_MAX)
		return;
	record = malloc(size);
	ENSURE(record, "no memory");
	memcpy(record, "\x16\3\1", 3);
	record[3] = (uint8_t) ((size - head_bytes) >> 8);
	record[4] = (uint8_t) (size - head_bytes);
	memcpy(record + head_bytes, data + head_bytes, size - head_bytes);
	whole = parse(record, size);
	check_name(&whole);
	for (size_t piece = 1; piece < size; piece = piece * 3 + 1)
		check_records(record + head_bytes, size - head_bytes, piece, &whole);
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello whole = parse(data, size);

	check_name(&whole);
	check_cuts(data, size, &whole);
	check_as_message(data, size);
	return 0;
}
