/* SPDX-License-Identifier: Apache-2.0 */
/* What the load tools share: numbered payloads, and the tally of those that arrive. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers above this are refused: the tally holds some bytes for each. */
enum { LOAD_COUNT_MAX = 50000000, LOAD_BYTES_MIN = 16, LOAD_BYTES_MAX = 16000000 };

struct tally {
    long count;   /* numbers 0 … count-1 are expected */
    long streams; /* numbers that are equal modulo this are expected in order */
    long received, unique, duplicates, out_of_order;
    long *last; /* of each stream */
    bool *seen;
    uint64_t *latency_ns; /* one for each unique number */
};

uint64_t load_now_ns(void); /* monotonic, the same clock in every process of one machine */

/* Writes the payload of `number`, padded to `size` bytes (at least LOAD_BYTES_MIN), and returns its
 * length: JSON from LOAD_JSON_MIN bytes on.  buffer holds LOAD_PAYLOAD_SLACK bytes more than size.
 */
enum { LOAD_PAYLOAD_SLACK = 128, LOAD_JSON_MIN = 128 };
size_t load_payload(char *buffer, size_t size, long number);

/* False: out of memory. */
bool tally_init(struct tally *tally, long count, long streams);
void tally_fini(struct tally *tally);
/* Notes one payload as load_payload wrote it, wherever its number stands in the first 512 bytes (a
 * small one: as it is).  Where each goes `ways` ways, number n on way w counts as n * ways + w. */
void tally_note(struct tally *tally, const char *payload, size_t length, long way, long ways);
/* Prints one JSON line.  done: how many the rate counts; lost is counted where `receives`. */
void tally_print(struct tally *tally, long sent, long done, bool receives, double seconds);

/* A counter in a file that a receiver in one process and a publisher in another share, so that the
 * publisher keeps to its window without seeing what arrives.  NULL: it cannot be mapped. */
_Atomic long *load_shared_counter(const char *path);

/* A whole number between least and most, or the process ends with a message and status 2. */
long load_number(const char *text, long least, long most, const char *what);
