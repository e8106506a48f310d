/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chardev.c -- bytes in and out of sockets and pipes, back-pressure, the mux and its keys. */
#include "core/monitor.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static Machine *m;

typedef struct User {
    GString *got;
    size_t   room;
    int      opened, closed, breaks, writable;
} User;

static size_t user_room(void *dev)
{
    return ((User *)dev)->room;
}

static void user_receive(void *dev, const uint8_t *buf, size_t n)
{
    User *u = dev;

    ck_assert(machine_locked(m) && n <= u->room);
    u->room -= n;
    g_string_append_len(u->got, (const char *)buf, (gssize)n);
}

static void user_event(void *dev, ChrEvent event)
{
    User *u = dev;

    u->opened += event == CHR_OPENED;
    u->closed += event == CHR_CLOSED;
    u->breaks += event == CHR_BREAK;
}

static void user_writable(void *dev)
{
    ((User *)dev)->writable++;
}

static void attach(Chardev *c, User *u)
{
    ChrUser user = { user_room, user_receive, user_event, user_writable, u };

    *u = (User){ .got = g_string_new(NULL), .room = 1 << 20 };
    chr_attach(c, &user);
}

static void spin(void)
{
    for (int i = 0; i < 50; i++) {
        g_main_context_iteration(m->context, FALSE);
        g_usleep(200);
    }
}

static char *temp_path(void)
{
    return g_strdup_printf("/tmp/ryokan-test-%d.sock", (int)getpid());
}

static int dial(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int                fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

START_TEST(chardev_socket)
{
    g_autofree char *path = temp_path();
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    char buf[16];
    Chardev *c;
    User     u;
    int      fd;

    m = machine_new();
    ck_assert_ptr_nonnull(c = chr_new(m, spec, NULL, NULL));
    attach(c, &u);
    ck_assert_int_ne(access(path, F_OK), 0);    /* nothing is made before everything stands */
    ck_ok(chr_open_all(m, &e_));
    machine_lock(m);
    ck_assert_uint_eq(chr_write(c, "lost", 4), 4);
    machine_unlock(m);
    for (int round = 0; round < 2; round++) {   /* a client that leaves makes room for the next */
        fd = dial(path);
        spin();
        ck_assert_int_eq(u.opened, round + 1);
        ck_assert_int_eq(write(fd, "hello", 5), 5);
        machine_lock(m);
        chr_write(c, "world", 5);
        machine_unlock(m);
        spin();
        ck_assert_str_eq(u.got->str, "hello");
        ck_assert_int_eq(read(fd, buf, sizeof(buf)), 5);
        g_string_truncate(u.got, 0);
        close(fd);
        spin();
        ck_assert_int_eq(u.closed, round + 1);
    }
    machine_free(m);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* A user without room is not sent anything; when it has, nothing is missing. */
START_TEST(chardev_room)
{
    char     path[] = "/tmp/ryokan-fifo-XXXXXX", block[20000];
    Chardev *c;
    User     u;
    int      fd;
    size_t   sent = 0;

    ck_assert_ptr_nonnull(mkdtemp(path));
    g_autofree char *spec = g_strdup_printf("pipe:%s/f", path);
    g_autofree char *in = g_strdup_printf("%s/f.in", path);
    g_autofree char *out = g_strdup_printf("%s/f.out", path);
    ck_assert_int_eq(mkfifo(in, 0600), 0);
    ck_assert_int_eq(mkfifo(out, 0600), 0);
    m = machine_new();
    ck_assert_ptr_nonnull(c = chr_new(m, spec, NULL, NULL));
    attach(c, &u);
    u.room = 0;
    ck_ok(chr_open_all(m, &e_));
    fd = open(in, O_RDWR | O_NONBLOCK);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (char)('a' + i % 26);
    }
    while (sent < sizeof(block)) {
        ssize_t n = write(fd, block + sent, sizeof(block) - sent);
        sent += n > 0 ? (size_t)n : 0;
        spin();
        ck_assert_uint_eq(u.got->len, 0);
    }
    while (u.got->len < sizeof(block)) {
        machine_lock(m);
        u.room = 777;
        chr_accept(c);
        machine_unlock(m);
        spin();
    }
    ck_assert(!memcmp(u.got->str, block, sizeof(block)));
    machine_free(m);
    close(fd);
    unlink(in);
    unlink(out);
    rmdir(path);
}
END_TEST

/*
 * The host does not read: writes come short, never block, and all that was taken comes out in the
 * end.
 */
START_TEST(chardev_slow_reader)
{
    g_autofree char *path = temp_path();
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    char buf[65536];
    Chardev *c;
    User     u;
    int      fd;
    size_t   taken = 0, came = 0;
    ssize_t  n;

    memset(buf, 'x', sizeof(buf));
    m = machine_new();
    ck_assert_ptr_nonnull(c = chr_new(m, spec, NULL, NULL));
    attach(c, &u);
    ck_ok(chr_open_all(m, &e_));
    fd = dial(path);
    spin();
    for (int i = 0; i < 1000; i++) {
        machine_lock(m);
        taken += chr_write(c, buf, 1000);
        machine_unlock(m);
        if (i % 100 == 0) {
            spin();
        }
    }
    ck_assert(taken < 1000000 && taken > 60000);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int idle = 0; idle < 20; idle++) {
        while ((n = read(fd, buf, sizeof(buf))) > 0) {
            came += (size_t)n;
            idle = 0;
        }
        spin();
    }
    ck_assert_uint_eq(came, taken);
    ck_assert_int_gt(u.writable, 0);
    machine_free(m);
}
END_TEST

START_TEST(chardev_mux)
{
    g_autofree char *path = temp_path();
    g_autofree char *spec = g_strdup_printf("mon:unix:%s,server=on,wait=off", path);
    char buf[4096];
    Chardev *c;
    User     u;
    Monitor *mon;
    int      fd;
    ssize_t  n;

    m = machine_new();
    ck_assert_ptr_nonnull(c = chr_new(m, spec, NULL, NULL));
    attach(c, &u);
    mon = monitor_new(m, c);
    ck_ok(chr_open_all(m, &e_));
    fd = dial(path);
    spin();
    ck_assert_int_eq(write(fd, "a\001ab\001b\001cinfo status\r", 20), 20);
    spin();
    n = read(fd, buf, sizeof(buf) - 1);
    buf[MAX(n, 0)] = 0;
    ck_assert_ptr_nonnull(strstr(buf, "VM status: paused"));
    ck_assert_str_eq(u.got->str, "a\001b");
    ck_assert_int_eq(u.breaks, 1);
    ck_assert_int_eq(write(fd, "\001cz\001x", 5), 5);
    ck_assert_int_eq(machine_run(m), 0);
    ck_assert_str_eq(u.got->str, "a\001bz");
    machine_free(m);
    monitor_free(mon);
}
END_TEST

Suite *suite_chardev(void)
{
    Suite *s = suite_create("chardev");

    ADD(s, chardev_socket);
    ADD(s, chardev_room);
    ADD(s, chardev_slow_reader);
    ADD(s, chardev_mux);
    return s;
}
