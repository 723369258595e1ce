/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec refuses from a client, a real Mosquitto refuses, too, but for the differences that
 * the table of bad packets names; and what the codec writes, Mosquitto takes. */
#include "mqtt_packet_kit.h"
#include "unit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int port, publishes;

static struct sockaddr_in loopback(int at)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)at),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 10};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))) {
        perror("socket");
        exit(1);
    }
    return fd;
}

static bool reach(int fd)
{
    struct sockaddr_in address = loopback(port);
    return !connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* A port that was free a moment ago, below those that connect() draws from. */
static int free_port(void)
{
    for (int at = 21000 + getpid() % 9000;; at++) {
        struct sockaddr_in address = loopback(at);
        int fd = socket_new();
        bool is_free = !bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (is_free)
            return at;
    }
}

/* Without a configuration it listens on loopback alone, and takes everybody. */
static pid_t mosquitto_start(void)
{
    char text[16];
    port = free_port();
    snprintf(text, sizeof(text), "%d", port);
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(126);
        execlp("mosquitto", "mosquitto", "-p", text, (char *)NULL);
        execl("/usr/sbin/mosquitto", "mosquitto", "-p", text, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; pid > 0 && i < 1000 && !waitpid(pid, NULL, WNOHANG); i++) {
        int fd = socket_new();
        bool up = reach(fd);
        close(fd);
        if (up)
            return pid;
        usleep(10000);
    }
    fprintf(stderr, "mosquitto does not start (apt install mosquitto)\n");
    exit(1);
}

/* Debian 12's, for which the differences were written down: others may have fewer. */
static bool is_known_version(void)
{
    FILE *pipe = popen("PATH=$PATH:/usr/sbin mosquitto -h", "r");
    char line[80] = "";
    bool known = pipe && fgets(line, sizeof(line), pipe) && strstr(line, " 2.0.11");
    if (pipe)
        pclose(pipe);
    return known;
}

/* ---- a client in bytes ---------------------------------------------------------------------- */

static void say(int fd, const void *at, size_t length)
{
    if (send(fd, at, length, MSG_NOSIGNAL) != (ssize_t)length)
        fprintf(stderr, "send: the broker is gone already\n");
}

enum end { ENDED, LIVES, SILENT };

/* Reads up to the answer to a ping, or the end of the connection. */
static enum end outcome(int fd, bool v5)
{
    static uint8_t buffer[4096];
    struct mqtt_decoder decoder = {.v5 = v5};
    size_t have = 0;
    enum end end = SILENT;
    for (bool done = false; !done;) {
        ssize_t got = recv(fd, buffer + have, sizeof(buffer) - have, 0);
        if (got <= 0) {
            end = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SILENT : ENDED;
            break;
        }
        have += (size_t)got;
        for (;;) {
            struct mqtt_packet packet;
            struct mqtt_fault fault;
            int64_t length = mqtt_packet_length(&decoder, buffer, have, &fault);
            CU_ASSERT_TRUE_FATAL(length >= 0);
            if (!length || (size_t)length > have)
                break;
            int rc = mqtt_packet_decode(&decoder, buffer, (size_t)length, &packet, &fault);
            if (rc && fault.reason != 0x84)
                fprintf(stderr, "what Mosquitto sent is refused: %s\n", fault.text);
            CU_ASSERT_TRUE(!rc || fault.reason == 0x84); /* to a version that is none */
            have -= (size_t)length;
            memmove(buffer, buffer + length, have);
            if (!rc && packet.type == MQTT_PUBLISH)
                publishes++;
            if (!rc && packet.type == MQTT_PINGRESP) {
                end = LIVES;
                done = true;
            }
        }
    }
    mqtt_decoder_fini(&decoder);
    return end;
}

static enum end send_and_see(const struct packet_bytes *bytes, bool v5)
{
    static const uint8_t ping[] = {0xc0, 0};
    int fd = socket_new();
    CU_ASSERT_TRUE_FATAL(reach(fd));
    if (bytes->at[0] >> 4 != MQTT_CONNECT) {
        struct mqtt_packet hello = {
            .type = MQTT_CONNECT,
            .connect = {.v5 = v5, .clean_start = true, .client_id = {"codec", 5}}};
        uint8_t at[64];
        say(fd, at, mqtt_packet_encode(&hello, v5, at, sizeof(at)));
        say(fd, ping, sizeof(ping));
        CU_ASSERT_EQUAL(outcome(fd, v5), LIVES);
    }
    say(fd, bytes->at, bytes->length);
    say(fd, ping, sizeof(ping));
    enum end end = outcome(fd, v5);
    close(fd);
    return end;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void mosquitto_ends_where_the_codec_refuses(void)
{
    bool known = is_known_version();
    for (size_t i = 0; i < packet_bad_count; i++)
        for (int v5 = 0; v5 < 2; v5++) {
            const struct packet_bad *row = &packet_bad[i];
            unsigned version = v5 ? V5 : V3;
            if (!(row->versions & version) || !(row->receivers & TO_SERVER))
                continue;
            struct packet_bytes bytes = packet_bytes(row->bytes, v5);
            enum end end = send_and_see(&bytes, v5), expected = ENDED;
            if (row->suffered & version)
                expected = known ? LIVES : end;
            if (end != expected)
                fprintf(stderr, "%s (%s, %s): Mosquitto %s\n", row->what, v5 ? "5" : "3.1.1",
                        row->why ? row->why : "to be refused",
                        end == ENDED   ? "ends the connection"
                        : end == LIVES ? "goes on"
                                       : "says nothing");
            CU_ASSERT_EQUAL(end, expected);
        }
}

/* The codec of a client takes whatever comes of the bad publishes that Mosquitto takes. */
static void the_codec_takes_what_mosquitto_passes_on(void)
{
    static const char all[] = "82 @ 00 01 () 00 01 '#' 00";
    static const uint8_t ping[] = {0xc0, 0};
    struct packet_bytes subscribe = packet_bytes(all, true);
    struct mqtt_packet hello = {
        .type = MQTT_CONNECT,
        .connect = {.v5 = true, .clean_start = true, .client_id = {"taker", 5}}};
    uint8_t at[64];
    int fd = socket_new();
    CU_ASSERT_TRUE_FATAL(reach(fd));
    say(fd, at, mqtt_packet_encode(&hello, true, at, sizeof(at)));
    say(fd, subscribe.at, subscribe.length);
    for (size_t i = 0; i < packet_bad_count; i++) {
        struct packet_bytes bytes = packet_bytes(packet_bad[i].bytes, true);
        if (!(packet_bad[i].suffered & V5) || bytes.at[0] >> 4 != MQTT_PUBLISH)
            continue;
        say(fd, ping, sizeof(ping));
        CU_ASSERT_EQUAL(outcome(fd, true), LIVES);
        publishes = 0;
        enum end end = send_and_see(&bytes, true);
        say(fd, ping, sizeof(ping));
        CU_ASSERT_EQUAL(outcome(fd, true), LIVES);
        if (publishes != (end == LIVES))
            fprintf(stderr, "%s: %d came of it\n", packet_bad[i].what, publishes);
        CU_ASSERT_EQUAL(publishes, end == LIVES);
    }
    close(fd);
}

/* Those that stand by themselves: no answers to what was never asked, no unknown authentication. */
static void mosquitto_takes_what_the_codec_writes(void)
{
    int tried = 0;
    for (size_t i = 0; i < packet_golden_count; i++)
        for (int v5 = 0; v5 < 2; v5++) {
            const struct packet_golden *row = &packet_golden[i];
            enum mqtt_type type = row->packet.type;
            if (!(row->versions & (v5 ? V5 : V3)) || !(row->receivers & TO_SERVER) ||
                row->packet.properties.has & MQTT_HAS(MQTT_PROP_AUTH_METHOD) ||
                (row->packet.topic_alias && !row->packet.publish.topic.len) ||
                (type != MQTT_CONNECT && type != MQTT_PUBLISH && type != MQTT_SUBSCRIBE &&
                 type != MQTT_UNSUBSCRIBE && type != MQTT_PINGREQ))
                continue;
            struct packet_bytes bytes = packet_bytes(row->bytes, v5);
            enum end end = send_and_see(&bytes, v5);
            if (end != LIVES)
                fprintf(stderr, "%s: Mosquitto %s\n", row->bytes,
                        end == ENDED ? "ends the connection" : "says nothing");
            CU_ASSERT_EQUAL(end, LIVES);
            tried++;
        }
    CU_ASSERT_TRUE(tried >= 12);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(mosquitto_ends_where_the_codec_refuses)},
        {KIT_TEST(the_codec_takes_what_mosquitto_passes_on)},
        {KIT_TEST(mosquitto_takes_what_the_codec_writes)},
        {NULL, NULL},
    };
    pid_t pid = mosquitto_start();
    int status = kit_main("mqtt_packet_mosquitto", tests);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return status;
}
