/* SPDX-License-Identifier: Apache-2.0 */
/* Prints where the fields of the header's structs lie, for the test of src/abi.rs. */
#include <meshgate/plugin.h>
#include <stdio.h>

#define AT(type, field) printf(#type "." #field " %zu\n", offsetof(struct type, field))
#define SIZE(type)      printf(#type " %zu\n", sizeof(struct type))
#define NUMBER(name)    printf(#name " %lld\n", (long long)(name))

int main(void)
{
    AT(mg_abi, magic);
    AT(mg_abi, major);
    AT(mg_abi, minor);
    AT(mg_abi, module_size);
    AT(mg_abi, flags);
    AT(mg_abi, build);
    SIZE(mg_abi);
    AT(mg_str, at);
    AT(mg_str, len);
    SIZE(mg_str);
    AT(mg_bytes, at);
    AT(mg_bytes, len);
    SIZE(mg_bytes);
    AT(mg_err, text);
    AT(mg_err, option);
    SIZE(mg_err);
    AT(mg_option, name);
    AT(mg_option, value);
    AT(mg_option, doc);
    AT(mg_option, type);
    AT(mg_option, flags);
    AT(mg_option, least);
    AT(mg_option, most);
    AT(mg_option, choices);
    AT(mg_option, inside);
    AT(mg_option, inside_size);
    AT(mg_option, offset);
    SIZE(mg_option);
    AT(mg_life, create);
    AT(mg_life, start);
    AT(mg_life, reload);
    AT(mg_life, drain);
    AT(mg_life, stop);
    AT(mg_life, destroy);
    AT(mg_life, shard_open);
    AT(mg_life, shard_close);
    SIZE(mg_life);
    AT(mg_step_call, event);
    AT(mg_step_call, scope);
    AT(mg_step_call, pending);
    SIZE(mg_step_call);
    AT(mg_step_result, events);
    AT(mg_step_result, count);
    AT(mg_step_result, err);
    SIZE(mg_step_result);
    /* Of these a beginning: they carry their size, and may have grown since. */
    AT(mg_module, abi);
    AT(mg_module, kind);
    AT(mg_module, name);
    AT(mg_module, version);
    AT(mg_module, summary);
    AT(mg_module, options);
    AT(mg_module, source_options);
    AT(mg_module, sink_options);
    AT(mg_module, settings_size);
    AT(mg_module, source_settings_size);
    AT(mg_module, sink_settings_size);
    AT(mg_module, counters);
    AT(mg_module, check);
    AT(mg_module, life);
    AT(mg_module, ops);
    AT(mg_host, size);
    AT(mg_host, event_new);
    AT(mg_host, event_ref);
    AT(mg_host, event_unref);
    AT(mg_host, event_head);
    AT(mg_host, event_payload);
    AT(mg_host, event_properties);
    AT(mg_host, event_find);
    AT(mg_host, edit_new);
    AT(mg_host, edit_head);
    AT(mg_host, edit_payload);
    AT(mg_host, edit_property);
    AT(mg_host, edit_publish);
    AT(mg_host, edit_free);
    AT(mg_host, scope_route);
    AT(mg_host, scope_capture);
    AT(mg_host, expand);
    AT(mg_host, ingest);
    AT(mg_host, ingest_event);
    AT(mg_host, settle);
    AT(mg_host, sendable);
    AT(mg_host, resume);
    AT(mg_host, closed);
    AT(mg_host, connection_shard);
    AT(mg_host, io_watch);
    AT(mg_host, io_events);
    AT(mg_host, io_stop);
    AT(mg_host, timer_start);
    AT(mg_host, timer_again);
    AT(mg_host, timer_stop);
    AT(mg_host, wake_new);
    AT(mg_host, wake);
    AT(mg_host, wake_free);
    AT(mg_host, work);
    AT(mg_host, now_us);
    AT(mg_host, wall_us);
    AT(mg_host, random);
    AT(mg_host, log);
    AT(mg_host, count);
    AT(mg_step_ops, size);
    AT(mg_step_ops, process);
    NUMBER(MG_ABI_MAGIC);
    NUMBER(MG_ABI_MAJOR);
    NUMBER(MG_OPT_TEXT);
    NUMBER(MG_OPT_INT);
    NUMBER(MG_OPT_BOOL);
    NUMBER(MG_OPT_REQUIRED);
    NUMBER(MG_PASS);
    NUMBER(MG_REPLACE);
    NUMBER(MG_DROP);
    NUMBER(MG_REJECT);
    NUMBER(MG_FILTER);
    NUMBER(MG_ENRICHER);
    NUMBER(MG_TRANSLATOR);
    return 0;
}
