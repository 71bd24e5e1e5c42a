/* http_paths.h - what the HTTP service has to say. */
#pragma once

#include "service/http_exchange.h"

/* [suspends] Answers the request of the exchange: 0 or -errno. */
int http_answer(struct http_exchange *x) _must_check_;

/* One path's answer; `rest` is what follows its name, decoded. */
typedef int http_path_fn(struct http_exchange *x, const char *rest);
int http_whoami(struct http_exchange *x, const char *rest);
int http_bytes(struct http_exchange *x, const char *rest);
int http_drip(struct http_exchange *x, const char *rest);
int http_delay(struct http_exchange *x, const char *rest);
