/* http_pump.h - answers that are at hand are given in the task's place.
 *
 * As with echo and the relay, the loop reads, answers and writes on the main stack, and of many connections that have
 * something to say it reads first and then writes. That goes for requests that come whole and whose answers
 * http_is_at_hand(). Everything else is left to the task, with what was read and not used.
 */
#pragma once

#include "service/http_exchange.h"

/* [suspends] Waits for requests and answers them. The caller has waited until there is something to read: while
 * nobody speaks it can do so in less memory. *idle rests meanwhile, and goes on with what is left; it counts from the
 * last answer.
 *   HTTP_PUMP_QUIET   nothing came for about a second, and nothing is held or owed
 *   HTTP_PUMP_LEFT    *ret is for the task to go on with; when it is empty, no buffer was free
 *   0                 the client has finished, and was answered
 * or -errno, -ETIMEDOUT, -ECANCELED. */
enum { HTTP_PUMP_QUIET = 1, HTTP_PUMP_LEFT };
#define http_pump_run(c, idle, ret) AWAIT(http_pump_run, (c, idle, ret))
int (http_pump_run)(struct conn *c, struct deadline *idle, struct http_left *ret) _must_check_;
