/* ctx.pml - ending contexts, releasing them, and an after-func (src/core/node.c, src/prim/after.c)
 * SPDX-License-Identifier: MIT
 *
 * Actors      PARENT, a root, and CHILD, a binding or a deadline, with an after-func. One cancels
 *             and frees PARENT; one frees the after-func and a handle of CHILD in either order; one
 *             reads CHILD and frees its other handle; the timer service; the executor. The function
 *             may free its own after-func.
 * Checked     Nobody touches memory that is gone; in the end all is gone, and all room for timers
 *             given back. The function runs once or, if stop says so, never, and is over when free
 *             returns. Who sees CHILD end finds cause and hook done. No deadlock.
 * Wrong       unowned        a fired after-func has no reference of its own
 *             state_first    the state is stored before cause and hook
 *             unawaited      free does not wait for the function
 *             one_look       stop_wait does not look again under the lot's lock
 *             still_linked   the last put does not take CHILD out of PARENT's children
 *             timer_unowned  an armed timer has no reference
 */
mtype:wrong = { none, unowned, state_first, unawaited, one_look, still_linked, timer_unowned };
mtype:stage = { QUEUED, STOPPED, FIRED, DONE };
#define PARENT 0
#define CHILD 1
bool here[2] = true;           /* has memory; the tree's lock lies in PARENT's */
bool ended[2], caused[2];      /* state, cause */
byte refs[2], handles[2];
bool tree, linked = true;      /* the tree's lock; CHILD is among PARENT's children */
bool armed, due, task;         /* CHILD's timer; the after-func's timer; its task */
bool after = true, arg = true; /* has memory; what the function uses */
mtype:stage state = QUEUED;
byte after_refs = 1, reserved = 1, ran, done;
bool lot, in_lot, wake, fn_frees, binding, stopped;

inline lock(x) {                                                      /* lock_take() */
    atomic { !tree -> tree = true; assert(here[PARENT] && here[x]) }
}
inline unlock() { atomic { tree = false; assert(here[PARENT]) } }     /* lock_leave() */
inline put(x) { atomic { assert(here[x]); refs[x]--; last = (refs[x] == 0) } } /* ref_put() */
inline unref(x) {                                                     /* cconc__node_unref() */
    put(x);
    if
    :: last && x == CHILD ->
        lock(x); linked = (linked && WRONG == still_linked); unlock();
        atomic { assert(state != QUEUED && !armed); here[CHILD] = false } /* node_release() */
        put(PARENT)
    :: else
    fi;
    if :: last -> here[PARENT] = false :: else fi
}

inline unref_after() {                                                /* after_unref() */
    atomic { assert(after); after_refs--; last = (after_refs == 0) }
    if :: last -> unref(CHILD); after = false :: else fi
}

inline end_one(x) {                                                   /* node_end_one_locked() */
    assert(here[x]);
    if
    :: atomic { x == CHILD && armed -> armed = false; reserved-- }    /* cconc__timer_disarm() */
        if :: WRONG != timer_unowned -> put(x); assert(!last) :: else fi
    :: else
    fi;
    if :: WRONG == state_first -> ended[x] = true :: else fi; caused[x] = true;
    if                                                                /* after_ended_locked() */
    :: x == CHILD && state == QUEUED -> assert(after); state = FIRED; hook = true;
        if :: WRONG != unowned -> after_refs++ :: else fi
    :: else
    fi;
    ended[x] = true
}

inline end(x) {                                                       /* cconc__node_end() */
    hook = false;
    lock(x);                                                          /* cconc__node_end_begin() */
    if
    :: !ended[x] ->
        end_one(x);
        if                                                            /* node_next_locked() */
        :: x == PARENT && linked ->
            assert(here[CHILD]); if :: !ended[CHILD] -> end_one(CHILD) :: else fi
        :: else -> linked = (linked && x == PARENT)
        fi
    :: else fi;
    unlock();
    if :: hook -> atomic { assert(after); due = true } :: else fi     /* after_ended() */
}

inline free_ctx(x) {                                                  /* cconc_ctx_free() */
    atomic { assert(here[x]); handles[x]--; last = (handles[x] == 0) }
    if :: last -> if :: x == CHILD && binding :: else -> end(x) fi; unref(x) :: else fi
}

inline free_after(inside) {                                           /* cconc_after_free() */
    lock(CHILD); assert(after);                                       /* cconc_after_stop() */
    if :: state == QUEUED -> state = STOPPED; stopped = true; reserved-- :: else fi;
    unlock();
    do                                                                /* cconc_after_stop_wait() */
    :: state == FIRED && !inside && WRONG != unawaited ->             /* after_is_pending() */
        atomic { !lot -> lot = true }                                 /* cconc__lot_take() */
        if :: state == FIRED || WRONG == one_look -> in_lot = true; lot = false; wake; wake = false
           :: else -> lot = false; break fi
    :: else -> break
    od;
    unref_after()
}

inline run_fn() {                                                     /* after_run() */
    atomic { assert(after && arg); ran++ }
    if :: fn_frees -> free_after(true) :: else -> assert(arg) fi;
    atomic { !lot -> lot = true; assert(after) }                      /* after_finish() */
    state = DONE; last = in_lot; in_lot = false; lot = false;
    if :: last -> wake = true :: else fi;
    unref_after()
}

proctype canceller() {                                                /* cconc_ctx_cancel() */
    bool last, hook; end(PARENT); free_ctx(PARENT); done++
}
proctype user() {                                                     /* cconc_after_free() */
    bool last, hook, ctx_first;
    if :: free_ctx(CHILD); ctx_first = true :: skip fi;
    if :: !fn_frees -> free_after(false); arg = false; assert(stopped == (ran == 0)) :: else fi;
    if :: !ctx_first -> free_ctx(CHILD) :: else fi; done++
}

proctype reader() {                                                   /* cconc__node_err() */
    bool last, hook;
    if :: ended[CHILD] -> assert(caused[CHILD] && state != QUEUED) :: else fi;
    free_ctx(CHILD); done++
}
proctype service() {                                                  /* timer_fire_due_locked() */
    bool last, hook;
end_idle:
    do
    :: atomic { armed -> armed = false; reserved-- }                  /* ctx_on_time() */
        end(CHILD); if :: WRONG != timer_unowned -> unref(CHILD) :: else fi
    :: atomic { due -> due = false; reserved--; assert(after) }       /* after_due() */
        if :: task = true :: run_fn() fi                              /* cconc__executor_submit() */
    od
}

proctype executor() { bool last, hook; end_idle: task -> run_fn() }   /* exec_run_tasks() */
init {
    atomic {
        refs[PARENT] = 2; handles[PARENT] = 1; refs[CHILD] = 2; handles[CHILD] = 2;
        if :: binding = true
           :: armed = true; reserved++; refs[CHILD] = 3 - (WRONG == timer_unowned) fi;
        if :: fn_frees = true :: fn_frees = false fi;
        run canceller(); run user(); run reader(); run service(); run executor()
    }
    done == 3 && !here[PARENT] && !here[CHILD] && !after -> assert(reserved == 0)
}
