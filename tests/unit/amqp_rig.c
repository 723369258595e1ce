/* SPDX-License-Identifier: Apache-2.0 */
/* Starts RabbitMQ, scripted peers and bridges for the broker tests of the amqp bridge. */
#include "amqp_rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

static void give_up(const char *what)
{
    fprintf(stderr, "amqp broker tests: %s\n", what);
    exit(1);
}

const char *rig_text(const char *format, ...)
{
    static char texts[8][2048];
    static unsigned turn;
    char *text = texts[turn++ % 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof texts[0], format, arguments);
    va_end(arguments);
    return text;
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) ||
        getsockname(fd, (struct sockaddr *)&address, &length))
        give_up("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

static bool accepts(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof address);
    if (fd >= 0)
        close(fd);
    return yes;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    FILE *file = fopen(rig_text("%s/%s", folder, name), "w");
    if (!file || fputs(text, file) < 0 || fclose(file))
        give_up("cannot write into the temporary folder");
}

/* ---- RabbitMQ ------------------------------------------------------------------------------- */

static pid_t spawn(const struct rig_rabbitmq *b, const char *log, const char *const argv[])
{
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid)
        return pid;
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen(rig_text("%s/%s", b->folder, log), "a", stderr) ||
        !freopen("/dev/null", "r", stdin))
        _exit(126);
    dup2(2, 1);
    setenv("HOME", b->folder, 1);
    setenv("RABBITMQ_NODENAME", rig_text("amqp-%d@localhost", b->port), 1);
    setenv("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1", 1);
    setenv("RABBITMQ_NODE_PORT", rig_text("%d", b->port), 1);
    setenv("RABBITMQ_DIST_PORT", rig_text("%d", b->tls_port + 1), 1);
    setenv("RABBITMQ_MNESIA_BASE", rig_text("%s/db", b->folder), 1);
    setenv("RABBITMQ_LOG_BASE", rig_text("%s/log", b->folder), 1);
    setenv("RABBITMQ_CONFIG_FILE", rig_text("%s/rabbitmq.conf", b->folder), 1);
    setenv("RABBITMQ_ENABLED_PLUGINS_FILE", rig_text("%s/enabled_plugins", b->folder), 1);
    setenv("ERL_EPMD_PORT", rig_text("%d", b->tls_port + 2), 1);
    setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
    setenv("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
           1);
    execvp(argv[0], (char *const *)(uintptr_t)argv); /* exec writes nothing there */
    _exit(127);
}

void rig_rabbitmq_again(struct rig_rabbitmq *b)
{
    b->pid = spawn(b, "out", (const char *[]){"/usr/lib/rabbitmq/bin/rabbitmq-server", NULL});
    for (int i = 0; i < 900; i++) {
        if (accepts(b->port) && accepts(b->tls_port))
            return;
        if (waitpid(b->pid, NULL, WNOHANG) == b->pid)
            break;
        usleep(100000);
    }
    give_up(
        rig_text("RabbitMQ does not start (apt install rabbitmq-server); see %s/out", b->folder));
}

static void make_certificates(const char *folder)
{
    const char *text =
        rig_text("cd %s && exec >certs.out 2>&1 && "
                 "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout "
                 "ca.key -out ca.pem && "
                 "for n in server client; do "
                 "cn=localhost; [ $n = client ] && cn=guest; "
                 "openssl req -newkey rsa:2048 -nodes -subj /CN=$cn -keyout $n.key -out $n.csr && "
                 "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > $n.ext && "
                 "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
                 "-extfile $n.ext -out $n.pem || "
                 "exit 1; done",
                 folder);
    if (system(text) != 0)
        give_up("openssl cannot make certificates");
}

void rig_rabbitmq_start(struct rig_rabbitmq *b)
{
    *b = (struct rig_rabbitmq){.folder = "/tmp/meshgate-amqp-XXXXXX"};
    if (!mkdtemp(b->folder))
        give_up("no temporary folder");
    b->port = free_port();
    do
        b->tls_port = free_port();
    while (accepts(b->tls_port + 1) || accepts(b->tls_port + 2));
    make_certificates(b->folder);
    write_file(b->folder, "enabled_plugins", "[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl].\n");
    write_file(b->folder, "rabbitmq.conf",
               rig_text("listeners.tcp.1 = 127.0.0.1:%d\nlisteners.ssl.1 = "
                        "127.0.0.1:%d\nloopback_users = none\n"
                        "disk_free_limit.absolute = 1MB\n"
                        "ssl_options.cacertfile = %s/ca.pem\nssl_options.certfile = %s/server.pem\n"
                        "ssl_options.keyfile = %s/server.key\nssl_options.verify = verify_peer\n"
                        "ssl_options.fail_if_no_peer_cert = false\nauth_mechanisms.1 = PLAIN\n"
                        "auth_mechanisms.2 = EXTERNAL\nauth_mechanisms.3 = "
                        "ANONYMOUS\nssl_cert_login_from = common_name\n",
                        b->port, b->tls_port, b->folder, b->folder, b->folder));
    b->epmd = spawn(b, "epmd.out",
                    (const char *[]){"epmd", "-port", rig_text("%d", b->tls_port + 2), "-address",
                                     "127.0.0.1", NULL});
    for (int i = 0; i < 100 && !accepts(b->tls_port + 2); i++)
        usleep(50000);
    rig_rabbitmq_again(b);
}

void rig_rabbitmq_halt(struct rig_rabbitmq *b, int signal)
{
    if (b->pid <= 0)
        return;
    kill(-b->pid, signal);
    waitpid(b->pid, NULL, 0);
    kill(-b->pid, SIGKILL); /* what the server's script may have left */
    for (int i = 0; i < 200 && accepts(b->port); i++)
        usleep(20000);
    b->pid = 0;
}

void rig_rabbitmq_stop(struct rig_rabbitmq *b)
{
    rig_rabbitmq_halt(b, SIGTERM);
    if (b->epmd > 0) {
        kill(-b->epmd, SIGKILL);
        waitpid(b->epmd, NULL, 0);
    }
    /* The one that the broker's scripts may have started as a daemon. */
    if (system(rig_text("epmd -port %d -kill >/dev/null 2>&1", b->tls_port + 2)) == -1)
        fprintf(stderr, "cannot run epmd\n");
    if (system(rig_text("rm -rf %s", b->folder)) != 0)
        fprintf(stderr, "cannot remove %s\n", b->folder);
}

/* ---- scripted peers ------------------------------------------------------------------------- */

void rig_peer_start(struct rig_peer *peer, const char *mode)
{
    int out[2];
    char port[16] = "";
    if (pipe(out))
        give_up("pipe");
    peer->pid = fork();
    if (peer->pid < 0)
        give_up("fork");
    if (!peer->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], 1);
        close(out[0]);
        execl("/usr/bin/python3", "python3", AMQP_PEER, mode, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    peer->out = out[0];
    for (size_t i = 0; i + 1 < sizeof port && read(peer->out, port + i, 1) == 1 && port[i] != '\n';
         i++)
        ;
    peer->port = (int)strtol(port, NULL, 10);
    if (peer->port <= 0)
        give_up("the scripted peer does not start (apt install python3-qpid-proton)");
}

void rig_peer_stop(struct rig_peer *peer)
{
    kill(peer->pid, SIGKILL);
    waitpid(peer->pid, NULL, 0);
    close(peer->out);
}

/* ---- the bridge ----------------------------------------------------------------------------- */

void rig_host_open(void)
{
    rig_host = kit_host_create();
}

void rig_host_close(void)
{
    CU_ASSERT_EQUAL(kit_host_destroy(rig_host), 0);
}

static const void *settings(const struct mg_option *options, size_t size, const char *yaml)
{
    const void *made = kit_settings(rig_host, options, size, yaml);
    if (!made)
        give_up(kit_settings_error());
    return made;
}

static void must(int r, const struct mg_err *err)
{
    if (r < 0)
        fprintf(stderr, "%s\n", err->text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
}

void rig_open(struct rig_end *end, const char *bridge, const char *from, const char *source,
              const char *to, const char *sink)
{
    struct mg_err err = {{0}, NULL};
    const struct mg_abi abi = MG_ABI_HERE;
    const struct mg_module *module = mg_module(&abi);
    *end = (struct rig_end){0};
    must(kit_instance_create(rig_host, module, "amqp",
                             settings(module->options, module->settings_size, bridge),
                             &end->instance, &err),
         &err);
    must(kit_instance_start(end->instance, &err), &err);
    must(kit_connection_open(end->instance, 0, &end->connection, &err), &err);
    if (from)
        must(kit_source_open(end->connection, from,
                             settings(module->source_options, module->source_settings_size, source),
                             &end->source, &err),
             &err);
    if (to)
        must(kit_sink_open(end->connection, to,
                           settings(module->sink_options, module->sink_settings_size, sink),
                           &end->sink, &err),
             &err);
}

void rig_begin(struct rig_end *end, uint32_t window)
{
    struct mg_err err = {{0}, NULL};
    must(kit_connection_begin(end->connection, window, &err), &err);
}

bool rig_up(struct rig_end *end)
{
    bool up = kit_run_until(rig_host, kit_connection_is_up, end->connection, 15000);
    if (!up)
        fprintf(stderr, "not up: %s\n", kit_connection_why(end->connection));
    return up;
}

void rig_close(struct rig_end *end)
{
    CU_ASSERT_EQUAL(kit_connection_close(end->connection, 5000), 0);
    kit_connection_destroy(end->connection);
    kit_instance_stop(end->instance);
    kit_instance_destroy(end->instance);
}

bool rig_ingested(size_t least)
{
    struct kit_count count = {rig_host, least};
    return kit_run_until(rig_host, kit_has_ingested, &count, 20000);
}

const struct kit_sent *rig_send(struct rig_end *end, const mg_event *event, const char *address)
{
    const struct kit_sent *sent = NULL;
    struct mg_err err = {{0}, NULL};
    int r = -EAGAIN;
    for (int i = 0; i < 20 && r == -EAGAIN; i++) {
        r = kit_send(end->sink, event, address, true, &sent, &err);
        if (r == -EAGAIN && !kit_run_until(rig_host, kit_is_sendable, end->sink, 10000))
            break;
    }
    if (r < 0)
        fprintf(stderr, "send to %s: %d %s\n", address, r, err.text);
    return r == 0 ? sent : NULL;
}

uint32_t rig_outcome(struct rig_end *end, const char *address, const char *payload,
                     char *ret_reason)
{
    mg_event *event = kit_event("plant/a", payload);
    const struct kit_sent *sent = rig_send(end, event, address);
    kit_host_table(rig_host)->event_unref(event);
    if (!sent || !kit_run_until(rig_host, kit_is_settled, (void *)sent, 10000))
        return 0;
    if (ret_reason)
        snprintf(ret_reason, 256, "%s", sent->reason);
    return sent->outcome;
}
