/* SPDX-License-Identifier: GPL-2.0-or-later */
/* version.h -- what -version says. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H
#define RYOKAN_VERSION "0.1"
#endif
