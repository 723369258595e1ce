/* SPDX-License-Identifier: Apache-2.0 */
/* The file bridge under the fake host, in a folder of its own: what its tests share. */
#pragma once
#include "bind.h"
#include "fake_host.h"
#include "unit.h"

extern struct kit_host *host;
extern const struct mg_host *table;
extern mg_instance *instance;
extern mg_connection *connection;
extern struct mg_err err;

const char *in_folder(const char *name); /* good for the next three calls */
void append(const char *name, const char *text);
bool file_is(const char *name, const char *expected);

void open_bridge(void); /* its folder is the test's */
const struct mg_bridge_ops *ops(void);
mg_source *add_source(const char *address, const char *yaml, uint32_t *ret_abilities);
mg_sink *add_sink(const char *address, const char *yaml);
void begin(uint32_t window);
void close_bridge(void); /* nothing may be left: tokens, handles, faults */
bool come(size_t least);
bool payload_at(size_t index, const char *expected);
bool address_at(size_t index, const char *expected);
int send_to(mg_sink *sink, const char *payload, const char *path, const struct kit_sent **ret_sent);
bool all_settled(void);

/* Runs a test with a folder that is made before and removed after it. */
void in_a_folder_of_its_own(void (*run)(void));
