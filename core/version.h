/* SPDX-License-Identifier: GPL-2.0-or-later */
/* version.h -- what -version says. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H
#define RYOKAN_VERSION "0.1"
#define QMP_MAJOR 7 /* the version of QEMU's protocol and command line that is spoken */
#define QMP_MINOR 2
#define QMP_MICRO 0
#endif
