/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options_machine.c -- options of what the machine is: type, accelerator, CPUs, memory, firmware,
 * kernel and what to boot from.
 *
 * Spec: none; words and meanings are those of the PC emulators that users know.
 * Omits: nothing.
 * Threads: the main thread, before any other.
 */
#include "core/options_int.h"
#include "accel/accel.h"
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

const Field machine_args[] = {
    CONFIG(MachineArgs, type, .help = "Machine type."),
    CONFIG(MachineArgs, accel, .help = "Accelerators to try, separated by colons."),
    CONFIG_AS(MachineArgs, dump_guest_core, "dump-guest-core", .def = 1,
              .help = "RAM is in a core dump of the emulator."),
    CONFIG_AS(MachineArgs, memory_backend, "memory-backend",
              .help = "RAM is this -object memory-backend-..."),
    REST(MachineArgs, rest),
    FIELD_END
};
const Field accel_args[] = {
    CONFIG(AccelArgs, accel, .help = "Which."),
    REST(AccelArgs, rest),
    FIELD_END
};
const Field mem_args[] = {
    { .name = "size", .type = T_U64, .flags = F_CONFIG | F_MIB, .offset = 0, .count = 1, .min = 1,
      .max = 1ull << 46, .help = "How much." },
    FIELD_END
};
const Field smp_args[] = {
    CONFIG(SmpArgs, cpus, .min = 1, .max = 4096, .help = "How many."),
    CONFIG(SmpArgs, sockets, .min = 1, .max = 4096, .help = "Packages."),
    CONFIG(SmpArgs, dies, .min = 1, .max = 1, .help = "Dies in a package: one."),
    CONFIG(SmpArgs, cores, .min = 1, .max = 4096, .help = "Cores in a package."),
    CONFIG(SmpArgs, threads, .min = 1, .max = 4096, .help = "Threads in a core."),
    CONFIG(SmpArgs, maxcpus, .min = 1, .max = 4096,
           .help = "With those that could be added later: as many as cpus."),
    FIELD_END
};
static const char *const on_off[] = { "off", "on", NULL };
const Field name_args[] = {
    CONFIG(NameArgs, guest, .help = "The name."),
    CONFIG(NameArgs, process, .help = "Name of the process, as top shows it."),
    { .name = "debug-threads", .type = T_ENUM, .flags = F_CONFIG,
      .offset = offsetof(NameArgs, threads), .count = 1, .aux = on_off,
      .help = "Accepted: threads always have names." },
    FIELD_END
};
const Field boot_args[] = {
    CONFIG(BootArgs, order, .help = "Letters, in the order they are tried."),
    CONFIG(BootArgs, once, .help = "The same for the first boot only."),
    CONFIG(BootArgs, menu, .help = "The firmware offers a menu."),
    CONFIG(BootArgs, strict, .help = "Try nothing that order does not name."),
    CONFIG_AS(BootArgs, splash_time, "splash-time", .max = 65535,
              .help = "How long the menu waits, in ms."),
    CONFIG_AS(BootArgs, reboot_timeout, "reboot-timeout", .def = (uint64_t)-2, .min = (uint64_t)-2,
              .max = 65535, .help = "Try again after this many ms when nothing starts; -1: never."),
    FIELD_END
};
const Field fw_cfg_args[] = {
    CONFIG(FwCfgArgs, name, .help = "As the guest sees it, for instance opt/org.example/x."),
    CONFIG(FwCfgArgs, file, .help = "Contents: of this file."),
    CONFIG(FwCfgArgs, string, .help = "Contents: this text."),
    FIELD_END
};

/* ---- machine, CPU, memory ---- */

static void add_accel(Machine *m, const char *name, GPtrArray *rest)
{
    OptAccel *a = g_new0(OptAccel, 1);

    a->name = g_strdup(name);
    a->rest = rest;
    g_ptr_array_add(m->options->raw->accels, a);
}

static void add_accels(Machine *m, const char *names)
{
    g_auto(GStrv) list = g_strsplit(names, ":", -1);

    for (char **p = list; *p; p++) {
        add_accel(m, *p, NULL);
    }
}

bool opt_machine(Machine *m, void *args, Reply *reply, GError **err)
{
    MachineArgs *a = args;

    if (a->type && !strcmp(a->type, "help")) {
        printf("Machines:\n");
        for (const MachineClass *const *c = machine_classes; *c; c++) {
            printf("  %-16s %s%s\n", (*c)->name, (*c)->desc,
                   c == machine_classes ? " (default)" : "");
        }
        m->options->raw->exit_now = true;
        return true;
    }
    if (a->type) {
        option_take(&m->options->raw->machine_type, &a->type);
    }
    m->options->no_core |= !a->dump_guest_core;
    if (a->memory_backend) {
        option_take(&m->options->memory_backend, &a->memory_backend);
    }
    if (a->accel) {
        add_accels(m, a->accel);
    }
    if (a->rest) {
        if (!m->options->machine_props) {
            m->options->machine_props = g_steal_pointer(&a->rest);
        } else {
            g_ptr_array_extend_and_steal(m->options->machine_props, g_steal_pointer(&a->rest));
        }
    }
    return true;
}

bool opt_enable_kvm(Machine *m, void *args, Reply *reply, GError **err)
{
    add_accel(m, "kvm", NULL);
    return true;
}

bool opt_accel(Machine *m, void *args, Reply *reply, GError **err)
{
    AccelArgs *a = args;

    if (!a->accel) {
        return fail(err, "-accel: say which, for instance -accel dbt");
    }
    if (!strcmp(a->accel, "help")) {
        printf("Accelerators:\n");
        for (const AccelOps *const *c = accels; *c; c++) {
            g_autoptr(GError) why = NULL;
            printf("  %-8s %s\n", (*c)->name, (*c)->desc);
            if ((*c)->probe && !(*c)->probe(&why)) {
                printf("           not on this host: %s\n", why->message);
            }
        }
        m->options->raw->exit_now = true;
        return true;
    }
    if (strchr(a->accel, ':')) {
        if (a->rest) {
            return fail(err, "-accel %s: with properties, give one -accel for each", a->accel);
        }
        add_accels(m, a->accel);
    } else {
        add_accel(m, a->accel, g_steal_pointer(&a->rest));
    }
    return true;
}

bool opt_cpu(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->raw->cpu, &((TextArgs *)args)->value);
    return true;
}

bool opt_m(Machine *m, void *args, Reply *reply, GError **err)
{
    m->options->raw->ram_bytes = ((MemArgs *)args)->size;
    return true;
}

bool opt_smp(Machine *m, void *args, Reply *reply, GError **err)
{
    SmpArgs *a = args;
    OptRaw  *r = m->options->raw;

    r->cpus = a->cpus;
    r->sockets = a->sockets;
    r->cores = a->cores;
    r->threads = a->threads;
    r->max_cpus = a->maxcpus;
    return true;
}

bool opt_name(Machine *m, void *args, Reply *reply, GError **err)
{
    const NameArgs *a = args;

    if (a->process) {
        prctl(PR_SET_NAME, a->process);
    }
    if (a->guest) {
        option_take(&m->options->name, &((NameArgs *)args)->guest);
    }
    return true;
}

bool opt_uuid(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!g_uuid_string_is_valid(option_text(args))) {
        return fail(err, "-uuid %s: is no UUID; write it as 8-4-4-4-12 hexadecimal digits",
                    option_text(args));
    }
    option_take(&m->options->uuid, &((TextArgs *)args)->value);
    return true;
}

/* ---- firmware and kernel ---- */

bool opt_bios(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->bios, &((TextArgs *)args)->value);
    return true;
}

bool opt_L(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!g_file_test(option_text(args), G_FILE_TEST_IS_DIR)) {
        return fail(err, "-L %s: there is no such folder", option_text(args));
    }
    g_ptr_array_add(m->options->firmware_dirs, g_strdup(option_text(args)));
    return true;
}

bool opt_kernel(Machine *m, void *args, Reply *reply, GError **err)
{
    if (!file_readable("-kernel", option_text(args), false, err)) {
        return false;
    }
    option_take(&m->options->kernel, &((TextArgs *)args)->value);
    return true;
}

bool opt_initrd(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->initrd, &((TextArgs *)args)->value);
    return true;
}

bool opt_append(Machine *m, void *args, Reply *reply, GError **err)
{
    option_take(&m->options->append, &((TextArgs *)args)->value);
    return true;
}

static bool boot_letters(const char *key, const char *letters, GError **err)
{
    for (const char *p = letters; p && *p; p++) {
        if (*p < 'a' || *p > 'p') {
            return fail(err, "-boot %s=%s: \"%c\" is no boot device; there are a, c, d and n", key,
                        letters, *p);
        }
        if (strchr(p + 1, *p)) {
            return fail(err, "-boot %s=%s: \"%c\" is there twice", key, letters, *p);
        }
    }
    return true;
}

bool opt_boot(Machine *m, void *args, Reply *reply, GError **err)
{
    struct Options *o = m->options;
    BootArgs       *a = args;

    if (!boot_letters("order", a->order, err) || !boot_letters("once", a->once, err)) {
        return false;
    }
    if (a->order) {
        option_take(&o->boot_order, &a->order);
    }
    if (a->once) {
        option_take(&o->boot_once, &a->once);
    }
    o->boot_menu |= a->menu;
    o->boot_strict |= a->strict;
    if (a->splash_time) {
        o->boot_splash_ms = a->splash_time;
    }
    if (a->reboot_timeout != -2) {
        o->boot_fail_set = true;
        o->boot_fail_ms = (uint32_t)a->reboot_timeout;
    }
    return true;
}

bool opt_fw_cfg(Machine *m, void *args, Reply *reply, GError **err)
{
    FwCfgArgs *a = args;
    OptFwCfg  *f;

    if (!a->name || !a->file == !a->string) {
        return fail(err, "-fw_cfg: needs name=, and one of file= and string=");
    }
    if (strlen(a->name) > 55) {
        return fail(err, "-fw_cfg name=%s: longer than 55 bytes", a->name);
    }
    if (a->file && !file_readable("-fw_cfg", a->file, false, err)) {
        return false;
    }
    f = g_new0(OptFwCfg, 1);
    f->name = g_steal_pointer(&a->name);
    f->file = g_steal_pointer(&a->file);
    f->string = g_steal_pointer(&a->string);
    g_ptr_array_add(m->options->fw_cfg, f);
    return true;
}
