/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * life.c -- machines made, run and freed one after the other in one process: the firmware starts a
 * boot sector that ends the machine by isa-debug-exit.  Each ends with the status that the sector
 * wrote, and leaves no descriptor, no thread and, over MEMORY_FROM machines and more, no memory:
 * what the process has of the host's stays as it was after the first fifth.
 *
 * Usage: life [TIMES [ENGINE]]; ENGINE kvm: under -accel kvm
 * Spec: none.
 * Omits: a few bytes a machine that are not given back: a MODE=asan build says.
 * Threads: those of the machines.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "accel/accel.h"
#include "core/chardev.h"
#include "core/options.h"
#include "core/vcpu.h"
#include "tests/machine.h"

static unsigned entries(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return n;
}

enum { MEMORY_FROM = 40, MEMORY_MORE_KIB = 3072 };

/*
 * KiB that the process has of the host's memory, its files apart; what malloc only keeps has been
 * returned.
 */
static unsigned resident(void)
{
    malloc_trim(0);
    FILE *f = fopen("/proc/self/status", "r");
    char line[200];
    unsigned kib = 0;

    while (f && fgets(line, sizeof line, f)) {
        if (g_str_has_prefix(line, "RssAnon:")) {
            kib = (unsigned)atoi(line + 8);
        }
    }
    if (f) {
        fclose(f);
    }
    return kib;
}

/* 7C00: mov al, status; out 0xf4, al; hlt */
static char *disk_make(void)
{
    static const uint8_t code[] = { 0xb0, 0, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd };
    static uint8_t disk[1 << 20];       /* a few cylinders: the firmware reads by CHS */
    char *path = NULL;
    int fd = g_file_open_tmp("life-XXXXXX", &path, NULL);

    memcpy(disk, code, sizeof code);
    disk[510] = 0x55;
    disk[511] = 0xaa;
    if (fd < 0 || write(fd, disk, sizeof disk) != sizeof disk) {
        perror("life");
        exit(1);
    }
    close(fd);
    return path;
}

static void disk_status(const char *path, uint8_t status)
{
    FILE *f = fopen(path, "r+b");

    if (!f || fseek(f, 1, SEEK_SET) || fputc(status, f) == EOF || fclose(f)) {
        perror("life");
        exit(1);
    }
}

static bool build(Machine *m, const char *engine, const char *disk, GError **err)
{
    bool kvm = !strcmp(engine, "kvm");
    g_autofree char *accel = kvm ? g_strdup("kvm") : g_strdup_printf("dbt,engine=%s", engine);
    g_autofree char *drive = g_strdup_printf("file=%s,format=raw,if=ide", disk);
    const char *argv[] = {
        "life", "-accel", accel, "-m", "32", "-smp", "2", "-display", "none", "-serial", "none",
        "-monitor", "none", "-drive", drive, "-nic", "none",
        "-device", "isa-debug-exit,iobase=0xf4,iosize=1", NULL,
    };

    return machine_from(m, argv, err) && chr_open_all(m, err) && machine_start(m, err);
}

static int run_once(const char *engine, const char *disk)
{
    Machine *m = machine_new();
    GError *err = NULL;
    int status = -1;

    if (build(m, engine, disk, &err)) {
        machine_cont(m);
        status = machine_run(m);
        machine_stop(m);
    } else {
        printf("not ok life: %s\n", err->message);
        exit(1);
    }
    machine_done(m);
    return status;
}

int main(int argc, char **argv)
{
    unsigned times = argc > 1 ? (unsigned)atoi(argv[1]) : 4, wrong = 0, fds = 0, tasks = 0, kib = 0;
    g_autofree char *disk = disk_make();

    for (unsigned i = 0; i < times; i++) {
        uint8_t want = (uint8_t)(i * 7);
        disk_status(disk, want);
        int got = run_once(argc > 2 ? argv[2] : i % 4 == 3 ? "interp" : "native", disk);
        if (got != (want << 1 | 1)) {
            printf("# run %u: status %d, want %d\n", i, got, want << 1 | 1);
            wrong++;
        }
        if (i == 1) {                   /* by now what glib keeps for itself is there */
            fds = entries("/proc/self/fd");
            tasks = entries("/proc/self/task");
        }
        kib = i == times / 5 ? resident() : kib;
    }
    unlink(disk);
    usleep(200000);                     /* a pool's threads may still be on their way out */
    unsigned fds_end = entries("/proc/self/fd"), tasks_end = entries("/proc/self/task");
    printf("%s life: %u machines, %u with a wrong status\n", wrong ? "not ok" : "ok", times, wrong);
    printf("%s life: descriptors: %u, then %u\n", fds_end <= fds ? "ok" : "not ok", fds, fds_end);
    printf("%s life: threads: %u, then %u\n", tasks_end <= tasks ? "ok" : "not ok", tasks,
           tasks_end);
    if (times >= MEMORY_FROM) {
        unsigned end = resident();
        bool flat = end <= kib + MEMORY_MORE_KIB;
        printf("%s life: memory: %u KiB after %u, then %u\n", flat ? "ok" : "not ok", kib,
               times / 5 + 1, end);
        wrong += !flat;
    }
    return wrong || fds_end > fds || tasks_end > tasks;
}
