/* try.h - for a person who has just started the daemon: what is served, and the next command to try. */
#pragma once

#include "service/server.h"

/* Prints two lines per listener to standard error. */
void try_print(const struct server *s);
