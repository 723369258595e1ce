/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the store on their way, and back. */
#include "admin/flight.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct flight {
    struct gw_store_dead_op op;
    struct gw_flights *flights;
    void *record;
    struct flight *next; /* landed before */
};

struct gw_flights {
    struct gw_store *store;
    pthread_mutex_t lock; /* protects all below */
    void (*wake)(void *arg);
    void *arg;
    size_t count;
    bool left;
    struct flight *first, *last; /* landed */
};

struct gw_flights *gw_flights_create(struct gw_store *store, void (*wake)(void *arg), void *arg)
{
    struct gw_flights *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->store = store;
    f->wake = wake;
    f->arg = arg;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

static void flight_free(struct flight *flight)
{
    free(flight->record);
    free(flight);
}

static void flights_free(struct gw_flights *f)
{
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void gw_flights_leave(struct gw_flights *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->left = true;
    for (struct flight *flight = f->first, *next; flight; flight = next) {
        next = flight->next;
        flight_free(flight);
        f->count--;
    }
    f->first = f->last = NULL;
    bool empty = !f->count;
    pthread_mutex_unlock(&f->lock);
    if (empty)
        flights_free(f);
}

static void landed(struct gw_store_op *op)
{
    struct flight *flight = (struct flight *)op;
    struct gw_flights *f = flight->flights;
    bool gone = false;
    pthread_mutex_lock(&f->lock);
    if (f->left) {
        gone = !--f->count;
        flight_free(flight);
    } else {
        flight->next = NULL;
        *(f->last ? &f->last->next : &f->first) = flight;
        f->last = flight;
        /* Under the lock, so that no wake comes after gw_flights_leave has returned. */
        if (f->wake)
            f->wake(f->arg);
    }
    pthread_mutex_unlock(&f->lock);
    if (gone)
        flights_free(f);
}

int gw_flights_dead(struct gw_flights *f, uint64_t id, uint32_t action, void *record,
                    size_t record_length)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (!flight)
        return -ENOMEM;
    gw_store_dead_op_init(&flight->op, id, action);
    flight->flights = f;
    flight->record = record;
    flight->op.record = record;
    flight->op.record_length = record_length;
    flight->op.op.done = landed;
    pthread_mutex_lock(&f->lock);
    f->count++;
    pthread_mutex_unlock(&f->lock);
    gw_store_submit(f->store, &flight->op.op, &flight->op.op);
    return 0;
}

size_t gw_flights_count(struct gw_flights *f)
{
    pthread_mutex_lock(&f->lock);
    size_t count = f->count;
    pthread_mutex_unlock(&f->lock);
    return count;
}

bool gw_flights_take(struct gw_flights *f, struct gw_landed *ret_landed)
{
    pthread_mutex_lock(&f->lock);
    struct flight *flight = f->first;
    if (flight) {
        f->first = flight->next;
        f->last = f->first ? f->last : NULL;
        f->count--;
    }
    pthread_mutex_unlock(&f->lock);
    if (!flight)
        return false;
    ret_landed->id = flight->op.id;
    ret_landed->result = flight->op.op.error ? flight->op.op.error : flight->op.result;
    flight_free(flight);
    return true;
}
