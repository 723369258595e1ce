/* SPDX-License-Identifier: Apache-2.0 */
/* How the steps of a route do, as JSON. */
#include "flow/internal.h"

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *report_step(const struct gw_step *step, int64_t now_us)
{
    const struct mg_instance *instance = step->instance;
    const char *const *names = instance->module->counters;
    json_t *o = json_object(), *counters = json_object();
    for (size_t i = 0; names && names[i]; i++)
        set_count(counters, names[i], (uint64_t)atomic_load(&instance->counters[i]));
    json_object_set_new(o, "step", json_string(step->config->name));
    json_object_set_new(o, "type", json_string(instance->module->name));
    json_object_set_new(o, "left_alone", json_boolean(gw_instance_ready_at_us(instance) > now_us));
    set_count(o, "pauses", atomic_load(&instance->pauses));
    set_count(o, "slow_callbacks", atomic_load(&instance->slow));
    json_object_set_new(o, "counters", counters);
    return o;
}

json_t *gw_steps_report(const struct gw_route *route)
{
    json_t *list = json_array();
    int64_t now_us = gw_now_us(NULL);
    for (size_t i = 0; i < route->config->step_count; i++)
        json_array_append_new(list, report_step(&route->steps[i], now_us));
    return list;
}
