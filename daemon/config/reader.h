/* reader.h - reads INI files into a document.
 *
 * The grammar of a line is inih's: `key = value`, `;` and `#` for a comment at the start of a line, ` ;` behind a
 * value. But inih keeps 200 bytes of a line and 50 of a name and drops the rest, takes an indented line for more of
 * the value above and `:` for `=`, reports one error of a file, and knows no columns. So each line is looked at here
 * first: bytes, length, sections and places. inih is then given keys with values in quotes, a long value as several
 * lines of one key, which it can neither cut nor take for anything else.
 */
#pragma once

#include "config/document.h"

#define INCLUDE_DEPTH_MAX 8

/* Reads a file and what it includes. What is wrong in it is said and is no failure of this call. A failure is: the
 * file cannot be read (-ENOENT and the like, said too, unless it is optional and absent: that is 0), -ENOMEM. */
int reader_read_file(struct config_values *v, const char *path, bool is_optional, struct diag *diag) _must_check_;
