/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of QoS 2 from the server whose exchange outlives the process: an entry in the store goes
 * ahead of PUBREC, and its removal ahead of PUBCOMP (MQTT 5 §4.3.3). */
#include "mqtt_session_in.h"
#include <errno.h>
#include <stdlib.h>

bool mqtt_in_has_entries(const struct mqtt_session *s, uint8_t qos)
{
    return s->options.keeper && qos == 2;
}

static struct mqtt_kept entry_of(const struct mqtt_receipt *receipt)
{
    return (struct mqtt_kept){
        .id = receipt->id, .phase = MQTT_KEPT_RECEIVED, .what = receipt->hash};
}

static int remove_entry(struct mqtt_session *s, uint16_t id,
                        void (*then)(struct mqtt_session *s, const struct mqtt_keeping *keeping),
                        uint64_t number)
{
    const struct mqtt_kept kept = {.id = id, .phase = MQTT_KEPT_RECEIVED};
    int rc = mqtt_session_keep(s, &kept, true, then, number, s->connection);
    if (!rc && !then)
        mqtt_mark(s->entered, id, false);
    return rc;
}

static void on_entry_kept(struct mqtt_session *s, const struct mqtt_keeping *keeping)
{
    uint64_t number = keeping->number;
    if (number >= s->receipt_first && number < s->receipt_next) {
        mqtt_receipt_at(s, number)->entry = ENTRY_DONE;
        mqtt_in_acknowledge(s); /* without memory it goes with the next one */
        return;
    }
    for (size_t i = 0; i < s->carried_count; i++)
        if (s->carried[i].receipt == number)
            s->carried[i].what.entry = ENTRY_DONE;
}

/* A refusal ends the exchange (MQTT 5 §4.3.3); 3.1.1 cannot say one. */
bool mqtt_in_is_refusal(const struct mqtt_session *s, const struct mqtt_receipt *receipt)
{
    return receipt->outcome == MG_REJECTED && s->options.v5;
}

/* All have let it go: its entry follows.  What cannot be written for want of memory is tried again
 * when its turn to be acknowledged comes. */
void mqtt_in_settle_entry(struct mqtt_session *s, struct mqtt_receipt *receipt, uint64_t number)
{
    if (!mqtt_in_has_entries(s, receipt->qos) || receipt->entry >= ENTRY_WAITS)
        return;
    const struct mqtt_kept kept = entry_of(receipt);
    bool with_event = receipt->entry == ENTRY_WITH_EVENT;
    if (receipt->outcome >= MG_RELEASED) {
        if (with_event && !remove_entry(s, receipt->id, NULL, 0))
            receipt->entry = ENTRY_NONE;
    } else if (mqtt_in_is_refusal(s, receipt)) {
        if (!with_event)
            receipt->entry = ENTRY_DONE;
        else if (!remove_entry(s, receipt->id, on_entry_kept, number))
            receipt->entry = ENTRY_WAITS;
    } else if (with_event && receipt->outcome == MG_ACCEPTED) {
        receipt->entry = ENTRY_DONE;
    } else if (!mqtt_session_keep(s, &kept, false, on_entry_kept, number, 0)) {
        receipt->entry = ENTRY_WAITS;
        mqtt_mark(s->entered, receipt->id, true);
    }
}

bool mqtt_session_entry(struct mqtt_session *s, uint64_t number, struct mqtt_kept *ret_kept)
{
    if (number < s->receipt_first || number >= s->receipt_next)
        return false;
    struct mqtt_receipt *receipt = mqtt_receipt_at(s, number);
    if (!mqtt_in_has_entries(s, receipt->qos))
        return false;
    receipt->entry = ENTRY_WITH_EVENT;
    mqtt_mark(s->entered, receipt->id, true);
    *ret_kept = entry_of(receipt);
    return true;
}

/* An exchange that the server has forgotten: what was kept with the event goes, unless another one
 * uses the identifier by now. */
void mqtt_in_settle_void(struct mqtt_session *s, const struct mqtt_receipt *receipt)
{
    if (!mqtt_is_marked(s->entered, receipt->id))
        remove_entry(s, receipt->id, NULL, 0);
}

static void on_entry_removed(struct mqtt_session *s, const struct mqtt_keeping *keeping)
{
    uint16_t id = (uint16_t)keeping->number;
    mqtt_mark(s->entered, id, false);
    if (s->state == SESSION_UP && s->connection == keeping->life)
        mqtt_session_answer(s, MQTT_PUBCOMP, id, 0); /* without memory: when PUBREL is repeated */
}

int mqtt_in_release_entry(struct mqtt_session *s, uint16_t id)
{
    return remove_entry(s, id, on_entry_removed, id);
}

/* ---- between processes and sessions --------------------------------------------------------- */

int mqtt_session_restore_in(struct mqtt_session *s, const struct mqtt_kept *kept)
{
    if (!s->entered)
        s->entered = calloc(65536 / 64, sizeof(*s->entered));
    struct mqtt_carried *grown = realloc(s->carried, (s->carried_count + 1) * sizeof(*s->carried));
    if (grown)
        s->carried = grown;
    if (!grown || !s->entered)
        return -ENOMEM;
    s->carried_capacity = s->carried_count + 1;
    s->carried[s->carried_count++] = (struct mqtt_carried){.what = {.id = kept->id,
                                                                    .qos = 2,
                                                                    .outcome = MG_ACCEPTED,
                                                                    .entry = ENTRY_DONE,
                                                                    .hash = kept->what}};
    mqtt_mark(s->entered, kept->id, true);
    return 0;
}

/* The server has forgotten the session: so are its identifiers here.  What is in hand goes on. */
void mqtt_in_forget_all(struct mqtt_session *s)
{
    size_t left = 0;
    for (uint32_t id = 0; s->entered && id < 65536; id++)
        if (mqtt_is_marked(s->entered, (uint16_t)id))
            remove_entry(s, (uint16_t)id, NULL, 0);
    for (size_t i = 0; i < s->carried_count; i++) {
        struct mqtt_carried *carried = &s->carried[i];
        carried->is_void = true;
        if (carried->what.holds && carried->what.entry == ENTRY_WITH_EVENT)
            s->carried[left++] = *carried;
    }
    s->carried_count = left;
    free(s->received);
    s->received = NULL;
}
