/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with TLS, in words that say what to do. */
#include "mqtt_net_tls.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

const char *mqtt_tls_reason(char *buffer, size_t size)
{
    unsigned long error = ERR_get_error(); /* the first is the root */
    ERR_clear_error();
    const char *text =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    snprintf(buffer, size, "%s", text ? text : "unknown error");
    return buffer;
}

/* ---- the server's certificate --------------------------------------------------------------- */

static void add_name(struct mqtt_tls_finding *finding, const char *name, size_t length)
{
    size_t at = strlen(finding->names);
    snprintf(finding->names + at, sizeof(finding->names) - at, "%s%.*s", at ? ", " : "",
             (int)length, name);
    for (char *c = finding->names + at; *c; c++) /* the peer chose it, and a log shows it */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

static void note_names(struct mqtt_tls_finding *finding, X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char address[INET6_ADDRSTRLEN];
        if (name->type == GEN_DNS) {
            add_name(finding, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int length = ASN1_STRING_length(name->d.iPAddress);
            if ((length == 4 || length == 16) &&
                inet_ntop(length == 4 ? AF_INET : AF_INET6,
                          ASN1_STRING_get0_data(name->d.iPAddress), address, sizeof(address)))
                add_name(finding, address, strlen(address));
        }
    }
    GENERAL_NAMES_free(names);
    char common[200];
    if (!finding->names[0] && X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                                                        NID_commonName, common, sizeof(common)) > 0)
        add_name(finding, common, strlen(common));
}

static void note_time(struct mqtt_tls_finding *finding, const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm))
        snprintf(finding->until, sizeof(finding->until), "%04d-%02d-%02d %02d:%02d UTC",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

int mqtt_tls_verified(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct mqtt_tls_finding *finding = SSL_get_app_data(ssl);
    if (ok || finding->error)
        return ok;
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    finding->error = X509_STORE_CTX_get_error(store);
    finding->depth = X509_STORE_CTX_get_error_depth(store);
    if (!certificate)
        return ok;
    X509_NAME_oneline(X509_get_subject_name(certificate), finding->subject,
                      sizeof(finding->subject));
    note_names(finding, certificate);
    note_time(finding, finding->error == X509_V_ERR_CERT_NOT_YET_VALID
                           ? X509_get0_notBefore(certificate)
                           : X509_get0_notAfter(certificate));
    return ok;
}

static void explain_certificate(struct mqtt_why *why, const char *at, const char *name,
                                const struct mqtt_tls_finding *finding)
{
    const char *reason = X509_verify_cert_error_string(finding->error);
    switch (finding->error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        mqtt_why_set(why,
                     "TLS with %s: %s: the certificate is for %s and not for %s; set "
                     "tls.server_name where that is right",
                     at, reason, finding->names[0] ? finding->names : "nobody", name);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        mqtt_why_set(why, "TLS with %s: %s (%s %s): %s", at, reason,
                     finding->error == X509_V_ERR_CERT_HAS_EXPIRED ? "on" : "before",
                     finding->until, finding->subject);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        mqtt_why_set(why,
                     "TLS with %s: %s: %s; set tls.ca to a file with the certificate of the "
                     "authority that signed it",
                     at, reason, finding->subject);
        break;
    default:
        mqtt_why_set(why, "TLS with %s: %s: %s", at, reason, finding->subject);
    }
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* What to do about an error of libssl; the alerts are those of RFC 8446 §6. */
static const char *cure(int reason)
{
    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_TOO_SMALL:
        return ": the server does not speak TLS on this port";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return ": the server wants a client certificate: set tls.cert and tls.key";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return ": the server may want a client certificate (tls.cert and tls.key), or shares no "
               "cipher";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return ": the server does not trust the client certificate (tls.cert)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        return ": the client certificate (tls.cert) has to be renewed";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return ": the server takes none of the protocols of tls.alpn";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return ": the server does not know the name: set tls.server_name";
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
        return ": the server has neither TLS 1.2 nor 1.3";
    default:
        return "";
    }
}

void mqtt_tls_explain(struct mqtt_why *why, const char *at, const char *name,
                      const struct mqtt_tls_finding *finding)
{
    char reason[200];
    unsigned long error = ERR_peek_error();
    const char *hint = ERR_GET_LIB(error) == ERR_LIB_SSL ? cure(ERR_GET_REASON(error)) : "";
    mqtt_tls_reason(reason, sizeof(reason));
    if (finding->error)
        explain_certificate(why, at, name, finding);
    else
        mqtt_why_set(why, "TLS with %s: %s%s", at, reason, hint);
}
