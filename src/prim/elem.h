/* elem.h - what a channel tells other primitives that send on it
 * SPDX-License-Identifier: MIT
 */
#ifndef PRIM_ELEM_H
#define PRIM_ELEM_H

#include <stddef.h>

#include <cconc/chan.h>

/* Give the size of ch's elements. */
size_t cconc__chan_elem_size(const cconc_chan *ch);

#endif
