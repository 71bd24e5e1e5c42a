#include "net/hello.h"

#include "base/memory.h"

#include <string.h>
#include <strings.h>

/* RFC 8446 sections 4, 4.2 and 5.1, RFC 6066 section 3. */
#define RECORD_HEAD_BYTES 5
#define RECORD_HANDSHAKE 22
#define RECORD_VERSION_MAJOR 3
#define RECORD_BYTES_MAX ((1 << 14) + 256)
#define MESSAGE_HEAD_BYTES 4
#define MESSAGE_CLIENT_HELLO 1
#define VERSION_AND_RANDOM_BYTES 34
#define SESSION_ID_BYTES_MAX 32
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0

static size_t number_at(const uint8_t *bytes, size_t width)
{
	size_t number = 0;

	while (width-- > 0)
		number = number << 8 | *bytes++;
	return number;
}

/* -- how far it goes -- */

/* How far the bytes have been looked through. Looking on when more have come begins with the record that was not
 * whole yet, so a message that trickles in byte by byte costs a little per byte, not all that came before. */
struct scan {
	size_t at;				/* all records before this are whole */
	size_t message_bytes;			/* of the message, in those */
	uint8_t head[MESSAGE_HEAD_BYTES];	/* of the message; it may be in several records too */
};

/* False when no record begins so. */
static bool may_be_record(const uint8_t *bytes, size_t length)
{
	if (length >= 1 && bytes[0] != RECORD_HANDSHAKE)
		return false;
	if (length >= 2 && bytes[1] != RECORD_VERSION_MAJOR)
		return false;
	if (length < RECORD_HEAD_BYTES)
		return true;

	size_t content = number_at(bytes + 3, 2);
	return content > 0 && content <= RECORD_BYTES_MAX;
}

static enum hello_kind scan_records(struct scan *s, const uint8_t *bytes, size_t length)
{
	for (;;) {
		const uint8_t *record = bytes + s->at;
		size_t there = length - s->at;

		if (!may_be_record(record, there))
			return HELLO_OTHER;
		if (there < RECORD_HEAD_BYTES)
			return HELLO_INCOMPLETE;

		size_t content = number_at(record + 3, 2);
		size_t content_there = MIN(content, there - RECORD_HEAD_BYTES);
		size_t message_there = s->message_bytes + content_there;

		for (size_t i = s->message_bytes; i < MIN(message_there, sizeof(s->head)); i++)
			s->head[i] = record[RECORD_HEAD_BYTES + i - s->message_bytes];
		if (message_there > 0 && s->head[0] != MESSAGE_CLIENT_HELLO)
			return HELLO_OTHER;
		if (message_there >= sizeof(s->head)) {
			size_t whole = sizeof(s->head) + number_at(s->head + 1, 3);

			if (message_there >= whole)
				return HELLO_TLS;
			if (s->at + RECORD_HEAD_BYTES + whole - s->message_bytes > HELLO_BYTES_MAX)
				return HELLO_OTHER;
		}
		if (content_there < content)
			return HELLO_INCOMPLETE;
		s->at += RECORD_HEAD_BYTES + content;
		s->message_bytes = message_there;
	}
}

static enum hello_kind scan_text(const uint8_t *bytes, size_t length)
{
	static const char *const beginnings[] = {
		"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI ",
	};

	for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
		size_t whole = strlen(beginnings[i]);

		if (memcmp(bytes, beginnings[i], MIN(length, whole)) == 0)
			return length >= whole ? HELLO_HTTP : HELLO_INCOMPLETE;
	}
	return HELLO_OTHER;
}

/* To be called with all the bytes each time; HELLO_TLS: the whole message is there, and its records are sound. */
static enum hello_kind scan(struct scan *s, const uint8_t *bytes, size_t length)
{
	if (length == 0)
		return HELLO_INCOMPLETE;
	if (bytes[0] != RECORD_HANDSHAKE)
		return scan_text(bytes, length);

	enum hello_kind kind = scan_records(s, bytes, MIN(length, (size_t) HELLO_BYTES_MAX));
	return kind == HELLO_INCOMPLETE && length >= HELLO_BYTES_MAX ? HELLO_OTHER : kind;
}

/* -- what is in it -- */

/* The next byte of the message, wherever its record is. Nothing here looks for the end of the bytes: scan() has seen
 * that the message is whole, and parts do not go beyond it. */
struct cursor {
	const uint8_t *next;
	size_t record_left;
};

/* So many bytes of the message from the cursor on. */
struct part {
	struct cursor *cursor;
	size_t left;
};

static void enter_record(struct cursor *c)
{
	if (c->record_left > 0)
		return;
	c->record_left = number_at(c->next + 3, 2);
	c->next += RECORD_HEAD_BYTES;
}

static uint8_t take_byte(struct part *p)
{
	enter_record(p->cursor);
	p->cursor->record_left--;
	p->left--;
	return *p->cursor->next++;
}

static bool take_number(struct part *p, size_t width, size_t *ret)
{
	size_t number = 0;

	if (p->left < width)
		return false;
	while (width-- > 0)
		number = number << 8 | take_byte(p);
	*ret = number;
	return true;
}

static bool pass(struct part *p, size_t length)
{
	if (p->left < length)
		return false;
	p->left -= length;
	while (length > 0) {
		enter_record(p->cursor);

		size_t step = MIN(length, p->cursor->record_left);
		p->cursor->next += step;
		p->cursor->record_left -= step;
		length -= step;
	}
	return true;
}

/* A vector: its length in `width` bytes, then that many. All of it is to be taken or passed before what follows. */
static bool take_vector(struct part *p, size_t width, struct part *ret)
{
	size_t length;

	if (!take_number(p, width, &length) || length > p->left)
		return false;
	p->left -= length;
	*ret = (struct part) { p->cursor, length };
	return true;
}

static bool pass_vector(struct part *p, size_t width, size_t min, size_t max)
{
	struct part vector;

	return take_vector(p, width, &vector) && vector.left >= min && vector.left <= max &&
	       pass(&vector, vector.left);
}

/* Upper case is put in lower case without asking the locale, and bytes of no name make it none. */
static void take_name(struct part *p, struct hello *ret)
{
	size_t length = p->left;
	bool is_name = true;

	/* A final dot may come on top of the longest name. */
	if (length > sizeof(ret->name)) {
		pass(p, length);
		return;
	}
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = take_byte(p);

		is_name &= byte > ' ' && byte != 0x7f;
		ret->name[i] = (char) (byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
	}
	if (length > 0 && ret->name[length - 1] == '.')
		length--;
	ret->has_name = is_name && length > 0 && length < sizeof(ret->name);
	ret->name[ret->has_name ? length : 0] = '\0';
}

/* Names of other types than host names begin with their length too, RFC 6066 section 3. There should be one of each
 * type; the first host name counts. */
static bool read_server_names(struct part *extension, struct hello *ret)
{
	struct part list, name;
	bool is_found = false;
	size_t type;

	if (!take_vector(extension, 2, &list) || list.left == 0 || extension->left > 0)
		return false;
	while (list.left > 0) {
		if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name))
			return false;
		if (type == NAME_TYPE_HOST && !is_found) {
			is_found = true;
			take_name(&name, ret);
		}
		pass(&name, name.left);
	}
	return true;
}

/* Two extensions of server names would be read one way here and perhaps another way by whom it is passed on to; RFC
 * 8446 section 4.2 forbids them. */
static bool read_extensions(struct part *extensions, struct hello *ret)
{
	bool has_server_names = false;
	struct part extension;
	size_t type;

	while (extensions->left > 0) {
		if (!take_number(extensions, 2, &type) || !take_vector(extensions, 2, &extension))
			return false;
		if (type == EXTENSION_SERVER_NAME) {
			if (has_server_names || !read_server_names(&extension, ret))
				return false;
			has_server_names = true;
		}
		pass(&extension, extension.left);
	}
	return true;
}

/* False when it is malformed. Before TLS 1.3 the extensions may be missing as a whole, RFC 5246 section 7.4.1.2. */
static bool read_message(const uint8_t *bytes, struct hello *ret)
{
	struct cursor cursor = { .next = bytes };
	struct part message = { &cursor, MESSAGE_HEAD_BYTES }, extensions;
	size_t type_and_length;

	if (!take_number(&message, MESSAGE_HEAD_BYTES, &type_and_length))
		return false;
	message.left = type_and_length & 0xffffff;
	if (!pass(&message, VERSION_AND_RANDOM_BYTES) || !pass_vector(&message, 1, 0, SESSION_ID_BYTES_MAX) ||
	    !pass_vector(&message, 2, 2, UINT16_MAX) || !pass_vector(&message, 1, 1, UINT8_MAX))
		return false;
	if (message.left == 0)
		return true;
	return take_vector(&message, 2, &extensions) && message.left == 0 && read_extensions(&extensions, ret);
}

static void conclude(enum hello_kind kind, const uint8_t *bytes, struct hello *ret)
{
	*ret = (struct hello) { .kind = kind };
	if (kind == HELLO_TLS && !read_message(bytes, ret))
		*ret = (struct hello) { .kind = HELLO_OTHER };
}

void hello_parse(const void *bytes, size_t length, struct hello *ret)
{
	struct scan s = { 0 };

	conclude(scan(&s, bytes, length), bytes, ret);
}

static bool is_same_name(const char *name, const char *other)
{
	size_t length = strlen(other);

	return strncasecmp(name, other, length) == 0 && (!name[length] || strcmp(name + length, ".") == 0);
}

bool hello_name_matches(const char *name, const char *pattern)
{
	if (pattern[0] == '*' && pattern[1] == '.') {
		const char *dot = strchr(name, '.');

		return dot && dot > name && is_same_name(dot, pattern + 1);
	}
	return is_same_name(name, pattern);
}

/* -- reading -- */

void hello_bytes_done(struct hello_bytes *b)
{
	memory_free(b->bytes);
	*b = (struct hello_bytes) { 0 };
}

static int append(struct hello_bytes *b, const struct chunk *c)
{
	size_t length = b->length + chunk_length(c);

	if (length > b->size) {
		size_t size = MAX(length, 2 * b->size);
		uint8_t *bytes = memory_resize(b->bytes, size);

		if (!bytes)
			return -ENOMEM;
		b->bytes = bytes;
		b->size = size;
	}
	memcpy(b->bytes + b->length, c->bytes + c->begin, chunk_length(c));
	b->length = length;
	return 0;
}

/* By way of a chunk, which is borrowed only while it is filled and emptied: one read takes whatever has come, and a
 * client that is slow or silent costs no more memory than it has sent. */
int (hello_read)(struct stream *s, struct hello_bytes *b, struct hello *ret)
{
	struct scan so_far = { 0 };
	enum hello_kind kind;

	do {
		_cleanup_(chunk_putp) struct chunk *c = NULL;
		ssize_t n = (stream_read_chunk)(s, &c);

		if (n <= 0)
			return n < 0 ? (int) n : -ECONNRESET;

		int r = append(b, c);
		if (r < 0)
			return r;
		kind = scan(&so_far, b->bytes, b->length);
	} while (kind == HELLO_INCOMPLETE);

	conclude(kind, b->bytes, ret);
	return 0;
}
