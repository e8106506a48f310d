/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon.c -- the process itself: in the background, its id in a file, less to lose.
 *
 * The parent of a daemon ends only when the machine stands, with the status that says whether it
 * does.
 *
 * Spec: POSIX.1-2017, fork, setsid, lockf; Linux seccomp(2), prctl(2).
 * Omits: -sandbox's finer words: spawn=allow and the like take a whole group.
 * Threads: the main thread; daemon_fork() before there are others.
 */
#include "core/daemon.h"
#include "core/field.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- in the background ---- */

int daemon_fork(int *status)
{
    int   ends[2];
    pid_t child;
    char  byte = 1;

    if (pipe2(ends, O_CLOEXEC) || (child = fork()) < 0) {
        return -1;
    }
    if (child) {
        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {
        }
        *status = byte;                 /* 1 still, if the child has ended without a word */
        return 0;
    }
    close(ends[0]);
    setsid();
    child = fork();
    if (child) {
        _exit(child < 0);
    }
    umask(027);
    return ends[1];
}

void daemon_ready(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (chdir("/")) {
        g_printerr("ryokan: cannot go to /: %s\n", g_strerror(errno));
    }
    for (int std = 0; std < 3 && null >= 0; std++) {
        dup2(null, std);
    }
    if (null >= 0) {
        close(null);
    }
    while (write(fd, "", 1) < 0 && errno == EINTR) {
    }
    close(fd);
}

/* The lock tells another one that wants the same file. */
bool daemon_pidfile(const char *path, GError **err)
{
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    int              fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    size_t           n = strlen(text);

    if (fd < 0) {
        return fail(err, "-pidfile %s: cannot write it: %s", path, g_strerror(errno));
    }
    if (lockf(fd, F_TLOCK, 0)) {
        close(fd);
        return fail(err, "-pidfile %s: another process has it", path);
    }
    if (ftruncate(fd, 0) || write(fd, text, n) != (ssize_t)n) {
        close(fd);
        return fail(err, "-pidfile %s: cannot write it: %s", path, g_strerror(errno));
    }
    return true;                        /* open, so locked, to the end */
}

/* ---- with less to lose ---- */

bool daemon_drop(const char *user, const char *root, GError **err)
{
    struct passwd *pw = NULL;
    char          *end = NULL;
    uid_t          uid = 0;
    gid_t          gid = 0;

    if (user) {
        uid = (uid_t)strtoul(user, &end, 10);
        if (*end == ':') {
            gid = (gid_t)strtoul(end + 1, &end, 10);
        } else {
            pw = getpwnam(user);
            end = pw ? "" : end;
        }
        if (*end || (!pw && (!uid || !gid))) {
            return fail(err, "-runas %s: there is no such user", user);
        }
        uid = pw ? pw->pw_uid : uid;
        gid = pw ? pw->pw_gid : gid;
    }
    /* Groups first: their file may not be there in the new root. */
    if (user && (setgid(gid) || (pw ? initgroups(user, gid) : setgroups(1, &gid)))) {
        return fail(err, "-runas %s: %s", user, g_strerror(errno));
    }
    if (root && (chroot(root) || chdir("/"))) {
        return fail(err, "-chroot %s: %s", root, g_strerror(errno));
    }
    if (user && setuid(uid)) {
        return fail(err, "-runas %s: %s", user, g_strerror(errno));
    }
    return !user || (setuid(0) != 0) || fail(err, "-runas %s: could become root again", user);
}

/* System calls that nothing here needs once the machine stands, by what -sandbox calls them. */
enum { OBSOLETE = 1, ELEVATE = 2, SPAWN = 4, RESOURCE = 8 };
static const struct {
    int     number;
    uint8_t group;
} denied[] = {
#if defined(__x86_64__)
    { SYS_uselib, OBSOLETE }, { SYS_ustat, OBSOLETE },
    { SYS__sysctl, OBSOLETE }, { SYS_sysfs, OBSOLETE },
    { SYS_fork, SPAWN }, { SYS_vfork, SPAWN },
#endif
    { SYS_reboot, OBSOLETE }, { SYS_swapon, OBSOLETE }, { SYS_swapoff, OBSOLETE },
    { SYS_syslog, OBSOLETE }, { SYS_mount, OBSOLETE }, { SYS_umount2, OBSOLETE },
    { SYS_kexec_load, OBSOLETE }, { SYS_init_module, OBSOLETE }, { SYS_finit_module, OBSOLETE },
    { SYS_delete_module, OBSOLETE }, { SYS_acct, OBSOLETE }, { SYS_quotactl, OBSOLETE },
    { SYS_setuid, ELEVATE }, { SYS_setgid, ELEVATE }, { SYS_setreuid, ELEVATE },
    { SYS_setregid, ELEVATE }, { SYS_setresuid, ELEVATE }, { SYS_setresgid, ELEVATE },
    { SYS_setfsuid, ELEVATE }, { SYS_setfsgid, ELEVATE }, { SYS_setgroups, ELEVATE },
    { SYS_capset, ELEVATE }, { SYS_execve, SPAWN }, { SYS_execveat, SPAWN },
    { SYS_setpriority, RESOURCE }, { SYS_sched_setparam, RESOURCE },
    { SYS_sched_setscheduler, RESOURCE },
    { SYS_sched_setaffinity, RESOURCE }, { SYS_setrlimit, RESOURCE },
};

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0
#endif

/*
 * Loads the call's number and compares it with each of the list: a hit is refused, or in the worse
 * groups ends the process.
 */
bool daemon_sandbox(const SandboxArgs *a, GError **err)
{
    unsigned groups = (a->obsolete ? 0 : OBSOLETE) | (a->elevateprivileges ? ELEVATE : 0) |
                      (a->spawn ? SPAWN : 0) | (a->resourcecontrol ? RESOURCE : 0),
             n = 0;
    struct sock_filter code[2 * G_N_ELEMENTS(denied) + 5];
    struct sock_fprog  prog = { .filter = code };

    if (!ARCH) {
        return fail(err, "-sandbox on: is not there for this kind of host");
    }
    if (a->elevateprivileges == SANDBOX_CHILDREN) {
        groups &= ~(unsigned)ELEVATE;  /* no_new_privs alone keeps those that are started from it */
    }
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < G_N_ELEMENTS(denied); i++) {
        if (denied[i].group & groups) {
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                     (uint32_t)denied[i].number, 0, 1);
            code[n++] = (struct sock_filter)BPF_STMT(
                BPF_RET | BPF_K,
                denied[i].group == RESOURCE ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_KILL_PROCESS);
        }
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    prog.len = (unsigned short)n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog)) {
        return fail(err, "-sandbox on: %s", g_strerror(errno));
    }
    return true;
}
