/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from the server, and when they are acknowledged: in the order in which they came, each
 * once all who hold it have let it go (MQTT 5 §4.4, §4.6). */
#include "mqtt_session_in.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECEIPTS_LEAST = 64,
    RECEIPTS_MOST = 65535,   /* packet identifiers that there are */
    REASON_NOT_TAKEN = 0x83, /* implementation specific error: the routes refused it */
};

/* A release outweighs a rejection, and that an acceptance: what has to come again must. */
static uint8_t worse(uint8_t a, uint32_t b)
{
    static const uint8_t weight[] = {0, 1, 2, 3, 3};
    return weight[a] >= weight[b] ? a : (uint8_t)b;
}

/* ---- acknowledging -------------------------------------------------------------------------- */

static int acknowledge(struct mqtt_session *s, const struct mqtt_receipt *receipt)
{
    uint8_t reason = receipt->outcome == MG_REJECTED ? REASON_NOT_TAKEN : 0;
    if (receipt->qos == 1)
        return mqtt_session_answer(s, MQTT_PUBACK, receipt->id, reason);
    mqtt_mark(s->received, receipt->id, !mqtt_in_is_refusal(s, receipt));
    if (mqtt_in_is_refusal(s, receipt))
        mqtt_mark(s->entered, receipt->id, false);
    return mqtt_session_answer(s, MQTT_PUBREC, receipt->id, reason);
}

/* What is settled at the front of the queue goes out; what has to come again stops it. */
int mqtt_in_acknowledge(struct mqtt_session *s)
{
    while (s->state == SESSION_UP && s->receipt_first < s->receipt_next) {
        struct mqtt_receipt *first = mqtt_receipt_at(s, s->receipt_first);
        if (first->holds || first->outcome >= MG_RELEASED)
            return 0;
        mqtt_in_settle_entry(s, first, s->receipt_first);
        if (mqtt_in_has_entries(s, first->qos) && first->entry != ENTRY_DONE)
            return 0;
        int rc = acknowledge(s, first);
        if (rc)
            return rc;
        s->receipt_first++;
    }
    return 0;
}

void mqtt_session_hold(struct mqtt_session *s, uint64_t number)
{
    if (number >= s->receipt_first && number < s->receipt_next)
        mqtt_receipt_at(s, number)->holds++;
}

static void let_go(struct mqtt_session *s, uint64_t number, uint32_t outcome)
{
    struct mqtt_receipt *receipt = mqtt_receipt_at(s, number);
    receipt->outcome = worse(receipt->outcome, outcome);
    if (!receipt->holds || --receipt->holds)
        return;
    mqtt_in_settle_entry(s, receipt, number);
    if (number == s->receipt_first)
        mqtt_in_acknowledge(s); /* without memory it stays, and goes with the next one */
}

static void settle_carried(struct mqtt_session *s, uint64_t number, uint32_t outcome)
{
    for (size_t i = 0; i < s->carried_count; i++) {
        struct mqtt_carried *carried = &s->carried[i];
        if (carried->receipt != number)
            continue;
        carried->what.outcome = worse(carried->what.outcome, outcome);
        if (carried->what.holds && --carried->what.holds)
            return;
        uint64_t now = carried->now;
        uint8_t worst = carried->what.outcome;
        bool is_void = carried->is_void;
        if (is_void)
            mqtt_in_settle_void(s, &carried->what);
        else if (!now && carried->what.entry == ENTRY_WITH_EVENT)
            mqtt_in_settle_entry(s, &carried->what, number);
        if (now || is_void || worst >= MG_RELEASED) /* to be taken anew when it is repeated */
            *carried = s->carried[--s->carried_count];
        if (now)
            let_go(s, now, worst);
        return;
    }
}

void mqtt_session_settle(struct mqtt_session *s, uint64_t number, uint32_t outcome)
{
    if (number >= s->receipt_first && number < s->receipt_next)
        let_go(s, number, outcome);
    else if (s->carried_count)
        settle_carried(s, number, outcome);
}

/* ---- receipts ------------------------------------------------------------------------------- */

static int grow(struct mqtt_session *s)
{
    uint32_t capacity = s->receipt_capacity ? s->receipt_capacity * 2 : RECEIPTS_LEAST;
    struct mqtt_receipt *receipts = malloc(capacity * sizeof(*receipts));
    if (!receipts)
        return -ENOMEM;
    for (uint64_t i = s->receipt_first; i < s->receipt_next; i++)
        receipts[i & (capacity - 1)] = *mqtt_receipt_at(s, i);
    free(s->receipts);
    s->receipts = receipts;
    s->receipt_capacity = capacity;
    return 0;
}

/* A server that sends more than the Receive Maximum is borne with: Mosquitto 2.0.11 does, with what
 * it has queued for a session, and what the bridge has no room for stops the reading. */
static int new_receipt(struct mqtt_session *s, const struct mqtt_packet *packet, uint64_t hash)
{
    uint64_t open = s->receipt_next - s->receipt_first;
    if (open >= RECEIPTS_MOST)
        return mqtt_session_fault(s, 0x93,
                                  "the server has more messages unacknowledged than there are "
                                  "packet identifiers");
    if (open == s->receipt_capacity) {
        int rc = grow(s);
        if (rc)
            return rc;
    }
    *mqtt_receipt_at(s, s->receipt_next++) = (struct mqtt_receipt){
        .id = packet->id, .qos = packet->publish.qos, .holds = 1, .hash = hash};
    return 0;
}

/* A QoS 2 message that is here already: 1, and its receipt is made; 0: it is new. */
static int repeated(struct mqtt_session *s, const struct mqtt_packet *packet, uint64_t hash)
{
    uint64_t number = s->receipt_next;
    if (mqtt_is_marked(s->received, packet->id)) {
        int rc = new_receipt(s, packet, hash);
        if (rc)
            return rc;
        mqtt_receipt_at(s, number)->entry = ENTRY_DONE;
        let_go(s, number, MG_ACCEPTED);
        return 1;
    }
    for (size_t i = 0; i < s->carried_count; i++) {
        struct mqtt_carried *carried = &s->carried[i];
        if (carried->now || carried->is_void || carried->what.id != packet->id ||
            carried->what.hash != hash || !packet->publish.dup)
            continue;
        int rc = new_receipt(s, packet, hash);
        if (rc)
            return rc;
        carried->now = number;
        if (carried->what.entry != ENTRY_WAITS) /* else it is written once more */
            mqtt_receipt_at(s, number)->entry = carried->what.entry;
        if (!carried->what.holds) {
            uint8_t outcome = carried->what.outcome;
            *carried = s->carried[--s->carried_count];
            let_go(s, number, outcome);
        }
        return 1;
    }
    return 0;
}

/* What is here of that identifier and waits for nothing but its repetition does not come again. */
static void forget_carried(struct mqtt_session *s, uint16_t id)
{
    for (size_t i = s->carried_count; i-- > 0;)
        if (s->carried[i].what.id == id && !s->carried[i].what.holds && !s->carried[i].now)
            s->carried[i] = s->carried[--s->carried_count];
}

/* ---- topic aliases of the server ------------------------------------------------------------ */

static int alias_set(struct mqtt_session *s, uint16_t number, struct mg_str topic)
{
    if (!s->topics)
        s->topics = calloc(s->options.topic_aliases, sizeof(*s->topics));
    if (!s->topics)
        return -ENOMEM;
    struct mqtt_alias *alias = &s->topics[number - 1];
    if (alias->capacity < topic.len) {
        char *grown = realloc(alias->topic, topic.len);
        if (!grown)
            return -ENOMEM;
        alias->topic = grown;
        alias->capacity = (uint32_t)topic.len;
    }
    memcpy(alias->topic, topic.at, topic.len);
    alias->length = (uint32_t)topic.len;
    return 0;
}

/* MQTT 5 §3.3.2.3.4 */
static int resolve_alias(struct mqtt_session *s, struct mqtt_packet *packet)
{
    struct mg_str *topic = &packet->publish.topic;
    if (packet->topic_alias > s->options.topic_aliases)
        return mqtt_session_fault(s, 0x94, "the server uses the topic alias %u, and may use %u",
                                  packet->topic_alias, s->options.topic_aliases);
    if (topic->len)
        return alias_set(s, packet->topic_alias, *topic);
    const struct mqtt_alias *alias = s->topics ? &s->topics[packet->topic_alias - 1] : NULL;
    if (!alias || !alias->length)
        return mqtt_session_fault(s, 0x82,
                                  "the server uses the topic alias %u before it has said "
                                  "what it stands for",
                                  packet->topic_alias);
    *topic = (struct mg_str){alias->topic, alias->length};
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------- */

static int offer(struct mqtt_session *s, const struct mqtt_packet *packet, uint64_t receipt)
{
    int rc = s->events->message(s->arg, &packet->publish, receipt);
    s->stalled = rc == -EAGAIN;
    s->stalled_receipt = s->stalled ? receipt : 0;
    if (rc != -EAGAIN && receipt)
        mqtt_session_settle(s, receipt, MG_ACCEPTED); /* this function's own hold */
    return rc;
}

static int receive_qos2(struct mqtt_session *s, const struct mqtt_packet *packet,
                        uint64_t *ret_hash)
{
    const struct mqtt_publish *publish = &packet->publish;
    if (!s->received)
        s->received = calloc(65536 / 64, sizeof(*s->received));
    if (!s->received)
        return -ENOMEM;
    if (s->options.keeper && !s->entered)
        s->entered = calloc(65536 / 64, sizeof(*s->entered));
    if (s->options.keeper && !s->entered)
        return -ENOMEM;
    *ret_hash = mqtt_hash(mqtt_hash(1, publish->topic.at, publish->topic.len), publish->payload.at,
                          publish->payload.len) |
                1;
    return repeated(s, packet, *ret_hash);
}

int mqtt_session_message(struct mqtt_session *s, struct mqtt_packet *packet)
{
    uint64_t hash = 0;
    int rc = packet->topic_alias ? resolve_alias(s, packet) : 0;
    if (rc)
        return rc;
    if (!packet->publish.qos)
        return offer(s, packet, 0);
    if (s->stalled_receipt) /* it has its receipt already */
        return offer(s, packet, s->stalled_receipt);
    rc = packet->publish.qos == 2 ? receive_qos2(s, packet, &hash) : 0;
    if (rc)
        return rc > 0 ? 0 : rc;
    if (hash && s->carried_count)
        forget_carried(s, packet->id); /* the server uses the identifier anew */
    rc = new_receipt(s, packet, hash);
    return rc ? rc : offer(s, packet, s->receipt_next - 1);
}

int mqtt_session_release(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    bool known = mqtt_is_marked(s->received, packet->id);
    forget_carried(s, packet->id);
    if (mqtt_is_marked(s->entered, packet->id)) {
        int rc = mqtt_in_release_entry(s, packet->id);
        if (!rc)
            mqtt_mark(s->received, packet->id, false);
        return rc;
    }
    mqtt_mark(s->received, packet->id, false);
    return mqtt_session_answer(s, MQTT_PUBCOMP, packet->id, known ? 0 : 0x92);
}

/* ---- between connections and processes ------------------------------------------------------ */

void mqtt_session_in_resume(struct mqtt_session *s, bool session_present)
{
    if (!session_present)
        mqtt_in_forget_all(s);
}

static void carry(struct mqtt_session *s, uint64_t number)
{
    const struct mqtt_receipt *receipt = mqtt_receipt_at(s, number);
    if (s->carried_count == s->carried_capacity) {
        size_t capacity = s->carried_capacity * 2 + 16;
        struct mqtt_carried *grown = realloc(s->carried, capacity * sizeof(*grown));
        if (!grown)
            return; /* it comes again, as a duplicate */
        s->carried = grown;
        s->carried_capacity = capacity;
    }
    s->carried[s->carried_count++] = (struct mqtt_carried){.receipt = number, .what = *receipt};
}

/* QoS 1: the server sends again what was not acknowledged, so the receipts have no meaning any
 * more.  QoS 2: it repeats the identifier, and who has the message must not get it twice. */
void mqtt_session_in_end(struct mqtt_session *s)
{
    size_t before = s->carried_count;
    if (s->stalled_receipt)
        mqtt_receipt_at(s, s->stalled_receipt)->outcome = MG_RELEASED; /* perhaps half delivered */
    for (uint64_t i = s->receipt_first; mqtt_session_kept(s) && i < s->receipt_next; i++) {
        const struct mqtt_receipt *receipt = mqtt_receipt_at(s, i);
        bool is_known = mqtt_is_marked(s->received, receipt->id) && receipt->qos == 2;
        for (size_t c = 0; c < before && !is_known; c++)
            is_known = s->carried[c].now == i;
        if (receipt->qos == 2 && !is_known && receipt->outcome < MG_RELEASED)
            carry(s, i);
    }
    for (size_t c = 0; c < before; c++)
        s->carried[c].now = 0;
    s->receipt_first = s->receipt_next;
    s->stalled = false;
    s->stalled_receipt = 0;
    for (uint16_t i = 0; s->topics && i < s->options.topic_aliases; i++)
        s->topics[i].length = 0;
}

void mqtt_session_in_fini(struct mqtt_session *s)
{
    for (uint16_t i = 0; s->topics && i < s->options.topic_aliases; i++)
        free(s->topics[i].topic);
    free(s->topics);
    free(s->receipts);
    free(s->received);
    free(s->entered);
    free(s->carried);
}
