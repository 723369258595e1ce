/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the claim check, and what must hold between them. */
#include "claim.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const modes[] = {"store", "restore", NULL};
static const char *const missings[] = {"retry", "reject", "pass", NULL};

#define AT(field)    offsetof(struct settings, field)
#define S3_AT(field) offsetof(struct settings, s3.field) - AT(s3)
enum { HOUR_MS = 3600000 };
#define DAY_MS ((int64_t)24 * HOUR_MS)

/* clang-format off */
static const struct mg_option s3_options[] = {
    {.name = "endpoint", .type = MG_OPT_URL, .offset = S3_AT(endpoint),
     .doc = "The server, as https://s3.eu-central-1.amazonaws.com; the bucket comes behind it in the path."},
    {.name = "bucket", .type = MG_OPT_TEXT, .least = 1, .most = 255, .offset = S3_AT(bucket), .doc = "The bucket."},
    {.name = "prefix", .type = MG_OPT_TEXT, .least = 1, .most = 512, .offset = S3_AT(prefix),
     .doc = "What stands before the hash in an object's key, as claims/."},
    {.name = "region", .type = MG_OPT_TEXT, .value = "us-east-1", .least = 1, .most = 64, .offset = S3_AT(region),
     .doc = "The region that requests are signed for."},
    {.name = "access_key", .type = MG_OPT_TEXT, .least = 1, .most = 255, .offset = S3_AT(access_key),
     .doc = "The id of the access key."},
    {.name = "secret_key", .type = MG_OPT_SECRET, .offset = S3_AT(secret_key), .doc = "The key that signs."},
    {.name = "session_token", .type = MG_OPT_SECRET, .offset = S3_AT(session_token),
     .doc = "The token of temporary credentials."},
    {.name = "ca", .type = MG_OPT_FILE, .offset = S3_AT(ca),
     .doc = "PEM file with the certificates that are trusted; unset: the system's."},
    {.name = "verify", .type = MG_OPT_BOOL, .value = "true", .offset = S3_AT(verify),
     .doc = "Whether the server's certificate must be trusted and be for its name."},
    {.name = "timeout", .type = MG_OPT_DURATION_MS, .value = "30s", .least = 1, .most = HOUR_MS,
     .offset = S3_AT(timeout_ms), .doc = "A transfer that takes longer has failed."},
    {0}};

const struct mg_option claim_options[] = {
    {.name = "mode", .type = MG_OPT_ENUM, .flags = MG_OPT_REQUIRED, .choices = modes, .offset = AT(mode),
     .doc = "store puts a reference in the place of a large payload, restore the payload in the place of a reference."},
    {.name = "threshold", .type = MG_OPT_SIZE, .value = "64KiB", .least = 0, .most = (int64_t)1 << 40,
     .offset = AT(threshold), .doc = "Only payloads larger than this are stored."},
    {.name = "folder", .type = MG_OPT_FILE, .offset = AT(folder),
     .doc = "The store is this folder; store makes it where it is not there."},
    {.name = "s3", .type = MG_OPT_MAP, .inside = s3_options, .inside_size = sizeof(((struct settings *)0)->s3),
     .offset = AT(s3), .doc = "The store is a bucket of S3, or of a server like it."},
    {.name = "keep", .type = MG_OPT_DURATION_MS, .value = "7d", .least = 0, .most = 3650 * DAY_MS,
     .offset = AT(keep_ms),
     .doc = "A payload in the folder that nobody has stored again for so long is removed; 0s: never."},
    {.name = "sweep", .type = MG_OPT_DURATION_MS, .value = "10m", .least = 1000, .most = DAY_MS,
     .offset = AT(sweep_ms), .doc = "How often to look for such."},
    {.name = "sync", .type = MG_OPT_BOOL, .value = "true", .offset = AT(sync),
     .doc = "Whether a payload is on the disk (fsync) before its event goes on."},
    {.name = "least_free", .type = MG_OPT_SIZE, .value = "256MiB", .least = 0, .most = (int64_t)1 << 50,
     .offset = AT(least_free),
     .doc = "Bytes of the folder's file system that stay free; events are tried again until there is room."},
    {.name = "max_size", .type = MG_OPT_SIZE, .value = "64MiB", .least = 1, .most = (int64_t)1 << 32,
     .offset = AT(most_bytes), .doc = "restore rejects the reference of a larger payload."},
    {.name = "on_missing", .type = MG_OPT_ENUM, .value = "retry", .choices = missings, .offset = AT(on_missing),
     .doc = "What becomes of a reference whose payload is not there: tried again later (delivery.retry), rejected, "
            "or it passes as it is."},
    {.name = "in_flight", .type = MG_OPT_INT, .value = "8", .least = 1, .most = 256, .offset = AT(in_flight),
     .doc = "Payloads under way at a time, of each shard."},
    {.name = "waiting", .type = MG_OPT_INT, .value = "1000", .least = 1, .most = 1000000, .offset = AT(waiting),
     .doc = "Events that may wait on each shard; further ones are tried again later."},
    {0}};
/* clang-format on */

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

/* No character that would have to be encoded in a URL, where it is signed as it is sent. */
static bool is_plain(const char *text, const char *more)
{
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z') &&
            !(*text >= '0' && *text <= '9') && !strchr(more, *text))
            return false;
    return true;
}

static int check_s3(const struct settings *s, struct mg_err *err)
{
    if (!s->s3.endpoint || !s->s3.bucket || !s->s3.access_key || !s->s3.secret_key)
        return refuse(err, "s3", "needs endpoint, bucket, access_key and secret_key");
    if (strncasecmp(s->s3.endpoint, "http://", 7) && strncasecmp(s->s3.endpoint, "https://", 8))
        return refuse(err, "s3", "endpoint must begin with http:// or https://");
    const char *path = strchr(strstr(s->s3.endpoint, "://") + 3, '/');
    if ((path && path[1]) || strpbrk(s->s3.endpoint, "?#@"))
        return refuse(err, "s3", "endpoint is a server alone, as https://s3.example.org:9000");
    if (!is_plain(s->s3.bucket, "-."))
        return refuse(err, "s3", "bucket has letters, digits, - and . alone");
    if (s->s3.prefix && (!is_plain(s->s3.prefix, "-._/") || strstr(s->s3.prefix, "./")))
        return refuse(err, "s3",
                      "prefix has letters, digits, -, ., _ and / alone, and no part ends "
                      "with a dot");
    if (!is_plain(s->s3.region, "-"))
        return refuse(err, "s3", "region has letters, digits and - alone");
    return 0;
}

int claim_check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    bool s3 = s->s3.endpoint || s->s3.bucket || s->s3.access_key;
    if (!s->folder == !s3)
        return refuse(reterr, s3 ? "s3" : "folder", "the store is either a folder or s3");
    return s3 ? check_s3(s, reterr) : 0;
}
