/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a value into a copy of an event. */
#include "place.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char property_prefix[] = "property:";
#define PREFIX_LENGTH (sizeof property_prefix - 1)

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

int place_init(struct place *p, const char *text, const char *option, struct mg_err *reterr)
{
    *p = (struct place){0};
    if (!strncmp(text, property_prefix, PREFIX_LENGTH)) {
        p->property = text + PREFIX_LENGTH;
        return *p->property
                   ? 0
                   : refuse(reterr, option, "property: needs the property's name behind it");
    }
    int error = doc_path_compile(text, true, &p->path, reterr);
    if (error) {
        reterr->option = option;
        return error;
    }
    /* `data` is all of a payload that has no such member. */
    if (!doc_path_is_root(p->path) && strcmp(text, "data") != 0)
        return 0;
    place_fini(p);
    return refuse(reterr, option,
                  "what is put there needs a place in the payload, as machine; it cannot replace "
                  "all of it");
}

void place_fini(struct place *p)
{
    doc_path_free(p->path);
    *p = (struct place){0};
}

uint32_t place_no_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return MG_RETRY;
}

static uint32_t replaced(mg_event *event, mg_event **ret_event, struct mg_err *err)
{
    *ret_event = event;
    return event ? MG_REPLACE : place_no_memory(err);
}

/* ---- into the payload ----------------------------------------------------------------------- */

static uint32_t into_payload(const struct place *p, const struct mg_host *host, struct doc *doc,
                             const mg_event *event, struct doc_value **payload,
                             struct doc_value *value, mg_event **ret_event, struct mg_err *err)
{
    int error = *payload ? 0 : doc_of_payload(doc, host, event, payload, err);
    if (error)
        return error == -ENOMEM ? place_no_memory(err) : MG_REJECT;
    struct mg_str data = {"data", 4};
    bool had_data = doc_get(*payload, data);
    error = doc_path_set(p->path, doc, *payload, value);
    if (error == -ENOMEM)
        return place_no_memory(err);
    if (error) {
        snprintf(err->text, sizeof err->text,
                 "the payload has no place for %.120s: something on the way there is neither "
                 "object nor list",
                 doc_path_text(p->path));
        return MG_REJECT;
    }
    uint32_t verdict = replaced(doc_event(host, event, *payload), ret_event, err);
    /* data.data of a payload without data has made one: to the next copy data is still all of it.
     */
    if (!had_data && (*payload)->kind == DOC_OBJECT)
        doc_remove(*payload, data);
    return verdict;
}

/* ---- into properties ------------------------------------------------------------------------ */

static struct mg_value number_value(const struct doc_value *number)
{
    struct mg_str text = number->text;
    int64_t whole;
    double real;
    bool is_whole = !memchr(text.at, '.', text.len) && !memchr(text.at, 'e', text.len) &&
                    !memchr(text.at, 'E', text.len);
    if (is_whole && doc_as_int(number, &whole))
        return (struct mg_value){.type = MG_INT, .width = 64, .as.i = whole};
    if (!is_whole && doc_as_double(number, &real))
        return (struct mg_value){.type = MG_FLOAT, .width = 64, .as.d = real};
    return (struct mg_value){.type = MG_TEXT, .as.text = text}; /* rather as text than rounded */
}

/* text: to be freed, holds what value points to. */
static int to_value(const struct doc_value *json, struct mg_value *ret, char **ret_text)
{
    *ret_text = NULL;
    switch (json->kind) {
    case DOC_TEXT:
        *ret = (struct mg_value){.type = MG_TEXT, .as.text = json->text};
        return 0;
    case DOC_NUMBER:
        *ret = number_value(json);
        return 0;
    case DOC_BOOL:
        *ret = (struct mg_value){.type = MG_BOOL, .as.b = json->truth};
        return 0;
    case DOC_NULL:
        *ret = (struct mg_value){.type = MG_NULL};
        return 0;
    case DOC_LIST:
    case DOC_OBJECT:
        break;
    }
    size_t length = 0;
    *ret_text = doc_write(json, &length);
    *ret = (struct mg_value){.type = MG_TEXT, .as.text = {*ret_text, length}};
    return *ret_text ? 0 : -ENOMEM;
}

static int set_property(const struct mg_host *host, mg_edit *edit, struct mg_str name,
                        const struct doc_value *json)
{
    struct mg_value value;
    char *text;
    int error = to_value(json, &value, &text);
    if (!error)
        error = host->edit_property(edit, name, NULL);
    if (!error)
        error = host->edit_property(edit, name, &value);
    free(text);
    return error;
}

static int set_member(const struct place *p, const struct mg_host *host, mg_edit *edit,
                      const struct doc_member *member)
{
    size_t before = strlen(p->property), length = before + 1 + member->name.len;
    char *name = malloc(length);
    if (!name)
        return -ENOMEM;
    memcpy(name, p->property, before);
    name[before] = '.';
    if (member->name.len)
        memcpy(name + before + 1, member->name.at, member->name.len);
    int error = set_property(host, edit, (struct mg_str){name, length}, member->value);
    free(name);
    return error;
}

static uint32_t into_properties(const struct place *p, const struct mg_host *host,
                                const mg_event *event, const struct doc_value *value,
                                mg_event **ret_event, struct mg_err *err)
{
    if (value->kind == DOC_OBJECT && value->count > PLACE_MEMBERS_MAX) {
        snprintf(err->text, sizeof err->text,
                 "%.120s: more than %d members, which would each become a property", p->property,
                 PLACE_MEMBERS_MAX);
        return MG_REJECT;
    }
    mg_edit *edit = host->edit_new(event);
    if (!edit)
        return place_no_memory(err);
    struct mg_str name = {p->property, strlen(p->property)};
    int error = value->kind == DOC_OBJECT ? 0 : set_property(host, edit, name, value);
    for (size_t i = 0; value->kind == DOC_OBJECT && i < value->count && !error; i++)
        error = set_member(p, host, edit, &value->members[i]);
    if (error) {
        host->edit_free(edit);
        return place_no_memory(err);
    }
    return replaced(host->edit_publish(edit), ret_event, err);
}

uint32_t place_put(const struct place *p, const struct mg_host *host, struct doc *doc,
                   const mg_event *event, struct doc_value **payload, struct doc_value *value,
                   mg_event **ret_event, struct mg_err *reterr)
{
    return p->path ? into_payload(p, host, doc, event, payload, value, ret_event, reterr)
                   : into_properties(p, host, event, value, ret_event, reterr);
}
