/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
 *
 * User and password go as they stand; SASLprep (RFC 4013) would change none that is ASCII. */
#include "mqtt_scram.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHALLENGE_MOST = 4096,
    SALT_MOST = 512,
    NONCE_BYTES = 24,
    /* RFC 7677 §4 asks for at least 4096.  The sum is done on the shard's loop, so it has an end:
     * some 50 ms, once for each salt. */
    ITERATIONS_LEAST = 4096,
    ITERATIONS_MOST = 100000,
};

#define HEADER "n,," /* GS2: no channel binding, no other identity; "biws" in base 64 */

static int refuse(struct mg_err *err, const char *text)
{
    snprintf(err->text, sizeof(err->text), MQTT_SCRAM_METHOD ": %s", text);
    return -EACCES;
}

static int no_memory(struct mg_err *err)
{
    return refuse(err, "out of memory");
}

void mqtt_scram_init(struct mqtt_scram *scram, const char *user, const char *password)
{
    *scram = (struct mqtt_scram){.user = user, .password = password};
}

static void give_answer(struct mqtt_scram *scram, char *answer, struct mg_bytes *ret)
{
    free(scram->answer);
    scram->answer = answer;
    *ret = (struct mg_bytes){answer, strlen(answer)};
}

void mqtt_scram_fini(struct mqtt_scram *scram)
{
    free(scram->first);
    free(scram->answer);
    free(scram->salt);
    OPENSSL_cleanse(scram, sizeof(*scram));
}

/* ---- texts ---------------------------------------------------------------------------------- */

struct part {
    const char *at;
    size_t length;
};

/* The value of the next attribute, which must be called `name`; moves *rest behind it. */
static bool take_part(struct part *rest, char name, struct part *ret)
{
    if (rest->length < 2 || rest->at[0] != name || rest->at[1] != '=')
        return false;
    const char *comma = memchr(rest->at, ',', rest->length);
    size_t length = comma ? (size_t)(comma - rest->at) : rest->length;
    *ret = (struct part){rest->at + 2, length - 2};
    size_t skip = comma ? length + 1 : length;
    rest->at += skip;
    rest->length -= skip;
    return true;
}

/* Bytes decoded, or -1: that is no base 64, or too much of it. */
static int from_base64(struct part text, unsigned char *at, size_t size)
{
    size_t padding = 0;
    while (padding < 2 && padding < text.length && text.at[text.length - 1 - padding] == '=')
        padding++;
    if (!text.length || text.length % 4 || text.length / 4 * 3 > size)
        return -1;
    int length = EVP_DecodeBlock(at, (const unsigned char *)text.at, (int)text.length);
    return length < 0 ? -1 : length - (int)padding;
}

/* ',' and '=' have a meaning of their own (RFC 5802 §5.1). */
static char *escaped(const char *user)
{
    char *text = malloc(strlen(user) * 3 + 1), *end = text;
    for (const char *c = user; text && *c; c++) {
        if (*c == ',' || *c == '=')
            end = mempcpy(end, *c == ',' ? "=2C" : "=3D", 3);
        else
            *end++ = *c;
    }
    if (text)
        *end = 0;
    return text;
}

static char *__attribute__((format(printf, 1, 2))) printed(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? NULL : text;
}

/* ---- the first message ---------------------------------------------------------------------- */

int mqtt_scram_begin(struct mqtt_scram *scram, const char *nonce, struct mg_bytes *ret_first)
{
    char *user = escaped(scram->user);
    snprintf(scram->nonce, sizeof(scram->nonce), "%s", nonce);
    char *first = user ? printed("n=%s,r=%s", user, scram->nonce) : NULL;
    char *answer = first ? printed(HEADER "%s", first) : NULL;
    free(user);
    free(scram->first);
    scram->first = first;
    scram->stage = SCRAM_FIRST_SENT;
    if (!answer)
        return -ENOMEM;
    give_answer(scram, answer, ret_first);
    return 0;
}

static int begin(struct mqtt_scram *scram, struct mg_bytes *ret_first, struct mg_err *err)
{
    unsigned char random[NONCE_BYTES];
    char nonce[NONCE_BYTES / 3 * 4 + 1];
    if (RAND_bytes(random, sizeof(random)) != 1)
        return refuse(err, "no random numbers");
    EVP_EncodeBlock((unsigned char *)nonce, random, sizeof(random));
    return mqtt_scram_begin(scram, nonce, ret_first) ? no_memory(err) : 0;
}

/* ---- the proof ------------------------------------------------------------------------------ */

static bool mac(const unsigned char *key, const char *text, unsigned char *ret)
{
    unsigned length = MQTT_SCRAM_BYTES;
    return HMAC(EVP_sha256(), key, MQTT_SCRAM_BYTES, (const unsigned char *)text, strlen(text), ret,
                &length) != NULL;
}

/* salt: "SALT,i=COUNT" as the server wrote it, which is also the key of what is kept. */
static int salt_password(struct mqtt_scram *scram, const char *salt, struct part encoded,
                         struct part count, struct mg_err *err)
{
    unsigned char bytes[SALT_MOST];
    char digits[12];
    if (scram->salt && !strcmp(scram->salt, salt))
        return 0;
    int length = from_base64(encoded, bytes, sizeof(bytes));
    if (length <= 0)
        return refuse(err, "the server's salt is no base 64, or too long");
    if (!count.length || count.length >= sizeof(digits) ||
        strspn(count.at, "0123456789") < count.length)
        return refuse(err, "the server's iteration count is no number");
    snprintf(digits, sizeof(digits), "%.*s", (int)count.length, count.at);
    long long iterations = strtoll(digits, NULL, 10);
    if (iterations < ITERATIONS_LEAST || iterations > ITERATIONS_MOST) {
        snprintf(err->text, sizeof(err->text),
                 MQTT_SCRAM_METHOD ": the server asks for %lld iterations; %d to %d are taken here",
                 iterations, ITERATIONS_LEAST, ITERATIONS_MOST);
        return -EACCES;
    }
    free(scram->salt);
    scram->salt = NULL;
    if (PKCS5_PBKDF2_HMAC(scram->password, (int)strlen(scram->password), bytes, length,
                          (int)iterations, EVP_sha256(), MQTT_SCRAM_BYTES,
                          scram->salted_password) != 1)
        return no_memory(err);
    scram->salt = strdup(salt);
    return 0;
}

/* message: AuthMessage of RFC 5802 §3.  Writes the client's proof, and keeps what the server has to
 * answer. */
static int prove(struct mqtt_scram *scram, const char *message, char *ret_proof, struct mg_err *err)
{
    unsigned char client_key[MQTT_SCRAM_BYTES], stored_key[MQTT_SCRAM_BYTES];
    unsigned char signature[MQTT_SCRAM_BYTES], server_key[MQTT_SCRAM_BYTES];
    bool done = mac(scram->salted_password, "Client Key", client_key) &&
                SHA256(client_key, sizeof(client_key), stored_key) &&
                mac(stored_key, message, signature) &&
                mac(scram->salted_password, "Server Key", server_key) &&
                mac(server_key, message, scram->server_signature);
    for (size_t i = 0; done && i < MQTT_SCRAM_BYTES; i++)
        client_key[i] ^= signature[i];
    if (done)
        EVP_EncodeBlock((unsigned char *)ret_proof, client_key, sizeof(client_key));
    OPENSSL_cleanse(client_key, sizeof(client_key));
    OPENSSL_cleanse(stored_key, sizeof(stored_key));
    OPENSSL_cleanse(server_key, sizeof(server_key));
    return done ? 0 : no_memory(err);
}

/* server-first-message: r=NONCE,s=SALT,i=COUNT */
static int prove_to(struct mqtt_scram *scram, const char *challenge, struct mg_bytes *ret_answer,
                    struct mg_err *err)
{
    struct part rest = {challenge, strlen(challenge)}, nonce, salt, count;
    char proof[(MQTT_SCRAM_BYTES + 2) / 3 * 4 + 1];
    size_t mine = strlen(scram->nonce);
    if (*challenge == 'm')
        return refuse(err, "the server needs an extension that is not known here");
    if (!take_part(&rest, 'r', &nonce) || !take_part(&rest, 's', &salt) ||
        !take_part(&rest, 'i', &count))
        return refuse(err, "the server's challenge is not r=…,s=…,i=…");
    if (nonce.length <= mine || memcmp(nonce.at, scram->nonce, mine))
        return refuse(err, "the server's nonce does not continue ours");
    int rc = salt_password(scram, salt.at, salt, count, err);
    if (rc)
        return rc;
    char *without = printed("c=biws,r=%.*s", (int)nonce.length, nonce.at);
    char *message = without ? printed("%s,%s,%s", scram->first, challenge, without) : NULL;
    rc = message ? prove(scram, message, proof, err) : no_memory(err);
    char *answer = rc ? NULL : printed("%s,p=%s", without, proof);
    free(without);
    free(message);
    if (!answer)
        return rc ? rc : no_memory(err);
    scram->stage = SCRAM_FINAL_SENT;
    give_answer(scram, answer, ret_answer);
    return 0;
}

/* ---- the server's proof --------------------------------------------------------------------- */

/* server-final-message: v=SIGNATURE, or e=ERROR */
static int verify(struct mqtt_scram *scram, const char *last, struct mg_err *err)
{
    struct part rest = {last, strlen(last)}, value;
    unsigned char signature[MQTT_SCRAM_BYTES + 4];
    if (take_part(&rest, 'e', &value)) {
        snprintf(err->text, sizeof(err->text), MQTT_SCRAM_METHOD ": the server says %.*s",
                 (int)(value.length < 80 ? value.length : 80), value.at);
        return -EACCES;
    }
    if (scram->stage != SCRAM_FINAL_SENT || !take_part(&rest, 'v', &value) ||
        from_base64(value, signature, sizeof(signature)) != MQTT_SCRAM_BYTES ||
        CRYPTO_memcmp(signature, scram->server_signature, MQTT_SCRAM_BYTES))
        return refuse(err, "the server does not prove that it knows the password");
    scram->stage = SCRAM_VERIFIED;
    return 0;
}

/* As text, without NUL inside. */
static char *text_of(struct mg_bytes bytes)
{
    if (bytes.len > CHALLENGE_MOST || memchr(bytes.at, 0, bytes.len))
        return NULL;
    return strndup(bytes.at, bytes.len);
}

int mqtt_scram_answer(void *arg, struct mg_bytes challenge, struct mg_bytes *ret_answer,
                      struct mg_err *reterr)
{
    struct mqtt_scram *scram = arg;
    if (!challenge.at)
        return begin(scram, ret_answer, reterr);
    char *text = text_of(challenge);
    int rc;
    if (!text) {
        rc = refuse(reterr, "the server's challenge is no text, or too long");
    } else if (scram->stage == SCRAM_FIRST_SENT) {
        rc = prove_to(scram, text, ret_answer, reterr);
    } else {
        /* Its proof as a step of its own, before CONNACK: answered with nothing. */
        rc = verify(scram, text, reterr);
        *ret_answer = (struct mg_bytes){"", 0};
    }
    free(text);
    return rc;
}

int mqtt_scram_accepted(void *arg, struct mg_bytes last, struct mg_err *reterr)
{
    struct mqtt_scram *scram = arg;
    if (scram->stage == SCRAM_VERIFIED)
        return 0;
    char *text = last.at ? text_of(last) : NULL;
    int rc = text ? verify(scram, text, reterr)
                  : refuse(reterr, "the server does not prove that it knows the password");
    free(text);
    return rc;
}
