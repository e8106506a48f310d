/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sanitize.c -- what ThreadSanitizer is told, in builds that have it.
 *
 * Guest memory belongs to the guest: two vCPUs, or a vCPU and a device, that race for a byte of it
 * are the guest's own race, as on a real machine.  The functions that move guest bytes, and nothing
 * but that, are named here.
 *
 * Omits: everything else; all other reports stand.
 * Threads: none.
 */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "race:^fill_span$\n"
           "race:^copy_span$\n"
           "race:^copy_elements$\n"
           "race:^load_part$\n"
           "race:^store_part$\n"
           "race:^entry_read$\n"
           "race:^ram_load$\n"
           "race:^ram_store$\n"
           "race:^host_put$\n"          /* by C code of a vCPU: accel/dbt/tlb.c */
           "race:^dbt_desc_copy$\n"
           "race:^code_bytes$\n"        /* code, without a lock: accel/dbt/codepage.c says why */
           "race:^fill_order$\n"
           "race:^is_same$\n"
           "race:^push_frame$\n"        /* cpu/x86, through dbt_host() */
           "race:^same_elements$\n"
           "race:^x86_h_xsave$\n"
           "race:^x86_h_xrstor$\n";
}
#else
typedef int sanitize_nothing;         /* a file must hold something */
#endif
