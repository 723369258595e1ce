// SPDX-License-Identifier: Apache-2.0
// A translator in C++: it splits each payload at a separator, and makes an event of every part.
//
// What is particular to C++:
//  - No exception may leave a callback, since the caller is C: each ends in `catch (...)`.
//  - Settings and tables are standard-layout structs: the gateway fills them by offset.
//  - Designated initialisers want C++20 and the order of the header; the header itself is C++17.
#include <meshgate/plugin.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

namespace
{

struct Settings {
    const char *at;
    bool keep_empty;
};

const mg_option options[] = {
    {.name = "at",
     .value = "\",\"",
     .doc = "What stands between two parts.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 16,
     .offset = offsetof(Settings, at)},
    {.name = "keep_empty",
     .value = "false",
     .doc = "Whether an empty part becomes an event, too.",
     .type = MG_OPT_BOOL,
     .offset = offsetof(Settings, keep_empty)},
    {},
};

// One step of a route.  Several shards call it at the same time, so it is const from here on.
struct Split {
    const mg_host *host;
    const Settings *settings; // live until destroy
};

// An event that is ours to give away, or to let go of.
class Event
{
  public:
    Event(const mg_host *host, mg_event *event) : host(host), event(event)
    {
    }
    Event(Event &&other) noexcept : host(other.host), event(other.release())
    {
    }
    Event &operator=(Event &&) = delete;
    ~Event()
    {
        host->event_unref(event);
    } // NULL is fine

    mg_event *release()
    {
        mg_event *given = event;
        event = nullptr;
        return given;
    }

  private:
    const mg_host *host;
    mg_event *event;
};

// What one shard needs: the array of MG_REPLACE stays the module's until the next call.
struct Shard {
    std::vector<mg_event *> out;
};

int create(const mg_host *host, mg_instance *, const void *settings, void **ret_self, mg_err *)
{
    *ret_self = new (std::nothrow) Split{host, static_cast<const Settings *>(settings)};
    return *ret_self ? 0 : -ENOMEM;
}

void destroy(void *self)
{
    delete static_cast<Split *>(self);
}

int shard_open(void *, mg_shard *, void **ret_context, mg_err *)
{
    *ret_context = new (std::nothrow) Shard;
    return *ret_context ? 0 : -ENOMEM;
}

void shard_close(void *, void *context)
{
    delete static_cast<Shard *>(context);
}

std::vector<std::string_view> parts_of(std::string_view payload, const Settings &settings)
{
    const std::string_view at = settings.at;
    std::vector<std::string_view> parts;
    for (size_t begin = 0, end = 0; end != payload.npos; begin = end + at.size()) {
        end = payload.find(at, begin);
        const auto part = payload.substr(begin, end == payload.npos ? end : end - begin);
        if (settings.keep_empty || !part.empty())
            parts.push_back(part);
        if (parts.size() > MG_EMIT_MAX)
            break; // refused in any case
    }
    return parts;
}

// The event with that payload instead of its own.
Event with_payload(const mg_host *host, const mg_event *event, std::string_view payload)
{
    mg_edit *edit = host->edit_new(event);
    if (!edit)
        throw std::bad_alloc();
    if (host->edit_payload(edit, {payload.data(), payload.size()}, nullptr, nullptr)) { // copies
        host->edit_free(edit);
        throw std::bad_alloc();
    }
    mg_event *made = host->edit_publish(edit); // consumes the edit
    if (!made)
        throw std::bad_alloc();
    return {host, made};
}

uint32_t split(const Split &self, Shard &shard, const mg_step_call &call, mg_step_result &result)
{
    const mg_bytes payload = self.host->event_payload(call.event);
    const auto parts =
        parts_of({static_cast<const char *>(payload.at), payload.len}, *self.settings);
    if (parts.empty())
        return MG_DROP;
    if (parts.size() > MG_EMIT_MAX) {
        std::snprintf(result.err.text, sizeof result.err.text, "more than %d parts", MG_EMIT_MAX);
        return MG_REJECT;
    }
    std::vector<Event> made; // lets go of what there is, where the next cannot be made
    made.reserve(parts.size());
    for (const auto part : parts)
        made.push_back(with_payload(self.host, call.event, part));
    shard.out.reserve(made.size());
    shard.out.clear();
    for (auto &event : made)
        shard.out.push_back(event.release());
    result.events = shard.out.data();
    result.count = shard.out.size();
    return MG_REPLACE;
}

uint32_t process(void *self, void *context, const mg_step_call *call, mg_step_result *ret_result)
{
    try {
        return split(*static_cast<const Split *>(self), *static_cast<Shard *>(context), *call,
                     *ret_result);
    } catch (...) { // std::bad_alloc is all that can come
        std::snprintf(ret_result->err.text, sizeof ret_result->err.text, "out of memory");
        return MG_REJECT;
    }
}

const mg_life life = {
    .create = create,
    .destroy = destroy,
    .shard_open = shard_open,
    .shard_close = shard_close,
};

const mg_step_ops ops = {
    .size = sizeof ops,
    .process = process,
};

const struct mg_module descriptor = {
    .abi = MG_ABI_HERE,
    .kind = MG_TRANSLATOR,
    .name = "split",
    .version = "0.1.0",
    .summary = "Splits each payload at a separator into several events.",
    .options = options,
    .settings_size = sizeof(Settings),
    .life = &life,
    .ops = &ops,
};

} // namespace

// The one exported symbol; the header has declared it extern "C".
const struct mg_module *mg_module(const mg_abi *)
{
    return &descriptor;
}
