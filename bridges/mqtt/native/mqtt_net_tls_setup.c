/* SPDX-License-Identifier: Apache-2.0 */
/* What TLS is made with: an SSL_CTX from the files that the options name, on the thread pool. */
#include "mqtt_net_tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_AHEAD_BYTES = 64 * 1024 }; /* servers write each packet as a record of its own */

/* The job's own memory: it may outlast the setup. */
struct job {
    struct mqtt_tls_setup *setup; /* NULL: nobody waits any more */
    char *ca, *ca_path, *cert, *key, *key_password;
    unsigned char *alpn;
    uint32_t alpn_length;
    enum mqtt_verify verify;
    bool asked; /* for a password that is not there */
    SSL_CTX *context;
    struct mqtt_why why;
};

struct mqtt_tls_setup {
    struct job *job; /* owned but for the time that it runs */
    struct mqtt_why *why;
    const struct mqtt_tls_setup_events *events;
    void *arg;
};

static void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->key_password)
        explicit_bzero(job->key_password, strlen(job->key_password));
    SSL_CTX_free(job->context);
    free(job->ca);
    free(job->ca_path);
    free(job->cert);
    free(job->key);
    free(job->key_password);
    free(job->alpn);
    free(job);
}

static bool copy(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static struct job *job_create(const struct mqtt_tls *tls)
{
    struct job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    bool fine = copy(&job->ca, tls->ca) && copy(&job->ca_path, tls->ca_path) &&
                copy(&job->cert, tls->cert) && copy(&job->key, tls->key ? tls->key : tls->cert) &&
                copy(&job->key_password, tls->key_password);
    job->verify = tls->verify;
    job->alpn_length = tls->alpn_length;
    job->alpn = fine && tls->alpn_length ? malloc(tls->alpn_length) : NULL;
    if (!fine || (tls->alpn_length && !job->alpn)) {
        job_free(job);
        return NULL;
    }
    if (job->alpn)
        memcpy(job->alpn, tls->alpn, tls->alpn_length);
    return job;
}

/* ---- on the thread pool --------------------------------------------------------------------- */

static bool complain(struct job *job, const char *what, const char *file)
{
    char reason[200];
    mqtt_why_set(&job->why, "cannot use the %s %s: %s", what, file,
                 mqtt_tls_reason(reason, sizeof(reason)));
    return false;
}

static int on_password(char *buffer, int size, int writing, void *arg)
{
    struct job *job = arg;
    size_t length = job->key_password ? strlen(job->key_password) : 0;
    (void)writing;
    job->asked = !job->key_password;
    if (!job->key_password || length > (size_t)size)
        return -1;
    memcpy(buffer, job->key_password, length);
    return (int)length;
}

static bool load_trust(struct job *job)
{
    if (job->verify == MQTT_VERIFY_NONE)
        return true;
    if (job->ca && !SSL_CTX_load_verify_file(job->context, job->ca))
        return complain(job, "CA certificates", job->ca);
    if (job->ca_path && access(job->ca_path, R_OK | X_OK)) {
        mqtt_why_set(&job->why, "cannot use the folder of CA certificates %s: %s", job->ca_path,
                     strerror(errno));
        return false;
    }
    if (job->ca_path && !SSL_CTX_load_verify_dir(job->context, job->ca_path))
        return complain(job, "folder of CA certificates", job->ca_path);
    if (!job->ca && !job->ca_path && !SSL_CTX_set_default_verify_paths(job->context))
        return complain(job, "CA certificates", "of the system");
    return true;
}

static bool load_identity(struct job *job)
{
    if (!job->cert)
        return true;
    if (!SSL_CTX_use_certificate_chain_file(job->context, job->cert))
        return complain(job, "certificate", job->cert);
    if (SSL_CTX_use_PrivateKey_file(job->context, job->key, SSL_FILETYPE_PEM))
        return true;
    if (job->asked) {
        ERR_clear_error();
        mqtt_why_set(&job->why, "the key %s is encrypted: set tls.key_password", job->key);
        return false;
    }
    return complain(job, "key", job->key);
}

static void load(void *arg)
{
    struct job *job = arg;
    ERR_clear_error();
    job->context = SSL_CTX_new(TLS_client_method());
    if (!job->context || !SSL_CTX_set_min_proto_version(job->context, TLS1_2_VERSION) ||
        (job->alpn && SSL_CTX_set_alpn_protos(job->context, job->alpn, job->alpn_length))) {
        complain(job, "TLS", "library");
    } else {
        /* An end without close_notify is an end: MQTT frames itself, so nothing can be cut off. */
        SSL_CTX_set_options(job->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                              SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL_CTX_set_mode(job->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                           SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                           SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_session_cache_mode(job->context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_read_ahead(job->context, 1);
        SSL_CTX_set_default_read_buffer_len(job->context, READ_AHEAD_BYTES);
        SSL_CTX_set_default_passwd_cb(job->context, on_password);
        SSL_CTX_set_default_passwd_cb_userdata(job->context, job);
        if (load_trust(job))
            load_identity(job);
    }
}

/* ---- on the shard --------------------------------------------------------------------------- */

static void loaded(void *arg)
{
    struct job *job = arg;
    struct mqtt_tls_setup *setup = job->setup;
    if (!setup) {
        job_free(job);
        return;
    }
    job->setup = NULL;
    if (job->why.text[0]) {
        mqtt_why_set(setup->why, "%s", job->why.text);
        setup->events->failed(setup->arg);
    } else {
        setup->events->ready(setup->arg, job->context);
    }
}

struct mqtt_tls_setup *mqtt_tls_setup_start(const struct mg_host *host, mg_shard *shard,
                                            const struct mqtt_tls *tls, struct mqtt_why *why,
                                            const struct mqtt_tls_setup_events *events, void *arg)
{
    struct mqtt_tls_setup *setup = malloc(sizeof(*setup));
    struct job *job = job_create(tls);
    if (!setup || !job || host->work(shard, load, loaded, job)) {
        job_free(job);
        free(setup);
        return NULL;
    }
    *setup = (struct mqtt_tls_setup){.job = job, .why = why, .events = events, .arg = arg};
    job->setup = setup;
    return setup;
}

void mqtt_tls_setup_stop(struct mqtt_tls_setup *setup)
{
    if (!setup)
        return;
    if (setup->job->setup)
        setup->job->setup = NULL; /* the job's end frees it */
    else
        job_free(setup->job);
    free(setup);
}
