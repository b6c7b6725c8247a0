/* gate.h - something that a model can speak of
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

static inline void gate_open(int *gate)
{
    *gate = 1;
}

#endif
