/* value_inside.h - what value.c and value_text.c have from each other; nobody else includes it. */
#pragma once

#include "config/value.h"

/* Says what is wrong with the whole value. Returns -EINVAL. */
_printf_(3, 4) int value_refuse(struct value_problem *problem, const char *text, const char *format, ...);

/* Makes room for one more element of a list, and for an end behind it. 0, -EINVAL with *problem, -ENOMEM. */
int value_grow(void **items, size_t count, size_t bytes, const char *text,
	       struct value_problem *problem) _must_check_;
#define VALUE_GROW(list, items, count, text, problem)                                                      \
	({                                                                                                 \
		void *items_ = (list)->items;                                                              \
		int r_ = value_grow(&items_, (list)->count, sizeof *(list)->items, text, problem);         \
		(list)->items = items_;                                                                    \
		r_;                                                                                        \
	})

/* Puts a copy of the text in the place of what the field holds. */
int value_keep_text(const char *text, char **field) _must_check_;

/* Names, paths and the like: one, and one more of a list. */
int value_store_text(const struct option *o, const char *text, const struct value_context *context, char **field,
		     struct value_problem *problem) _must_check_;
int value_store_element(const struct option *o, const char *text, const struct value_context *context,
			struct text_list *list, struct value_problem *problem) _must_check_;
void value_clear_texts(struct text_list *list);

/* `PATTERN UPSTREAM` */
int value_store_route(const char *text, struct sni_routes *routes, struct value_problem *problem) _must_check_;
void value_print_route(const struct sni_routes *routes, char buffer[VALUE_TEXT_BYTES]);
void value_clear_routes(struct sni_routes *routes);
