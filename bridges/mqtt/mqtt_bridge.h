/* SPDX-License-Identifier: Apache-2.0 */
/* The mqtt module, inside: settings, the instance, and a link, which is one of its connections. */
#pragma once
#include "mqtt_client.h"
#include "mqtt_scram.h"

/* ---- settings ------------------------------------------------------------------------------- */

enum { MQTT_VERSION_5, MQTT_VERSION_311 };
enum { MQTT_CLIENT_NATIVE, MQTT_CLIENT_PAHO };
enum { MQTT_REDIRECTS_FOLLOW, MQTT_REDIRECTS_REFUSE };
/* Defaults that MQTT 3.1.1 has no use for, and does not refuse. */
enum { MQTT_RECEIVE_MAXIMUM_DEFAULT = 1000, MQTT_TOPIC_ALIASES_DEFAULT = 16 };
struct mqtt_settings {
    struct mg_list urls;
    uint32_t client, version, redirects;
    bool clean_start;
    const char *client_id, *user, *password;
    int64_t session_expiry_ms, keep_alive_ms, connect_timeout_ms, confirm_timeout_ms;
    int64_t receive_maximum, max_packet, max_inflight, topic_aliases;
    struct {
        const char *ca, *ca_path, *cert, *key, *key_password, *server_name;
        uint32_t verify; /* enum mqtt_verify */
        struct mg_list alpn;
    } tls;
    struct {
        const char *topic, *payload;
        int64_t qos, delay_ms;
        bool retain;
    } will;
    struct {
        const char *method, *data;
    } auth;
    struct {
        int64_t first_ms, most_ms;
    } reconnect;
};

enum { MQTT_RETAINED_SEND, MQTT_RETAINED_NEW, MQTT_RETAINED_NONE }; /* as on the wire */
struct mqtt_source_settings {
    int64_t qos;
    bool no_local, retain_as_published;
    uint32_t retain_handling;
};

enum { MQTT_QOS_KEEP = 3 };
enum { MQTT_TAGS_ALL, MQTT_TAGS_NONE };
enum { MQTT_CONTROL_TAGGED, MQTT_CONTROL_PLAIN };
struct mqtt_sink_settings {
    uint32_t qos, retain /* enum mqtt_retain */, tags, control_characters;
};

/* mqtt_options.c */
extern const struct mg_option mqtt_options[], mqtt_source_options[], mqtt_sink_options[];
int mqtt_settings_check(const void *settings, struct mg_err *reterr);
int mqtt_end(const void *settings, uint32_t direction, const char *address,
             const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr);
/* Whether the server keeps the session when a connection is lost. */
bool mqtt_keeps_session(const struct mqtt_settings *settings);
/* Whether it keeps it over a restart of the gateway, too. */
bool mqtt_session_survives(const struct mqtt_settings *settings);
bool mqtt_uses_scram(const struct mqtt_settings *settings);
/* Writes the reason, and answers -EINVAL. */
int mqtt_decline(struct mg_err *err, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the instance --------------------------------------------------------------------------- */

enum {
    COUNT_RECEIVED,
    COUNT_PUBLISHED,
    COUNT_CONFIRMED,
    COUNT_REFUSED,
    COUNT_RELEASED,
    COUNT_DROPPED_FULL,
    COUNT_DROPPED_AT_STOP,
    COUNT_CONNECTS,
    COUNT_REJECTED,
    COUNT_DOUBTFUL,
};

struct mqtt_bridge {
    const struct mg_host *host;
    mg_instance *instance;
    const struct mqtt_settings *settings;
    const struct mqtt_client_ops *client_ops;
    struct mqtt_will will;
    struct mqtt_tls tls;
    unsigned char *alpn;
    bool loaded; /* holds Paho */
};

/* ---- a link --------------------------------------------------------------------------------- */

struct mqtt_link;

/* An event whose source took no more.  The server waits for its receipt, so it stays here. */
struct mqtt_parked {
    struct mqtt_parked *next;
    mg_event *event;
    uint64_t receipt;
    size_t bytes;
    uint8_t qos;
    bool has_entry;
    struct mqtt_kept entry; /* to be kept together with the event */
};

/* The way into one source, or into the core's own search by address. */
struct mqtt_intake {
    struct mqtt_parked *first, *last;
    int64_t stalled_us; /* since when its window has been full for QoS 0; 0: it is not */
};

struct mqtt_source {
    struct mqtt_link *link;
    mg_source *core;
    const char *address;
    struct mg_str filter; /* address without its $share prefix */
    bool shared;
    const struct mqtt_source_settings *settings;
    struct mqtt_source *next_same; /* another source of the same subscription */
    struct mqtt_intake intake;
};

struct mqtt_sink {
    struct mqtt_sink *next;
    mg_sink *core;
    const struct mqtt_sink_settings *settings;
    uint32_t entering; /* publishes that wait for their entry in the store */
};

/* GRANT_NEVER: the server has said that it has no such subscriptions. */
enum mqtt_granted { GRANT_PENDING, GRANT_GIVEN, GRANT_REFUSED, GRANT_NEVER };
struct mqtt_sub {
    struct mqtt_source *sources; /* chained by next_same */
    enum mqtt_granted granted;
};

/* A publish that was not confirmed yet.  Linked in the order of sending. */
struct mqtt_flight {
    mg_token token;
    int64_t deadline_us;
    uint32_t next, previous;    /* index, or MQTT_NO_FLIGHT; next also chains the free ones */
    bool busy, acknowledged;    /* acknowledged: QoS 1 or 2 */
    bool listed;                /* it is in the order of sending */
    bool kept;                  /* its exchange has an entry in the store */
    struct mqtt_sink *entering; /* NULL: its entry is written, or it has none */
    struct mqtt_left *left;     /* of an earlier process, while its event has not come again */
};
#define MQTT_NO_FLIGHT UINT32_MAX

/* An exchange of an earlier process that waits for its event to be sent again. */
enum mqtt_left_state {
    LEFT_PUBLISHED, /* its PUBLISH is repeated with the event */
    LEFT_RELEASED,  /* its PUBREL is repeated without */
    LEFT_COMPLETE,  /* the server has said PUBCOMP: the event is accepted when it comes */
    LEFT_NOT        /* its event has come, or never will */
};
struct mqtt_left {
    uint64_t delivery, order;
    uint32_t flight;
    enum mqtt_left_state state;
};

enum mqtt_link_state { LINK_IDLE, LINK_WAITING, LINK_CONNECTING, LINK_UP, LINK_ENDING };

struct mqtt_link {
    struct mqtt_bridge *bridge;
    const struct mg_host *host;
    mg_connection *core;
    mg_shard *shard;
    struct mqtt_client *client;
    uint32_t index; /* among the connections of its bridge; the first one has the will */
    char *client_id;
    enum mqtt_link_state state;
    bool draining, closing, reported;
    bool stores; /* the client acknowledges by itself what has been settled */
    bool keeps;  /* what is not confirmed outlives a connection */
    bool connected_before;
    bool give_up;    /* an event was given back that only a new connection brings again */
    mg_timer *timer; /* what it is for depends on the state */
    /* reconnecting */
    uint32_t url;
    char **moved;     /* the server that took an url's place, by url; NULL: none */
    char *elsewhere;  /* the server for the next connection alone */
    uint32_t sent_to; /* the reason for `reference`, until it is followed */
    char reference[256];
    struct mqtt_scram scram;
    struct mqtt_auth auth;
    int64_t delay_ms, up_since_us;
    struct mqtt_connack connack;

    /* sources */
    struct mqtt_source **sources;
    size_t source_count, source_capacity;
    bool any_shared;
    struct mqtt_sub *subs; /* what is subscribed, index as in subscriptions */
    struct mqtt_subscription *subscriptions;
    uint32_t sub_count, subs_pending, subs_refused, subs_never;
    bool by_id;        /* messages carry the identifiers of their subscriptions */
    bool old_ids;      /* … perhaps given by a process before this one */
    bool alone;        /* the message being offered is for one source */
    size_t offered_to; /* of the message being offered: ends that have it already */
    struct mqtt_intake by_address;
    bool stalled; /* a message was answered -EAGAIN */
    mg_timer *stall_timer;
    uint64_t first_receipt; /* of this connection; 0: none has come */
    size_t parked_count, parked_bytes;
    uint64_t dropped, rejected, dropped_at_stop; /* the first two: not logged yet */
    int64_t dropped_said_us, rejected_said_us;
    int64_t received, published, confirmed; /* not counted yet */

    /* sinks */
    struct mqtt_sink *sinks;
    struct mqtt_flight *flights;
    uint32_t flight_count, first, last, free, last_free;
    uint32_t acknowledged, unacknowledged; /* in flight, by kind */
    bool starved;                          /* a send was answered -EAGAIN … */
    uint8_t starved_qos;                   /* … for want of room in this kind */
    mg_timer *deadline_timer;
    struct mqtt_scratch in, out;

    /* what is in the store; mqtt_kept.c */
    bool keeps_entries;
    struct mqtt_keeper keeper;
    struct mqtt_kept *entries; /* as found; until the client has them */
    size_t entry_count, entry_capacity;
    struct mqtt_left *left; /* by delivery */
    size_t left_count;
    uint32_t left_published, left_complete; /* by state */
    bool left_late;                         /* their events have had their time to come */
    mg_timer *left_timer;
    bool doubt_said;
    struct mqtt_spilled *spilled; /* in order; mqtt_spill.c */
    uint64_t last_spilled;
    uint64_t spilling; /* receipt of the one on its way into the store; 0: none */
    bool spill_busy;
    mg_timer *let_go_timer;
};

/* mqtt_link.c */
int mqtt_open(void *self, mg_connection *connection, uint32_t index, void **ret_context,
              struct mg_err *reterr);
int mqtt_begin(void *context, struct mg_err *reterr);
void mqtt_drain(void *context);
void mqtt_close(void *context);
void mqtt_destroy(void *context);
void mqtt_flush(void *context);
/* Starts *timer, or arms it anew. */
void mqtt_arm(struct mqtt_link *link, mg_timer **timer, int64_t after_ms, void (*fired)(void *arg));
void mqtt_disarm(struct mqtt_link *link, mg_timer **timer);
void mqtt_link_fail(struct mqtt_link *link,
                    const char *why);             /* gives the connection up, tries anew */
void mqtt_subscribe_wait(struct mqtt_link *link); /* for the answer, from now on */
void mqtt_link_settled(struct mqtt_link *link);   /* subscriptions or flights have changed */

/* mqtt_auth.c */
const struct mqtt_auth *mqtt_auth_of(struct mqtt_link *link); /* NULL: none is configured */

/* mqtt_url.c */
const char *mqtt_url(const struct mqtt_link *link); /* the server of this connection */
/* A server refers to another one; remembered where that is to be followed. */
void mqtt_url_refer(struct mqtt_link *link, uint32_t reason, const char *reference);
void mqtt_url_next(struct mqtt_link *link); /* what the next connection goes to */
void mqtt_urls_free(struct mqtt_link *link);

/* mqtt_source.c */
int mqtt_open_source(void *context, mg_source *core, const char *address, const void *settings,
                     void **ret_source, struct mg_err *reterr);
int mqtt_subs_build(struct mqtt_link *link, bool by_id, struct mg_err *reterr);
void mqtt_subs_free(struct mqtt_link *link);
int mqtt_subs_send(struct mqtt_link *link);         /* all of them */
int mqtt_subs_send_refused(struct mqtt_link *link); /* those again that were refused */
void mqtt_subscribed(void *arg, uint32_t index, uint32_t reason);

/* mqtt_message.c */
int mqtt_message(void *arg, const struct mqtt_publish *publish, uint64_t receipt);
void mqtt_dropped(void *arg, uint32_t count);
void mqtt_credit(void *context, void *source, uint32_t more);
void mqtt_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                  const char *reason);
/* A connection is there: what the server sends again is not kept here, too. */
void mqtt_parked_resume(struct mqtt_link *link, bool session_present);
/* Nothing is taken from now on: what is parked is dropped, what comes is left. */
void mqtt_sources_stop(struct mqtt_link *link);

/* mqtt_kept.c */
/* Reads what an earlier process has left, where this connection keeps its exchanges.  0 or -ENOMEM.
 */
bool mqtt_source_stored(const struct mqtt_link *link, const struct mqtt_source *source);
int mqtt_kept_load(struct mqtt_link *link);
void mqtt_kept_restore(struct mqtt_link *link); /* into the flights, which are there by now */
void mqtt_kept_loaded(struct mqtt_link *link);  /* the client has it */
void mqtt_kept_fini(struct mqtt_link *link);
void mqtt_kept_remove(struct mqtt_link *link, uint32_t flight);
struct mqtt_left *mqtt_left_find(struct mqtt_link *link, uint64_t delivery);
/* The event has come, or the server has forgotten the exchange. */
void mqtt_left_end(struct mqtt_link *link, struct mqtt_left *left);
/* PUBCOMP, or a refusal, before the event has come again. */
void mqtt_left_confirmed(struct mqtt_link *link, struct mqtt_left *left, uint32_t reason);
void mqtt_left_connected(struct mqtt_link *link); /* the time for events to come begins */
/* An event finds no room: exchanges whose time is over give theirs. */
void mqtt_left_make_room(struct mqtt_link *link);
void mqtt_kept_doubt(struct mqtt_link *link); /* an event is sent anew, and may arrive twice */
/* ingest, or ingest_state where there is an entry. */
int mqtt_kept_ingest(struct mqtt_link *link, mg_source *source, const struct mg_message *message,
                     uint64_t cookie, const struct mqtt_kept *entry);

/* mqtt_spill.c */
bool mqtt_spill_load(struct mqtt_link *link, struct mg_bytes key, struct mg_bytes value);
/* Keeps a message that no route takes any more: settled as accepted once that is done. */
void mqtt_spill(struct mqtt_link *link, const struct mqtt_publish *publish, uint64_t receipt);
void mqtt_spill_offer(struct mqtt_link *link); /* to the sources */
bool mqtt_spill_settled(struct mqtt_link *link, uint64_t cookie, uint32_t outcome);
void mqtt_spill_fini(struct mqtt_link *link);

/* mqtt_flight.c */
enum { MQTT_UNACKNOWLEDGED_MOST = 1000 }; /* QoS 0 that is not written yet */
int mqtt_flights_init(struct mqtt_link *link);
void mqtt_flight_free(struct mqtt_link *link, uint32_t id);
void mqtt_flight_unlist(struct mqtt_link *link, uint32_t id);
void mqtt_flight_list(struct mqtt_link *link, uint32_t id); /* its time begins */

/* mqtt_sink.c */
void mqtt_flights_fewer(struct mqtt_link *link); /* one has ended */
void mqtt_entered(void *arg, uint32_t id);
void mqtt_sink_room(struct mqtt_link *link); /* an event that found none may find some */
int mqtt_open_sink(void *context, mg_sink *core, const char *address, const void *settings,
                   void **ret_sink, struct mg_err *reterr);
int mqtt_send(void *context, void *sink, const struct mg_delivery *delivery, struct mg_err *reterr);
void mqtt_confirmed(void *arg, uint32_t id, uint32_t reason);
void mqtt_returned(void *arg, uint32_t id);
void mqtt_writable(void *arg);
void mqtt_flights_begin_anew(struct mqtt_link *link); /* their time begins with the connection */
void mqtt_release_all(struct mqtt_link *link, const char *why); /* in the order of sending */
