/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate plugins`: which modules there are, and what each takes. */
#include "cli/cli.h"
#include "config/schema.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: meshgate plugins ls [--json] [-m DIR] [-c FILE|FOLDER]\n"
    "       meshgate plugins describe NAME [--kind KIND] [--json | --markdown] [-m DIR] [-c "
    "FILE|FOLDER]\n\n"
    "ls lists the modules that a gateway would load; exit 1 where one is refused (stderr says "
    "why).\n"
    "describe prints what a module is and its options: types, defaults, bounds, meaning.  "
    "--markdown prints\n"
    "the option tables alone, between the markers that they have in the module's README.\n"
    "KIND: bridge, filter, enricher, translator.  -c adds the folders of its gateway.modules.\n";

struct request {
    struct gw_cli_options options;
    const char *words[2]; /* "ls", or "describe" and a name */
    size_t word_count;
    uint32_t kind; /* 0: any */
    bool markdown;
};

static int read_kind(const char *text, uint32_t *ret_kind)
{
    for (uint32_t kind = MG_BRIDGE; kind <= MG_TRANSLATOR; kind++) {
        if (!strcmp(text, gw_kind_name(kind))) {
            *ret_kind = kind;
            return 0;
        }
    }
    fprintf(stderr, "meshgate: \"%s\" is no kind: bridge, filter, enricher, translator\n", text);
    return -EINVAL;
}

static int wrong_usage(const char *what, const char *word)
{
    fprintf(stderr, "meshgate plugins: %s%s\n\n%s", what, word, help);
    return -EINVAL;
}

static int read_request(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return taken;
        if (taken)
            continue;
        if (!strcmp(argv[i], "--markdown")) {
            q->markdown = true;
        } else if (!strcmp(argv[i], "--kind") && i + 1 < argc) {
            if (read_kind(argv[++i], &q->kind))
                return -EINVAL;
        } else if (argv[i][0] == '-') {
            return wrong_usage("unknown option ", argv[i]);
        } else if (q->word_count == 2) {
            return wrong_usage("too many words: ", argv[i]);
        } else {
            q->words[q->word_count++] = argv[i];
        }
        i++;
    }
    if (q->options.help)
        return 0;
    if (q->word_count == 0 || (strcmp(q->words[0], "ls") && strcmp(q->words[0], "describe")))
        return wrong_usage("say ls or describe", "");
    bool describe = !strcmp(q->words[0], "describe");
    if (describe != (q->word_count == 2))
        return wrong_usage(describe ? "describe takes the name of a module" : "ls takes no name",
                           "");
    if ((q->kind || q->markdown) && !describe)
        return wrong_usage("--kind and --markdown are for describe", "");
    if (q->markdown && q->options.json)
        return wrong_usage("choose one of --json and --markdown", "");
    return 0;
}

static void load_from_configuration(struct gw_cli *cli, const struct gw_cli_options *options)
{
    cli->root = gw_tree_load(cli->arena, options->config, &cli->diags);
    if (!cli->root || gw_model_load_gateway(cli->arena, cli->root, &cli->gateway, &cli->diags))
        return;
    const char *const *folders = cli->gateway.modules.items;
    for (size_t i = 0; i < cli->gateway.modules.count; i++)
        gw_registry_load_folder(cli->registry, folders[i], &cli->diags);
}

/* ---- what a module is ----------------------------------------------------------------------- */

static const struct {
    uint32_t bit;
    const char *name;
} abilities[] = {
    {MG_SOURCE, "source"},     {MG_SINK, "sink"},         {MG_DEFERS_ACK, "defers-ack"},
    {MG_CONFIRMS, "confirms"}, {MG_ORDERED, "ordered"},   {MG_FILTERS, "filters"},
    {MG_NO_ECHO, "no-echo"},   {MG_COMPETES, "competes"}, {MG_STORES, "stores"},
};
enum { ABILITIES = sizeof abilities / sizeof abilities[0], ABILITIES_BYTES = 96 };

static uint32_t abilities_of(const struct mg_module *module)
{
    return module->kind == MG_BRIDGE ? ((const struct mg_bridge_ops *)module->ops)->abilities : 0;
}

static const char *abilities_text(const struct mg_module *module, char *buffer, size_t size)
{
    size_t used = 0;
    snprintf(buffer, size, "-");
    for (size_t i = 0; i < ABILITIES && used < size; i++)
        if (abilities_of(module) & abilities[i].bit)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? "," : "",
                                     abilities[i].name);
    return buffer;
}

static json_t *json_of_names(const char *const *names)
{
    json_t *list = json_array();
    for (; names && *names; names++)
        json_array_append_new(list, json_string(*names));
    return list;
}

static json_t *json_of_module(const struct gw_registry_module *entry, bool with_options)
{
    const struct mg_module *module = entry->module;
    char abi[16];
    snprintf(abi, sizeof abi, "%u.%u", module->abi.major, module->abi.minor);
    json_t *able = json_array();
    for (size_t i = 0; i < ABILITIES; i++)
        if (abilities_of(module) & abilities[i].bit)
            json_array_append_new(able, json_string(abilities[i].name));
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "kind", gw_kind_name(module->kind), "name",
        module->name, "version", module->version, "summary", module->summary ? module->summary : "",
        "abi", abi, "build", module->abi.build ? module->abi.build : "", "file", entry->path,
        "abilities", able, "counters", json_of_names(module->counters));
    if (!object || !with_options)
        return object;
    json_object_set_new(object, "options", gw_schema_of_options(module->options));
    if (module->kind == MG_BRIDGE) {
        json_object_set_new(object, "source_options", gw_schema_of_options(module->source_options));
        json_object_set_new(object, "sink_options", gw_schema_of_options(module->sink_options));
    }
    return object;
}

static int print_json(json_t *value)
{
    if (!value) {
        fprintf(stderr, "meshgate: out of memory\n");
        return 1;
    }
    json_dumpf(value, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(value);
    return 0;
}

/* ---- ls ------------------------------------------------------------------------------------- */

static int list(const struct gw_registry *registry, bool json)
{
    size_t count = gw_registry_count(registry);
    if (json) {
        json_t *array = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(array, json_of_module(gw_registry_at(registry, i), false));
        return print_json(array);
    }
    static const char row[] = "%-10s %-16s %-9s %-5s %-48s %s\n";
    printf(row, "KIND", "NAME", "VERSION", "ABI", "ABILITIES", "FILE");
    for (size_t i = 0; i < count; i++) {
        const struct gw_registry_module *entry = gw_registry_at(registry, i);
        const struct mg_module *module = entry->module;
        char abi[16], able[ABILITIES_BYTES];
        snprintf(abi, sizeof abi, "%u.%u", module->abi.major, module->abi.minor);
        printf(row, gw_kind_name(module->kind), module->name, module->version, abi,
               abilities_text(module, able, sizeof able), entry->path);
    }
    return 0;
}

/* ---- describe ------------------------------------------------------------------------------- */

static const struct gw_registry_module *choose(const struct gw_registry *registry, const char *name,
                                               uint32_t kind)
{
    const struct gw_registry_module *found = NULL;
    for (size_t i = 0; i < gw_registry_count(registry); i++) {
        const struct gw_registry_module *entry = gw_registry_at(registry, i);
        if (strcmp(entry->module->name, name) || (kind && entry->module->kind != kind))
            continue;
        if (found) {
            fprintf(stderr, "meshgate: %s is a %s and a %s: choose with --kind\n", name,
                    gw_kind_name(found->module->kind), gw_kind_name(entry->module->kind));
            return NULL;
        }
        found = entry;
    }
    if (!found)
        fprintf(stderr,
                "meshgate: there is no %s \"%s\"; `meshgate plugins ls` lists what there is\n",
                gw_kind_name(kind), name);
    return found;
}

struct table {
    const char *marker, *heading;
    const struct mg_option *options;
};

/* In Markdown between the markers that the READMEs have, so that a script can put it there. */
static int print_table(const struct table *table, bool markdown)
{
    bool any = table->options && table->options->name;
    char *text = any ? gw_markdown_of_options(table->options) : NULL;
    if (any && !text) {
        fprintf(stderr, "meshgate: out of memory\n");
        return 1;
    }
    if (markdown)
        printf("<!-- %s -->\n%s<!-- /%s -->\n", table->marker, any ? text : "None.\n",
               table->marker);
    else if (any)
        printf("%s\n\n%s\n", table->heading, text);
    free(text);
    return 0;
}

static int print_tables(const struct mg_module *module, bool markdown)
{
    const struct table tables[] = {
        {"options", "OPTIONS", module->options},
        {"source-options", "OPTIONS IN from:", module->source_options},
        {"sink-options", "OPTIONS IN to:", module->sink_options},
    };
    size_t count = module->kind == MG_BRIDGE ? 3 : 1;
    int code = 0;
    for (size_t i = 0; i < count && !code; i++)
        code = print_table(&tables[i], markdown);
    return code;
}

static int describe(const struct gw_registry_module *entry, const struct request *q)
{
    const struct mg_module *module = entry->module;
    if (q->options.json)
        return print_json(json_of_module(entry, true));
    if (q->markdown)
        return print_tables(module, true);
    printf("%s %s %s\n", gw_kind_name(module->kind), module->name, module->version);
    if (module->summary)
        printf("%s\n", module->summary);
    printf("\nABI        %u.%u\n", module->abi.major, module->abi.minor);
    if (module->abi.build && *module->abi.build)
        printf("build      %s\n", module->abi.build);
    printf("file       %s\n", entry->path);
    if (module->kind == MG_BRIDGE) {
        char able[ABILITIES_BYTES];
        printf("abilities  %s\n", abilities_text(module, able, sizeof able));
    }
    for (size_t i = 0; module->counters && module->counters[i]; i++)
        printf("%s%s", i ? ", " : "counters   ", module->counters[i]);
    printf("%s\n", module->counters && module->counters[0] ? "\n" : "");
    return print_tables(module, false);
}

int gw_cli_plugins(int argc, char **argv)
{
    struct request q = {0};
    if (read_request(&q, argc, argv))
        return 2;
    if (q.options.help) {
        fputs(help, stdout);
        return 0;
    }
    struct gw_cli cli;
    int code = 1;
    gw_cli_open_modules(&cli, &q.options);
    if (cli.arena && cli.registry) {
        if (q.options.config)
            load_from_configuration(&cli, &q.options);
        gw_diags_print(&cli.diags, stderr);
        const struct gw_registry_module *entry = NULL;
        if (!strcmp(q.words[0], "ls"))
            code = list(cli.registry, q.options.json) || cli.diags.errors;
        else if ((entry = choose(cli.registry, q.words[1], q.kind)))
            code = describe(entry, &q);
    }
    gw_cli_close(&cli);
    return code;
}
