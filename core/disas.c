/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disas.c -- machine code as text, by libcapstone, which is loaded when somebody asks for the first
 * time.
 *
 * Linked in the usual way it would cost each start 77,000 relocations, which is most of them, and 2
 * MiB.
 *
 * Omits: other architectures than x86.
 * Threads: any.
 */
#include "core/disas.h"
#ifdef CONFIG_CAPSTONE
#include <capstone/capstone.h>
#include <dlfcn.h>

typedef struct Capstone {
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    cs_err (*close)(csh *handle);
    size_t (*disasm)(csh handle, const uint8_t *code, size_t n, uint64_t pc, size_t count,
                     cs_insn **insn);
    void   (*free)(cs_insn *insn, size_t count);
} Capstone;

static void *load(void *arg)
{
    (void)arg;
    g_autofree char *name = g_strdup_printf("libcapstone.so.%d", CS_API_MAJOR);
    void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        return NULL;
    }
    Capstone *c = g_new0(Capstone, 1);
    *(void **)&c->open = dlsym(lib, "cs_open");
    *(void **)&c->close = dlsym(lib, "cs_close");
    *(void **)&c->disasm = dlsym(lib, "cs_disasm");
    *(void **)&c->free = dlsym(lib, "cs_free");
    if (!c->open || !c->close || !c->disasm || !c->free) {
        dlclose(lib);
        g_clear_pointer(&c, g_free);
    }
    return c;
}

static const Capstone *capstone(void)
{
    static GOnce once = G_ONCE_INIT;    /* a library is loaded once a process */

    return g_once(&once, load, NULL);
}

bool disas_available(void)
{
    return capstone() != NULL;
}

unsigned disas_x86(unsigned bits, uint64_t pc, const uint8_t *code, size_t n, GString *out)
{
    const Capstone *c = capstone();
    cs_insn        *insn = NULL;
    unsigned        bytes = 0;
    csh             h;

    if (!c || c->open(CS_ARCH_X86,
                      bits == 64   ? CS_MODE_64
                      : bits == 32 ? CS_MODE_32
                                   : CS_MODE_16,
                      &h) != CS_ERR_OK) {
        return 0;
    }
    if (c->disasm(h, code, n, pc, 1, &insn)) {
        g_string_append_printf(out, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "",
                               insn->op_str);
        bytes = insn->size;
        c->free(insn, 1);
    }
    c->close(&h);
    return bytes;
}
#else
bool disas_available(void)
{
    return false;
}

unsigned disas_x86(unsigned bits, uint64_t pc, const uint8_t *code, size_t n, GString *out)
{
    (void)bits, (void)pc, (void)code, (void)n, (void)out;
    return 0;
}
#endif
