/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate new-plugin`: a module's own project, with an option, tests and a README, that works. */
#include "cli/new_plugin.h"
#include "cli/cli.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: meshgate new-plugin KIND NAME [--dir DIR]\n\n"
    "Writes a small meson project into DIR (default: NAME): a module that works, with an option,\n"
    "a test under the fake host, and a README.  KIND: bridge, filter, enricher, translator.\n"
    "NAME: what stands behind type: in a configuration, of the form [a-z][a-z0-9-]*.\n";

struct request {
    uint32_t kind;
    const char *name, *folder;
    char identifier[GW_MODULE_NAME_MOST + 1]; /* the name, with _ for - */
    bool help;
};

/* One file of the project.  after NULL: the identifier is no part of its name. */
struct part {
    const char *before, *after, *templates[2];
};

static int wrong_usage(const char *what, const char *word)
{
    fprintf(stderr, "meshgate new-plugin: %s%s\n\n%s", what, word, help);
    return -EINVAL;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

static int read_kind(const char *word, uint32_t *ret_kind)
{
    for (uint32_t kind = MG_BRIDGE; kind <= MG_TRANSLATOR; kind++) {
        if (!strcmp(word, gw_kind_name(kind))) {
            *ret_kind = kind;
            return 0;
        }
    }
    return wrong_usage("KIND is bridge, filter, enricher or translator, not ", word);
}

static int read_name(const char *word, struct request *q)
{
    if (!gw_module_name_well_formed(word))
        return wrong_usage("a name begins with a to z, then has a to z, 0 to 9 and -, at most 64 "
                           "bytes, unlike ",
                           word);
    q->name = word;
    size_t length = strlen(word);
    for (size_t i = 0; i <= length; i++)
        q->identifier[i] = word[i] == '-' ? '_' : word[i];
    return 0;
}

static int read_request(struct request *q, int argc, char **argv)
{
    int words = 0, result = 0;
    for (int i = 1; i < argc && !result; i++) {
        if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
            q->help = true;
            return 0;
        }
        if (!strcmp(argv[i], "--dir")) {
            if (++i == argc || !*argv[i])
                return wrong_usage("--dir needs a folder", "");
            q->folder = argv[i];
        } else if (argv[i][0] == '-') {
            return wrong_usage("unknown option ", argv[i]);
        } else if (words == 2) {
            return wrong_usage("too many words: ", argv[i]);
        } else {
            result = words++ ? read_name(argv[i], q) : read_kind(argv[i], &q->kind);
        }
    }
    if (!result && words < 2)
        return wrong_usage("say what kind of module, and its name", "");
    if (!q->folder)
        q->folder = q->name;
    return result;
}

/* ---- writing -------------------------------------------------------------------------------- */

static const char *template_text(const char *name)
{
    for (const struct gw_new_plugin_file *f = gw_new_plugin_files; f->name; f++)
        if (!strcmp(f->name, name))
            return f->text;
    return "";
}

/* The text with the project's own name for the one that the templates have. */
static int write_text(FILE *out, const char *text, const struct request *q)
{
    while (*text) {
        const char *dash = strstr(text, "my-plugin"), *score = strstr(text, "my_plugin");
        const char *next = !score || (dash && dash < score) ? dash : score;
        size_t plain = next ? (size_t)(next - text) : strlen(text);
        if (fwrite(text, 1, plain, out) != plain ||
            (next && fputs(next == dash ? q->name : q->identifier, out) == EOF))
            return -EIO;
        text += plain + (next ? sizeof "my-plugin" - 1 : 0);
    }
    return 0;
}

/* Never over a file that is there. */
static int write_part(int folder, const char *path, const struct part *part,
                      const struct request *q)
{
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    int error = write_text(out, template_text(part->templates[0]), q);
    if (!error && part->templates[1])
        error = write_text(out, template_text(part->templates[1]), q);
    if (fclose(out) && !error)
        error = -errno;
    return error;
}

static int count_entries(int folder)
{
    int fd = dup(folder), count = 0;
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries) {
        int error = -errno;
        if (fd >= 0)
            close(fd);
        return error;
    }
    for (const struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(entries);
    return count;
}

/* Makes it, or takes one that is empty. */
static int open_folder(const char *path)
{
    int made = mkdir(path, 0777);
    if (made && errno != EEXIST) {
        fprintf(stderr, "meshgate: %s: %s\n", path, strerror(errno));
        return -1;
    }
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int entries = folder < 0 ? -errno : count_entries(folder);
    if (entries == 0)
        return folder;
    if (entries < 0)
        fprintf(stderr, "meshgate: %s: %s\n", path, strerror(-entries));
    else
        fprintf(stderr,
                "meshgate: %s is there already, and not empty: choose another name, or --dir\n",
                path);
    if (folder >= 0)
        close(folder);
    return -1;
}

static int write_project(const struct request *q)
{
    const char *kind = gw_kind_name(q->kind);
    char names[3][32], path[GW_MODULE_NAME_MOST + 16];
    snprintf(names[0], sizeof names[0], "%s.c", kind);
    snprintf(names[1], sizeof names[1], "%s_test.c", kind);
    snprintf(names[2], sizeof names[2], "%s.md", kind);
    const struct part parts[] = {
        {"", ".c", {names[0]}},
        {"test_", ".c", {names[1]}},
        {"README.md", NULL, {names[2], "build.md"}},
        {"meson.build", NULL, {"meson.build.in"}},
        {".gitignore", NULL, {"gitignore.in"}},
    };
    int folder = open_folder(q->folder);
    if (folder < 0)
        return 1;
    int error = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && !error; i++) {
        snprintf(path, sizeof path, "%s%s%s", parts[i].before, parts[i].after ? q->identifier : "",
                 parts[i].after ? parts[i].after : "");
        error = write_part(folder, path, &parts[i], q);
        if (error)
            fprintf(stderr, "meshgate: %s/%s: %s\n", q->folder, path, strerror(-error));
    }
    close(folder);
    if (error)
        return 1;
    printf("%s: %s %s, its test and a README\n\n"
           "  cd %s\n  meson setup build\n  meson test -C build\n  meshgate plugins describe %s -m "
           "build\n",
           q->folder, kind, q->name, q->folder, q->name);
    return 0;
}

int gw_cli_new_plugin(int argc, char **argv)
{
    struct request q = {0};
    if (read_request(&q, argc, argv))
        return 2;
    if (q.help) {
        fputs(help, stdout);
        return 0;
    }
    return write_project(&q);
}
