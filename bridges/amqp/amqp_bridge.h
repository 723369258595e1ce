/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the bridge share: settings, and one connection with its links. */
#pragma once
#include "amqp_address.h"
#include "amqp_io.h"
#include "amqp_mapping.h"
#include <proton/link.h>

/* ---- settings ------------------------------------------------------------------------------- */

enum amqp_style { AMQP_STYLE_AUTO, AMQP_STYLE_RABBITMQ, AMQP_STYLE_PLAIN };
enum amqp_relay { AMQP_RELAY_AUTO, AMQP_RELAY_ANONYMOUS, AMQP_RELAY_LINK, AMQP_RELAY_SUBJECT };

struct amqp_settings {
    struct mg_list urls; /* const char * */
    const char *user, *password;
    uint32_t sasl;
    struct amqp_tls_settings {
        const char *ca, *cert, *key, *key_password, *server_name;
        uint32_t verify;
    } tls;
    const char *container_id, *vhost;
    int64_t idle_timeout_ms, connect_timeout_ms, max_frame, max_message;
    struct amqp_reconnect_settings {
        int64_t first_ms, most_ms;
    } reconnect;
    uint32_t address_style;
};

enum amqp_subscription {
    AMQP_SUBSCRIBE_NONE,
    AMQP_SUBSCRIBE_CONFIGURATION,
    AMQP_SUBSCRIBE_MESSAGES
};
enum amqp_distribution {
    AMQP_DISTRIBUTION_UNSPECIFIED,
    AMQP_DISTRIBUTION_MOVE,
    AMQP_DISTRIBUTION_COPY
};
struct amqp_source_settings {
    const char *name;
    uint32_t durable; /* enum amqp_subscription */
    uint32_t expiry;
    uint32_t distribution; /* enum amqp_distribution */
    int64_t expiry_timeout_ms;
    bool dynamic, presettled, declare_durable;
};

struct amqp_sink_settings {
    uint32_t durable; /* enum amqp_durable */
    uint32_t relay;   /* enum amqp_relay */
    bool presettled, declare_durable;
    int64_t max_links, confirm_timeout_ms;
};

extern const struct mg_option amqp_options[], amqp_source_options[], amqp_sink_options[];
int amqp_check(const void *settings, struct mg_err *reterr);
/* Is the address one of RabbitMQ's forms, as configured? */
bool amqp_is_rabbitmq(const struct amqp_settings *settings, const char *address);
/* One URL; user and password stay where the URL has none.  texts: what target points to. */
struct amqp_url {
    struct amqp_target target;
    char user[256], password[256], vhost[256];
};
int amqp_url_parse(const char *url, struct amqp_url *ret_url, struct mg_err *reterr);

enum amqp_counter { AMQP_COUNT_UNDECODABLE, AMQP_COUNT_UNCONFIRMED, AMQP_COUNT_RECONNECTS };

/* ---- one connection ------------------------------------------------------------------------- */

struct amqp_bridge {
    const struct mg_host *host;
    mg_instance *instance;
    const struct amqp_settings *settings;
    struct amqp_url *urls;
    size_t url_count;
    char container[256];
};

/* A delay that grows by decorrelated jitter: first..3 × the last, at most most. */
struct amqp_backoff {
    uint64_t last_ms;
};
uint64_t amqp_backoff_next(struct amqp_backoff *backoff, const struct amqp_bridge *bridge);

struct amqp_link; /* a source or a sender: what a Proton link's context points to */
struct amqp_link_ops {
    void (*opened)(struct amqp_link *, pn_link_t *);
    void (*flow)(struct amqp_link *, pn_link_t *);
    void (*delivery)(struct amqp_link *, pn_delivery_t *);
    /* Detached or closed by the peer, or with its session; why: for a person. */
    void (*lost)(struct amqp_link *, const char *why);
};
struct amqp_link {
    const struct amqp_link_ops *ops;
};

struct amqp_connection {
    struct amqp_bridge *bridge;
    const struct mg_host *host;
    mg_connection *core;
    mg_shard *shard;
    struct amqp_io *io;
    mg_timer *timer;       /* reconnect, open timeout, the wait for close */
    mg_timer *links_timer; /* re-attach, confirmations overdue */
    int64_t links_due_us;  /* when it fires; INT64_MAX: not */
    struct amqp_backoff backoff;
    size_t url;
    struct amqp_target target; /* of the attempt or connection */
    char container[272];
    uint32_t index;
    enum { AMQP_DOWN, AMQP_CONNECTING, AMQP_UP, AMQP_CLOSING, AMQP_CLOSED } state;
    int64_t up_since_us;
    bool draining, status_up;
    char status_why[AMQP_WHY_MAX];
    bool anonymous_relay; /* the peer offered it */
    uint32_t peer;        /* AMQP_PEER_* */
    bool rabbitmq_3;      /* ends the session on `modified` */
    bool close_sent;
    bool has_presettled; /* a sink whose events end once they are written */
    int64_t sent_us;     /* monotonic time of this loop turn's sends; 0: not asked yet */
    struct amqp_source *sources;
    struct amqp_sink *sinks;
};

static inline bool amqp_is_up(const struct amqp_connection *c)
{
    return c->state == AMQP_UP;
}
/* Works out whether everything is attached, and tells the core where that changed. */
void amqp_report(struct amqp_connection *c);
/* Begins again at the shortest delay where what is lost now had been up for a stable period. */
void amqp_backoff_settle(struct amqp_backoff *backoff, struct amqp_connection *c,
                         int64_t up_since_us);
/* Looks again at what is due, after at most after_ms. */
void amqp_links_soon(struct amqp_connection *c, uint64_t after_ms);

/* ---- sources and sinks ---------------------------------------------------------------------- */

struct amqp_source *amqp_source_create(struct amqp_connection *c, mg_source *core,
                                       const char *address,
                                       const struct amqp_source_settings *settings);
void amqp_source_destroy(struct amqp_source *s);
struct amqp_source *amqp_source_next(struct amqp_source *s);
void amqp_source_attach(struct amqp_source *s); /* the connection is up */
void amqp_source_forget(struct amqp_source *s); /* the connection is gone */
void amqp_source_credit(struct amqp_source *s, uint32_t more);
void amqp_source_settled(struct amqp_source *s, uint64_t cookie, uint32_t outcome,
                         const char *reason);
void amqp_source_drain(struct amqp_source *s);
/* NULL: attached; else why not. */
const char *amqp_source_missing(const struct amqp_source *s);
/* When a re-attach is due, in microseconds of now_us; INT64_MAX: not. */
int64_t amqp_source_due(struct amqp_source *s, int64_t now_us);

struct amqp_sink *amqp_sink_create(struct amqp_connection *c, mg_sink *core, const char *address,
                                   const struct amqp_sink_settings *settings);
void amqp_sink_destroy(struct amqp_sink *s);
struct amqp_sink *amqp_sink_next(struct amqp_sink *s);
void amqp_sink_attach(struct amqp_sink *s);
void amqp_sink_forget(struct amqp_sink *s,
                      const char *why); /* releases what is unsettled, in order */
int amqp_sink_send(struct amqp_sink *s, const struct mg_delivery *delivery, struct mg_err *reterr);
void amqp_sink_written(struct amqp_sink *s);
void amqp_sink_session_lost(struct amqp_sink *s, const char *why);
const char *amqp_sink_missing(const struct amqp_sink *s);
int64_t amqp_sink_due(struct amqp_sink *s, int64_t now_us);
