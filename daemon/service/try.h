/* try.h - for a person who has just started the daemon: what is served, and the next command to try. */
#pragma once

#include "service/server.h"

/* Prints a few lines per listener to standard error: of all, or only of those with a self-signed certificate, whose
 * fingerprint somebody must be told. */
void try_print(const struct server *s, bool all);
