#include "runtime/line.h"

#include <unistd.h>

static void put(struct line *l, char c)
{
	if (l->length + 1 < l->size)
		l->text[l->length++] = c;
	l->text[l->length] = '\0';
}

void line_text(struct line *l, const char *text)
{
	if (!text)
		text = "?";
	for (; *text; text++)
		put(l, *text >= ' ' && *text <= '~' ? *text : '?');
}

/* At least `digits` digits, so that it serves behind a decimal point too. */
static void put_number(struct line *l, uint64_t number, unsigned base, unsigned digits)
{
	char reversed[20];		/* 2^64 has twenty decimal digits */
	unsigned n = 0;

	do {
		reversed[n++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number || n < digits);
	while (n > 0)
		put(l, reversed[--n]);
}

void line_number(struct line *l, uint64_t number)
{
	put_number(l, number, 10, 1);
}

void line_address(struct line *l, const void *address)
{
	line_text(l, "0x");
	put_number(l, (uintptr_t) address, 16, 1);
}

void line_ns(struct line *l, int64_t ns)
{
	bool short_span = ns < NS_PER_S;
	uint64_t thousandths = (uint64_t) MAX(ns, 0) / (short_span ? 1000 : 1000000);

	put_number(l, thousandths / 1000, 10, 1);
	put(l, '.');
	put_number(l, thousandths % 1000, 10, 3);
	line_text(l, short_span ? "ms" : "s");
}

void line_write(struct line *l, int fd)
{
	size_t end = l->length, sent = 0;

	/* The newline takes the place of the NUL. */
	l->text[end] = '\n';
	while (sent <= end) {
		ssize_t n = write(fd, l->text + sent, end + 1 - sent);

		if (n > 0)
			sent += (size_t) n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	l->length = 0;
	l->text[0] = '\0';
}
