/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a URL template, and as the value of its fields: what comes out is a URL of the same
 * server without a byte that could end a header line. */
#include "address.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mg_str value;

static struct mg_str scope_capture(const mg_scope *scope, struct mg_str name)
{
    (void)scope, (void)name;
    return value;
}

static struct mg_str scope_route(const mg_scope *scope)
{
    (void)scope;
    return value;
}

static struct mg_str gateway_name(const mg_instance *instance)
{
    (void)instance;
    return value;
}

static const struct mg_head *event_head(const mg_event *event)
{
    static struct mg_head head;
    (void)event;
    head.address = head.subject = head.content_type = value;
    return &head;
}

static bool event_find(const mg_event *event, struct mg_str name, struct mg_value *ret_value)
{
    (void)event, (void)name;
    *ret_value = (struct mg_value){.type = MG_TEXT, .as.text = value};
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mg_host host = {.scope_capture = scope_capture,
                                        .scope_route = scope_route,
                                        .gateway_name = gateway_name,
                                        .event_head = event_head,
                                        .event_find = event_find};
    static char url[ADDRESS_BYTES_MAX];
    size_t split = size ? strnlen((const char *)data, size) : 0;
    char *text = malloc(split + 1);
    struct address *address = NULL;
    struct mg_err err = {.text = ""};
    const struct mg_step_call call = {0};
    if (!text)
        return 0;
    memcpy(text, data, split);
    text[split] = '\0';
    value = (struct mg_str){(const char *)data + split, size - split};
    int error = address_compile(text, &address, &err);
    if (!error == !address || (error && !err.text[0]))
        abort();
    if (!error) {
        size_t server =
            strcspn(strstr(text, "://") + 3, "/?") + (size_t)(strstr(text, "://") + 3 - text);
        ptrdiff_t length = address_expand(address, &host, NULL, &call, url, &err);
        if (length >= 0 && (strlen(url) != (size_t)length || strncmp(url, text, server) != 0))
            abort();
        for (ptrdiff_t i = 0; i < length; i++)
            if (url[i] <= ' ' || url[i] == 127 || url[i] == '#')
                abort();
    }
    address_free(address);
    free(text);
    return 0;
}
