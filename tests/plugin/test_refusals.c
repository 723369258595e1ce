/* SPDX-License-Identifier: Apache-2.0 */
/* Each bad module is refused, with the message that its author needs. */
#include "base/diag.h"
#include "capture.h"
#include "plugin/instance.h"
#include "plugin/registry.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gw_registry *registry;
static struct gw_diags diags;

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];
    const char *folder = getenv("MODULE_TEST_FOLDER");
    snprintf(path, sizeof path, "%s/%s.so", folder ? folder : ".", name);
    return path;
}

static void begin(void)
{
    registry = gw_registry_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(registry);
}

static void end(void)
{
    gw_diags_fini(&diags);
    diags = (struct gw_diags){0};
    gw_registry_destroy(registry);
}

static void expect_message(const char *path, const char *text)
{
    CU_ASSERT_EQUAL_FATAL(diags.errors, 1);
    CU_ASSERT_STRING_EQUAL(diags.items[0].file, path);
    CU_ASSERT_STRING_EQUAL(diags.items[0].text, text);
    if (strcmp(diags.items[0].text, text))
        fprintf(stderr, "  got:      %s\n  expected: %s\n", diags.items[0].text, text);
}

static void expect_refusal(const char *name, const char *text)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of(name), &diags), -EINVAL);
    CU_ASSERT_EQUAL(gw_registry_count(registry), 0);
    expect_message(path_of(name), text);
    end();
}

static void wrong_magic_is_refused(void)
{
    expect_refusal("wrong-magic", "mg_module does not answer a module descriptor (magic "
                                  "0x12345678, expected 0x4547534d): the "
                                  "descriptor must begin with MG_ABI_HERE of meshgate/plugin.h");
}

static void another_major_is_refused_with_both_versions(void)
{
    expect_refusal(
        "other-major",
        "built for module ABI 2.3, this gateway has 1.3, and another major number is another ABI: "
        "install the release of the module for ABI 1, or rebuild it with this gateway's "
        "meshgate/plugin.h");
}

static void a_newer_minor_is_refused_with_both_versions(void)
{
    expect_refusal(
        "newer-minor",
        "built for module ABI 1.4, this gateway has 1.3, which is older: upgrade the gateway, or "
        "rebuild the module with this gateway's meshgate/plugin.h");
}

static void a_short_descriptor_is_refused_unread(void)
{
    char text[256];
    snprintf(text, sizeof text,
             "its descriptor (ABI 1.3) has %zu bytes, ABI 1.0 requires at least %zu: set abi with "
             "MG_ABI_HERE "
             "and rebuild the module",
             sizeof(struct mg_abi), sizeof(struct mg_module));
    expect_refusal("short-descriptor", text);
}

static void a_longer_descriptor_of_the_same_minor_loads(void)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("longer-descriptor"), &diags), 0);
    CU_ASSERT_EQUAL(diags.count, 0);
    CU_ASSERT_PTR_NOT_NULL(gw_registry_find(registry, MG_FILTER, "longer-descriptor"));
    CU_ASSERT_PTR_NULL(gw_registry_find(registry, MG_BRIDGE, "longer-descriptor"));
    CU_ASSERT_STRING_EQUAL(gw_registry_at(registry, 0)->path, path_of("longer-descriptor"));
    end();
}

static void unknown_flags_are_refused(void)
{
    expect_refusal("unknown-flags",
                   "its descriptor has flags 0x4, which ABI 1.3 does not know: set abi with "
                   "MG_ABI_HERE and rebuild the module");
}

static void an_unknown_kind_is_refused(void)
{
    expect_refusal("unknown-kind",
                   "kind 9 is none of bridge (1), filter (2), enricher (3), translator (4): "
                   "correct the descriptor's kind");
}

static void a_bad_name_is_refused(void)
{
    expect_refusal("bad-name",
                   "the name of this filter is missing or not of the form [a-z][a-z0-9-]*, at most "
                   "64 bytes: correct the descriptor's name");
}

static void a_module_without_version_is_refused(void)
{
    expect_refusal(
        "no-version",
        "filter no-version says no version (1 to 64 bytes): fill in the descriptor's version");
}

static void a_missing_operation_is_refused(void)
{
    expect_refusal("missing-operation",
                   "filter missing-operation 1.0.0 lacks ops->process, which every such "
                   "module must have: implement it");
}

static void a_missing_create_is_refused(void)
{
    expect_refusal("missing-create",
                   "filter missing-create 1.0.0 lacks life->create, which every such module "
                   "must have: implement it");
}

static void a_short_table_of_operations_is_refused(void)
{
    expect_refusal(
        "short-operations",
        "filter short-operations 1.0.0: its struct mg_step_ops (ABI 1.3) has 4 bytes, ABI 1.0 "
        "requires at least 16: set its size with sizeof and rebuild the module");
}

static void half_of_a_sets_operations_are_refused(void)
{
    expect_refusal("half-a-set",
                   "filter half-a-set 1.0.0 has some of ops->set_create, set_destroy, set_open, "
                   "set_close and set_match: implement all of them or none");
}

static void an_option_outside_of_its_struct_is_refused(void)
{
    expect_refusal("option-outside",
                   "filter option-outside 1.0.0: option \"limit\" lies outside of its settings "
                   "struct (bytes 8 "
                   "to 16 of 8): set offset with offsetof and the size with sizeof");
}

static void a_default_that_does_not_parse_is_refused(void)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("bad-default"), &diags), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(diags.errors, 1);
    static const char head[] =
        "filter bad-default 1.0.0: option \"every\" has a default that is none (soon: every";
    CU_ASSERT_EQUAL(strncmp(diags.items[0].text, head, sizeof head - 1), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "): correct the table's value"));
    end();
}

static void a_file_without_mg_module_is_refused(void)
{
    expect_refusal(
        "no-symbol",
        "it does not export mg_module, so it is no module of this gateway: define mg_module as "
        "meshgate/plugin.h declares it, or move the file out of the module folder");
}

static void a_module_may_refuse_the_gateway(void)
{
    expect_refusal("refuses-host",
                   "the module refuses a gateway with module ABI 1.3: install a release of it "
                   "that serves this ABI");
}

static void a_module_that_misses_a_symbol_is_refused_at_load(void)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("needs-missing-library"), &diags),
                    -EINVAL);
    CU_ASSERT_EQUAL_FATAL(diags.errors, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "meshgate_test_defined_nowhere"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(diags.items[0].text, "rebuild the module with -Wl,-z,defs on this machine"));
    end();
}

static void two_of_one_name_are_refused_and_both_files_named(void)
{
    char first[PATH_MAX], text[PATH_MAX + 100];
    begin();
    snprintf(first, sizeof first, "%s", path_of("twice-a"));
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, first, &diags), 0);
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("twice-b"), &diags), -EINVAL);
    snprintf(
        text, sizeof text,
        "filter twice 2.0.0 is loaded already: version 1.0.0 from %s; keep one of the two files",
        first);
    expect_message(path_of("twice-b"), text);
    CU_ASSERT_EQUAL(gw_registry_count(registry), 1);
    CU_ASSERT_STRING_EQUAL(gw_registry_find(registry, MG_FILTER, "twice")->version, "1.0.0");
    end();
}

static void one_file_loaded_twice_is_one_module(void)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("twice-a"), &diags), 0);
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path_of("twice-a"), &diags), 0);
    CU_ASSERT_EQUAL(gw_registry_count(registry), 1);
    CU_ASSERT_EQUAL(diags.count, 0);
    end();
}

/* ---- who may write ------------------------------------------------------------------------------
 */

static char folder[PATH_MAX];

static void copy_module(const char *name, const char *to)
{
    char target[PATH_MAX + 64], buffer[65536];
    snprintf(target, sizeof target, "%s/%s", folder, to);
    int in = open(path_of(name), O_RDONLY | O_CLOEXEC);
    int out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CU_ASSERT_FATAL(in >= 0 && out >= 0);
    for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;)
        CU_ASSERT_EQUAL(write(out, buffer, (size_t)got), got);
    close(in);
    close(out);
}

static void new_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/modules.XXXXXX", tmp ? tmp : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void remove_files(const char *const *names)
{
    char path[PATH_MAX + 64];
    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s", folder, *names);
        unlink(path);
    }
    rmdir(folder);
}

static void a_file_that_everybody_may_write_is_refused(void)
{
    char path[PATH_MAX + 64], text[PATH_MAX + 200];
    new_folder();
    copy_module("twice-a", "a.so");
    snprintf(path, sizeof path, "%s/a.so", folder);
    CU_ASSERT_EQUAL(chmod(path, 0666), 0);
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_folder(registry, folder, &diags), -EINVAL);
    snprintf(text, sizeof text,
             "everybody may write this module file, and so run code in the gateway: chmod o-w %s",
             path);
    expect_message(path, text);
    end();
    remove_files((const char *const[]){"a.so", NULL});
}

static void a_folder_that_everybody_may_write_is_refused(void)
{
    char path[PATH_MAX + 64], text[PATH_MAX + 200];
    new_folder();
    copy_module("twice-a", "a.so");
    CU_ASSERT_EQUAL(chmod(folder, 0777), 0);
    snprintf(text, sizeof text,
             "everybody may write this module folder, and so run code in the gateway: chmod o-w %s",
             folder);
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_folder(registry, folder, &diags), -EINVAL);
    expect_message(folder, text);
    end();
    begin();
    snprintf(path, sizeof path, "%s/a.so", folder);
    CU_ASSERT_EQUAL(gw_registry_load_file(registry, path, &diags), -EINVAL);
    expect_message(folder, text);
    end();
    remove_files((const char *const[]){"a.so", NULL});
}

static void a_refused_module_does_not_keep_its_neighbours_out(void)
{
    new_folder();
    copy_module("wrong-magic", "1.so");
    copy_module("twice-a", "2.so");
    copy_module("no-symbol", "3.so");
    copy_module("longer-descriptor", "4.so");
    copy_module("twice-b", "5.so.old"); /* not a module file by its name */
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_folder(registry, folder, &diags), -EINVAL);
    CU_ASSERT_EQUAL(diags.errors, 2);
    CU_ASSERT_EQUAL_FATAL(gw_registry_count(registry), 2);
    CU_ASSERT_STRING_EQUAL(gw_registry_at(registry, 0)->module->name, "twice");
    CU_ASSERT_STRING_EQUAL(gw_registry_at(registry, 1)->module->name, "longer-descriptor");
    CU_ASSERT_PTR_NULL(gw_registry_at(registry, 2));
    end();
    remove_files((const char *const[]){"1.so", "2.so", "3.so", "4.so", "5.so.old", NULL});
}

static void a_folder_that_does_not_exist_is_an_error(void)
{
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_folder(registry, "/nonexistent/modules", &diags), -EINVAL);
    expect_message("/nonexistent/modules",
                   "this module folder cannot be read: No such file or directory");
    end();
}

static void a_text_file_is_refused(void)
{
    char path[PATH_MAX + 64];
    new_folder();
    snprintf(path, sizeof path, "%s/a.so", folder);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs("not an object", file);
    fclose(file);
    begin();
    CU_ASSERT_EQUAL(gw_registry_load_folder(registry, folder, &diags), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(diags.errors, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[0].text, "the system cannot load it ("));
    end();
    remove_files((const char *const[]){"a.so", NULL});
}

/* ---- modules that load, and fail later ---------------------------------------------------------
 */

static const struct mg_module *load(const char *name)
{
    CU_ASSERT_EQUAL_FATAL(gw_registry_load_file(registry, path_of(name), &diags), 0);
    return gw_registry_at(registry, gw_registry_count(registry) - 1)->module;
}

static void fill_host(struct mg_host *host)
{
    *host = (struct mg_host){.size = sizeof *host};
    gw_instance_host_fill(host);
}

/* The leak checker proves that destroy got the half. */
static void a_create_that_fails_half_way_is_rolled_back(void)
{
    struct mg_host host;
    struct mg_err err;
    begin();
    fill_host(&host);
    const struct gw_instance_plan plans[] = {
        {load("twice-a"), "first", NULL},
        {load("create-half-way"), "second", NULL},
    };
    struct mg_instance *instances[2];
    CU_ASSERT_EQUAL(gw_instances_create(&host, "gw", plans, 2, instances, &err), -ENXIO);
    CU_ASSERT_STRING_EQUAL(err.text, "second: the other half is missing");
    CU_ASSERT_PTR_NULL(instances[0]);
    CU_ASSERT_PTR_NULL(instances[1]);
    end();
}

static struct mg_host the_host;
static struct mg_instance *stopped[2];

static void stop_both(void)
{
    CU_ASSERT_EQUAL(gw_instances_stop(stopped, 2, 50), -ETIMEDOUT);
}

/* Its thread never ends and uses the module, which therefore stays loaded, and so does the
 * registry. */
static void a_stop_that_hangs_is_given_up_and_the_others_stop(void)
{
    struct mg_err err;
    begin();
    fill_host(&the_host);
    const struct gw_instance_plan plans[] = {
        {load("twice-a"), "first", NULL},
        {load("stop-hangs"), "second", NULL},
    };
    CU_ASSERT_EQUAL_FATAL(gw_instances_create(&the_host, "gw", plans, 2, stopped, &err), 0);
    CU_ASSERT_EQUAL_FATAL(gw_instances_start(stopped, 2, &err), 0);
    gw_instances_drain(stopped, 2);
    CU_ASSERT(capture_has(stop_both, "stop has not returned after 50 ms; the module is given up"));
    CU_ASSERT_EQUAL(stopped[0]->state, GW_INSTANCE_STOPPED);
    CU_ASSERT_EQUAL(stopped[1]->state, GW_INSTANCE_HUNG);
    CU_ASSERT_EQUAL(gw_instance_stop(stopped[1], 50), -ETIMEDOUT); /* at once */
    struct mg_instance *hung = stopped[1];
    gw_instances_destroy(stopped, 2);
    CU_ASSERT_EQUAL(hung->state, GW_INSTANCE_HUNG); /* still there: destroy has left it alone */
    stopped[1] = hung;                              /* reachable, for leak checkers */
    gw_diags_fini(&diags);
}

int main(void)
{
    static const struct kit_test tests[] = {
#define TEST(name) {#name, name}
        {KIT_TEST(wrong_magic_is_refused)},
        {KIT_TEST(another_major_is_refused_with_both_versions)},
        {KIT_TEST(a_newer_minor_is_refused_with_both_versions)},
        {KIT_TEST(a_short_descriptor_is_refused_unread)},
        {KIT_TEST(a_longer_descriptor_of_the_same_minor_loads)},
        {KIT_TEST(unknown_flags_are_refused)},
        {KIT_TEST(an_unknown_kind_is_refused)},
        {KIT_TEST(a_bad_name_is_refused)},
        {KIT_TEST(a_module_without_version_is_refused)},
        {KIT_TEST(a_missing_operation_is_refused)},
        {KIT_TEST(a_missing_create_is_refused)},
        {KIT_TEST(a_short_table_of_operations_is_refused)},
        {KIT_TEST(half_of_a_sets_operations_are_refused)},
        {KIT_TEST(an_option_outside_of_its_struct_is_refused)},
        {KIT_TEST(a_default_that_does_not_parse_is_refused)},
        {KIT_TEST(a_file_without_mg_module_is_refused)},
        {KIT_TEST(a_module_may_refuse_the_gateway)},
        {KIT_TEST(a_module_that_misses_a_symbol_is_refused_at_load)},
        {KIT_TEST(two_of_one_name_are_refused_and_both_files_named)},
        {KIT_TEST(one_file_loaded_twice_is_one_module)},
        {KIT_TEST(a_file_that_everybody_may_write_is_refused)},
        {KIT_TEST(a_folder_that_everybody_may_write_is_refused)},
        {KIT_TEST(a_refused_module_does_not_keep_its_neighbours_out)},
        {KIT_TEST(a_folder_that_does_not_exist_is_an_error)},
        {KIT_TEST(a_text_file_is_refused)},
        {KIT_TEST(a_create_that_fails_half_way_is_rolled_back)},
        {KIT_TEST(a_stop_that_hangs_is_given_up_and_the_others_stop)},
        {NULL, NULL},
    };
    return kit_main("module refusals", tests);
}
