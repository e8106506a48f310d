/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tsan.h -- included before every file of a MODE=tsan build: tells ThreadSanitizer what glib's
 * locks and thread pools order, since glib itself is not instrumented and its locks are no pthread
 * mutexes.
 */
#ifndef TESTS_TSAN_H
#define TESTS_TSAN_H
#include <glib.h>
void __tsan_acquire(void *at);
void __tsan_release(void *at);

static inline void tsan_mutex_lock(GMutex *m)
{
    g_mutex_lock(m);
    __tsan_acquire(m);
}

static inline void tsan_mutex_unlock(GMutex *m)
{
    __tsan_release(m);
    g_mutex_unlock(m);
}

static inline void tsan_cond_wait(GCond *c, GMutex *m)
{
    __tsan_release(m);
    g_cond_wait(c, m);
    __tsan_acquire(m);
}

static GFunc tsan_pool_func __attribute__((unused));

static inline void tsan_pool_run(gpointer data, gpointer arg)
{
    __tsan_acquire(data);
    tsan_pool_func(data, arg);
}

static inline GThreadPool *tsan_pool_new(GFunc func, gpointer arg, gint max, gboolean exclusive,
                                         GError **err)
{
    tsan_pool_func = func;
    return g_thread_pool_new(tsan_pool_run, arg, max, exclusive, err);
}

static inline gboolean tsan_pool_push(GThreadPool *pool, gpointer data, GError **err)
{
    __tsan_release(data);
    return g_thread_pool_push(pool, data, err);
}

#define g_mutex_lock(m)             tsan_mutex_lock(m)
#define g_mutex_unlock(m)           tsan_mutex_unlock(m)
#define g_cond_wait(c, m)           tsan_cond_wait(c, m)
#define g_thread_pool_new(...)      tsan_pool_new(__VA_ARGS__)
#define g_thread_pool_push(p, d, e) tsan_pool_push(p, d, e)
#endif
