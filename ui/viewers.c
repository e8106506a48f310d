/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viewers.c -- the table of viewers, from viewers.def. */
#include "core/display.h"

#define VIEWER(file) extern const ViewerOps file##_viewer;
#include "ui/viewers.def"
#undef VIEWER

#define VIEWER(file) &file##_viewer,
const ViewerOps *const viewer_ops[] = {
#include "ui/viewers.def"
    NULL
};
