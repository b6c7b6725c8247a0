/* left.h - half of a cycle
 * SPDX-License-Identifier: MIT
 */
#include "core/right.h"
