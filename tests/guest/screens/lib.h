/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib.h -- what the pictures share: ports, INT 10h, video memory, and the serial line on which each
 * picture is announced.
 *
 * 16-bit code by gcc -m16; all of the program and its data in one segment.
 */
#ifndef TESTS_GUEST_SCREENS_LIB_H
#define TESTS_GUEST_SCREENS_LIB_H
#include <stdbool.h>
#include <stdint.h>

typedef struct Regs {
    uint32_t eax, ebx, ecx, edx, edi, ebp;
    uint16_t es;
} Regs;
void int10(Regs *r);
void flat(void);
enum { SEGMENT = 0x2000 };
static inline void *seg_ptr(const void *p) { return (void *)p; }

#define MEM8(at)  (*(volatile uint8_t __seg_gs *)(uintptr_t)(at))
#define MEM16(at) (*(volatile uint16_t __seg_gs *)(uintptr_t)(at))
#define MEM32(at) (*(volatile uint32_t __seg_gs *)(uintptr_t)(at))
enum { WINDOW = 0xa0000, MONO = 0xb0000, COLOR = 0xb8000 };

static inline void outb(uint16_t port, unsigned v) { __asm__ volatile("outb %b0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, unsigned v) { __asm__ volatile("outw %w0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline void seq(unsigned i, unsigned v) { outw(0x3c4, i | v << 8); }
static inline void gc(unsigned i, unsigned v) { outw(0x3ce, i | v << 8); }
static inline void crtc(unsigned i, unsigned v) { outw(0x3d4, i | v << 8); }
static inline uint8_t crtc_in(unsigned i) { outb(0x3d4, i); return inb(0x3d5); }
static inline uint8_t seq_in(unsigned i) { outb(0x3c4, i); return inb(0x3c5); }
static inline void crtc_change(unsigned i, unsigned keep, unsigned set)
{
    crtc(i, (crtc_in(i) & keep) | set);
}

void attr(unsigned i, unsigned v);
void dac(unsigned i, unsigned r, unsigned g, unsigned b);       /* 6 bits each */
uint16_t bios(unsigned ax, unsigned bx, unsigned cx, unsigned dx);      /* INT 10h; AX */
void mode(unsigned m);                          /* INT 10h AH=0; a text cursor is off */
/* the picture is ready; goes on when the host says so */
void show(const char *name);
void retrace(void);                             /* the next vertical retrace begins */
uint32_t random32(uint32_t *state);
void rainbow(void);                             /* a palette of 256 colours */

/* A picture of its own for each mode: borders, a grid, bars, a circle; dot() is the mode's. */
typedef void Dot(unsigned x, unsigned y, uint32_t color);
void pattern(Dot *dot, unsigned width, unsigned height, uint32_t colors);
/* by set/reset and bit mask; stride below */
void dot_planar(unsigned x, unsigned y, uint32_t color);
void dot_linear(unsigned x, unsigned y, uint32_t color);        /* a byte a dot in the window */
void dot_unchained(unsigned x, unsigned y, uint32_t color);     /* map mask by x & 3 */
/* bytes a line, of the plane; where the picture begins */
extern unsigned stride, page;
void unchain(void);                             /* mode 13h as mode X's memory */
void mode_x(void);                              /* 320x240, unchained */
void mode_360x480(void);
void start_address(unsigned at);
void line_compare(unsigned line);

void texts(void);
void planars(void);
void packeds(void);
void effects(void);
void cirruses(void);
#endif
