/* cconc.h - everything libcconc has, in one include.
 * SPDX-License-Identifier: MIT
 */
#ifndef CCONC_CCONC_H
#define CCONC_CCONC_H

#include <cconc/base.h>
#include <cconc/chan.h>
#include <cconc/clock.h>
#include <cconc/counter.h>
#include <cconc/ctx.h>
#include <cconc/flight.h>
#include <cconc/group.h>
#include <cconc/limiter.h>
#include <cconc/limiter_keyed.h>
#include <cconc/objpool.h>
#include <cconc/once.h>
#include <cconc/pool.h>
#include <cconc/process.h>
#include <cconc/select.h>
#include <cconc/sem.h>
#include <cconc/sometimes.h>
#include <cconc/ticker.h>
#include <cconc/timer.h>
#include <cconc/version.h>
#include <cconc/waitgroup.h>

#endif
