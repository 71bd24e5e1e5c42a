/* http_paths.h - what the HTTP service has to say. */
#pragma once

#include "service/http_exchange.h"

/* [suspends] Answers the request of the exchange: 0 or -errno. */
int http_answer(struct http_exchange *x) _must_check_;

/* True when the request that was parsed, whose first byte is at `head`, can be answered without waiting by whoever
 * has that much room for output: it has no body, asks for little, and is not the connection's last one. */
#define HTTP_AT_HAND_BYTES (HTTP_REPLY_HEAD_BYTES + 512)
bool http_is_at_hand(const struct http_exchange *x, const char *head);

/* One path's answer; `rest` is what follows its name, decoded. */
typedef int http_path_fn(struct http_exchange *x, const char *rest);
int http_whoami(struct http_exchange *x, const char *rest);
int http_bytes(struct http_exchange *x, const char *rest);
int http_drip(struct http_exchange *x, const char *rest);
int http_delay(struct http_exchange *x, const char *rest);
