/* SPDX-License-Identifier: Apache-2.0 */
/* The fidelity report: what the legs of a route cannot carry. */
#include "route/model_internal.h"
#include <stdio.h>
#include <string.h>

static const struct {
    uint32_t flag;
    const char *words;
} kinds[] = {
    {MG_CARRIES_PROPERTIES, "properties"},
    {MG_CARRIES_TYPES, "the types of properties"},
    {MG_CARRIES_REPLY_TO, "the reply address"},
    {MG_CARRIES_CORRELATION, "the correlation"},
    {MG_CARRIES_CONTENT_TYPE, "the content type"},
    {MG_CARRIES_EXPIRY, "the expiry"},
    {MG_CARRIES_PRIORITY, "the priority"},
    {MG_CARRIES_RETAIN, "the retain flag"},
    {MG_CARRIES_MESSAGE_ID, "the message id"},
    {MG_CARRIES_GROUP, "the group"},
    {MG_CARRIES_SUBJECT, "the subject"},
    {MG_CARRIES_CREATED, "the creation time"},
    {MG_CARRIES_USER, "the user id"},
    {MG_CARRIES_BINARY, "payloads that are not text"},
    {MG_CARRIES_ADDRESS, "the address of each event"},
};

static void report_leg(const struct gw_model *model, const struct gw_route_config *route,
                       const struct gw_source_config *source, const struct gw_sink_config *sink,
                       struct gw_diags *diags)
{
    uint32_t lost = source->end.carries & ~sink->end.carries;
    char list[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && used < sizeof list; i++)
        if (lost & kinds[i].flag)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "",
                                     kinds[i].words);
    if (used)
        gw_diag_add(diags, GW_DIAG_NOTE, sink->node->file, sink->node->line, sink->node->column,
                    "route %s, from bridge %s to bridge %s: not carried: %s", route->name,
                    model->bridges[source->bridge].name, model->bridges[sink->bridge].name, list);
}

void gw_model_report_fidelity(const struct gw_model *model, struct gw_diags *diags)
{
    for (size_t i = 0; i < model->route_count; i++) {
        const struct gw_route_config *r = &model->routes[i];
        for (size_t k = 0; k < r->sink_count; k++) {
            for (size_t j = 0; j < r->source_count; j++) {
                bool again = false; /* sources of one kind on one bridge lose the same */
                for (size_t n = 0; n < j && !again; n++)
                    again = r->sources[n].bridge == r->sources[j].bridge &&
                            r->sources[n].end.carries == r->sources[j].end.carries;
                if (!again)
                    report_leg(model, r, &r->sources[j], &r->sinks[k], diags);
            }
        }
    }
}
