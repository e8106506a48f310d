/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compiler.h -- what is said to the compiler and its sanitizers.
 *
 * order_publish(at) and order_arrive(at) state an order that ThreadSanitizer cannot see, because
 * generated code makes it: what a thread did before the first is there for a thread that runs the
 * second.  They are nothing in other builds.
 */
#ifndef CORE_COMPILER_H
#define CORE_COMPILER_H
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *at);
void __tsan_release(void *at);
#define order_publish(at) __tsan_release((void *)(uintptr_t)(at))
#define order_arrive(at)  __tsan_acquire((void *)(uintptr_t)(at))
#else
#define order_publish(at) ((void)(at))
#define order_arrive(at)  ((void)(at))
#endif
#endif
