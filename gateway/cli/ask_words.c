/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines into requests, and answers onto the terminal. */
#include "cli/ask.h"
#include "base/utf8.h"
#include "config/bind_value.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "10", "10/s", "600/m", "5/h" */
static int read_rate(const char *text, double *ret)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}};
    char number[32];
    size_t length = strcspn(text, "/");
    double divisor = text[length] ? 0 : 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(text + length, units[i].unit))
            divisor = units[i].seconds;
    if (divisor == 0 || length >= sizeof number)
        return -EINVAL;
    snprintf(number, sizeof number, "%.*s", (int)length, text);
    if (gw_value_double(number, ret) || *ret <= 0)
        return -EINVAL;
    *ret /= divisor;
    return 0;
}

static json_t *read_value(const struct gw_cli_argument *a, const char *text)
{
    int64_t count;
    double rate;
    switch (a->word) {
    case GW_CLI_COUNT:
        if (!gw_value_int(text, &count) && count > 0)
            return json_integer(count);
        fprintf(stderr, "meshgate: %s takes a number, not \"%s\"\n", a->option, text);
        return NULL;
    case GW_CLI_RATE:
        if (!read_rate(text, &rate))
            return json_real(rate);
        fprintf(stderr, "meshgate: %s takes a rate like 100/s or 30/m, not \"%s\"\n", a->option,
                text);
        return NULL;
    default:
        if (gw_utf8_valid(text, strlen(text)))
            return json_string(text);
        fprintf(stderr, "meshgate: %s: not UTF-8\n", a->option);
        return NULL;
    }
}

int gw_cli_argument(const struct gw_cli_argument *arguments, json_t *request, int argc, char **argv,
                    int *index)
{
    for (const struct gw_cli_argument *a = arguments; a->option; a++) {
        if (strcmp(argv[*index], a->option))
            continue;
        if (a->word == GW_CLI_FLAG) {
            json_object_set_new(request, a->name, json_true());
            ++*index;
            return 1;
        }
        if (*index + 1 >= argc) {
            fprintf(stderr, "meshgate: %s needs a value\n", a->option);
            return -EINVAL;
        }
        json_t *value = read_value(a, argv[*index + 1]);
        if (!value || json_object_set_new(request, a->name, value))
            return -EINVAL;
        *index += 2;
        return 1;
    }
    return 0;
}

void gw_cli_put(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        bool upper = *c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* U+0080 to U+009F */
        fputc(*c < 0x20 || *c == 0x7f || upper ? '?' : *c, out);
        c += upper;
    }
}

void gw_cli_put_cell(FILE *out, const json_t *object, const char *name, int width)
{
    const json_t *value = json_object_get(object, name);
    char number[24];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = number;
    }
    if (!text || !*text)
        text = "-";
    int columns = 0;
    for (const char *c = text; *c; c++)
        columns += ((unsigned char)*c & 0xc0) != 0x80;
    gw_cli_put(out, text);
    for (; columns < width; columns++)
        fputc(' ', out);
}

void gw_cli_json_entry(struct gw_cli_json_list *list, const json_t *entry)
{
    fputs(list->begun ? ",\n" : "[\n", stdout);
    list->begun = true;
    json_dumpf(entry, stdout, JSON_COMPACT);
}

void gw_cli_json_end(struct gw_cli_json_list *list)
{
    fputs(list->begun ? "\n]\n" : "[]\n", stdout);
}

void gw_cli_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
}
