/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * object.h -- what -object and object-add make: things that devices and back ends refer to by id.
 *
 * A kind is a file in core/objects/ with an ObjectClass NAME_object, and a line in
 * core/objects/objects.def.
 *
 * Threads: the main context with the machine lock.
 */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H
#include "core/machine.h"

typedef struct ObjectClass ObjectClass;
typedef struct Object {
    const ObjectClass *class;
    char              *id;
    Machine           *machine;
    unsigned           users;         /* as long as there are any, object-del refuses */
} Object;

struct ObjectClass {
    const char  *name, *desc;         /* "-object NAME" */
    /* what others ask for: "rng", "secret", "tls-creds", "memory-backend" */
    const char  *kind;
    size_t       size;                /* of the instance; Object is its first member */
    const Field *fields;
    bool       (*create)(void *obj, GError **err);      /* optional; the fields are set */
    void       (*destroy)(void *obj); /* optional; also after a create that failed */
};
typedef struct ObjectArgs {           /* of -object and object-add */
    char      *type, *id;
    GPtrArray *rest;                  /* OptPair */
} ObjectArgs;
extern const Field object_add_args[];

extern const ObjectClass *const object_classes[];       /* NULL-terminated */
const ObjectClass *object_class_find(const char *name);

/* props: OptPair */
Object *object_new(Machine *m, const char *type, const char *id, const GPtrArray *props,
                   GError **err);
bool    object_del(Machine *m, const char *id, GError **err);
/* kind NULL: any; NULL: there is none */
void   *object_find(Machine *m, const char *kind, const char *id);
void    objects_init(Machine *m);
void    objects_free(Machine *m);     /* all of them, at the end */
/* A secret's bytes, 0-terminated besides; the caller frees them. */
char   *secret_bytes(Machine *m, const char *id, size_t *n, GError **err);
/* An rng object's source: n bytes; false: none to be had now. */
bool    rng_read(void *rng, void *buf, size_t n);
#endif
