/* SPDX-License-Identifier: Apache-2.0 */
/* meshgate/plugin.h: the one header that a module (bridge, filter, enricher, translator) includes.
 *
 * A module is a shared object that exports exactly one symbol, mg_module.  It links to nothing of
 * the gateway: every service comes in struct mg_host, so a module runs under a fake host in a test.
 *
 * Compatibility.  Structs grow at their end only and carry their size; enums travel as uint32_t.
 * MAJOR changes when anything is removed, reordered or re-meant, MINOR when something is appended.
 * A host loads a module of its own MAJOR and of a MINOR not above its own.
 *
 * Threads.  CONTROL: the life cycle of instances, one call at a time.  SHARD: everything that
 * touches events or connections, on the shard (a thread with one event loop) that owns the object;
 * nothing there may block.  ANY: may be called from every thread, the module's own included.
 * Several shards call one step instance at the same time: its `self` is read-only after start, and
 * what changes lives in the per-shard context.
 *
 * Ownership.  A pointer parameter is borrowed for the call unless its comment says "takes"; taking
 * happens only on success.  int results are 0 or a negative errno. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MG_ABI_MAGIC 0x4547534du /* "MSGE" in memory on a little-endian machine */
#define MG_ABI_MAJOR 1u
#define MG_ABI_MINOR 3u

/* Frozen for ever: read, and checked, before anything else is trusted. */
struct mg_abi {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t module_size; /* sizeof(struct mg_module) as the module saw it */
    uint32_t flags;       /* 0 */
    const char *build;    /* free text for logs and crash reports; never compared */
};

typedef struct mg_event mg_event;           /* immutable, reference-counted */
typedef struct mg_edit mg_edit;             /* private and mutable, becomes an event by publish */
typedef struct mg_scope mg_scope;           /* one event's way through one route: captures, names */
typedef struct mg_template mg_template;     /* a compiled "plant.{line}.{machine}" */
typedef struct mg_instance mg_instance;     /* one configured module, the core's side */
typedef struct mg_connection mg_connection; /* one connection of a bridge, the core's side */
typedef struct mg_source mg_source;         /* one `from:` of a bridge, the core's side */
typedef struct mg_sink mg_sink;             /* one `to:` of a bridge, the core's side */
typedef struct mg_shard mg_shard;
typedef struct mg_io mg_io;
typedef struct mg_timer mg_timer;
typedef struct mg_wake mg_wake;
typedef uint64_t mg_token; /* one obligation, generation-checked; 0 is none */

struct mg_str {
    const char *at; /* UTF-8, not NUL-terminated by promise; NULL: unset */
    size_t len;
};
struct mg_bytes {
    const void *at;
    size_t len;
};

/* A diagnosis for a person: what is wrong and what to do about it. */
struct mg_err {
    char text[256];
    const char *option; /* the name of the setting at fault, or NULL */
};

/* ---- values and events ---------------------------------------------------------------------- */

/* MG_INT/MG_UINT are 8 to 64 bits wide on the wire, MG_FLOAT 32 or 64, MG_DECIMAL (IEEE 754
 * decimal, big-endian bytes in as.binary) 32, 64 or 128; mg_value.width keeps which. */
enum {
    MG_NULL,
    MG_BOOL,
    MG_INT,
    MG_UINT,
    MG_FLOAT,
    MG_DECIMAL,
    MG_CHAR, /* one UTF-32 code point in as.u */
    MG_TEXT,
    MG_BINARY,
    MG_TIME, /* milliseconds since 1970 UTC in as.i */
    MG_UUID,
    MG_SYMBOL /* ASCII text of AMQP's symbolic type, in as.text */
};
struct mg_value {
    uint32_t type;
    uint32_t width; /* bits on the wire that it came from; 0 where the type has only one */
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        struct mg_str text;
        struct mg_bytes binary;
        uint8_t uuid[16];
    } as;
};
struct mg_property {
    struct mg_str name;
    struct mg_value value;
};

/* Which of the numbers and flags of a head were said by the peer (the rest are defaults). */
enum {
    MG_HAS_QOS = 1u << 0,
    MG_HAS_RETAIN = 1u << 1,
    MG_HAS_DURABLE = 1u << 2,
    MG_HAS_PRIORITY = 1u << 3,
    MG_HAS_GROUP_SEQUENCE = 1u << 4,
    MG_HAS_CREATED = 1u << 5,
    MG_HAS_EXPIRY = 1u << 6,
    MG_HAS_TEXT_PAYLOAD = 1u << 7, /* MQTT 5 payload format indicator was present */
};

/* What every protocol has under some name.  Unset text is {NULL, 0}; an unset value is MG_NULL. */
struct mg_head {
    uint32_t size;
    uint32_t present;       /* MG_HAS_* */
    struct mg_str address;  /* hierarchical, '/'-separated */
    struct mg_str reply_to; /* AMQP reply-to, MQTT 5 response topic */
    struct mg_str subject, content_type, content_encoding, group, reply_to_group;
    struct mg_value message_id;  /* MG_NULL, MG_TEXT, MG_BINARY, MG_UINT (64 bits) or MG_UUID */
    struct mg_value correlation; /* the same types; MQTT 5 correlation data is MG_BINARY */
    struct mg_bytes user;        /* AMQP user-id */
    uint32_t group_sequence;
    uint8_t qos;      /* 0..2 */
    uint8_t priority; /* 0..255, AMQP default 4 */
    bool retain, duplicate, durable;
    bool text_payload;  /* MQTT 5 payload format indicator: 1, UTF-8 text */
    int64_t created_us; /* wall clock, microseconds since 1970 */
    int64_t expires_us; /* wall clock; waiting counts; an event past it is not sent */
};

/* A message as a transport delivers it: input of ingest and event_new. */
struct mg_message {
    struct mg_head head;
    struct mg_bytes payload;
    const struct mg_property *properties; /* names may repeat; order is kept */
    size_t property_count;
};

/* ---- configuration -------------------------------------------------------------------------- */

/* The raw YAML of an option of type MG_OPT_TREE, positions kept for error messages. */
enum { MG_NODE_NULL, MG_NODE_SCALAR, MG_NODE_LIST, MG_NODE_MAP };
struct mg_node {
    uint32_t type;
    uint32_t line, column; /* 1-based */
    bool quoted;           /* a quoted scalar is text, whatever it looks like */
    const char *file;
    const char *key;  /* inside a map: this entry's name, else NULL */
    const char *text; /* scalar: NUL-terminated */
    size_t length;    /* of text, bytes */
    size_t count;
    const struct mg_node *const *items; /* list items, or map entries in file order */
};

/* A list option: `count` elements of the option's type, in file order. */
struct mg_list {
    size_t count;
    const void *items;
};
struct mg_pair {
    const char *name;
    const mg_template *value;
};

/* The field at `offset` has the C type in brackets.  Texts are NUL-terminated; NULL when unset. */
enum {
    MG_OPT_TEXT = 1,    /* [const char *] */
    MG_OPT_INT,         /* [int64_t] */
    MG_OPT_DOUBLE,      /* [double] */
    MG_OPT_BOOL,        /* [bool] */
    MG_OPT_DURATION_MS, /* [int64_t] "250ms", "10s", "5m", "2h", "1d" */
    MG_OPT_SIZE,        /* [int64_t] "64KiB", "1MB", 4096 */
    MG_OPT_ENUM,        /* [uint32_t] index into choices */
    MG_OPT_URL,         /* [const char *] */
    MG_OPT_TEMPLATE,    /* [const mg_template *] */
    MG_OPT_SECRET,      /* [const char *] never logged, dumped or echoed */
    MG_OPT_FILE,        /* [const char *] a path; a relative one is relative to its YAML file */
    MG_OPT_PAIRS,       /* [struct mg_list of struct mg_pair] a map of names to templates */
    MG_OPT_MAP,         /* [the struct that `inside` describes, in place] */
    MG_OPT_TREE         /* [const struct mg_node *] */
};
enum {
    MG_OPT_REQUIRED = 1,
    MG_OPT_LIST = 2,   /* [struct mg_list]; a single value is a list of one */
    MG_OPT_RELOAD = 4, /* may change without a new instance */
    MG_OPT_PLAIN = 8,  /* inside a MG_OPT_MAP: a scalar in place of the map sets this option */
    MG_OPT_FIELDS = 16 /* since 1.3, MG_OPT_TEXT: a template that the module expands by itself; the
                        * core checks its fields and captures as those of its own */
};

/* One option.  A table ends with name == NULL. */
struct mg_option {
    const char *name;
    const char *value; /* the default as YAML text, NULL for none (zero, NULL or an empty list) */
    const char *doc;   /* one sentence for the README, `plugins describe` and the JSON Schema */
    uint32_t type, flags;
    int64_t least, most;            /* bounds of a number, length of a text; both 0: none */
    const char *const *choices;     /* MG_OPT_ENUM: NULL-ended */
    const struct mg_option *inside; /* MG_OPT_MAP */
    size_t inside_size;             /* MG_OPT_MAP: sizeof the inner struct */
    size_t offset;                  /* in the settings struct that the core fills */
};

/* ---- settlement ----------------------------------------------------------------------------- */

/* The four terminal outcomes of AMQP 1.0 (§3.4); each bridge maps its own protocol to them.
 * ACCEPTED: done.  REJECTED: it can never be taken, do not repeat it.  RELEASED: not taken, may be
 * sent again.  MODIFIED: as RELEASED, but the attempt counts. */
enum { MG_ACCEPTED = 1, MG_REJECTED, MG_RELEASED, MG_MODIFIED };

/* One event on its way out.  Valid until send returns. */
struct mg_delivery {
    const mg_event *event;
    struct mg_str address; /* the sink's template, expanded (see mg_bridge_ops.escape) */
    uint32_t attempt;      /* 1 on the first send */
    mg_token token;        /* settle it exactly once; 0: best effort, nothing to settle */
    /* Since 1.1: the same for every send of this event by this sink, also after a restart, and
     * different from that of every other event of this bridge's sinks; 0: not stored. */
    uint64_t id;
};

/* ---- what the host offers ------------------------------------------------------------------- */

enum { MG_DEBUG, MG_INFO, MG_WARN, MG_ERROR };
enum { MG_IO_READ = 1, MG_IO_WRITE = 2 };

struct mg_host {
    uint32_t size;

    /* Events.  What these return lives as long as the event.  A borrowed event (the argument of
     * process, send) may point into a receive buffer: event_ref copies it where needed, so keep the
     * pointer it returns, not the one you gave. */
    mg_event *(*event_new)(const struct mg_message *); /* ANY; copies; NULL: out of memory */
    mg_event *(*event_ref)(const mg_event *);          /* ANY; NULL: out of memory */
    void (*event_unref)(mg_event *);                   /* ANY; NULL is fine */
    const struct mg_head *(*event_head)(const mg_event *);
    struct mg_bytes (*event_payload)(const mg_event *);
    const struct mg_property *(*event_properties)(const mg_event *, size_t *ret_count);
    /* The first property of that name. */
    bool (*event_find)(const mg_event *, struct mg_str name, struct mg_value *ret_value);

    /* Rewriting.  base may be NULL.  What is not replaced is shared with base or copied from it. */
    mg_edit *(*edit_new)(const mg_event *base); /* NULL: out of memory */
    /* The mutable head.  Texts that you assign must live until publish, which copies them. */
    struct mg_head *(*edit_head)(mg_edit *);
    /* Takes on success; free_fn NULL: copies at once. */
    int (*edit_payload)(mg_edit *, struct mg_bytes, void (*free_fn)(void *arg), void *arg);
    /* Appends a copy; a NULL value removes every property of that name. */
    int (*edit_property)(mg_edit *, struct mg_str name, const struct mg_value *);
    /* Consumes the edit, also on failure.  NULL: out of memory. */
    mg_event *(*edit_publish)(mg_edit *);
    void (*edit_free)(mg_edit *); /* NULL is fine */

    /* Scopes and templates. */
    struct mg_str (*scope_route)(const mg_scope *);                       /* the route's name */
    struct mg_str (*scope_capture)(const mg_scope *, struct mg_str name); /* unset: not captured */
    /* Expands into buffer and returns the length (no NUL counted; it is written where it fits), or
     * -ENOSPC: too long for the buffer, -ENOENT: a name has no value (said in reterr). */
    ptrdiff_t (*expand)(const mg_template *, const mg_scope *, const mg_event *, char *buffer,
                        size_t size, struct mg_err *reterr);

    /* Sources.  ingest: 0, and the core calls settled with the cookie exactly once, perhaps before
     * ingest returns; -EAGAIN: the window is full, nothing was taken, `credit` says when to go on.
     * A source of NULL: find the routes by head.address among all sources of the connection.
     * cookie 0: nobody waits for the outcome, settled is not called. */
    int (*ingest)(mg_connection *, mg_source *, const struct mg_message *,
                  uint64_t cookie); /* SHARD */
    /* The same with an event, which it takes on success. */
    int (*ingest_event)(mg_connection *, mg_source *, mg_event *, uint64_t cookie); /* ANY */

    /* Sinks.  Ends the obligation of one delivery; reason is for people, may be NULL. */
    void (*settle)(mg_token, uint32_t outcome, const char *reason); /* ANY */
    /* After send answered -EAGAIN: it would take more now.  NULL: every sink of the connection. */
    void (*sendable)(mg_connection *, mg_sink *); /* ANY */

    /* Steps.  Ends MG_PENDING with a final verdict (not MG_PENDING); takes the events, if any. */
    void (*resume)(mg_token, uint32_t verdict, mg_event *const *events, size_t count,
                   const char *reason); /* ANY */

    /* The connection is closed for good: ends what ops->close began. */
    void (*closed)(mg_connection *); /* ANY */
    mg_shard *(*connection_shard)(mg_connection *);

    /* The shard's loop, so that a module does its I/O where its events are routed.  All SHARD, but
     * wake, which is ANY.  Every handle is ended by its own stop/free call (NULL is fine), after
     * which its callback does not run again; ending it inside its own callback is fine. */
    mg_io *(*io_watch)(mg_shard *, int fd, uint32_t events,
                       void (*ready)(void *arg, uint32_t events),
                       void *arg); /* does not own fd; NULL: out of memory or a bad fd */
    int (*io_events)(mg_io *, uint32_t events);
    void (*io_stop)(mg_io *);
    /* every_ms 0: fires once; the handle stays until timer_stop and may be armed again. */
    mg_timer *(*timer_start)(mg_shard *, uint64_t after_ms, uint64_t every_ms,
                             void (*fired)(void *arg), void *arg);
    void (*timer_again)(mg_timer *, uint64_t after_ms, uint64_t every_ms);
    void (*timer_stop)(mg_timer *);
    mg_wake *(*wake_new)(mg_shard *, void (*woken)(void *arg), void *arg);
    void (*wake)(mg_wake *); /* ANY; several wakes before the callback are one */
    void (*wake_free)(mg_wake *);
    /* job runs on the thread pool, then done on the shard, always both. */
    int (*work)(mg_shard *, void (*job)(void *arg), void (*done)(void *arg), void *arg);
    /* Clocks, as of this turn of the shard's loop, or of the timer that fired: they do not move
     * while a callback runs. */
    int64_t (*now_us)(mg_shard *);  /* monotonic; a test kit moves it by hand */
    int64_t (*wall_us)(mg_shard *); /* microseconds since 1970 */

    /* Uniform in 0..bound-1, for jitter; not for secrets. */
    uint32_t (*random)(uint32_t bound); /* ANY */

    void (*log)(mg_instance *, uint32_t level, const char *format, ...)
        __attribute__((format(printf, 3, 4))); /* ANY; one line, no newline */
    void (*count)(mg_instance *, uint32_t counter,
                  int64_t by); /* ANY; index into mg_module.counters */
    void (*status)(mg_connection *, bool up, const char *why); /* ANY; why: for a person */
    struct mg_str (*instance_name)(const mg_instance *);       /* ANY; as in the YAML */
    struct mg_str (*gateway_name)(const mg_instance *);        /* ANY */

    /* ---- since 1.1: durable state of a bridge, in the gateway's store beside its events ---------
     * Each connection has its own entries (told apart by the bridge's name and the connection's
     * index). */

    /* Writes an entry (both are copied); a value of NULL removes it.  done runs on the shard once
     * it is kept as the store's `sync` says, never from within this call, in the order of the
     * calls, with a flush of the connection behind it, and not any more once the connection is
     * destroyed; NULL: nobody waits.  What one shard settled and wrote in one turn of its loop is
     * kept together or not at all, and turns are kept in their order.  -ENOTSUP: this gateway has
     * no store; -EINVAL: a key of more than 255 bytes; -ENOMEM; done does not run then. */
    int (*state_put)(mg_connection *, struct mg_bytes key, struct mg_bytes value,
                     void (*done)(void *arg), void *arg); /* SHARD */
    /* Calls each for every entry whose key begins with prefix, in the order of their bytes.  Only
     * from open, open_source, open_sink and begin.  -ENOTSUP: no store. */
    int (*state_each)(mg_connection *, struct mg_bytes prefix,
                      void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value),
                      void *arg);
    /* As ingest, with an entry that is kept no later than settled says accepted, and together with
     * the event where one stored route takes it.  Without a store it is ingest. */
    int (*ingest_state)(mg_connection *, mg_source *, const struct mg_message *, uint64_t cookie,
                        struct mg_bytes key, struct mg_bytes value); /* SHARD */
    /* Whether some stored route takes events of this source: known from begin on, and for good. */
    bool (*source_stored)(const mg_source *); /* ANY */
};

/* ---- what a module declares ----------------------------------------------------------------- */

/* Order: check (pure) → create → start → drain → stop → destroy.  All instances are checked before
 * any is created, all drain before any stops.  Every member but create and destroy may be NULL. */
struct mg_life {
    /* settings live until destroy. */
    int (*create)(const struct mg_host *, mg_instance *, const void *settings, void **ret_self,
                  struct mg_err *reterr);            /* CONTROL */
    int (*start)(void *self, struct mg_err *reterr); /* CONTROL */
    int (*reload)(void *self, const void *settings,
                  struct mg_err *reterr); /* CONTROL; not called yet */
    void (*drain)(void *self);            /* CONTROL; takes no more; returns at once */
    void (*stop)(void *self);             /* CONTROL; returns when no callback can run any more */
    void (*destroy)(void *self);          /* CONTROL; NULL and half-built are fine */
    /* Steps only: the per-shard context, opened on each shard before the first event. */
    int (*shard_open)(void *self, mg_shard *, void **ret_context,
                      struct mg_err *reterr);       /* SHARD */
    void (*shard_close)(void *self, void *context); /* SHARD */
};

/* A step's verdict.  PASS: as it is.  REPLACE: *ret_events follow instead.  DROP: policy, counted,
 * the source hears accepted.  REJECT: poison, never again.  RETRY: not now, call again later.
 * PENDING: resume(pending, …) will say; keep the event by event_ref. */
enum { MG_PASS, MG_REPLACE, MG_DROP, MG_REJECT, MG_RETRY, MG_PENDING };
enum { MG_EMIT_MAX = 1024 };

struct mg_step_call {
    const mg_event *event; /* borrowed */
    const mg_scope *scope; /* valid until process returns, or until resume where it is PENDING */
    mg_token pending;
};
struct mg_step_result {
    mg_event *const
        *events;       /* REPLACE: each reference is given away; the array stays the module's */
    size_t count;      /* 1..MG_EMIT_MAX */
    struct mg_err err; /* REJECT, RETRY, DROP: why, for logs and for the source */
};

enum {
    /* A filter's verdict depends on the event and its settings alone.  One that has a context on
     * each shard and does not say so counts as one that remembers there what came before, which
     * `meshgate check` warns of where a source has consumers on several shards. */
    MG_STEP_STATELESS = 1u << 0,
};

/* Filters answer PASS, DROP, REJECT; translators those and REPLACE; enrichers all.  The core turns
 * anything else into a REJECT that names the module. */
struct mg_step_ops {
    uint32_t size;
    uint32_t (*process)(void *self, void *context, const struct mg_step_call *,
                        struct mg_step_result *ret_result); /* SHARD */

    /* ---- since 1.2: sets, of filters whose verdict depends on the event and their settings alone.
     * A set is many settings compiled together, so that an event is looked at once for all of them.
     * All five or none of these. */

    /* Each of settings has passed check, and lives until set_destroy. */
    int (*set_create)(const struct mg_host *, const void *const *settings, size_t count,
                      void **ret_set, struct mg_err *reterr); /* CONTROL */
    void (*set_destroy)(void *set); /* CONTROL; its contexts are closed; NULL is fine */
    /* What one thread needs to match; several may match with one set at a time. */
    int (*set_open)(void *set, void **ret_context); /* ANY */
    void (*set_close)(void *set, void *context);    /* ANY; NULL is fine */
    /* The places in settings of those that would PASS the event, into ret_passes (room for count of
     * them), in no order.  Returns their number, or -ENOMEM.  reterr may be NULL; its text is set
     * where something about the event was in the way of some, such as a payload of another kind. */
    ptrdiff_t (*set_match)(void *set, void *context, const mg_event *, uint32_t *ret_passes,
                           struct mg_err *reterr); /* ANY */

    /* ---- since 1.3 ---- */
    uint32_t traits; /* MG_STEP_* */
};

/* What a bridge, or one end of it as configured, can do. */
enum {
    MG_SOURCE = 1,
    MG_SINK = 2,
    MG_DEFERS_ACK = 4, /* source: tells the peer an outcome when the core has one */
    MG_CONFIRMS = 8,   /* sink: settles when the peer has taken responsibility */
    MG_ORDERED = 16,   /* keeps order */
    MG_FILTERS = 32,   /* source addresses are MQTT topic filters, so {captures} work in them */
    MG_NO_ECHO = 64,   /* source: never sees what the same connection sent */
    MG_STORES = 256,   /* source without MG_DEFERS_ACK: acknowledges by itself, but only after the
                        * core   has settled what it ingested; enough for `stored` */
    MG_COMPETES = 128, /* source: of several connections that open it, the peer gives each event to
                        * one; it may then be opened on connections of index 1, 2 … as well */
};

/* What a source can bring and a sink can carry, for the fidelity report of `meshgate check`. */
enum {
    MG_CARRIES_PROPERTIES = 1u << 0, /* names and texts, repeatable, in order */
    MG_CARRIES_TYPES = 1u << 1,      /* property types survive (natively or by tags) */
    MG_CARRIES_REPLY_TO = 1u << 2,
    MG_CARRIES_CORRELATION = 1u << 3,
    MG_CARRIES_CONTENT_TYPE = 1u << 4,
    MG_CARRIES_EXPIRY = 1u << 5,
    MG_CARRIES_PRIORITY = 1u << 6,
    MG_CARRIES_RETAIN = 1u << 7,
    MG_CARRIES_MESSAGE_ID = 1u << 8,
    MG_CARRIES_GROUP = 1u << 9,
    MG_CARRIES_SUBJECT = 1u << 10,
    MG_CARRIES_CREATED = 1u << 11,
    MG_CARRIES_USER = 1u << 12,
    MG_CARRIES_BINARY = 1u << 13,  /* any payload bytes */
    MG_CARRIES_ADDRESS = 1u << 14, /* a different address for each event */
};
struct mg_end {
    uint32_t abilities; /* MG_* of this end as configured */
    uint32_t carries;   /* MG_CARRIES_* */
    /* A source without MG_DEFERS_ACK that could have it: why not here, and what to write instead.
     * Static text; NULL: nothing to say. */
    const char *cannot_defer;
};

/* A bridge instance opens one or more connections, each on one shard; `context` is the module's
 * object for one of them.  All SHARD but end, which is pure.  The connection of index 0 has all
 * sources and sinks; those of index 1, 2 … are further consumers of some of its sources
 * (MG_COMPETES) and have no sinks.  Different connections are called on different threads at the
 * same time, so what they share in `self` is read-only or atomic.
 *
 * A peer that is away is not an error: open and begin succeed, the bridge keeps trying
 * (decorrelated jitter), says status(false, why), and send answers -EAGAIN until it calls sendable.
 */
struct mg_bridge_ops {
    uint32_t size;
    uint32_t abilities; /* all that some configuration of it can do */

    /* Checks one end as configured and says what it can do.  direction is MG_SOURCE or MG_SINK;
     * address is the source address ({captures} already replaced by + and #) or the sink template's
     * text; end_settings is the struct that source_options/sink_options describe.  Pure. */
    int (*end)(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr);

    int (*open)(void *self, mg_connection *, uint32_t index, void **ret_context,
                struct mg_err *reterr);
    /* address lives as long as the source; settings, too. */
    int (*open_source)(void *context, mg_source *, const char *address, const void *source_settings,
                       void **ret_source, struct mg_err *reterr);
    /* address: the text of the sink's template; each delivery brings it expanded. */
    int (*open_sink)(void *context, mg_sink *, const char *address, const void *sink_settings,
                     void **ret_sink, struct mg_err *reterr);
    int (*begin)(void *context, struct mg_err *reterr); /* all ends are open: connect */

    /* The core can take `more` further events from that source.  Called first after begin with the
     * whole window, later in steps as events settle.  source NULL: of those ingested without one.
     */
    void (*credit)(void *context, void *source, uint32_t more);
    /* The outcome that ingest's cookie waited for.  source is NULL for events ingested without.
     * Perhaps from within ingest or settle, so it only notes the outcome and does not ingest. */
    void (*settled)(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason);

    /* 0: taken, and the token will be settled (the bridge must not keep delivery->event without
     * event_ref); -EAGAIN: full or disconnected, nothing taken; -EMSGSIZE, -EINVAL: this event can
     * never be sent here (reterr says why), nothing taken, the core rejects it. */
    int (*send)(void *context, void *sink, const struct mg_delivery *, struct mg_err *reterr);
    /* End of a loop turn in which send, settled or a `done` of state_put was called: write what
     * they queued. */
    void (*flush)(void *context);

    /* Sources take no more; sends and settlements go on.  NULL: a bridge that is no origin of
     * events, only passes on what other bridges' routes send it. */
    void (*drain)(void *context);
    /* Ends the connection in an orderly way (all settlements written and taken) and calls closed,
     * at the latest after five seconds.  Sends that were not confirmed are released before that. */
    void (*close)(void *context);
    void (*destroy)(void *context); /* frees at once, closed or not; NULL is fine */

    /* How a captured text enters an address of this sink (AMQP routing keys use '.' where addresses
     * use '/').  NULL: as it is.  Writes at most size bytes, returns the length needed.  Pure. */
    size_t (*escape)(const char *address_template, struct mg_str value, char *buffer, size_t size);
};

enum { MG_BRIDGE = 1, MG_FILTER, MG_ENRICHER, MG_TRANSLATOR };
struct mg_module {
    struct mg_abi abi; /* first, always */
    uint32_t kind;
    const char *name, *version, *summary;
    /* The latter two: bridges, inside from: and to:.  NULL: no options. */
    const struct mg_option *options, *source_options, *sink_options;
    size_t settings_size, source_settings_size, sink_settings_size;
    const char *const *counters; /* names, NULL-ended; count() takes their index; NULL: none */
    int (*check)(const void *settings,
                 struct mg_err *reterr); /* pure, across options; may be NULL */
    const struct mg_life *life;
    const void *ops; /* struct mg_step_ops or struct mg_bridge_ops, by kind */
};

/* The only exported symbol.  host_abi says what the host is, so that one module may serve several
 * hosts; NULL refuses. */
__attribute__((visibility("default"))) const struct mg_module *mg_module(
    const struct mg_abi *host_abi);

#ifndef MG_BUILD
#define MG_BUILD "" /* the build may say what it is: -DMG_BUILD='"acme 1.4.2"' */
#endif
#define MG_ABI_HERE                                                                                \
    {                                                                                              \
        MG_ABI_MAGIC, MG_ABI_MAJOR, MG_ABI_MINOR, (uint32_t)sizeof(struct mg_module), 0, MG_BUILD  \
    }

#ifdef __cplusplus
}
#endif
