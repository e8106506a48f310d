/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c -- what the command line means, and the one line that says what is wrong with it. */
#include "tests/unit/unit.h"
#include <stdio.h>
#include <unistd.h>

static Machine *m;
static char     disk[] = "/tmp/ryokan-test-XXXXXX";

static bool parse(GError **err, ...)
{
    char   *argv[32] = { "ryokan" };
    int     argc = 1;
    bool    now = false;
    va_list ap;

    va_start(ap, err);
    while ((argv[argc] = va_arg(ap, char *))) {
        argc++;
    }
    va_end(ap);
    m = machine_new();
    return options_parse(m, argc, argv, &now, err);
}

static void make_disk(void)
{
    close(g_mkstemp(disk));
}

START_TEST(options_machine)
{
    struct Options *o;

    ck_ok(parse(&e_, "-machine", "pc,accel=tcg", "-m", "1G", "-smp", "4,cores=2", "-cpu",
                "max,+x2apic,-sse4.2,popcnt=on", "-name", "guest=a,,b", "-uuid",
                "12345678-1234-1234-1234-123456789abc", "-nographic", "-no-reboot", NULL));
    o = m->options;
    ck_assert_uint_eq(m->ram_bytes, 1u << 30);
    ck_assert(m->n_cpus == 4 && o->sockets == 2 && o->cores == 2 && o->threads == 1);
    ck_assert_str_eq(o->cpu_model, "max");
    ck_assert_uint_eq(o->cpu_props->len, 3);
    ck_assert_str_eq(((OptPair *)o->cpu_props->pdata[1])->key, "sse4.2");
    ck_assert_str_eq(((OptPair *)o->cpu_props->pdata[1])->val, "off");
    ck_assert_str_eq(m->name, "a,b");
    ck_assert_str_eq(o->accel->name, "dbt");
    ck_assert(m->no_reboot && o->nographic && o->serial[0] && chr_is_mux(o->serial[0]) &&
              o->n_monitors == 1);
    ck_assert(!o->serial[1] && o->vga == VGA_STD);
}
END_TEST

START_TEST(options_drives)
{
    struct Options *o;
    char            spec[64];

    make_disk();
    snprintf(spec, sizeof(spec), "file=%s,if=ide,format=raw", disk);
    ck_ok(parse(&e_, "-drive", spec, "-hdb", disk, "-cdrom", disk, "-drive", spec, "-snapshot",
                NULL));
    o = m->options;
    ck_assert_uint_eq(o->drives->len, 5);
    ck_assert_int_eq(((OptDrive *)o->drives->pdata[0])->index, 0);
    ck_assert_int_eq(((OptDrive *)o->drives->pdata[1])->index, 1);
    ck_assert_int_eq(((OptDrive *)o->drives->pdata[2])->index, 2);
    ck_assert_int_eq(((OptDrive *)o->drives->pdata[3])->index, 3);
    ck_assert_int_eq(((OptDrive *)o->drives->pdata[3])->bus, 1);
    ck_assert(((OptDrive *)o->drives->pdata[0])->snapshot &&
              ((OptDrive *)o->drives->pdata[2])->readonly);
    /* a bare word is the first disk; and empty CD-ROM and floppy drives come with it */
    ck_ok(parse(&e_, disk, NULL));
    o = m->options;
    ck_assert(o->drives->len == 3 && ((OptDrive *)o->drives->pdata[1])->media == MEDIA_CDROM);
    snprintf(spec, sizeof(spec), "file=%s,if=none,id=d0", disk);
    ck_ok(parse(&e_, "-nodefaults", "-drive", spec, NULL));
    ck_assert(m->options->drives->len == 1 && options_drive(m, "d0")->index == -1 &&
              !m->options->serial[0]);
    unlink(disk);
}
END_TEST

START_TEST(options_rest)
{
    struct Options *o;

    ck_ok(parse(&e_, "-append", "a=b,c d", "-kernel", "/proc/self/exe", "-boot", "order=dc,menu=on",
                "-rtc", "base=2006-06-17T16:01:21,clock=vm", "-serial", "null", "-serial", "none",
                "-serial", "null", "-device", "isa-debug-exit,id=t,iobase=0x501", "-chardev",
                "null,id=c0", "-debugcon", "chardev:c0", NULL));
    o = m->options;
    ck_assert_str_eq(o->append, "a=b,c d");
    ck_assert_str_eq(o->boot_order, "dc");
    ck_assert(o->boot_menu && o->rtc_base_s == 1150560081 && o->rtc_clock == TIME_GUEST);
    ck_assert(o->serial[0] && !o->serial[1] && o->serial[2] && o->debugcon == chr_find(m, "c0"));
    ck_assert_uint_eq(o->devices->len, 1);
}
END_TEST

#define BAD(part, ...)                                                                             \
    do {                                                                                           \
        GError *e_ = NULL;                                                                         \
        ck_assert_msg(!parse(&e_, __VA_ARGS__, NULL), "%s was taken", part);                       \
        ck_assert_msg(strstr(e_->message, part) && !strchr(e_->message, '\n'), "said: %s",         \
                      e_->message);                                                                \
    } while (0)

START_TEST(options_bad)
{
    BAD("-frobnicate: no such option", "-frobnicate");
    BAD("-icount: this option is not supported yet", "-icount", "x");
    BAD("needs an argument", "-m");
    BAD("-m 0M: machine", "-m", "1k");
    BAD("-m 16777216M: machine", "-m", "16T");
    BAD("0 to 65535", "-device", "isa-debug-exit,iobase=99999999999");
    BAD("there is no property \"colour\"", "-device", "isa-debug-exit,colour=1");
    BAD("there is no such device", "-device", "frob");
    BAD("cannot open it", "-kernel", "/nonexistent");
    BAD("is a folder", "-kernel", "/tmp");
    BAD("cannot open it", "-drive", "file=/nonexistent");
    BAD("there is no property \"fiel\"", "-drive", "fiel=/nonexistent");
    BAD("goes with a -kernel", "-append", "x");
    BAD("1 to", "-smp", "999");
    BAD("another number", "-smp", "3,sockets=1,cores=2");
    BAD("say which back end", "-nic", "model=e1000");
    BAD("this id is taken", "-netdev", "user,id=a", "-netdev", "user,id=a");
    BAD("add -net nic", "-net", "user");
    BAD("no such machine", "-M", "vax");
    BAD("no such accelerator", "-accel", "magic");
    BAD("is no UUID", "-uuid", "x");
    BAD("is no boot device", "-boot", "z");
    BAD("not found", "-bios", "no-such-firmware.bin");
    BAD("no -chardev with this id", "-serial", "chardev:nope");
    BAD("in use already", "-serial", "stdio", "-monitor", "stdio");
    BAD("no such log item", "-d", "frob");
    BAD("4 serial ports", "-serial", "null", "-serial", "null", "-serial", "null", "-serial",
        "null", "-serial", "null");
}
END_TEST

Suite *suite_options(void)
{
    Suite *s = suite_create("options");

    ADD(s, options_machine);
    ADD(s, options_drives);
    ADD(s, options_rest);
    ADD(s, options_bad);
    return s;
}
