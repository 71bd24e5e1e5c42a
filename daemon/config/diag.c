/* diag.c - collects diagnostics and shows them with the source line they are about. */

#include "config/diag.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define EXCERPT_BYTES 110	/* of a long line, this much is shown */
#define EXCERPT_BEFORE 40	/* of which so much stands before the mark */
#define CHARACTER_BYTES 20	/* one character as it is shown; a hidden one has four bytes, each escaped as \xHH */

/* Quotes in a message are single ones, so the double ones in them need no escape. */
static void restore_double_quotes(char *text)
{
	char *to = text;

	for (const char *from = text; *from; *to++ = *from++)
		if (from[0] == '\\' && from[1] == '"')
			from++;
		else if (from[0] == '\\')
			*to++ = *from++;
	*to = '\0';
}

struct quote quote_bytes(const char *text, size_t length)
{
	static const char cut[] = "...";
	char probe[sizeof(struct quote) + 4];	/* room for one more escape than a quote has */
	struct quote q;

	if (text_escape(text, length, probe, sizeof probe) < sizeof q.text) {
		memcpy(q.text, probe, strlen(probe) + 1);
	} else {
		size_t written = text_escape(text, length, q.text, sizeof q.text - strlen(cut));

		memcpy(q.text + written, cut, sizeof cut);
	}
	restore_double_quotes(q.text);
	return q;
}

struct quote quote(const char *text)
{
	return quote_bytes(text, strlen(text));
}

char *mark_print(const struct mark *mark, char buffer[PLACE_BYTES])
{
	size_t position = 0;

	buffer[0] = '\0';
	if (!mark->line.source)
		text_append(buffer, PLACE_BYTES, &position, "default");
	else if (mark->line.source->is_file && mark->line.number > 0)
		text_append(buffer, PLACE_BYTES, &position, "%s:%u", quote(mark->line.source->name).text,
			    mark->line.number);
	else
		text_append(buffer, PLACE_BYTES, &position, "%s", quote(mark->line.source->name).text);
	return buffer;
}

void diag_done(struct diag *d)
{
	for (size_t i = 0; i < d->shown_count; i++)
		memory_free(d->shown[i].message);
	d->shown_count = 0;
}

static bool stands_behind(const struct diagnostic *d, const struct mark *mark)
{
	if (d->mark.line.order != mark->line.order)
		return d->mark.line.order > mark->line.order;
	return d->mark.start > mark->start;
}

/* Of more than can be shown, the first ones of the text stay, whatever order they are found in. */
static bool make_room(struct diag *d, const struct mark *mark)
{
	if (d->shown_count < DIAG_SHOWN_MAX)
		return true;
	if (!stands_behind(&d->shown[DIAG_SHOWN_MAX - 1], mark))
		return false;
	memory_free(d->shown[--d->shown_count].message);
	return true;
}

void diag_add(struct diag *d, enum severity severity, const struct mark *mark, const char *format, ...)
{
	char message[DIAG_MESSAGE_BYTES], *copy;
	size_t at;
	va_list arguments;

	if (severity == DIAG_ERROR)
		d->error_count++;
	else
		d->warning_count++;
	if (!make_room(d, mark))
		return;

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	copy = memory_copy_text(message);
	if (!copy) {
		d->out_of_memory = true;
		return;
	}

	for (at = d->shown_count; at > 0 && stands_behind(&d->shown[at - 1], mark); at--)
		d->shown[at] = d->shown[at - 1];
	d->shown[at] = (struct diagnostic) { .mark = *mark, .severity = severity, .message = copy };
	d->shown_count++;
}

/* One character of a source line as it is shown. Returns how many bytes of the line it takes. */
static size_t show_character(const char *bytes, size_t length, char shown[CHARACTER_BYTES], size_t *ret_width)
{
	size_t taken = text_utf8_length(bytes, length);

	if (taken == 0)
		taken = 1;
	if (*bytes == '\t' || *bytes == '"' || *bytes == '\\') {
		shown[0] = *bytes;
		shown[1] = '\0';
		*ret_width = 1;
		return taken;
	}
	text_escape(bytes, taken, shown, CHARACTER_BYTES);
	*ret_width = shown[0] == '\\' ? strlen(shown) : 1;
	return taken;
}

static unsigned column_of(const struct mark *mark)
{
	unsigned column = 1;

	for (size_t at = 0; at < mark->start; column++)
		at += MAX(text_utf8_length(mark->line.text + at, mark->line.length - at), (size_t) 1);
	return column;
}

static bool is_inside_character(const struct source_line *line, size_t at)
{
	return at < line->length && ((unsigned char) line->text[at] & 0xc0) == 0x80;
}

/* Which part of the line is shown: all of it, unless it is long. */
static void choose_excerpt(const struct mark *mark, size_t *ret_start, size_t *ret_end)
{
	const struct source_line *line = &mark->line;
	size_t start = 0, end = line->length;

	if (line->length > EXCERPT_BYTES) {
		if (mark->start + mark->length > EXCERPT_BYTES && mark->start > EXCERPT_BEFORE)
			start = mark->start - EXCERPT_BEFORE;
		end = MIN(start + EXCERPT_BYTES, line->length);
	}
	while (start > 0 && is_inside_character(line, start))
		start--;
	while (end > start && is_inside_character(line, end))
		end--;
	*ret_start = start;
	*ret_end = end;
}

static void print_source_line(const struct mark *mark, size_t start, size_t end, FILE *to)
{
	char shown[CHARACTER_BYTES];
	size_t width;

	if (start > 0)
		fputs("...", to);
	for (size_t at = start; at < end; ) {
		at += show_character(mark->line.text + at, end - at, shown, &width);
		fputs(shown, to);
	}
	fputs(end < mark->line.length ? "...\n" : "\n", to);
}

/* Tabs before the mark stay tabs, so that it stands under its word at any tab width. */
static void print_caret_line(const struct mark *mark, size_t start, size_t end, FILE *to)
{
	const char *tip = "^";
	char shown[CHARACTER_BYTES];
	size_t width, at = start;

	if (start > 0)
		fputs("   ", to);
	while (at < MIN(mark->start, end)) {
		at += show_character(mark->line.text + at, end - at, shown, &width);
		fprintf(to, "%*s", (int) width, shown[0] == '\t' ? "\t" : "");
	}
	do {
		width = 1;
		if (at < end)
			at += show_character(mark->line.text + at, end - at, shown, &width);
		for (; width > 0; width--, tip = "~")
			fputs(tip, to);
	} while (at < MIN(mark->start + mark->length, end));
	fputc('\n', to);
}

static void print_excerpt(const struct mark *mark, FILE *to)
{
	char number[16] = "";
	size_t start, end;

	if (mark->line.number > 0 && mark->line.source->is_file)
		snprintf(number, sizeof number, "%u", mark->line.number);
	choose_excerpt(mark, &start, &end);

	fprintf(to, "%5s | ", number);
	print_source_line(mark, start, end, to);
	fprintf(to, "%*s | ", (int) MAX(strlen(number), (size_t) 5), "");
	print_caret_line(mark, start, end, to);
}

void diagnostic_print(const struct diagnostic *one, FILE *to)
{
	const struct source *source = one->mark.line.source;
	char place[PLACE_BYTES];

	if (source)
		fputs(mark_print(&one->mark, place), to);
	else
		fputs("configuration", to);
	if (one->mark.line.text && source->is_file)
		fprintf(to, ":%u", column_of(&one->mark));
	fprintf(to, ": %s: %s\n", one->severity == DIAG_ERROR ? "error" : "warning", one->message);
	if (one->mark.line.text)
		print_excerpt(&one->mark, to);
}

void diag_print(const struct diag *d, FILE *to)
{
	size_t total = d->error_count + d->warning_count;

	for (size_t i = 0; i < d->shown_count; i++)
		diagnostic_print(&d->shown[i], to);
	if (total > d->shown_count)
		fprintf(to, "too many mistakes: the first %zu of %zu are shown\n", d->shown_count, total);
}
