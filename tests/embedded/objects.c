/* objects.c - what objects take, for footprint.py: the sizes of arrays.
 * SPDX-License-Identifier: MIT
 */
#include <cconc/cconc.h>
#include <cconc/static.h>

#include "core/node.h"
#include "core/self.h"
#include "core/waiter.h"
#include "prim/chan.h"
#include "prim/flight.h"
#include "prim/objpool.h"
#include "task/group.h"
#include "task/pool.h"

#define SIZE_OF(type, name)                                                                        \
    extern char name[sizeof(type)];                                                                \
    char name[sizeof(type)]

SIZE_OF(cconc_chan_storage, storage_chan);
SIZE_OF(cconc_counter_storage, storage_counter);
SIZE_OF(cconc_limiter_storage, storage_limiter);
SIZE_OF(cconc_sem_storage, storage_sem);
SIZE_OF(cconc_once, storage_once);
SIZE_OF(cconc_waitgroup, storage_waitgroup);
SIZE_OF(cconc_ctx_mem, storage_ctx);
SIZE_OF(cconc_pool_task, storage_task);

SIZE_OF(struct cconc_ctx, heap_ctx);
SIZE_OF(struct cconc_chan, heap_chan);
SIZE_OF(struct cconc_flight, heap_flight);
SIZE_OF(struct cconc_group, heap_group);
SIZE_OF(struct cconc_objpool, heap_objpool);
SIZE_OF(struct cconc_pool, heap_pool);

SIZE_OF(self, thread_record);
SIZE_OF(lone_waiter, thread_waiter);
