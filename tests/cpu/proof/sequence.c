/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include "tests/cpu/proof/proof.h"
void proof_sequence(ProofCode *c, Rng *r, ProofMode mode)
{
    memset(c, 0, sizeof *c);
    c->mode = mode; c->sequence = true; c->bytes[0] = 0x90; c->n = 1;
    proof_finish(c, r);
}
