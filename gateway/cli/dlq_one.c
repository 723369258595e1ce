/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate dlq show` and `meshgate dlq edit`: one dead letter. */
#include "cli/dlq.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *fetch(const struct gw_cli_options *options, int64_t id, int *ret_code)
{
    struct gw_cli_answer answer = {0};
    *ret_code = gw_cli_ask(options, json_pack("{s:s, s:I}", "op", "dlq.show", "id", (json_int_t)id),
                           &answer);
    json_t *letter = *ret_code ? NULL : json_incref(answer.first);
    gw_cli_answer_fini(&answer);
    if (!letter && !*ret_code) {
        fputs("meshgate: the gateway did not answer\n", stderr);
        *ret_code = 2;
    }
    return letter;
}

int gw_cli_dlq_show(const struct gw_cli_options *options, int64_t id)
{
    static const char *const fields[] = {"id",       "route", "sink",    "step",    "reason",
                                         "attempts", "died",  "arrived", "address", "bytes"};
    int code;
    json_t *letter = fetch(options, id, &code);
    if (!letter)
        return code;
    if (options->json) {
        gw_cli_print_json(letter);
    } else {
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            printf("%-9s ", fields[i]);
            gw_cli_put_cell(stdout, letter, fields[i], 0);
            putchar('\n');
        }
        fputs("record    ", stdout);
        gw_cli_print_json(json_object_get(letter, "record"));
    }
    json_decref(letter);
    return 0;
}

/* ---- edit ----------------------------------------------------------------------------------- */

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *record = strcmp(path, "-") ? json_load_file(path, JSON_ALLOW_NUL, &error)
                                       : json_loadf(stdin, JSON_ALLOW_NUL, &error);
    if (!record)
        fprintf(stderr, "%s:%d:%d: %s\n", path, error.line, error.column, error.text);
    return record;
}

/* What show prints as a whole is taken as well as its record alone. */
static int send_record(const struct gw_cli_options *options, int64_t id, json_t *record)
{
    struct gw_cli_answer answer = {0};
    json_t *inner = json_object_get(record, "record");
    int code = gw_cli_ask(options,
                          json_pack("{s:s, s:I, s:O}", "op", "dlq.edit", "id", (json_int_t)id,
                                    "record", inner ? inner : record),
                          &answer);
    if (!code && !answer.first) {
        fputs("meshgate: the gateway hung up; look with `meshgate dlq show`\n", stderr);
        code = 2;
    }
    if (!code)
        printf("dead letter %lld is changed\n", (long long)id);
    gw_cli_answer_fini(&answer);
    return code;
}

static int run_editor(const char *path)
{
    const char *editor = getenv("VISUAL");
    if (!editor || !*editor)
        editor = getenv("EDITOR");
    if (!editor || !*editor)
        editor = "vi";
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* By the shell, since the variable may bring options: "code --wait". */
        char script[1024];
        snprintf(script, sizeof script, "%s \"$1\"", editor);
        execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("meshgate: the editor");
        return 1;
    }
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    fprintf(stderr, "meshgate: the editor (%s) failed, so nothing is changed\n", editor);
    return 1;
}

/* Readable by this user alone: events may be secret. */
static int write_copy(char *path, size_t size, const json_t *record)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/meshgate-XXXXXX.json", folder && *folder ? folder : "/tmp");
    int fd = mkstemps(path, 5);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        fprintf(stderr, "meshgate: %s: %s\n", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 1;
    }
    int error = json_dumpf(record, out, JSON_INDENT(2));
    fputc('\n', out);
    if (fclose(out) || error) {
        fprintf(stderr, "meshgate: %s could not be written\n", path);
        unlink(path);
        return 1;
    }
    return 0;
}

static int edit_copy(const struct gw_cli_options *options, int64_t id, const json_t *record)
{
    char path[1024];
    if (write_copy(path, sizeof path, record))
        return 1;
    json_t *edited = NULL;
    int code = run_editor(path);
    if (!code && !(edited = load(path)))
        code = 1;
    else if (!code && json_equal(edited, record))
        puts("nothing was changed");
    else if (!code)
        code = send_record(options, id, edited);
    if (code)
        fprintf(stderr, "what you wrote is in %s; `meshgate dlq edit %lld --from %s` takes it\n",
                path, (long long)id, path);
    else
        unlink(path);
    json_decref(edited);
    return code;
}

int gw_cli_dlq_edit(const struct gw_cli_options *options, int64_t id, const char *from)
{
    int code;
    if (from) {
        json_t *record = load(from);
        code = record ? send_record(options, id, record) : 1;
        json_decref(record);
        return code;
    }
    json_t *letter = fetch(options, id, &code);
    if (letter)
        code = edit_copy(options, id, json_object_get(letter, "record"));
    json_decref(letter);
    return code;
}
