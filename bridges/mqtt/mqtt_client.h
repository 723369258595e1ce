/* SPDX-License-Identifier: Apache-2.0 */
/* What the bridge needs of an MQTT client: one connection at a time, no reconnecting by itself.
 *
 * Every call and every callback happens on the shard that the client was created for; a client with
 * threads of its own crosses inside.  No callback comes out of a call but `closed`, out of destroy
 * none at all.
 *
 * A connection: connect → connected or refused → … → lost (or, after disconnect, ended).  Between
 * lost and ended the client clears up: connect is not called before ended.  After refused comes
 * ended, too.
 *
 * What was published and not confirmed when a connection ends: a client that does not keep it
 * (keeps_publishes false) forgets it, and the bridge releases it.  One that keeps it sends it again
 * when the server has kept the session, and otherwise says `returned`, before `connected` comes;
 * until then and after `forget` alone it belongs to the client. */
#pragma once
#include "mqtt_mapping.h"

struct mqtt_client;

struct mqtt_will {
    const char *topic, *payload;
    uint8_t qos;
    bool retain;
    uint32_t delay_s;
};

enum mqtt_verify { MQTT_VERIFY_FULL, MQTT_VERIFY_CHAIN, MQTT_VERIFY_NONE };
struct mqtt_tls {
    const char *ca, *ca_path, *cert, *key, *key_password;
    enum mqtt_verify verify;
    const unsigned char *alpn; /* as TLS has it: each name behind its length */
    uint32_t alpn_length;
    const char *server_name; /* instead of the url's host */
};

/* Enhanced authentication (MQTT 5 §4.12): a method, and who answers its challenges. */
struct mqtt_auth {
    const char *method;
    /* The data for CONNECT (challenge.at NULL: a new exchange begins) or for the next AUTH packet;
     * the answer lives until the next call.  0, or -EACCES with the reason. */
    int (*answer)(void *arg, struct mg_bytes challenge, struct mg_bytes *ret_answer,
                  struct mg_err *reterr);
    /* The server has accepted, with its last data (at NULL: none).  0 or -EACCES: it did not prove
     * itself, and the connection is given up. */
    int (*accepted)(void *arg, struct mg_bytes last, struct mg_err *reterr);
    void *arg;
};

/* ---- what outlives the process -------------------------------------------------------------- */

/* One QoS 2 exchange as the gateway's store keeps it (MQTT 5 §4.1, §4.3.3). */
enum mqtt_kept_phase {
    MQTT_KEPT_RECEIVED = 1, /* in: PUBLISH has come, its PUBREL has not */
    MQTT_KEPT_PUBLISHED,    /* out: PUBLISH went out, or is about to; no PUBREC */
    MQTT_KEPT_RELEASED,     /* out: PUBREC has come */
};
struct mqtt_kept {
    uint16_t id;    /* packet identifier */
    uint8_t phase;  /* enum mqtt_kept_phase */
    uint64_t what;  /* out: mg_delivery.id; in: hash of topic and payload */
    uint64_t order; /* out: of the first sending, growing; in: 0 */
};

/* Where a client keeps its QoS 2 exchanges.  Lives as long as the client. */
struct mqtt_keeper {
    /* Writes the entry of this direction and packet identifier, or removes it.  done runs later,
     * once that is kept, in the order of the calls; NULL: nobody waits.  0 or -ENOMEM. */
    int (*put)(void *arg, const struct mqtt_kept *kept, bool remove, void (*done)(void *arg),
               void *done_arg);
    void *arg;
    /* What an earlier process has left, in the order of first sending; good until create returns.
     */
    const struct mqtt_kept *entries;
    size_t entry_count;
};

/* Lives as long as the client. */
struct mqtt_client_options {
    bool v5, clean_start;
    const char *client_id, *user, *password;
    uint32_t session_expiry_s; /* v5 */
    uint16_t keep_alive_s;
    uint16_t receive_maximum;     /* v5; 0: not said */
    uint32_t max_packet;          /* v5; 0: not said */
    uint32_t in_flight_most;      /* publish ids are below it */
    const struct mqtt_will *will; /* may be NULL */
    const struct mqtt_tls *tls;   /* for mqtts and wss */
    const struct mqtt_auth *auth; /* v5; may be NULL */
    uint16_t topic_aliases;       /* v5: most, either way; 0: none */
    bool sends_qos2;              /* some publish may be of QoS 2 */
    /* A client without defers_ack: receipts are not 0 for QoS 1 and 2 nevertheless, and a message
     * is acknowledged when its receipt is settled as accepted or rejected; settled otherwise, it is
     * offered again after a while. */
    bool stores;
    const struct mqtt_keeper *keeper; /* NULL: the state of a session ends with the process */
};

/* What CONNACK granted; 3.1.1: the defaults of MQTT 5. */
struct mqtt_connack {
    bool session_present, retain_available, subscription_ids_available, shared_available,
        wildcard_available;
    uint8_t maximum_qos;
    uint16_t receive_maximum;
    uint32_t maximum_packet; /* 0: no limit */
};

struct mqtt_subscription {
    const char *filter; /* with its $share prefix */
    uint8_t qos, retain_handling;
    bool no_local, retain_as_published;
    uint32_t id; /* subscription identifier, 1…; 0: none */
};

struct mqtt_client_events {
    void (*connected)(void *arg, const struct mqtt_connack *connack);
    /* reason: MQTT 5 reason code, 0 where the peer gave none; why: in words.  reference: the server
     * that the peer names instead (0x9c, 0x9d; "host" or "host:port"), else NULL. */
    void (*refused)(void *arg, uint32_t reason, const char *why, const char *reference);
    void (*lost)(void *arg, uint32_t reason, const char *why, const char *reference);
    void (*ended)(void *arg);
    /* index: of the call's array. */
    void (*subscribed)(void *arg, uint32_t index, uint32_t reason);
    /* 0: taken; -EAGAIN: not now, the same message is offered again after resume, and nothing else
     * is received before.  receipt: 0, or a number of its own, which grows for as long as the
     * client lives: the message is acknowledged once this call has returned 0 and every `hold`
     * taken was let go by `settle`. */
    int (*message)(void *arg, const struct mqtt_publish *publish, uint64_t receipt);
    /* The peer has taken responsibility for id, or has refused it.  QoS 0 with an id, which only a
     * client without takes_no_id is given: it was written. */
    void (*confirmed)(void *arg, uint32_t id, uint32_t reason);
    /* The session is gone with it: id was perhaps never taken.  In the order of publishing. */
    void (*returned)(void *arg, uint32_t id);
    void (*writable)(void *arg); /* after publish answered -EAGAIN */
    /* The entry of a publish_kept is there: it goes out in its turn. */
    void (*entered)(void *arg, uint32_t id);
    /* Messages were dropped since nobody took them. */
    void (*dropped)(void *arg, uint32_t count);
};

/* Publishes of QoS 0 that nobody waits for. */
#define MQTT_NO_ID UINT32_MAX

struct mqtt_client_ops {
    bool defers_ack;      /* receipts are not 0 where the message has QoS 1 or 2 */
    bool keeps_publishes; /* over the loss of a connection, where the session is to be kept */
    bool takes_no_id;     /* MQTT_NO_ID */
    int (*create)(const struct mg_host *host, mg_shard *shard,
                  const struct mqtt_client_options *options,
                  const struct mqtt_client_events *events, void *arg,
                  struct mqtt_client **ret_client, struct mg_err *reterr);
    /* url lives until ended.  0, -EINVAL, -ENOMEM. */
    int (*connect)(struct mqtt_client *client, const char *url);
    int (*subscribe)(struct mqtt_client *client, const struct mqtt_subscription *subscriptions,
                     uint32_t first, uint32_t count);
    /* Copies what it needs.  0; -EAGAIN: not now, `writable` says when; -ENOMEM. */
    int (*publish)(struct mqtt_client *client, const struct mqtt_publish *publish, uint32_t id);
    /* As publish, of QoS 2, for the delivery of that id; only with a keeper.  Nothing goes out
     * before its entry is kept.  Where `entries` had one of that identifier in the phase PUBLISHED,
     * it is that one's repetition.  The bridge removes the entry when it settles the delivery.
     * NULL: this client keeps nothing. */
    int (*publish_kept)(struct mqtt_client *client, const struct mqtt_publish *publish, uint32_t id,
                        uint64_t delivery);
    /* Ends an exchange of `entries` whose event does not come again: PUBREL.  `confirmed` follows,
     * with reason 0 where the server had the message, and 0x92 where it had not or does not say. */
    void (*abandon)(struct mqtt_client *client, uint32_t id);
    /* The entry that the bridge keeps together with this message's event, so that the client does
     * not write it; only inside `message`.  false: there is none to keep. */
    bool (*entry)(struct mqtt_client *client, uint64_t receipt, struct mqtt_kept *ret_kept);
    /* Another one has to settle this receipt; only inside `message`. */
    void (*hold)(struct mqtt_client *client, uint64_t receipt);
    /* Lets one hold go, in any order and at any time; a receipt of a connection that is gone is
     * ignored.  MG_ACCEPTED and MG_REJECTED acknowledge, the latter with a reason code; the others
     * mean that the server has to send it again, which it does on a new connection alone: the
     * bridge, which knows, gives this one up.  The worst of all holders counts. */
    void (*settle)(struct mqtt_client *client, uint64_t receipt, uint32_t outcome);
    /* With `stores`: acknowledges what is not settled, since the end cannot wait any longer.  NULL:
     * nothing to do. */
    void (*let_go)(struct mqtt_client *client);
    void (*flush)(struct mqtt_client *client); /* writes what was published and acknowledged */
    void (*resume)(struct mqtt_client *client);
    /* Forgets what was published and not confirmed; no `confirmed` or `returned` for it. */
    void (*forget)(struct mqtt_client *client);
    /* Says DISCONNECT where it can, and ends the connection; `ended` follows. */
    void (*disconnect)(struct mqtt_client *client);
    /* Messages that came and were not taken; destroy drops them. */
    size_t (*backlog)(struct mqtt_client *client);
    void (*destroy)(struct mqtt_client *client); /* at once; NULL is fine */
};

extern const struct mqtt_client_ops mqtt_paho_client;
int mqtt_paho_load(void); /* CONTROL; once per instance, before its first client */
void mqtt_paho_unload(
    void); /* CONTROL; once per instance, after its last client: ends the threads */

extern const struct mqtt_client_ops mqtt_native_client;
