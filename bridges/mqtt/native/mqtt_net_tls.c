/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a layer of the stream. */
#include "mqtt_net_tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES = 16 * 1024 }; /* RFC 8446 §5.1 */

struct tls {
    struct mqtt_stream base;
    const struct mqtt_tls *options;
    char name[254]; /* that the certificate is checked for */
    SSL *ssl;
    BIO_METHOD *method;
    struct mqtt_tls_finding finding;
    /* What of the socket lets each of them go on: TLS may have to write in order to read. */
    uint32_t open_on, read_on, write_on;
    bool is_open;
    bool more;        /* read was stopped by its own buffer */
    bool under_ended; /* the socket's end was read */
    bool ended;       /* and so was that of TLS */
    int under_error;  /* negative errno of the socket */
    int error;        /* of this layer: nothing can be written or read any more */
    /* Taken and not written.  A record that OpenSSL could not write has to be given again as it
     * was, which the caller does not promise. */
    size_t begin, end;
    unsigned char staged[RECORD_BYTES];
};

/* ---- what is under it ----------------------------------------------------------------------- */

static int under_read(BIO *bio, char *at, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = tls->base.under->ops->read(tls->base.under, at, (size_t)size);
    if (n > 0)
        return (int)n;
    if (n == 0)
        tls->under_ended = true;
    else if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    else
        tls->under_error = (int)n;
    return n == 0 ? 0 : -1;
}

static int under_write(BIO *bio, const char *at, int size)
{
    struct tls *tls = BIO_get_data(bio);
    struct iovec part = {(void *)at, (size_t)size};
    BIO_clear_retry_flags(bio);
    ssize_t n = tls->base.under->ops->write(tls->base.under, &part, 1);
    if (n > 0)
        return (int)n;
    if (n == -EAGAIN)
        BIO_set_retry_write(bio);
    else
        tls->under_error = n ? (int)n : -EIO;
    return -1;
}

static long under_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return ((struct tls *)BIO_get_data(bio))->under_ended;
    return command == BIO_CTRL_FLUSH; /* nothing is held back */
}

static BIO *make_bio(struct tls *tls)
{
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");
    if (!tls->method || !BIO_meth_set_read(tls->method, under_read) ||
        !BIO_meth_set_write(tls->method, under_write) ||
        !BIO_meth_set_ctrl(tls->method, under_control))
        return NULL;
    BIO *bio = BIO_new(tls->method);
    if (bio) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* What an operation that returned `result` waits for, in *ret_on; 0: it ended with an error. */
static bool waits(struct tls *tls, int result, uint32_t *ret_on)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *ret_on = MG_IO_READ;
        return true;
    case SSL_ERROR_WANT_WRITE:
        *ret_on = MG_IO_WRITE;
        return true;
    default:
        return false;
    }
}

static int broken(struct tls *tls)
{
    if (tls->under_error) { /* why says it already */
        tls->error = tls->under_error;
        ERR_clear_error();
    } else {
        tls->error = -EPROTO;
        mqtt_tls_explain(tls->base.why, tls->base.at, tls->name, &tls->finding);
    }
    return tls->error;
}

/* ---- handshake ------------------------------------------------------------------------------ */

/* RFC 7301 §3.1: the server selects one of those that were offered, or none. */
static bool alpn_fits(const struct tls *tls)
{
    const unsigned char *chosen, *offered = tls->options->alpn;
    unsigned length;
    SSL_get0_alpn_selected(tls->ssl, &chosen, &length);
    if (!length)
        return true;
    for (uint32_t at = 0; at < tls->options->alpn_length; at += 1u + offered[at])
        if (offered[at] == length && !memcmp(offered + at + 1, chosen, length))
            return true;
    mqtt_why_set(tls->base.why,
                 "TLS with %s: the server chose the protocol %.*s, which tls.alpn "
                 "does not offer",
                 tls->base.at, (int)length, (const char *)chosen);
    return false;
}

static int tls_open(struct mqtt_stream *stream)
{
    struct tls *tls = (struct tls *)stream;
    int rc = stream->under->ops->open(stream->under);
    if (rc)
        return rc;
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1 && alpn_fits(tls)) {
        tls->is_open = true;
        tls->more = SSL_has_pending(tls->ssl);
        return 0;
    }
    if (result == 1)
        return tls->error = -EPROTO;
    if (waits(tls, result, &tls->open_on))
        return -EAGAIN;
    if (tls->under_ended && !tls->finding.error) {
        mqtt_why_set(stream->why,
                     "TLS with %s: the server closed the connection during the handshake; does it "
                     "speak TLS on this port?",
                     stream->at);
        ERR_clear_error();
        return tls->error = -ECONNRESET;
    }
    return broken(tls);
}

/* ---- reading and writing -------------------------------------------------------------------- */

static ssize_t tls_read(struct mqtt_stream *stream, void *at, size_t size)
{
    struct tls *tls = (struct tls *)stream;
    size_t all = 0, n;
    tls->more = false;
    while (all < size && !tls->error && !tls->ended) {
        ERR_clear_error();
        int result = SSL_read_ex(tls->ssl, (char *)at + all, size - all, &n);
        if (result == 1)
            all += n;
        else if (waits(tls, result, &tls->read_on))
            return all ? (ssize_t)all : -EAGAIN;
        else if (SSL_get_error(tls->ssl, result) == SSL_ERROR_ZERO_RETURN)
            tls->ended = true;
        else
            broken(tls);
    }
    tls->read_on = MG_IO_READ;
    tls->more = all == size && SSL_has_pending(tls->ssl);
    return all ? (ssize_t)all : tls->error;
}

static int tls_flush(struct mqtt_stream *stream)
{
    struct tls *tls = (struct tls *)stream;
    while (tls->begin < tls->end && !tls->error) {
        size_t n;
        ERR_clear_error();
        int result = SSL_write_ex(tls->ssl, tls->staged + tls->begin, tls->end - tls->begin, &n);
        if (result == 1)
            tls->begin += n;
        else if (waits(tls, result, &tls->write_on))
            return -EAGAIN;
        else
            broken(tls);
    }
    return tls->error;
}

/* Many small parts become few records. */
static ssize_t tls_write(struct mqtt_stream *stream, const struct iovec *parts, int count)
{
    struct tls *tls = (struct tls *)stream;
    size_t taken = 0, offset = 0;
    int rc = tls_flush(stream);
    while (!rc && count) {
        for (tls->begin = tls->end = 0; count && tls->end < RECORD_BYTES;) {
            size_t n = parts->iov_len - offset;
            n = n < RECORD_BYTES - tls->end ? n : RECORD_BYTES - tls->end;
            if (n)
                memcpy(tls->staged + tls->end, (const char *)parts->iov_base + offset, n);
            tls->end += n;
            offset += n;
            if (offset == parts->iov_len) {
                parts++;
                count--;
                offset = 0;
            }
        }
        taken += tls->end;
        rc = tls_flush(stream);
    }
    return rc && (rc != -EAGAIN || !taken) ? rc : (ssize_t)taken;
}

static uint32_t tls_wants(const struct mqtt_stream *stream, bool reading, bool writing)
{
    const struct tls *tls = (const struct tls *)stream;
    if (!tls->is_open)
        return tls->open_on;
    writing = writing || tls->begin < tls->end;
    return (reading ? tls->read_on : 0) | (writing ? tls->write_on : 0);
}

static bool tls_pending(const struct mqtt_stream *stream)
{
    const struct tls *tls = (const struct tls *)stream;
    return tls->more || tls->ended || tls->error;
}

/* ---- making and closing --------------------------------------------------------------------- */

static void tls_free(struct tls *tls)
{
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    free(tls);
}

static void tls_close(struct mqtt_stream *stream)
{
    struct tls *tls = (struct tls *)stream;
    struct mqtt_stream *under = stream->under;
    if (tls->is_open && !tls->error && tls->begin == tls->end) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
    tls_free(tls);
    mqtt_stream_close(under);
}

static const struct mqtt_stream_ops tls_ops = {
    .open = tls_open,
    .read = tls_read,
    .write = tls_write,
    .flush = tls_flush,
    .wants = tls_wants,
    .pending = tls_pending,
    .close = tls_close,
};

/* Whom the server has to prove to be (RFC 6125); SNI is for names alone (RFC 6066 §3). */
static bool set_name(struct tls *tls, const char *name)
{
    unsigned char address[16];
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->ssl);
    bool check = tls->options->verify == MQTT_VERIFY_FULL;
    /* Neither the zone of an address nor the dot that ends a name is in a certificate. */
    size_t length = strcspn(name, "%");
    if (length && name[length - 1] == '.')
        length--;
    if (!length || length >= sizeof(tls->name))
        return false;
    memcpy(tls->name, name, length);
    tls->name[length] = 0;
    if (inet_pton(AF_INET, tls->name, address) == 1 || inet_pton(AF_INET6, tls->name, address) == 1)
        return !check || X509_VERIFY_PARAM_set1_ip_asc(parameters, tls->name);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(tls->ssl, tls->name) &&
           (!check || X509_VERIFY_PARAM_set1_host(parameters, tls->name, 0));
}

struct mqtt_stream *mqtt_tls_stream(struct mqtt_stream *under, SSL_CTX *context,
                                    const struct mqtt_tls *options, const char *name)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return NULL;
    tls->base =
        (struct mqtt_stream){.ops = &tls_ops, .under = under, .why = under->why, .at = under->at};
    tls->options = options;
    tls->open_on = tls->write_on = MG_IO_WRITE;
    tls->read_on = MG_IO_READ;
    tls->ssl = SSL_new(context);
    BIO *bio = tls->ssl ? make_bio(tls) : NULL;
    bool named = false;
    if (bio) {
        SSL_set_bio(tls->ssl, bio, bio);
        named = set_name(tls, name);
        if (!named)
            mqtt_why_set(under->why, "'%.100s' is no name that a certificate can be for", name);
    }
    if (!named) {
        ERR_clear_error();
        tls_free(tls);
        return NULL;
    }
    SSL_set_app_data(tls->ssl, &tls->finding);
    if (options->verify != MQTT_VERIFY_NONE)
        SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, mqtt_tls_verified);
    SSL_set_connect_state(tls->ssl);
    return &tls->base;
}
