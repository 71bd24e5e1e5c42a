/* complain.c - mistakes that are found when the configuration is put to use. */

#include "base/text.h"
#include "config/document.h"

#include <stdarg.h>

void config_complain(const struct config *c, FILE *to, const struct tls_config *tls, const char *key, size_t index,
		     const char *format, ...)
{
	const struct section *s = document_find(c->values, SECTION_TLS, tls->name);
	const struct item *item = section_find_item(s, key, index);
	char message[DIAG_MESSAGE_BYTES];
	struct diagnostic one = { .severity = DIAG_ERROR, .message = message };
	size_t position = 0;
	va_list arguments;

	text_append(message, sizeof message, &position, "%s %s: ", s->title, key);
	va_start(arguments, format);
	vsnprintf(message + position, sizeof message - position, format, arguments);
	va_end(arguments);
	one.mark = item ? item->mark : s->mark;
	diagnostic_print(&one, to);
}
