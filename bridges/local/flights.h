/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries that were handed to the sources and wait for their outcome: tokens by cookie. */
#pragma once
#include "meshgate/plugin.h"

struct flight {
    mg_token token;      /* 0: the place is free */
    uint32_t generation; /* part of the cookie, so that a late settlement of an old one is seen */
    uint32_t next_free;  /* index + 1, 0: none */
};

struct flights { /* zeroed: empty */
    struct flight *places;
    uint32_t count, first_free; /* index + 1, 0: none */
};

/* A cookie for the token, never 0 but where the table cannot grow. */
uint64_t flights_add(struct flights *flights, mg_token token);
/* The token of a cookie, out of the table; 0: it is not there any more. */
mg_token flights_take(struct flights *flights, uint64_t cookie);
mg_token flights_take_any(struct flights *flights); /* 0: it is empty */
void flights_fini(struct flights *flights);
