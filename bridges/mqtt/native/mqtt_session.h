/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of the MQTT protocol, without a socket: bytes come in, bytes lie in the outbox,
 * and what they mean goes to struct mqtt_client_events.
 *
 * What outlives a connection, as far as the server keeps the session too (MQTT 5 §4.1): publishes
 * of QoS 1 and 2 that were not confirmed, and the QoS 2 messages that were received and not yet
 * released.  Everything else belongs to one connection. */
#pragma once
#include "mqtt_outbox.h"
#include "mqtt_packet.h"
#include "../mqtt_client.h"

enum mqtt_session_state {
    SESSION_DOWN,
    SESSION_CONNECTING, /* CONNECT is in the outbox */
    SESSION_UP,
    SESSION_CLOSING /* DISCONNECT is in the outbox */
};

/* ---- what is sent --------------------------------------------------------------------------- */

enum mqtt_flight_state {
    FLIGHT_FREE,
    FLIGHT_QOS1,
    FLIGHT_QOS2,
    FLIGHT_RELEASED,
    /* With a keeper: */
    FLIGHT_ENTERING,  /* not sent; its entry is being written */
    FLIGHT_READY,     /* not sent; its entry is there */
    FLIGHT_RELEASING, /* PUBREC has come; PUBREL waits for the entry to say so */
    FLIGHT_UNCLAIMED, /* of an earlier process; its packet has not been offered again */
};

/* A publish that is not confirmed; packet identifier: index + 1. */
struct mqtt_sent {
    struct mqtt_slab *slab; /* holds the packet; not any more once it is released (PUBREL) */
    uint32_t offset, length;
    uint32_t next, previous; /* in the order of publishing, or MQTT_NO_ID */
    uint16_t alias;          /* that stands for its topic; 0: the topic is in it */
    uint8_t state;           /* enum mqtt_flight_state */
    bool stale_release;      /* a PUBCOMP comes that means an earlier life of this identifier */
    bool aside;              /* its packet is in the outbox of those that wait */
    bool kept;               /* it has an entry, of what follows */
    bool abandoned;
    uint32_t ready_next; /* in the order of becoming ready */
    uint32_t life;       /* of this identifier; tells an entry's `done` whose it is */
    uint32_t passed;     /* the connection on which what it needs was sent again, or not needed */
    uint64_t delivery, order;
};

struct mqtt_alias {
    char *topic;
    uint32_t length, capacity; /* length 0: not in use */
    uint32_t pins;             /* packets that would need its topic to be sent again */
    uint64_t used;             /* number of the publish that used it last */
};

/* ---- what is received ----------------------------------------------------------------------- */

/* A message of QoS 1 or 2 that is not acknowledged; they are in the order of arrival. */
struct mqtt_receipt {
    uint16_t id;
    uint8_t qos;
    uint8_t outcome; /* MG_*, the worst so far; 0: none yet */
    uint8_t entry;   /* enum mqtt_entry_state */
    uint32_t holds;
    uint64_t hash; /* of a QoS 2 message, 0: not hashed */
};

/* Of a receipt of QoS 2, with a keeper. */
enum mqtt_entry_state {
    ENTRY_NONE,
    ENTRY_WITH_EVENT, /* kept when the event has been accepted */
    ENTRY_WAITS,      /* being written or removed; the acknowledgement waits for it */
    ENTRY_DONE        /* as it has to be for the acknowledgement */
};

/* A QoS 2 message in hand whose connection broke before PUBREC: when the server repeats it, it is
 * the same one. */
struct mqtt_carried {
    uint64_t receipt, now; /* its number then, and that of its repetition (0: not yet) */
    bool is_void;          /* the server has forgotten it */
    struct mqtt_receipt what;
};

/* ---- what is kept --------------------------------------------------------------------------- */

/* An entry on its way into the store. */
struct mqtt_keeping {
    struct mqtt_keeping *next, **back;
    struct mqtt_session *session;
    void (*then)(struct mqtt_session *session, const struct mqtt_keeping *keeping);
    uint64_t number; /* flight, receipt or packet identifier */
    uint32_t life;   /* of the flight, or number of the connection */
};

/* ---- the session ---------------------------------------------------------------------------- */

enum { MQTT_SUBSCRIBES_MOST = 1024 }; /* unanswered at the same time */

struct mqtt_session {
    struct mqtt_client_options options; /* as create was given it */
    const struct mqtt_client_events *events;
    void *arg;
    enum mqtt_session_state state;
    struct mqtt_decoder decoder;
    struct mqtt_outbox outbox;
    bool connected;        /* CONNACK has come on this connection */
    bool connected_before; /* in this process */
    uint16_t keep_alive_s; /* what the server wants, 0: none */
    uint32_t send_most;    /* the server's Receive Maximum */
    uint32_t packet_most;  /* and Maximum Packet Size, 0: none */
    /* Why input returned an error. */
    uint32_t end_reason;
    char end_why[320], end_reference[256];

    /* out: sent[0 … options.in_flight_most - 1] */
    struct mqtt_sent *sent;
    uint32_t first_sent, last_sent;
    uint32_t resend;      /* the next to be sent again on this connection, or MQTT_NO_ID */
    uint32_t under_way;   /* QoS 1 and 2 sent on this connection, not confirmed */
    bool starved;         /* a publish was answered -EAGAIN */
    uint32_t stale_count; /* of those with stale_release */
    uint32_t connection;  /* counts them */
    /* Those that wait for their entries: the packets, and who comes next. */
    struct mqtt_outbox waiting;
    uint32_t ready_first, ready_last;
    uint64_t order; /* of the last one that was kept */
    struct mqtt_keeping *keepings;
    uint64_t unsent;    /* QoS 0 in the outbox when a connection broke; counted for ever */
    uint64_t published; /* numbers the uses of aliases */
    struct mqtt_alias *aliases;
    uint16_t alias_count; /* what both sides allow */
    /* subscriptions that wait to be asked for, and those asked for */
    const struct mqtt_subscription *subscriptions;
    uint32_t *queue, queue_first, queue_count, queue_capacity;
    uint32_t *asked; /* by packet identifier - MQTT_SUBSCRIBE_ID; MQTT_NO_ID: free */
    uint32_t asked_count;

    /* in: receipts number `receipt_first` … `receipt_next - 1`, at number & (capacity - 1) */
    struct mqtt_receipt *receipts;
    uint64_t receipt_first, receipt_next;
    uint32_t receipt_capacity;
    bool stalled;             /* the message at the front was offered and not taken */
    uint64_t stalled_receipt; /* its; 0: of QoS 0 */
    uint64_t *received;       /* a bit for each QoS 2 identifier between PUBREC and PUBREL */
    uint64_t *entered;        /* with a keeper: a bit for each that has an entry */
    struct mqtt_carried *carried;
    size_t carried_count, carried_capacity;
    struct mqtt_alias *topics; /* aliases of the server; options.topic_aliases of them */
    bool authenticating, pinged;
    bool in_input;
    bool answered; /* input has put something into the outbox by itself */
    size_t wants;  /* bytes of the packet at the front, 0: not known */
};
enum { MQTT_SUBSCRIBE_ID = 65536 - MQTT_SUBSCRIBES_MOST };

/* options and what they point to live as long as the session.  0 or -ENOMEM. */
int mqtt_session_init(struct mqtt_session *session, const struct mqtt_client_options *options,
                      const struct mqtt_client_events *events, void *arg);
void mqtt_session_fini(struct mqtt_session *session);

/* The stream is open: CONNECT.  0, -ENOMEM, or -EACCES (end_why: the authentication refused). */
int mqtt_session_begin(struct mqtt_session *session);
/* The stream is gone; what belongs to a connection alone is forgotten. */
void mqtt_session_end(struct mqtt_session *session);
/* Takes whole packets, returns the bytes taken; the rest is given again, with more behind it.  Ends
 * early where a message was not taken (`stalled`) or a callback has closed the session.  -EPROTO
 * (DISCONNECT with the reason is in the outbox where the version has it), -ECONNREFUSED (CONNACK),
 * -ECONNRESET (DISCONNECT), -EACCES, -ENOMEM: end_* say why. */
ptrdiff_t mqtt_session_input(struct mqtt_session *session, const uint8_t *at, size_t length);
/* DISCONNECT, as the last packet. */
void mqtt_session_close(struct mqtt_session *session);
int mqtt_session_ping(struct mqtt_session *session);

int mqtt_session_subscribe(struct mqtt_session *session,
                           const struct mqtt_subscription *subscriptions, uint32_t first,
                           uint32_t count);
int mqtt_session_publish(struct mqtt_session *session, const struct mqtt_publish *publish,
                         uint32_t id);
int mqtt_session_publish_kept(struct mqtt_session *session, const struct mqtt_publish *publish,
                              uint32_t id, uint64_t delivery);
void mqtt_session_abandon(struct mqtt_session *session, uint32_t id);
bool mqtt_session_entry(struct mqtt_session *session, uint64_t receipt, struct mqtt_kept *ret_kept);
/* A publish that was answered -EAGAIN may be tried again. */
bool mqtt_session_has_room(const struct mqtt_session *session);
void mqtt_session_forget(struct mqtt_session *session);
void mqtt_session_hold(struct mqtt_session *session, uint64_t receipt);
void mqtt_session_settle(struct mqtt_session *session, uint64_t receipt, uint32_t outcome);

/* ---- inside --------------------------------------------------------------------------------- */

/* Whether the server is to keep the session. */
bool mqtt_session_kept(const struct mqtt_session *session);
/* Puts a packet into the outbox.  0 or -ENOMEM. */
int mqtt_session_put(struct mqtt_session *session, const struct mqtt_packet *packet);
/* PUBACK to PUBCOMP; reason is left out on 3.1.1. */
int mqtt_session_answer(struct mqtt_session *session, enum mqtt_type type, uint16_t id,
                        uint8_t reason);
/* Says why the connection ends; returns -EPROTO, with DISCONNECT in the outbox. */
int mqtt_session_fault(struct mqtt_session *session, uint8_t reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t mqtt_hash(uint64_t seed, const void *at, size_t length);

/* Notes the reason that the server gives, in end_*; `what` is put in front of the words. */
void mqtt_session_note_end(struct mqtt_session *session, const char *what, uint32_t reason,
                           const struct mqtt_properties *properties);

/* mqtt_session_connect.c */
int mqtt_session_connack(struct mqtt_session *session, const struct mqtt_packet *packet);
int mqtt_session_auth(struct mqtt_session *session, const struct mqtt_packet *packet);

/* mqtt_session_subscribe.c */
int mqtt_session_subscribed(struct mqtt_session *session, const struct mqtt_packet *packet);

/* mqtt_session_out.c */
int mqtt_session_resume(struct mqtt_session *session, bool session_present, uint16_t alias_most);
int mqtt_session_confirm(struct mqtt_session *session, const struct mqtt_packet *packet);
void mqtt_session_out_end(struct mqtt_session *session);
void mqtt_session_append(struct mqtt_session *session, uint32_t index); /* to the list */
void mqtt_session_drop(struct mqtt_session *session, uint32_t index);   /* from it */
void mqtt_session_let_packet_go(struct mqtt_session *session, struct mqtt_sent *sent);
/* Encodes into `outbox` behind what is there; the slab's `used` is not moved yet.  Returns the
 * length, -ENOMEM or -EINVAL. */
ptrdiff_t mqtt_session_encode(struct mqtt_session *session, struct mqtt_outbox *outbox,
                              const struct mqtt_publish *publish, uint16_t id, uint16_t alias,
                              struct mqtt_slab **ret_slab);
/* Puts a PUBLISH into the outbox, under an alias where that is worth it; of QoS 1 and 2 the flight
 * holds the packet. */
int mqtt_session_write(struct mqtt_session *session, const struct mqtt_publish *publish,
                       uint32_t id);
/* The packet that a flight holds; the decoder is the caller's to end. */
int mqtt_session_packet(struct mqtt_session *session, uint32_t index, struct mqtt_decoder *decoder,
                        struct mqtt_packet *ret_packet);
/* Sends what may be sent: repetitions first, then what is ready. */
int mqtt_session_pump(struct mqtt_session *session);
void mqtt_session_out_fini(struct mqtt_session *session);

/* mqtt_session_kept.c */
int mqtt_session_restore(struct mqtt_session *session); /* what the keeper has.  0 or -ENOMEM */
/* then runs when it is kept, unless the session has ended before; NULL: nobody waits. */
int mqtt_session_keep(struct mqtt_session *session, const struct mqtt_kept *kept, bool remove,
                      void (*then)(struct mqtt_session *session,
                                   const struct mqtt_keeping *keeping),
                      uint64_t number, uint32_t life);
/* Keeps that PUBREC has come; PUBREL follows. */
int mqtt_session_keep_release(struct mqtt_session *session, uint32_t index);
int mqtt_session_write_ready(struct mqtt_session *session);
void mqtt_session_kept_fini(struct mqtt_session *session);

/* mqtt_session_in.c */
int mqtt_session_restore_in(struct mqtt_session *session, const struct mqtt_kept *kept);
int mqtt_session_message(struct mqtt_session *session, struct mqtt_packet *packet);
int mqtt_session_release(struct mqtt_session *session, const struct mqtt_packet *packet);
void mqtt_session_in_resume(struct mqtt_session *session, bool session_present);
void mqtt_session_in_end(struct mqtt_session *session);
void mqtt_session_in_fini(struct mqtt_session *session);
