/* executor.h - the elastic set of threads that runs tasks
 * SPDX-License-Identifier: MIT
 *
 * A submitted task starts even if all others block for ever, as long as the system gives threads.
 */
#ifndef CORE_EXECUTOR_H
#define CORE_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cconc/base.h>
#include <cconc/process.h>

#include "core/self.h"

/* A task that its owner has memory for. */
typedef struct exec_task {
    struct exec_task *next;                         /* (m) */
    /* (i) Called once, under no lock. torn: the function called from run had ended its thread. The
     * task may be freed inside. */
    void (*run)(struct exec_task *task);
    void (*torn)(struct exec_task *task);
} exec_task;

/* Queue task. Returns 0; ENOMEM, with the task not queued, if no thread could ever take it;
 * ENOTRECOVERABLE in a forked child. */
int cconc__executor_submit(exec_task *task);

/* One that the executor has memory for: a function, its argument, and whose it is. */
typedef struct exec_job {
    const struct exec_kind *kind;
    void *owner;
    union {
        cconc_task_fn in_group;
        void (*alone)(void *arg);
    } fn;
    void *arg;
} exec_job;

typedef struct exec_kind {
    /* As those of a task. job and frame stay until they return; frame is the thread's, for run to
     * enter with. */
    void (*run)(const exec_job *job, self_task *frame);
    void (*torn)(const exec_job *job, self_task *frame);
} exec_kind;

/* Queue a copy of job. Returns as submit; ENOMEM also if there is no memory. */
int cconc__executor_spawn(const exec_job *job);

/* Called from run: the memory of this task may go from now on, and its torn is not called any
 * more. */
void cconc__executor_let_go(void);

/* The calling executor thread is about to sleep; it does not count as running until block_end. */
void cconc__executor_block_begin(self *me);
void cconc__executor_block_end(self *me);

/* Settings and figures, as process.h tells them. */
int  cconc__executor_set(const cconc_executor_opts *opts);
void cconc__executor_read(cconc_executor_stats *out_stats);

/* Tell whether a task is queued or runs, blocked or not. */
bool cconc__executor_is_busy(void);

/* End and join all threads if it is not busy. Returns 0, or EBUSY. */
int cconc__executor_stop(void);

/* In a forked child: no thread, no task, nothing armed. */
void cconc__executor_forked(void);

#endif
