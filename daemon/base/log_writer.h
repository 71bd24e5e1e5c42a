/* log_writer.h - how finished records reach standard error. For log.c alone.
 *
 * It never blocks: what standard error does not take at once is dropped and counted. Between log_gather(true) and
 * log_flush() (log.h) records that can wait are gathered, at most LOG_LINE_BYTES of them, and go with one call.
 */
#pragma once

#include "base/base.h"

/* Looks at what standard error is. */
void log_writer_open(void);
/* How many records were lost that none has told of yet. */
uint64_t log_writer_untold(void);
/* Takes a record with its newline, LOG_LINE_BYTES at most, which `tells` of so many lost ones. `can_wait`: it may be
 * gathered. */
void log_writer_put(const char *record, size_t length, uint64_t tells, bool can_wait);
/* A record that went elsewhere told of all of them. */
void log_writer_told(void);
