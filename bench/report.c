#include "report.h"

#include <inttypes.h>

void report_begin(struct report *r, FILE *to, enum report_form form)
{
	*r = (struct report){.to = to, .form = form};
	if (form == REPORT_JSON)
		fputc('{', to);
}

static void report_field(struct report *r, const char *key, const char *value, const char *unit, bool quote)
{
	switch (r->form) {
	case REPORT_TEXT:
		fprintf(r->to, "%-24s %12s%s%s\n", key, value, *unit ? " " : "", unit);
		break;
	case REPORT_KEYS:
		fprintf(r->to, "%s=%s\n", key, value);
		break;
	case REPORT_JSON:
		fprintf(r->to, quote ? "%s\"%s\":\"%s\"" : "%s\"%s\":%s", r->fields ? "," : "", key, value);
		break;
	}
	r->fields++;
}

void report_text(struct report *r, const char *key, const char *value)
{
	report_field(r, key, value, "", true);
}

void report_count(struct report *r, const char *key, uint64_t value, const char *unit)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	report_field(r, key, text, unit, false);
}

void report_number(struct report *r, const char *key, double value, const char *unit)
{
	char text[64];

	snprintf(text, sizeof(text), value < 100 ? "%.3f" : "%.1f", value);
	report_field(r, key, text, unit, false);
}

void report_end(struct report *r)
{
	if (r->form == REPORT_JSON)
		fputs("}\n", r->to);
	fflush(r->to);
}
