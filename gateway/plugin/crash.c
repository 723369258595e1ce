/* SPDX-License-Identifier: Apache-2.0 */
/* Reports the signal that ends the process.  The handler calls nothing but what POSIX allows it,
 * and backtrace: that takes memory once, the first time, which is before any signal. */
#include "plugin/crash.h"
#include "plugin/call.h"
#include "plugin/objects.h"
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct gw_call_place gw_call_here;

enum { UNREAD_MS = 1000, FRAMES_MAX = 64, STACK_BYTES = 65536, LIST_BYTES_MAX = 1 << 16 };

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
    {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"},
};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

/* Written before there is anything to report. */
static char *module_list;
static char report_path[4096];
static atomic_flag reporting = ATOMIC_FLAG_INIT;

/* ---- writing in a signal handler ------------------------------------------------------------ */

struct out {
    int fds[2]; /* -1: none */
    size_t used;
    char buffer[16384]; /* so that what others log stands between few parts of it */
};

/* A pipe that nobody reads must not keep the process from its end: one that is writable takes
 * PIPE_BUF bytes without a wait. */
static void write_all(int fd, const char *at, size_t length)
{
    while (fd >= 0 && length > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (poll(&ready, 1, UNREAD_MS) == 0)
            return;
        ssize_t n = write(fd, at, length < PIPE_BUF ? length : PIPE_BUF);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
}

static void flush(struct out *out)
{
    for (size_t i = 0; i < 2; i++)
        write_all(out->fds[i], out->buffer, out->used);
    out->used = 0;
}

static void put(struct out *out, const char *text)
{
    for (; text && *text; text++) {
        if (out->used == sizeof out->buffer)
            flush(out);
        out->buffer[out->used++] = *text;
    }
}

static void put_number(struct out *out, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while (number /= base);
    put(out, base == 16 ? "0x" : "");
    put(out, digits + at);
}

/* ---- the report ----------------------------------------------------------------------------- */

static void put_signal(struct out *out, int number, const siginfo_t *info)
{
    char thread[17] = "";
    const char *name = "a signal";
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i].number == number)
            name = signals[i].name;
    prctl(PR_GET_NAME, thread);
    put(out, "\nmeshgate " MESHGATE_VERSION " ends by ");
    put(out, name);
    if (info->si_code > 0) { /* of the kernel, not of kill, raise or abort */
        put(out, " at ");
        put_number(out, (uintptr_t)info->si_addr, 16);
    } else if (info->si_pid != getpid()) {
        put(out, " from process ");
        put_number(out, (uint64_t)info->si_pid, 10);
    }
    put(out, ", thread ");
    put(out, thread);
    put(out, " ");
    put_number(out, (uint64_t)syscall(SYS_gettid), 10);
}

static void put_module(struct out *out)
{
    const struct mg_instance *instance = gw_call_owner();
    const char *operation = atomic_load_explicit(&gw_call_here.operation, memory_order_relaxed);
    if (!instance) {
        put(out, "\n  in no module\n");
        return;
    }
    const struct mg_module *module = instance->module;
    const struct gw_object *object = gw_object_of((uintptr_t)module);
    put(out, "\n  in ");
    put(out, gw_kind_name(module->kind));
    put(out, " ");
    put(out, module->name);
    put(out, " ");
    put(out, module->version);
    put(out, ", instance ");
    put(out, instance->name);
    put(out, ", operation ");
    put(out, operation);
    put(out, "\n  file ");
    put(out, object ? object->path : "unknown");
    if (module->abi.build && *module->abi.build) {
        put(out, ", build ");
        put(out, module->abi.build);
    }
    put(out, "\n");
}

static void put_frames(struct out *out)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    put(out, "  frames, for addr2line -e FILE OFFSET:\n");
    for (int i = 0; i < count; i++) {
        uintptr_t at = (uintptr_t)frames[i];
        const struct gw_object *object = gw_object_of(at);
        put(out, "    ");
        put(out, object ? object->path : "?");
        put(out, " ");
        put_number(out, object ? at - object->base : at, 16);
        put(out, "\n");
    }
}

static void report(int number, siginfo_t *info, void *context)
{
    (void)context;
    int before = errno;
    if (atomic_flag_test_and_set(&reporting))
        for (;;)
            pause(); /* another thread is at it, and will end the process */
    static struct out out = {.fds = {-1, STDERR_FILENO}};
    if (report_path[0])
        out.fds[0] = open(report_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    put_signal(&out, number, info);
    put_module(&out);
    flush(&out); /* what follows reads more, and may fail */
    put_frames(&out);
    put(&out, "  modules:\n");
    put(&out, module_list);
    flush(&out);
    if (out.fds[0] >= 0)
        close(out.fds[0]);
    errno = before;
    /* It is blocked in here, and strikes on return: with the core of the place where it happened.
     */
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- before --------------------------------------------------------------------------------- */

static bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

void gw_crash_watch(void)
{
    void *frames[4];
    struct sigaction action = {.sa_sigaction = report, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sanitized())
        return;
    backtrace(frames, 4); /* loads what it needs */
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaction(signals[i].number, &action, NULL);
    gw_objects_read();
}

void gw_crash_unblock(sigset_t *set)
{
    for (size_t i = 0; i < SIGNALS; i++)
        sigdelset(set, signals[i].number);
}

void gw_crash_know(const struct gw_registry *registry)
{
    gw_objects_read();
    char *list = malloc(LIST_BYTES_MAX);
    size_t used = 0;
    for (size_t i = 0; list && i < gw_registry_count(registry) && used < LIST_BYTES_MAX; i++) {
        const struct gw_registry_module *entry = gw_registry_at(registry, i);
        const struct mg_module *m = entry->module;
        const struct gw_object *object = gw_object_of((uintptr_t)m);
        int length = snprintf(
            list + used, LIST_BYTES_MAX - used, "    %s %s %s, ABI %u.%u, %s, build-id %s%s%s\n",
            gw_kind_name(m->kind), m->name, m->version, m->abi.major, m->abi.minor, entry->path,
            object ? object->build_id : "unknown", m->abi.build && *m->abi.build ? ", build " : "",
            m->abi.build ? m->abi.build : "");
        used += length > 0 ? (size_t)length : 0;
    }
    char *before = module_list;
    module_list = list;
    free(before);
}

void gw_crash_folder(const char *folder)
{
    int length = folder ? snprintf(report_path, sizeof report_path, "%s/crash.txt", folder) : 0;
    if (length <= 0 || (size_t)length >= sizeof report_path)
        report_path[0] = '\0';
}

void *gw_crash_stack_begin(void)
{
    stack_t stack = {.ss_sp = sanitized() ? NULL : malloc(STACK_BYTES), .ss_size = STACK_BYTES};
    if (stack.ss_sp)
        sigaltstack(&stack, NULL);
    return stack.ss_sp;
}

void gw_crash_stack_end(void *stack)
{
    const stack_t none = {.ss_flags = SS_DISABLE};
    if (stack)
        sigaltstack(&none, NULL);
    free(stack);
}
