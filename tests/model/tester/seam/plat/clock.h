/* clock.h - the clocks of the library by the time of the tester.
 * SPDX-License-Identifier: MIT
 */
#ifndef MODEL_SEAM_CLOCK_H
#define MODEL_SEAM_CLOCK_H

#include "model_seam.h"

#define clock_gettime model_clock_gettime
#include_next "plat/clock.h"
#undef clock_gettime

#endif
