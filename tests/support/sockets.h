/* sockets.h - connected sockets for tests of the net layer, on loopback and ephemeral ports. */
#pragma once

#include "base/base.h"

/* A connected, non-blocking TCP pair: [0] connected, [1] was accepted. */
void sockets_tcp_pair(int ret_ends[2]);
/* Makes both buffers of a socket as small as the kernel lets them be. */
void sockets_make_small(int fd);
/* Closes with a reset. */
void sockets_reset(int fd);
/* A TCP port of 127.0.0.1 that nobody listens on. */
uint16_t sockets_free_port(void);
