/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and a TLS server for the stream's tests. */
#include "mqtt_net_tls_rig.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void check(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "mqtt_net tests: %s: %s\n", what, ERR_reason_error_string(ERR_get_error()));
    exit(1);
}

const char *rig_file(const char *name)
{
    static char paths[16][128];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command))
        fprintf(stderr, "%s stays\n", folder);
}

/* ---- certificates --------------------------------------------------------------------------- */

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static void write_key(const char *name, EVP_PKEY *key, const char *password)
{
    FILE *file = fopen(rig_file(name), "w");
    check(file && PEM_write_PKCS8PrivateKey(file, key, password ? EVP_aes_256_cbc() : NULL, NULL, 0,
                                            NULL, (void *)password),
          name);
    fclose(file);
}

static void write_certificate(const char *name, X509 *certificate)
{
    FILE *file = fopen(rig_file(name), "w");
    check(file && PEM_write_X509(file, certificate), name);
    fclose(file);
}

static void extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    check(extension && X509_add_ext(certificate, extension, -1), value);
    X509_EXTENSION_free(extension);
}

/* by NULL: signed by itself.  names NULL: an authority.  The times are in seconds from now. */
static struct authority make(const char *name, const char *names, const struct authority *by,
                             long from_s, long until_s)
{
    static long serial;
    struct authority made = {X509_new(), EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(made.certificate);
    check(made.certificate && made.key, "a key");
    X509_set_version(made.certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), until_s);
    X509_set_pubkey(made.certificate, made.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(made.certificate, by ? X509_get_subject_name(by->certificate) : subject);
    if (names)
        extend(made.certificate, NID_subject_alt_name, names);
    else
        extend(made.certificate, NID_basic_constraints, "critical,CA:TRUE");
    check(X509_sign(made.certificate, by ? by->key : made.key, EVP_sha256()), "a signature");
    char file[64];
    snprintf(file, sizeof(file), "%s.pem", name);
    write_certificate(file, made.certificate);
    snprintf(file, sizeof(file), "%s.key", name);
    write_key(file, made.key, NULL);
    return made;
}

static void drop(struct authority made)
{
    X509_free(made.certificate);
    EVP_PKEY_free(made.key);
}

static void make_folder(const struct authority *authority)
{
    char link[64];
    check(!mkdir(rig_file("cas"), 0700), "a folder of authorities");
    snprintf(link, sizeof(link), "cas/%08lx.0", X509_subject_name_hash(authority->certificate));
    check(!symlink("../ca.pem", rig_file(link)), link);
}

void rig_certificates(void)
{
    enum { HOUR = 3600 };
    snprintf(folder, sizeof(folder), "/tmp/meshgate-net-XXXXXX");
    check(mkdtemp(folder), "mkdtemp");
    atexit(remove_folder);
    struct authority ca = make("ca", NULL, NULL, -2 * HOUR, HOUR);
    struct authority unknown = make("unknown", NULL, NULL, -2 * HOUR, HOUR);
    make_folder(&ca);
    drop(make("good", "DNS:localhost,DNS:broker.test,IP:127.0.0.1,IP:::1", &ca, -HOUR, HOUR));
    drop(make("other", "DNS:other.example,IP:10.1.2.3", &ca, -HOUR, HOUR));
    drop(make("expired", "DNS:localhost", &ca, -2 * HOUR, -HOUR));
    drop(make("early", "DNS:localhost", &ca, HOUR, 2 * HOUR));
    drop(make("self", "DNS:localhost", NULL, -HOUR, HOUR));
    drop(make("stranger", "DNS:localhost", &unknown, -HOUR, HOUR));
    struct authority client = make("client", "DNS:gateway", &ca, -HOUR, HOUR);
    write_key("client-locked.key", client.key, "geheim");
    drop(client);
    drop(unknown);
    drop(ca);
}

/* ---- the server ----------------------------------------------------------------------------- */

static int select_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
                       const unsigned char *offered, unsigned length, void *arg)
{
    const struct rig_tls *tls = arg;
    (void)ssl;
    for (unsigned at = 0; at < length; at += 1u + offered[at]) {
        if (tls->forces_alpn || (offered[at] == strlen(tls->alpn) &&
                                 !memcmp(offered + at + 1, tls->alpn, offered[at]))) {
            *ret = (const unsigned char *)tls->alpn;
            *ret_length = (unsigned char)strlen(tls->alpn);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void rig_server_tls(struct rig_server *server, const struct rig_tls *tls)
{
    char file[64];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    check(context, "a TLS server");
    snprintf(file, sizeof(file), "%s.pem", tls->certificate);
    check(SSL_CTX_use_certificate_chain_file(context, rig_file(file)), file);
    snprintf(file, sizeof(file), "%s.key", tls->certificate);
    check(SSL_CTX_use_PrivateKey_file(context, rig_file(file), SSL_FILETYPE_PEM), file);
    if (tls->wants_client) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        check(SSL_CTX_load_verify_file(context, rig_file("ca.pem")), "ca.pem");
    }
    if (tls->alpn)
        SSL_CTX_set_alpn_select_cb(context, select_alpn, (void *)tls);
    SSL_CTX_set_max_proto_version(context, tls->most_version);
    server->tls = context;
}
