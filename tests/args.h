/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.h -- the command line of a test program: a table of one-letter options, each with the
 * variable that it sets.
 *
 *     const Arg args[] = { ARG('s', seed, "SEED"), ARG('v', verbose, NULL), ARGS_END };
 *     if (!args_parse(argc, argv, args)) { return 2; }
 *
 * What is wrong is said on stderr with all options.  What follows them begins at argv[optind].
 */
#ifndef TESTS_ARGS_H
#define TESTS_ARGS_H
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef enum { ARG_BOOL, ARG_TEXT, ARG_INT, ARG_UINT, ARG_I64, ARG_U64, ARG_DOUBLE } ArgType;
typedef struct Arg {
    char        letter;
    ArgType     type;
    void       *to;
    const char *value;                /* what usage calls it; NULL: it has none */
} Arg;
#define ARG_TYPE(x) _Generic((x), bool: ARG_BOOL, const char *: ARG_TEXT, int: ARG_INT, \
                             unsigned: ARG_UINT, int64_t: ARG_I64, uint64_t: ARG_U64, \
                             double: ARG_DOUBLE)
#define ARG(c, x, val) { .letter = (c), .type = ARG_TYPE(x), .to = &(x), .value = (val) }
#define ARGS_END       { .letter = 0 }

static inline bool arg_set(const Arg *a, const char *text)
{
    char    *end = NULL;
    int64_t  i;
    uint64_t u;
    double   d;

    switch (a->type) {
    case ARG_BOOL: *(bool *)a->to = true; return true;
    case ARG_TEXT: *(const char **)a->to = text; return true;
    case ARG_DOUBLE:
        d = strtod(text, &end);
        *(double *)a->to = d;
        return end != text && !*end && d >= 0;
    default:
        break;
    }
    errno = 0;
    i = strtoll(text, &end, 0);
    u = strtoull(text, NULL, 0);
    if (end == text || *end) {
        return false;
    }
    switch (a->type) {
    case ARG_INT:  *(int *)a->to = (int)i; return i == (int)i;
    case ARG_UINT: *(unsigned *)a->to = (unsigned)u; return i >= 0 && u == (unsigned)u;
    case ARG_I64:  *(int64_t *)a->to = i; return !errno;
    default:       *(uint64_t *)a->to = u; return *text != '-';
    }
}

static inline bool args_parse(int argc, char **argv, const Arg *args)
{
    char letters[64], *p = letters;
    int  c;

    for (const Arg *a = args; a->letter; a++) {
        *p++ = a->letter;
        if (a->value) {
            *p++ = ':';
        }
    }
    *p = 0;
    while ((c = getopt(argc, argv, letters)) != -1) {
        const Arg *a = args;
        while (a->letter && a->letter != c) {
            a++;
        }
        if (!a->letter || !arg_set(a, optarg)) {
            fprintf(stderr, "%s:%s", argv[0], a->letter ? " not a number that fits; options:" : "");
            for (a = args; a->letter; a++) {
                fprintf(stderr, a->value ? " [-%c %s]" : " [-%c]", a->letter, a->value);
            }
            fprintf(stderr, "\n");
            return false;
        }
    }
    return true;
}
#endif
