/* SPDX-License-Identifier: Apache-2.0 */
/* One allocation per event: the struct, its properties, its texts, its payload. */
#include "event/event.h"
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const size_t head_texts[] = {
    offsetof(struct mg_head, address),          offsetof(struct mg_head, reply_to),
    offsetof(struct mg_head, subject),          offsetof(struct mg_head, content_type),
    offsetof(struct mg_head, content_encoding), offsetof(struct mg_head, group),
    offsetof(struct mg_head, reply_to_group),
};
enum { HEAD_TEXTS = sizeof head_texts / sizeof head_texts[0] };

static struct mg_str *text_at(struct mg_head *head, size_t i)
{
    return (struct mg_str *)(void *)((char *)head + head_texts[i]);
}

static const struct mg_str *text_of(const struct mg_head *head, size_t i)
{
    return (const struct mg_str *)(const void *)((const char *)head + head_texts[i]);
}

/* The bytes that a value points to: texts and binaries have the same shape. */
static size_t value_bytes(const struct mg_value *value)
{
    switch (value->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        return value->as.text.len;
    case MG_BINARY:
    case MG_DECIMAL:
        return value->as.binary.len;
    default:
        return 0;
    }
}

static void move_bytes(char **at, const void **ret_target, const void *bytes, size_t length)
{
    if (!bytes)
        return; /* unset stays unset */
    if (length)
        memcpy(*at, bytes, length);
    *ret_target = *at;
    *at += length;
}

static void move_text(char **at, struct mg_str *text)
{
    const void *target = NULL;
    move_bytes(at, &target, text->at, text->len);
    text->at = target;
}

static void move_value(char **at, struct mg_value *value)
{
    const void *target = NULL;
    if (value->type == MG_TEXT || value->type == MG_SYMBOL) {
        move_text(at, &value->as.text);
    } else if (value->type == MG_BINARY || value->type == MG_DECIMAL) {
        move_bytes(at, &target, value->as.binary.at, value->as.binary.len);
        value->as.binary.at = target;
    }
}

static size_t head_bytes(const struct mg_head *head)
{
    size_t total =
        value_bytes(&head->message_id) + value_bytes(&head->correlation) + head->user.len;
    for (size_t i = 0; i < HEAD_TEXTS; i++)
        total += text_of(head, i)->len;
    return total;
}

/* Member by member: to zero the whole first would cost as much again. */
static void view(struct mg_event *event, const struct mg_message *message, uint64_t id)
{
    atomic_init(&event->refs, 0);
    event->copy = NULL;
    event->id = id;
    event->head = message->head;
    event->head.size = sizeof event->head;
    event->payload = message->payload;
    event->properties = message->properties;
    event->property_count = message->property_count;
    event->payload_owner = NULL;
    event->payload_free = NULL;
    event->payload_arg = NULL;
}

/* Copies all but the payload, which it copies too where copy_payload says so. */
static mg_event *build(const struct mg_message *message, bool copy_payload)
{
    size_t texts = head_bytes(&message->head);
    for (size_t i = 0; i < message->property_count; i++)
        texts += message->properties[i].name.len + value_bytes(&message->properties[i].value);
    size_t payload = copy_payload ? message->payload.len : 0;
    size_t properties = message->property_count * sizeof(struct mg_property);

    mg_event *event = malloc(sizeof *event + properties + texts + payload);
    if (!event)
        return NULL;
    struct mg_property *list = (struct mg_property *)(void *)(event + 1);
    char *at = (char *)list + properties;
    view(event, message, 0);
    atomic_init(&event->refs, 1);
    event->properties = list;
    for (size_t i = 0; i < HEAD_TEXTS; i++)
        move_text(&at, text_at(&event->head, i));
    move_value(&at, &event->head.message_id);
    move_value(&at, &event->head.correlation);
    move_bytes(&at, &event->head.user.at, event->head.user.at, event->head.user.len);
    for (size_t i = 0; i < message->property_count; i++) {
        list[i] = message->properties[i];
        move_text(&at, &list[i].name);
        move_value(&at, &list[i].value);
    }
    if (copy_payload)
        move_bytes(&at, &event->payload.at, message->payload.at, payload);
    return event;
}

mg_event *gw_event_new(const struct mg_message *message)
{
    return build(message, true);
}

void gw_event_borrow(struct mg_event *ret_event, const struct mg_message *message, uint64_t id)
{
    view(ret_event, message, id);
}

void gw_event_return(struct mg_event *borrowed)
{
    gw_event_unref(borrowed->copy);
    borrowed->copy = NULL;
}

struct mg_message gw_event_message(const mg_event *event)
{
    return (struct mg_message){
        .head = event->head,
        .payload = event->payload,
        .properties = event->properties,
        .property_count = event->property_count,
    };
}

mg_event *gw_event_ref(const mg_event *event)
{
    mg_event *e = (mg_event *)(uintptr_t)event; /* counting is no change that a reader could see */
    if (atomic_load_explicit(&e->refs, memory_order_relaxed) == 0) {
        if (!e->copy) {
            struct mg_message message = gw_event_message(e);
            e->copy = gw_event_new(&message);
            if (!e->copy)
                return NULL;
            e->copy->id = e->id;
            /* Its own reference and the caller's: nobody else has it yet, so no atomic addition. */
            atomic_init(&e->copy->refs, 2);
            return e->copy;
        }
        e = e->copy;
    }
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void gw_event_unref(mg_event *event)
{
    if (!event)
        return;
    /* Who has the only reference need not count it down: nobody is left to take another. */
    if (atomic_load_explicit(&event->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&event->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (event->payload_free)
        event->payload_free(event->payload_arg);
    gw_event_unref(event->payload_owner);
    free(event);
}

static const struct mg_head *event_head(const mg_event *event)
{
    return &event->head;
}

static struct mg_bytes event_payload(const mg_event *event)
{
    return event->payload;
}

static const struct mg_property *event_properties(const mg_event *event, size_t *ret_count)
{
    *ret_count = event->property_count;
    return event->properties;
}

static bool event_find(const mg_event *event, struct mg_str name, struct mg_value *ret_value)
{
    for (size_t i = 0; i < event->property_count; i++) {
        const struct mg_property *p = &event->properties[i];
        if (p->name.len == name.len && (name.len == 0 || !memcmp(p->name.at, name.at, name.len))) {
            *ret_value = p->value;
            return true;
        }
    }
    return false;
}

/* ---- edits ---------------------------------------------------------------------------------- */

struct mg_edit {
    mg_event *base; /* a reference, or NULL */
    struct mg_message message;
    struct mg_property *properties; /* private copy once changed */
    size_t capacity;
    void **texts; /* blocks that hold the texts of added properties */
    size_t text_count, text_capacity;
    bool new_payload;
    void (*payload_free)(void *arg);
    void *payload_arg;
};

static void edit_free(mg_edit *edit)
{
    if (!edit)
        return;
    if (edit->payload_free)
        edit->payload_free(edit->payload_arg);
    for (size_t i = 0; i < edit->text_count; i++)
        free(edit->texts[i]);
    free(edit->texts);
    free(edit->properties);
    gw_event_unref(edit->base);
    free(edit);
}

static mg_edit *edit_new(const mg_event *base)
{
    mg_edit *edit = calloc(1, sizeof *edit);
    if (!edit)
        return NULL;
    edit->message.head.size = sizeof edit->message.head;
    if (base) {
        edit->base = gw_event_ref(base);
        if (!edit->base) {
            free(edit);
            return NULL;
        }
        edit->message = gw_event_message(edit->base);
    }
    return edit;
}

static struct mg_head *edit_head(mg_edit *edit)
{
    return &edit->message.head;
}

static int edit_payload(mg_edit *edit, struct mg_bytes bytes, void (*free_fn)(void *arg), void *arg)
{
    void *own = NULL;
    if (!free_fn) {
        own = malloc(bytes.len ? bytes.len : 1);
        if (!own)
            return -ENOMEM;
        if (bytes.len)
            memcpy(own, bytes.at, bytes.len);
        bytes.at = own;
    }
    if (edit->payload_free)
        edit->payload_free(edit->payload_arg);
    edit->message.payload = bytes;
    edit->payload_free = free_fn ? free_fn : free;
    edit->payload_arg = free_fn ? arg : own;
    edit->new_payload = true;
    return 0;
}

static int grow(void *list_pointer, size_t item_size, size_t count, size_t *capacity)
{
    void *list;
    memcpy(&list, list_pointer, sizeof list);
    if (count < *capacity)
        return 0;
    size_t wanted = *capacity ? *capacity * 2 : 8;
    list = realloc(list, wanted * item_size);
    if (!list)
        return -ENOMEM;
    memcpy(list_pointer, &list, sizeof list);
    *capacity = wanted;
    return 0;
}

/* The edit's own array of properties, with room for one more. */
static int own_properties(mg_edit *edit)
{
    size_t count = edit->message.property_count;
    if (!edit->properties) {
        edit->properties = malloc((count + 8) * sizeof *edit->properties);
        if (!edit->properties)
            return -ENOMEM;
        if (count)
            memcpy(edit->properties, edit->message.properties, count * sizeof *edit->properties);
        edit->capacity = count + 8;
    }
    int error = grow(&edit->properties, sizeof *edit->properties, count, &edit->capacity);
    if (!error)
        edit->message.properties = edit->properties;
    return error;
}

static void remove_property(mg_edit *edit, struct mg_str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < edit->message.property_count; i++) {
        const struct mg_str *n = &edit->properties[i].name;
        if (n->len != name.len || (name.len && memcmp(n->at, name.at, name.len)))
            edit->properties[kept++] = edit->properties[i];
    }
    edit->message.property_count = kept;
}

static int edit_property(mg_edit *edit, struct mg_str name, const struct mg_value *value)
{
    int error = own_properties(edit);
    if (error)
        return error;
    if (!value) {
        remove_property(edit, name);
        return 0;
    }
    error = grow(&edit->texts, sizeof *edit->texts, edit->text_count, &edit->text_capacity);
    if (error)
        return error;
    char *block = malloc(name.len + value_bytes(value) + 1);
    if (!block)
        return -ENOMEM;
    edit->texts[edit->text_count++] = block;
    struct mg_property *p = &edit->properties[edit->message.property_count++];
    *p = (struct mg_property){.name = name, .value = *value};
    move_text(&block, &p->name);
    move_value(&block, &p->value);
    return 0;
}

static mg_event *edit_publish(mg_edit *edit)
{
    mg_event *event = build(&edit->message, false);
    if (event && edit->new_payload) {
        event->payload_free = edit->payload_free;
        event->payload_arg = edit->payload_arg;
        edit->payload_free = NULL;
    } else if (event && edit->base) {
        mg_event *owner = edit->base->payload_owner ? edit->base->payload_owner : edit->base;
        event->payload_owner = gw_event_ref(owner);
    }
    if (event && edit->base)
        event->id = edit->base->id;
    edit_free(edit);
    return event;
}

void gw_event_host_fill(struct mg_host *host)
{
    host->event_new = gw_event_new;
    host->event_ref = gw_event_ref;
    host->event_unref = gw_event_unref;
    host->event_head = event_head;
    host->event_payload = event_payload;
    host->event_properties = event_properties;
    host->event_find = event_find;
    host->edit_new = edit_new;
    host->edit_head = edit_head;
    host->edit_payload = edit_payload;
    host->edit_property = edit_property;
    host->edit_publish = edit_publish;
    host->edit_free = edit_free;
}
