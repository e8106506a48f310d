/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aml.h -- writes ACPI machine language, term by term, into a byte array.
 *
 * Whatever has a length is opened and closed: size_t at = aml_device(a, "PCI0"); ...; aml_close(a,
 * at);
 *
 * Spec: ACPI 6.5, chapter 20 (AML) and 6.4 (resource data types).
 * Omits: whatever the tables of this project do not need.
 * Threads: any, on its own array.
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef GByteArray Aml;

/* Terms with a length: give a mark for aml_close(). */
size_t aml_scope(Aml *a, const char *path);
size_t aml_device(Aml *a, const char *name);
size_t aml_processor(Aml *a, const char *name, uint8_t id);
size_t aml_method(Aml *a, const char *name, unsigned n_args, bool serialized);
size_t aml_package(Aml *a, uint8_t n);
size_t aml_if(Aml *a);
/* access: 1 byte, 2 word, 3 dword */
size_t aml_field_list(Aml *a, const char *region, uint8_t access);
void   aml_close(Aml *a, size_t mark);

void aml_byte(Aml *a, uint8_t b);
void aml_bytes(Aml *a, const void *p, size_t n);
void aml_path(Aml *a, const char *path);                /* "\\_SB.PCI0", "LNKA", "^ISA.PRQ0" */
void aml_int(Aml *a, uint64_t v);
void aml_string(Aml *a, const char *s);
void aml_eisaid(Aml *a, const char *id);                /* "PNP0A03" */
/* Name (name, -- its value is the next term */
void aml_name(Aml *a, const char *name);
void aml_name_int(Aml *a, const char *name, uint64_t v);
/* _HID: an EISA id where it is one, else a string */
void aml_hid(Aml *a, const char *id);
void aml_region(Aml *a, const char *name, uint8_t space, uint64_t at, uint64_t n);
void aml_field(Aml *a, const char *name, unsigned bits);
enum { AML_SYSTEM_MEMORY = 0, AML_SYSTEM_IO = 1, AML_PCI_CONFIG = 2 };
enum { AML_ARG0 = 0x68, AML_ARG1 = 0x69, AML_LOCAL0 = 0x60, AML_RETURN = 0xa4, AML_STORE = 0x70,
       AML_AND = 0x7b, AML_OR = 0x7d,
       AML_DWORD_FIELD = 0x8a, AML_NOTIFY = 0x86, AML_NO_TARGET = 0x00 };
#define aml_op aml_byte

/* Resource templates: aml_resources(), descriptors, aml_resources_end(). */
size_t aml_resources(Aml *a);
void   aml_resources_end(Aml *a, size_t mark);
void   aml_res_io(Aml *a, uint16_t at, uint8_t n);
/* 8 bits, compatible timing */
void   aml_res_dma(Aml *a, unsigned channel);
/* edge, active high, exclusive */
void   aml_res_irq(Aml *a, unsigned irq);
/* level, active high, shared */
void   aml_res_interrupt(Aml *a, const uint32_t *irqs, unsigned n);
void   aml_res_memory32(Aml *a, uint32_t at, uint32_t n, bool writable);
void   aml_res_bus(Aml *a, uint16_t first, uint16_t last);
void   aml_res_port_window(Aml *a, uint16_t first, uint16_t last);
void   aml_res_memory_window(Aml *a, uint64_t first, uint64_t last, bool cacheable, bool wide);
#endif
