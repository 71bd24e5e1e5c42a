/* report.h - results, for people, for JSON readers and for shell scripts, from the same calls. */
#pragma once

#include "base/base.h"

#include <stdio.h>

enum report_form { REPORT_TEXT, REPORT_JSON, REPORT_KEYS };

struct report {
	FILE *to;
	enum report_form form;
	unsigned fields;
};

void report_begin(struct report *r, FILE *to, enum report_form form);
/* Keys and values are literals or addresses: nothing in them needs escaping. The unit is for people. */
void report_text(struct report *r, const char *key, const char *value);
void report_count(struct report *r, const char *key, uint64_t value, const char *unit);
void report_number(struct report *r, const char *key, double value, const char *unit);
void report_end(struct report *r);
