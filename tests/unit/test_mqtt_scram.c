/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM-SHA-256 by the example of RFC 7677 §3, and what must not pass. */
#include "../../bridges/mqtt/mqtt_scram.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NONCE     "rOprNGfwEbeRWgbNEkqO"
#define BOTH      NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define CHALLENGE "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define PROOF     "c=biws,r=" BOTH ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define VERIFIER  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static struct mqtt_scram scram;
static struct mg_err err;

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

static void begin(const char *user, const char *first)
{
    struct mg_bytes answer = {NULL, 0};
    mqtt_scram_init(&scram, user, "pencil");
    CU_ASSERT_EQUAL_FATAL(mqtt_scram_begin(&scram, NONCE, &answer), 0);
    CU_ASSERT_TRUE(answer.len == strlen(first) && !memcmp(answer.at, first, answer.len));
}

static bool answers(const char *challenge, const char *expected)
{
    struct mg_bytes answer = {NULL, 0};
    int rc = mqtt_scram_answer(&scram, bytes(challenge), &answer, &err);
    if (!expected)
        return rc == -EACCES && err.text[0];
    return !rc && answer.len == strlen(expected) && !memcmp(answer.at, expected, answer.len);
}

static void the_example_of_rfc_7677_passes(void)
{
    begin("user", "n,,n=user,r=" NONCE);
    CU_ASSERT_TRUE(answers(CHALLENGE, PROOF));
    CU_ASSERT_EQUAL(mqtt_scram_accepted(&scram, bytes(VERIFIER), &err), 0);
    /* A second exchange uses what the first has worked out. */
    struct mg_bytes answer;
    CU_ASSERT_EQUAL(mqtt_scram_begin(&scram, NONCE, &answer), 0);
    CU_ASSERT_TRUE(answers(CHALLENGE, PROOF));
    /* The server's proof may also come as a step of its own. */
    CU_ASSERT_TRUE(answers(VERIFIER, ""));
    CU_ASSERT_EQUAL(mqtt_scram_accepted(&scram, (struct mg_bytes){NULL, 0}, &err), 0);
    mqtt_scram_fini(&scram);
}

static void a_server_that_does_not_know_the_password_is_given_up(void)
{
    static const char *const lasts[] = {
        "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjk=",
        "v=",
        "",
        "e=invalid-proof",
    };
    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        begin("user", "n,,n=user,r=" NONCE);
        CU_ASSERT_TRUE(answers(CHALLENGE, PROOF));
        CU_ASSERT_EQUAL(mqtt_scram_accepted(&scram, bytes(lasts[i]), &err), -EACCES);
        mqtt_scram_fini(&scram);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "invalid-proof"));
    begin("user", "n,,n=user,r=" NONCE);
    /* Accepted without any exchange, and with a proof that was never asked for. */
    CU_ASSERT_EQUAL(mqtt_scram_accepted(&scram, (struct mg_bytes){NULL, 0}, &err), -EACCES);
    CU_ASSERT_EQUAL(mqtt_scram_accepted(&scram, bytes(VERIFIER), &err), -EACCES);
    mqtt_scram_fini(&scram);
}

static void bad_challenges_are_refused(void)
{
    static const char *const challenges[] = {
        "",
        "r=",
        "m=x," CHALLENGE,
        "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",             /* adds nothing */
        "r=x" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",             /* is not ours */
        "r=" BOTH ",i=4096",                                         /* no salt */
        "r=" BOTH ",s=,i=4096",                                      /* an empty one */
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ=,i=4096",               /* no base 64 */
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",              /* too weak */
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100001",            /* too long a sum */
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999", /* likewise */
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=" BOTH ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
    };
    for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
        begin("user", "n,,n=user,r=" NONCE);
        if (!answers(challenges[i], NULL)) {
            fprintf(stderr, "taken: %s\n", challenges[i]);
            CU_FAIL();
        }
        mqtt_scram_fini(&scram);
    }
    begin("user", "n,,n=user,r=" NONCE);
    struct mg_bytes answer;
    CU_ASSERT_EQUAL(mqtt_scram_answer(&scram, (struct mg_bytes){"r=\0", 3}, &answer, &err),
                    -EACCES);
    mqtt_scram_fini(&scram);
}

static void the_users_name_is_escaped(void)
{
    begin("a=b,c", "n,,n=a=3Db=2Cc,r=" NONCE);
    mqtt_scram_fini(&scram);
}

static void each_exchange_has_a_nonce_of_its_own(void)
{
    struct mg_bytes answer;
    char first[80];
    mqtt_scram_init(&scram, "user", "pencil");
    CU_ASSERT_EQUAL(mqtt_scram_answer(&scram, (struct mg_bytes){NULL, 0}, &answer, &err), 0);
    CU_ASSERT_EQUAL_FATAL(answer.len, strlen("n,,n=user,r=") + 32);
    memcpy(first, answer.at, answer.len);
    CU_ASSERT_EQUAL(mqtt_scram_answer(&scram, (struct mg_bytes){NULL, 0}, &answer, &err), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(first, answer.at, answer.len), 0);
    mqtt_scram_fini(&scram);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_example_of_rfc_7677_passes)},
        {KIT_TEST(a_server_that_does_not_know_the_password_is_given_up)},
        {KIT_TEST(bad_challenges_are_refused)},
        {KIT_TEST(the_users_name_is_escaped)},
        {KIT_TEST(each_exchange_has_a_nonce_of_its_own)},
        {NULL, NULL},
    };
    return kit_main("mqtt-scram", tests);
}
