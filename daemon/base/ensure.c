/* ensure.c - the last words of a process that found itself misused. */

#include "base/ensure.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ensure_failed(const char *file, int line, const char *condition, const char *format, ...)
{
	char message[512], record[1024];
	const size_t room = sizeof(record) - 1;
	size_t length = 0;
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(message, sizeof(message), format, arguments) < 0)
		message[0] = '\0';
	va_end(arguments);

	/* One byte is kept for the newline. The message may quote what came from outside, so it is escaped. */
	text_append(record, room, &length, "%s:%d: %s does not hold: ", file, line, condition);
	length += text_escape(message, strlen(message), record + length, room - length);
	record[length++] = '\n';

	/* Neither the log nor stdio is to be trusted now, and there is nobody left to tell of a failed write. */
	if (write(STDERR_FILENO, record, length) < 0)
		abort();
	abort();
}
