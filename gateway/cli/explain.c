/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate explain`: what a configuration would do with one event. */
#include "flow/explain.h"
#include "base/log.h"
#include "cli/cli.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_BYTES_MAX = 64 << 20, PROPERTIES_MAX = 64 };

static const char help[] = "usage: meshgate explain ADDRESS -c FILE|FOLDER [--bridge NAME] "
                           "[--payload FILE|-] [--property NAME=TEXT]...\n\n"
                           "Says which routes an event at ADDRESS would take, step by step, and "
                           "why the others would not.\n"
                           "Steps really run (tables are read); nothing is sent.  Exit 0: at least "
                           "one route takes it; 1: none.\n";

struct request {
    struct gw_cli_options options;
    const char *address, *bridge, *payload_path;
    struct mg_property properties[PROPERTIES_MAX];
    size_t property_count;
};

static int add_property(struct request *q, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || q->property_count == PROPERTIES_MAX) {
        fprintf(stderr, "meshgate explain: --property takes NAME=TEXT, at most %d times\n",
                PROPERTIES_MAX);
        return 2;
    }
    q->properties[q->property_count++] = (struct mg_property){
        .name = {text, (size_t)(equals - text)},
        .value = {.type = MG_TEXT, .as.text = {equals + 1, strlen(equals + 1)}},
    };
    return 0;
}

static int read_words(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        bool has_value = i + 1 < argc;
        if (!strcmp(argv[i], "--bridge") && has_value) {
            q->bridge = argv[i + 1];
            i += 2;
        } else if (!strcmp(argv[i], "--payload") && has_value) {
            q->payload_path = argv[i + 1];
            i += 2;
        } else if (!strcmp(argv[i], "--property") && has_value) {
            if (add_property(q, argv[i + 1]))
                return 2;
            i += 2;
        } else if (argv[i][0] != '-' && !q->address) {
            q->address = argv[i++];
        } else {
            fprintf(stderr, "meshgate explain: what is \"%s\"?\n\n%s", argv[i], help);
            return 2;
        }
    }
    if (!q->options.help && !q->address) {
        fputs(help, stderr);
        return 2;
    }
    return 0;
}

static char *read_payload(const char *path, size_t *ret_length)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    char *bytes = NULL;
    size_t used = 0, n = 1;
    while (file && n && used < PAYLOAD_BYTES_MAX) {
        char *grown = realloc(bytes, used + 65536);
        if (!grown)
            break;
        bytes = grown;
        n = fread(bytes + used, 1, 65536, file);
        used += n;
    }
    if (!file)
        perror(path);
    else if (file != stdin)
        fclose(file);
    *ret_length = used;
    return bytes;
}

static bool known_bridge(const struct gw_model *model, const char *name)
{
    for (size_t i = 0; i < model->bridge_count; i++)
        if (!strcmp(model->bridges[i].name, name))
            return true;
    fprintf(stderr, "meshgate explain: there is no bridge \"%s\"\n", name);
    return false;
}

static int explain(const struct request *q, const struct gw_model *model)
{
    size_t length = 0;
    char *payload = q->payload_path ? read_payload(q->payload_path, &length) : NULL;
    if ((q->payload_path && !payload) || (q->bridge && !known_bridge(model, q->bridge))) {
        free(payload);
        return 2;
    }
    struct mg_err err = {{0}, NULL};
    struct mg_message message = {
        .head = {.size = sizeof message.head,
                 .address = {q->address, strlen(q->address)},
                 .priority = 4},
        .payload = {payload, length},
        .properties = q->properties,
        .property_count = q->property_count,
    };
    int taken = gw_explain(model, q->bridge, &message, stdout, &err);
    free(payload);
    if (taken < 0) {
        fprintf(stderr, "meshgate explain: %s\n", err.text[0] ? err.text : strerror(-taken));
        return 2;
    }
    if (taken == 0)
        printf("no route takes %s\n", q->address);
    return taken ? 0 : 1;
}

int gw_cli_explain(int argc, char **argv)
{
    struct request q = {0};
    int code = read_words(&q, argc, argv);
    if (code || q.options.help) {
        if (!code)
            fputs(help, stdout);
        return code;
    }
    struct gw_cli cli;
    gw_log_configure(GW_LOG_LOGFMT,
                     2); /* warnings and errors only: the output is the explanation */
    if (gw_cli_open(&cli, &q.options)) {
        gw_diags_print(&cli.diags, stderr);
        code = 2;
    } else {
        code = explain(&q, cli.model);
    }
    gw_cli_close(&cli);
    return code;
}
