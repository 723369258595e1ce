/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody writes to stderr, for tests that look for a log line. */
#pragma once
#include <stdbool.h>

/* Runs fn and says whether it wrote `part`; shows what it wrote where it did not. */
bool capture_has(void (*fn)(void), const char *part);
