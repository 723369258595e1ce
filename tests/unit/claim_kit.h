/* SPDX-License-Identifier: Apache-2.0 */
/* The claim check under the fake host, and its folder. */
#pragma once
#include "claim.h"
#include "fake_host.h"

extern struct kit_host *host;
extern const struct mg_host *table;
extern mg_instance *instance;
extern char folder[64], store_yaml[512];
extern struct mg_err err; /* of the last verdict */

const void *bind_settings(const char *yaml);
/* An instance of that mode on the store of store_yaml; and its end. */
void open_with(const char *mode, const char *more);
bool nothing_lives(void *unused);
void close_claim(void);
mg_event *event_of(struct mg_bytes payload, const char *type, const char *encoding);
struct kit_verdict process(mg_event *event);
/* What came of an event with that payload; the caller frees the text. */
char *after(const char *payload, uint32_t expected);
bool err_says(const char *part);
/* Its reference, stored by an instance of its own; the caller frees it. */
char *reference_to(const char *payload);
/* Of the file that keeps a payload. */
void path_of(const char *payload, char *path, size_t size);
bool is_kept(const char *payload);
void make_older(const char *payload, int64_t by_s);
void overwrite(const char *payload, const char *with);
/* Makes store_yaml a folder of its own; and removes it. */
void begin_folder(void);
void end_folder(void);

/* The test in a folder of its own. */
#define IN_FOLDER(test)                                                                            \
    static void in_folder_##test(void)                                                             \
    {                                                                                              \
        begin_folder();                                                                            \
        test();                                                                                    \
        end_folder();                                                                              \
    }
