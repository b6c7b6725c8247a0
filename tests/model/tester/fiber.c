/* fiber.c - threads of a scenario: stacks, and how one goes on where another stops.
 * SPDX-License-Identifier: MIT
 *
 * A switch saves what the calling convention asks a function to keep, and changes the stack. The
 * sanitizers are told of it: ThreadSanitizer without a synchronisation, for only what the library
 * does may order its accesses.
 */
#include "engine.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(MODEL_TSAN)
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void  __tsan_destroy_fiber(void *fiber);
void  __tsan_switch_to_fiber(void *fiber, unsigned flags);
void  __tsan_acquire(void *address);
void  __tsan_release(void *address);
#define TSAN_NO_SYNC 1u
#define TSAN_EXECUTIONS 256 /* that a thread is used for, see fibers_between() */
#endif

#if defined(__SANITIZE_ADDRESS__)
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *saved, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *address, size_t size);
#endif

#define STACK_EACH ((size_t)STACK_BYTES + 4096) /* and a page that is not there below it */

static void *runner_sp;
static fiber *leaving_to; /* whose stack is entered next */
static char *stacks;

#if defined(MODEL_TSAN)
static void *runner_tsan;
static char between_executions;
#endif
#if defined(__SANITIZE_ADDRESS__)
static void *runner_fake;
static const void *runner_bottom;
static size_t runner_size;
static void *fakes[MAX_FIBERS];
#endif

#if defined(__x86_64__)
void model_switch(void **out_sp, void *sp);
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, @function\n"
        "model_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size model_switch, .-model_switch\n");

static void *stack_begin(char *top, void (*entry)(void))
{
    void **sp = (void **)(void *)top;
    *--sp = NULL; /* the entry never returns; and the stack is aligned as after a call */
    *--sp = (void *)entry;
    for (int i = 0; i < 6; i++) {
        *--sp = NULL;
    }
    return sp;
}
#elif defined(__aarch64__)
void model_switch(void **out_sp, void *sp);
__asm__(".text\n"
        ".globl model_switch\n"
        ".type model_switch, %function\n"
        "model_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size model_switch, .-model_switch\n");

static void *stack_begin(char *top, void (*entry)(void))
{
    void **sp = (void **)(void *)(top - 160);
    memset(sp, 0, 160);
    sp[11] = (void *)entry; /* x30 */
    return sp;
}
#else
#include <ucontext.h>

/* Where there is no switch of our own a saved stack pointer is a context, kept below the top. */
static void model_switch(void **out_sp, void *sp)
{
    ucontext_t here;
    *out_sp = &here;
    (void)swapcontext(&here, sp);
}

static void *stack_begin(char *top, void (*entry)(void))
{
    ucontext_t *begin = (ucontext_t *)(void *)(top - ((sizeof(*begin) + 63) & ~(size_t)63));
    (void)getcontext(begin);
    begin->uc_stack.ss_sp = top - STACK_BYTES;
    begin->uc_stack.ss_size = (size_t)((char *)begin - (top - STACK_BYTES));
    begin->uc_link = NULL;
    makecontext(begin, entry, 0);
    return begin;
}
#endif

void fiber_pool_init(void)
{
    stacks = mmap(NULL, STACK_EACH * MAX_FIBERS, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) {
        abort();
    }
    for (size_t i = 0; i < MAX_FIBERS; i++) {
        (void)mprotect(stacks + i * STACK_EACH, 4096, PROT_NONE);
        model.fibers[i].stack = stacks + i * STACK_EACH + 4096;
    }
#if defined(MODEL_TSAN)
    runner_tsan = __tsan_get_current_fiber();
#endif
}

/* What was kept for the thread goes on where it stopped. */
static void fiber_arrive(void)
{
    fiber *f = model.current;
    (void)f;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fakes[f->id], &runner_bottom, &runner_size);
#endif
}

static void fiber_main(void)
{
    fiber *f = model.current;
#if defined(__SANITIZE_ADDRESS__)
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
    if (leaving_to) { /* the first of an execution comes from the runner */
        runner_bottom = bottom;
        runner_size = size;
        leaving_to = NULL;
    }
#endif
#if defined(MODEL_TSAN)
    __tsan_acquire(&between_executions);
#endif
    order_begin(f);
    step_first(f);
    f->run(f->arg);
    fiber_end();
    abort();
}

void fiber_prepare(fiber *f, void (*run)(void *arg), void *arg)
{
    f->run = run;
    f->arg = arg;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(f->stack, STACK_BYTES);
#endif
    f->sp = stack_begin(f->stack + STACK_BYTES - 64, fiber_main);
#if defined(MODEL_TSAN)
    if (!f->tsan) { /* used again in each execution, see fibers_between() */
        f->tsan = __tsan_create_fiber(0);
    }
#endif
}

static void fiber_start_switch(fiber *from, fiber *to)
{
    (void)from;
    (void)to;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(from ? &fakes[from->id] : &runner_fake,
                                   to ? to->stack : runner_bottom,
                                   to ? (size_t)STACK_BYTES : runner_size);
#endif
#if defined(MODEL_TSAN)
    __tsan_switch_to_fiber(to ? to->tsan : runner_tsan, TSAN_NO_SYNC);
#endif
}

void fiber_switch(fiber *to)
{
    fiber *from = model.current;
    raw_copy(from->tls, model.lib_tls, model.lib_tls_bytes);
    raw_copy(model.lib_tls, to->tls, model.lib_tls_bytes);
    from->saved_errno = errno;
    errno = to->saved_errno;
    model.current = to;
    fiber_start_switch(from, to);
    model_switch(&from->sp, to->sp);
    fiber_arrive();
}

void fiber_enter(fiber *first)
{
    raw_copy(model.lib_tls, first->tls, model.lib_tls_bytes);
    model.current = first;
    leaving_to = first;
    fiber_start_switch(NULL, first);
    model_switch(&runner_sp, first->sp);
#if defined(__SANITIZE_ADDRESS__)
    {
        const void *bottom;
        size_t size;
        __sanitizer_finish_switch_fiber(runner_fake, &bottom, &size);
    }
#endif
    model.current = NULL;
}

_Noreturn void fiber_leave(void)
{
    fiber *from = model.current;
    fiber_start_switch(from, NULL);
    model_switch(&from->sp, runner_sp);
    abort();
}

void fibers_begin(void)
{
#if defined(MODEL_TSAN)
    __tsan_release(&between_executions);
#endif
}

/* A thread that ends inside a function leaves the sanitizer with calls that never return: it has
 * room for 65,536. So threads are made anew now and then; each time would take too long. */
void fibers_between(void)
{
#if defined(MODEL_TSAN)
    static uint32_t executions;
    for (int i = 0; i < model.fiber_count; i++) {
        __tsan_switch_to_fiber(model.fibers[i].tsan, TSAN_NO_SYNC);
        __tsan_release(&between_executions);
    }
    __tsan_switch_to_fiber(runner_tsan, TSAN_NO_SYNC);
    __tsan_acquire(&between_executions);
    executions++;
    for (int i = 0; i < MAX_FIBERS && executions % TSAN_EXECUTIONS == 0; i++) {
        if (model.fibers[i].tsan) {
            __tsan_destroy_fiber(model.fibers[i].tsan);
            model.fibers[i].tsan = NULL;
        }
    }
#endif
}

fiber *fiber_with(const volatile void *address)
{
    uintptr_t at = (uintptr_t)address - (uintptr_t)stacks;
    return at < STACK_EACH * MAX_FIBERS ? &model.fibers[at / STACK_EACH] : NULL;
}
