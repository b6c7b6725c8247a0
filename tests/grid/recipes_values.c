/* recipes_values.c - values that are no objects: numbers, bytes, outputs, functions, contexts
 * SPDX-License-Identifier: MIT
 */
#include "grid.h"
#include "support.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOME_CHUNKS 50 /* of a loop, before its function fails */

unsigned char grid_astray[4096];

const grid_value grid_object_values[] = {
    {"NULL", GRID_NULL}, {"misaligned", GRID_MISALIGNED}, {"usual", GRID_RIGHT}};

bool grid_make_bad(grid_arg *arg)
{
    grid_sort sort = arg->kind->values[arg->pick].sort;
    arg->pointer = sort == GRID_MISALIGNED ? grid_astray + 1 : NULL;
    return sort == GRID_NULL || sort == GRID_MISALIGNED;
}

void grid_make_room(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->pointer = arg->room.bytes;
    }
}

void grid_make_variant(grid_call *call, grid_arg *arg)
{
    grid_make_room(call, arg);
    if (arg->pointer == arg->room.bytes) {
        const char *variants = arg->kind->variants;
        memcpy(arg->room.bytes, variants + (arg->pick - 2) * arg->kind->variant_size,
               arg->kind->variant_size);
    }
}

/* ---- numbers: the usual one comes last ------------------------------------------------------ */

#define GRID_NUMBERS(kind, member, ...)                                                            \
    static void kind##_make(grid_call *call, grid_arg *arg)                                        \
    {                                                                                              \
        (void)call;                                                                                \
        arg->member = kind##_numbers[arg->pick];                                                   \
    }                                                                                              \
    static const grid_value kind##_values[] = {__VA_ARGS__};                                       \
    _Static_assert(COUNT(kind##_values) == COUNT(kind##_numbers), "each has a name");              \
    const grid_kind grid_##kind = {                                                                \
        kind##_values, COUNT(kind##_values), kind##_make, NULL, NULL, false, NULL, 0}

static const int64_t int64_numbers[] = {0, -1, INT64_MIN, INT64_MAX, 1};
GRID_NUMBERS(int64, integer, {"0", GRID_RIGHT}, {"-1", GRID_RIGHT}, {"INT64_MIN", GRID_RIGHT},
             {"INT64_MAX", GRID_RIGHT}, {"1", GRID_RIGHT});

static const int64_t int32_numbers[] = {0, -1, INT32_MIN, INT32_MAX, 1};
GRID_NUMBERS(int32, integer, {"0", GRID_RIGHT}, {"-1", GRID_RIGHT}, {"INT32_MIN", GRID_RIGHT},
             {"INT32_MAX", GRID_RIGHT}, {"1", GRID_RIGHT});

static const int64_t uint32_numbers[] = {1, (int64_t)1 << 31, UINT32_MAX, 0};
GRID_NUMBERS(uint32, integer, {"1", GRID_RIGHT}, {"1 << 31", GRID_RIGHT},
             {"UINT32_MAX", GRID_RIGHT}, {"0", GRID_RIGHT});

static const size_t size_numbers[] = {0, SIZE_MAX, SIZE_MAX / 2 + 1, 1};
GRID_NUMBERS(size, size, {"0", GRID_RIGHT}, {"SIZE_MAX", GRID_RIGHT},
             {"SIZE_MAX / 2 + 1", GRID_RIGHT}, {"1", GRID_RIGHT});

static const double double_numbers[] = {0, -1, (double)NAN, HUGE_VAL, 1e-300, 1e6};
GRID_NUMBERS(double, number, {"0", GRID_RIGHT}, {"-1", GRID_RIGHT}, {"NAN", GRID_RIGHT},
             {"infinity", GRID_RIGHT}, {"1e-300", GRID_RIGHT}, {"1e6", GRID_RIGHT});

/* ---- bytes, texts, outputs ------------------------------------------------------------------ */

static const grid_value bytes_values[] = {{"NULL", GRID_NULL}, {"bytes", GRID_RIGHT}};

/* Elements and keys lie anywhere. */
static void bytes_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    arg->pointer = arg->pick == 1 ? arg->room.bytes + 1 : NULL;
}

const grid_kind grid_bytes = {
    bytes_values, COUNT(bytes_values), bytes_make, NULL, NULL, false, NULL, 0};
const grid_kind grid_out_bytes = {
    bytes_values, COUNT(bytes_values), bytes_make, NULL, NULL, true, NULL, 0};
const grid_kind grid_out = {
    grid_object_values, GRID_OBJECT_VALUES, grid_make_room, NULL, NULL, true, NULL, 0};
const grid_kind grid_ctx_mem = {
    grid_object_values, GRID_OBJECT_VALUES, grid_make_room, NULL, NULL, false, NULL, 0};

static const grid_value text_values[] = {
    {"NULL", GRID_NULL}, {"\"\"", GRID_RIGHT}, {"\"text\"", GRID_RIGHT}};

static void text_make(grid_call *call, grid_arg *arg)
{
    static char text[] = "text";
    static char empty[] = "";
    (void)call;
    arg->pointer = arg->pick == 2 ? text : NULL;
    arg->pointer = arg->pick == 1 ? empty : arg->pointer;
}

const grid_kind grid_text = {
    text_values, COUNT(text_values), text_make, NULL, NULL, false, NULL, 0};

static const grid_value signals_values[] = {{"NULL", GRID_NULL},
                                            {"misaligned", GRID_MISALIGNED},
                                            {"SIGKILL", GRID_RIGHT},
                                            {"0", GRID_RIGHT},
                                            {"SIGUSR1", GRID_RIGHT}};

static void signals_make(grid_call *call, grid_arg *arg)
{
    static int numbers[] = {SIGKILL, 0, SIGUSR1};
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->pointer = &numbers[arg->pick - 2];
    }
}

const grid_kind grid_signals = {
    signals_values, COUNT(signals_values), signals_make, NULL, NULL, false, NULL, 0};

bool grid_lies(const grid_call *call)
{
    bool is_far =
        grid_has(call, "count", "SIZE_MAX") || grid_has(call, "count", "SIZE_MAX / 2 + 1");
    return is_far && (grid_has(call, "elems", "bytes") || grid_has(call, "signals", "SIGUSR1") ||
                      grid_has(call, "signals", "SIGKILL") || grid_has(call, "signals", "0"));
}

/* ---- functions ------------------------------------------------------------------------------ */

static int value_of_call;

int grid_task(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int task_fails(cconc_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return GRID_FAILED;
}

int grid_make_value(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    *out_value = &value_of_call;
    return 0;
}

static int make_value_fails(cconc_ctx *ctx, void *arg, void **out_value)
{
    (void)ctx;
    (void)arg;
    (void)out_value;
    return GRID_FAILED;
}

void grid_nothing(void *arg)
{
    (void)arg;
}

static void done_unrefs(void *arg, int code, cconc_flight_result *result)
{
    (void)arg;
    (void)code;
    cconc_flight_result_unref(result);
}

static atomic_uint chunks;

static int range(cconc_ctx *ctx, size_t begin, size_t end, void *arg)
{
    (void)ctx;
    (void)arg;
    SUPPORT_CHECK(begin < end);
    return atomic_fetch_add(&chunks, 1) < SOME_CHUNKS ? 0 : GRID_FAILED;
}

static void *never_alloc(size_t size, void *user)
{
    (void)size;
    (void)user;
    return NULL;
}

static void never_told(const char *message, void *user)
{
    (void)message;
    (void)user;
}

void grid_drop(void *elem, void *user)
{
    (void)elem;
    (void)user;
}

/* Objects of an object pool are this one. */
int grid_create(void *user, void **out_object)
{
    (void)user;
    *out_object = &value_of_call;
    return 0;
}

int grid_reset(void *user, void *object)
{
    (void)user;
    (void)object;
    return 0;
}

void grid_destroy_object(void *user, void *object)
{
    (void)user;
    (void)object;
}

size_t grid_size_of(void *user, void *object)
{
    (void)user;
    (void)object;
    return sizeof(value_of_call);
}

void grid_on_drop(void *user, cconc_task_fn fn, void *arg)
{
    (void)user;
    (void)fn;
    (void)arg;
}

void grid_on_error(void *user, cconc_task_fn fn, void *arg, int code)
{
    (void)user;
    (void)fn;
    (void)arg;
    (void)code;
}

typedef void (*any_fn)(void);

static const grid_value function_values[] = {
    {"NULL", GRID_NULL}, {"one that fails", GRID_RIGHT}, {"usual", GRID_RIGHT}};

static void function_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    atomic_store(&chunks, 0);
    arg->function = arg->pick > 0 ? ((const any_fn *)arg->kind->variants)[arg->pick - 1] : NULL;
}

/* Of a type whose functions return no code the one that fails is like the other. */
#define GRID_FUNCTION(name, fails, usual)                                                          \
    static const any_fn name##_functions[] = {(any_fn)(fails), (any_fn)(usual)};                   \
    const grid_kind grid_fn_##name = {function_values,                                             \
                                      COUNT(function_values),                                      \
                                      function_make,                                               \
                                      NULL,                                                        \
                                      NULL,                                                        \
                                      false,                                                       \
                                      name##_functions,                                            \
                                      0}

GRID_FUNCTION(plain, grid_nothing, grid_nothing);
GRID_FUNCTION(task, task_fails, grid_task);
GRID_FUNCTION(range, range, range);
GRID_FUNCTION(once_value, make_value_fails, grid_make_value);
GRID_FUNCTION(once_destroy, grid_nothing, grid_nothing);
GRID_FUNCTION(value_destroy, grid_nothing, grid_nothing);
GRID_FUNCTION(after, grid_nothing, grid_nothing);
GRID_FUNCTION(timer, grid_nothing, grid_nothing);
GRID_FUNCTION(flight, make_value_fails, grid_make_value);
GRID_FUNCTION(flight_drop, grid_nothing, grid_nothing);
GRID_FUNCTION(flight_done, done_unrefs, done_unrefs);
GRID_FUNCTION(alloc, never_alloc, never_alloc);
GRID_FUNCTION(free, grid_drop, grid_drop);
GRID_FUNCTION(misuse, never_told, never_told);

/* ---- contexts ------------------------------------------------------------------------------- */

static const grid_value ctx_values[] = {
    {"NULL", GRID_NULL},      {"misaligned", GRID_MISALIGNED}, {"background", GRID_RIGHT},
    {"done", GRID_RIGHT},     {"on the stack", GRID_RIGHT},    {"with a value", GRID_RIGHT},
    {"ends soon", GRID_RIGHT}};

cconc_ctx *grid_soon(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_timeout(NULL, CCONC_MS, &ctx) == 0);
    return ctx;
}

static cconc_ctx *ctx_done(void)
{
    cconc_ctx *ctx = NULL;
    SUPPORT_CHECK(cconc_ctx_with_cancel(NULL, &ctx) == 0);
    cconc_ctx_cancel(ctx);
    return ctx;
}

static void ctx_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (grid_make_bad(arg)) {
        return;
    }
    switch (arg->pick) {
    case 2:
        arg->pointer = cconc_ctx_background();
        return;
    case 3:
        arg->held[0] = ctx_done();
        break;
    case 4:
        arg->pointer = cconc_ctx_until((cconc_ctx_mem *)(void *)arg->room.bytes, NULL,
                                       cconc_clock_after(CCONC_MS));
        return;
    case 5:
        arg->held[1] = grid_soon();
        SUPPORT_CHECK(cconc_ctx_with_value(arg->held[1], &value_of_call, &value_of_call, NULL,
                                           (cconc_ctx **)&arg->held[0]) == 0);
        break;
    default:
        arg->held[0] = grid_soon();
    }
    arg->pointer = arg->held[0];
}

static bool ctx_works(grid_arg *arg)
{
    int err = cconc_ctx_err(arg->pointer);
    cconc_ctx *child = NULL;
    int made = cconc_ctx_with_cancel(arg->pointer, &child);
    cconc_ctx_free(child);
    return (err == 0 || err == ECANCELED || err == ETIMEDOUT) &&
           made == (arg->pick == 4 ? EINVAL : 0);
}

static void ctx_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!arg->is_taken) {
        cconc_ctx_free(arg->held[0]);
    }
    cconc_ctx_free(arg->held[1]);
}

const grid_kind grid_ctx = {
    ctx_values, COUNT(ctx_values), ctx_make, ctx_works, ctx_release, false, NULL, 0};
GRID_OUT(ctx, cconc_ctx_free);

void grid_after_cconc_ctx_ref(grid_call *call);
void grid_after_cconc_ctx_ref(grid_call *call)
{
    cconc_ctx_free(call->result);
}

static void after_make(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (!grid_make_bad(arg)) {
        arg->held[0] = grid_soon();
        SUPPORT_CHECK(cconc_ctx_after_func(arg->held[0], grid_nothing, NULL,
                                           (cconc_after **)&arg->pointer) == 0);
    }
}

static void after_release(grid_call *call, grid_arg *arg)
{
    (void)call;
    if (arg->held[0] && !arg->is_taken) {
        cconc_after_free(arg->pointer);
    }
    cconc_ctx_free(arg->held[0]);
}

const grid_kind grid_after = {
    grid_object_values, GRID_OBJECT_VALUES, after_make, NULL, after_release, false, NULL, 0};
GRID_OUT(after, cconc_after_free);

/* ---- the process ---------------------------------------------------------------------------- */

void grid_after_cconc_set_misuse_hook(grid_call *call);
void grid_after_cconc_set_misuse_hook(grid_call *call)
{
    (void)call;
    support_misuse_start();
}

void grid_after_cconc_set_executor(grid_call *call);
void grid_after_cconc_set_executor(grid_call *call)
{
    static const cconc_executor_opts defaults;
    if (call->code == 0) {
        SUPPORT_CHECK(cconc_set_executor(&defaults) == 0);
    }
}

void grid_after_cconc_clock_virtual(grid_call *call);
void grid_after_cconc_clock_virtual(grid_call *call)
{
    (void)call;
    until(cconc_clock_real() == 0);
}
