/* SPDX-License-Identifier: Apache-2.0 */
/* Starts brokers and bridges for the broker tests of the mqtt bridge. */
#include "mqtt_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct kit_host *rig_host;
bool rig_native = true;

void rig_choose(int argc, char **argv)
{
    rig_native = argc < 2 || strcmp(argv[1], "paho");
}

static void give_up(const char *what)
{
    fprintf(stderr, "mqtt broker tests: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Below the range of ports that connect() draws from: a client that tries a port where nobody
 * listens could otherwise end up connected to itself, and hold the port. */
int rig_free_port(void)
{
    static unsigned seed;
    if (!seed)
        seed = (unsigned)getpid() * 2654435761u;
    for (int i = 0; i < 1000; i++) {
        int port = 20000 + rand_r(&seed) % 12000;
        struct sockaddr_in address = loopback(port);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool is_free = fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address));
        if (fd >= 0)
            close(fd);
        if (is_free)
            return port;
    }
    give_up("no free port");
    return 0;
}

static bool accepts(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address));
    if (fd >= 0)
        close(fd);
    return yes;
}

void rig_broker_again(struct rig_broker *broker)
{
    char path[128], log[128];
    snprintf(path, sizeof(path), "%s/mosquitto.conf", broker->folder);
    snprintf(log, sizeof(log), "%s/log", broker->folder);
    broker->pid = fork();
    if (broker->pid < 0)
        give_up("fork");
    if (!broker->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen(log, "a", stderr) || !freopen("/dev/null", "r", stdin))
            _exit(126);
        dup2(2, 1);
        execlp("mosquitto", "mosquitto", "-v", "-c", path, (char *)NULL);
        execl("/usr/sbin/mosquitto", "mosquitto", "-v", "-c", path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000; i++) {
        if (accepts(broker->port))
            return;
        if (waitpid(broker->pid, NULL, WNOHANG) == broker->pid)
            break;
        usleep(10000);
    }
    errno = ECHILD;
    give_up("mosquitto does not start (apt install mosquitto)");
}

void rig_broker_start(struct rig_broker *broker, const char *extra)
{
    char path[128];
    snprintf(broker->folder, sizeof(broker->folder), "/tmp/meshgate-mqtt-XXXXXX");
    if (!mkdtemp(broker->folder))
        give_up("mkdtemp");
    broker->port = rig_free_port();
    broker->other_port = rig_free_port();
    snprintf(path, sizeof(path), "%s/mosquitto.conf", broker->folder);
    FILE *file = fopen(path, "w");
    if (!file)
        give_up(path);
    fprintf(file, "user root\nmax_queued_messages 0\nlistener %d 127.0.0.1\n", broker->port);
    for (const char *c = extra ? extra : "allow_anonymous true\n"; *c; c++) {
        if (c[0] == '%' && c[1] == 's') {
            fputs(broker->folder, file);
            c++;
        } else if (c[0] == '%' && c[1] == 'p') {
            fprintf(file, "%d", broker->other_port);
            c++;
        } else {
            fputc(*c, file);
        }
    }
    fclose(file);
    rig_broker_again(broker);
}

void rig_broker_kill(struct rig_broker *broker)
{
    kill(broker->pid, SIGKILL);
    waitpid(broker->pid, NULL, 0);
}

void rig_broker_end(struct rig_broker *broker)
{
    kill(broker->pid, SIGTERM);
    waitpid(broker->pid, NULL, 0);
}

void rig_broker_stop(struct rig_broker *broker)
{
    rig_broker_kill(broker);
    rig_shell(broker, "rm -rf %s", broker->folder);
}

int rig_shell(const struct rig_broker *broker, const char *format, ...)
{
    char line[2048];
    int used = snprintf(line, sizeof(line), "cd %s && ", broker->folder);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, sizeof(line) - (size_t)used, format, args);
    va_end(args);
    return system(line);
}

const char *rig_url(const struct rig_broker *broker, const char *scheme, const char *more)
{
    static char text[4096];
    snprintf(text, sizeof(text), "{url: \"%s://127.0.0.1:%d\"%s%s}", scheme,
             strcmp(scheme, "ws") ? broker->port : broker->other_port, more ? ", " : "",
             more ? more : "");
    return text;
}

/* ---- servers that misbehave ----------------------------------------------------------------- */

static bool read_all(int fd, unsigned char *at, size_t length)
{
    for (ssize_t n; length; at += n, length -= (size_t)n) {
        n = read(fd, at, length);
        if (n <= 0)
            return false;
    }
    return true;
}

static void say(int fd, const void *bytes, size_t length)
{
    if (write(fd, bytes, length) != (ssize_t)length)
        _exit(0);
}

int rig_refer_to;

/* MQTT 5 §3.2.2.3.16 */
static void refer(int fd)
{
    char packet[64] = {0x20, 0, 0, (char)0x9d, 0, 0x1c, 0};
    int length = snprintf(packet + 8, sizeof(packet) - 8, "127.0.0.1:%d", rig_refer_to);
    packet[1] = (char)(6 + length);
    packet[4] = (char)(3 + length);
    packet[7] = (char)length;
    say(fd, packet, 8 + (size_t)length);
}

static void fake_connected(int fd, enum rig_fake mode)
{
    static const unsigned char plain[] = {0x20, 3, 0, 0, 0}, moved[] = {0x20, 3, 0, 0x9d, 0};
    static const unsigned char narrow[] = {0x20, 14,   0, 0, 11, 0x24, 1,    0x25,
                                           0,    0x27, 0, 0, 0,  100,  0x29, 0};
    static const unsigned char other[] = {0xe0, 15,  0x9c, 13,  0x1c, 0,   10,  'o', 't',
                                          'h',  'e', 'r',  ':', '1',  '8', '8', '3'};
    if (mode == RIG_NARROW)
        say(fd, narrow, sizeof(narrow));
    else if (mode == RIG_NOT_HERE && rig_refer_to)
        refer(fd);
    else if (mode == RIG_NOT_HERE)
        say(fd, moved, sizeof(moved));
    else
        say(fd, plain, sizeof(plain));
    if (mode == RIG_MOVED)
        say(fd, other, sizeof(other));
}

static void fake_published(int fd, const unsigned char *body, size_t length, uint8_t flags,
                           unsigned *count)
{
    static const unsigned char reasons[] = {0x97, 0x99, 0x10, 0x00};
    size_t topic = (size_t)body[0] << 8 | body[1];
    if (length < topic + 4 || !(flags & 6))
        return;
    unsigned char ack[] = {0x40, 4, body[topic + 2], body[topic + 3], reasons[(*count)++ % 4], 0};
    say(fd, ack, sizeof(ack));
}

static void fake_serve(int fd, enum rig_fake mode)
{
    static unsigned char body[1 << 20];
    unsigned count = 0;
    for (;;) {
        unsigned char type, digit;
        size_t length = 0;
        if (!read_all(fd, &type, 1))
            return;
        for (unsigned shift = 0; shift < 28; shift += 7) {
            if (!read_all(fd, &digit, 1))
                return;
            length |= (size_t)(digit & 127) << shift;
            if (digit < 128)
                break;
        }
        if (length > sizeof(body) || !read_all(fd, body, length))
            return;
        if (mode == RIG_SILENT)
            continue;
        if (type >> 4 == 1)
            fake_connected(fd, mode);
        else if (type >> 4 == 12)
            say(fd, "\xd0\0", 2);
        else if (type >> 4 == 3 && mode == RIG_PICKY)
            fake_published(fd, body, length, type & 15, &count);
        else if (type >> 4 == 3 && mode == RIG_NARROW)
            count = 3, fake_published(fd, body, length, type & 15, &count);
    }
}

pid_t rig_fake_start(enum rig_fake mode, int *ret_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        give_up("no socket");
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork");
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int peer; (peer = accept(fd, NULL, NULL)) >= 0; close(peer))
            fake_serve(peer, mode);
        _exit(0);
    }
    close(fd);
    return pid;
}

void rig_fake_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- bridges -------------------------------------------------------------------------------- */

void rig_host_open(void)
{
    rig_host = kit_host_create();
    kit_settle_when(rig_host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
}

static bool all_ended(void *arg)
{
    (void)arg;
    return !kit_live_handles(rig_host);
}

void rig_host_close(void)
{
    /* A look-up or a TLS set-up that nobody waits for any more ends on the thread pool. */
    kit_run_until(rig_host, all_ended, NULL, 5000);
    CU_ASSERT_EQUAL(kit_unsettled_count(rig_host), 0);
    CU_ASSERT_EQUAL(kit_host_destroy(rig_host), 0);
}

void rig_end_open(struct rig_end *end, const char *name, const char *bridge, const char *filter,
                  const char *source, const char *sink)
{
    struct mg_err err = {{0}, NULL};
    const struct mg_module *module = mg_module(NULL);
    *end = (struct rig_end){NULL, NULL, NULL, NULL};
    char yaml[4096];
    snprintf(yaml, sizeof(yaml), "{client: %s, %s", rig_native ? "native" : "paho", bridge + 1);
    const void *settings = kit_settings(rig_host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    int rc = kit_instance_create(rig_host, module, name, settings, &end->instance, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(end->instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(end->instance, 0, &end->connection, &err), 0);
    if (source) {
        settings =
            kit_settings(rig_host, module->source_options, module->source_settings_size, source);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        CU_ASSERT_EQUAL_FATAL(
            kit_source_open(end->connection, filter, settings, &end->source, &err), 0);
    }
    if (sink) {
        settings = kit_settings(rig_host, module->sink_options, module->sink_settings_size, sink);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        CU_ASSERT_EQUAL_FATAL(
            kit_sink_open(end->connection, "{address}", settings, &end->sink, &err), 0);
    }
}

void rig_end_begin(struct rig_end *end, uint32_t window)
{
    struct mg_err err = {{0}, NULL};
    int rc = kit_connection_begin(end->connection, window, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(rc, 0);
}

void rig_end_up(struct rig_end *end)
{
    bool up = kit_run_until(rig_host, kit_connection_is_up, end->connection, 10000);
    if (!up)
        fprintf(stderr, "not up: %s\n", kit_connection_why(end->connection));
    CU_ASSERT_TRUE_FATAL(up);
}

void rig_end_close(struct rig_end *end)
{
    kit_connection_drain(end->connection);
    CU_ASSERT_EQUAL(kit_connection_close(end->connection, 5000), 0);
    kit_connection_destroy(end->connection);
    kit_instance_drain(end->instance);
    kit_instance_stop(end->instance);
    kit_instance_destroy(end->instance);
}

bool rig_wait_ingested(size_t least, int timeout_ms)
{
    struct kit_count count = {rig_host, least};
    bool done = kit_run_until(rig_host, kit_has_ingested, &count, timeout_ms);
    if (!done)
        fprintf(stderr, "ingested %zu of %zu\n", kit_ingested_count(rig_host), least);
    return done;
}
