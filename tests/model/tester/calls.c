/* calls.c - rules that hold for every call of the library.
 * SPDX-License-Identifier: MIT
 */
#include "engine.h"

model_call model_call_begin(const char *name, unsigned rules)
{
    fiber *f = model.current;
    model_call call = {name, f->call, errno, f->rules};
    calls_check_held("calls a function of the user's, or is called back,");
    f->call = name;
    f->rules = rules;
    if (model.is_tracing && !model.is_quiet) {
        report_note("%s: %s()", f->name, name);
    }
    return call;
}

void model_call_end(model_call *call)
{
    fiber *f = model.current;
    if (errno != call->saved_errno && !model.is_quiet && !model.has_raced) {
        model_fail(MODEL_RULE, "%s changes errno from %d to %d", call->name, call->saved_errno,
                   errno);
    }
    calls_check_held("returns");
    f->call = call->outer;
    f->rules = call->outer_rules;
}

/* Under a lock of the library nothing is called back, allocated, or woken. */
void calls_check_held(const char *what)
{
    const fiber *f = model.current;
    if (f->held_count > 0 && !model.is_quiet) {
        model_fail(MODEL_RULE, "%s %s and holds a lock", f->name, what);
    }
}

void model_checked(void)
{
    model.checks++;
    calls_check_held("runs code of the scenario's");
}

_Noreturn void model_fail_check(const char *fact, const char *file, int line)
{
    const char *name = strrchr(file, '/');
    model_fail(MODEL_WRONG, "%s (%s:%d)", fact, name ? name + 1 : file, line);
}

void model_check_eq(int64_t a, int64_t b, const char *a_text, const char *b_text, const char *file,
                    int line)
{
    const char *name = strrchr(file, '/');
    model_checked();
    if (a != b) {
        model_fail(MODEL_WRONG, "%s is %lld, not %s = %lld (%s:%d)", a_text, (long long)a, b_text,
                   (long long)b, name ? name + 1 : file, line);
    }
}

void model_expect(model_failure failure)
{
    model.expected = failure;
}

void model_may_fail(model_failure failure)
{
    model.tolerated = failure;
}

/* The place of label among the goals of the scenario. */
static int goal_of(const char *label)
{
    const char *at = model.scenario->goals;
    size_t length = strlen(label);
    for (int i = 0; at && *at; i++) {
        size_t here = strcspn(at, " ");
        if (here == length && memcmp(at, label, length) == 0) {
            return i;
        }
        at += here + (at[here] ? 1 : 0);
    }
    model_fail(MODEL_WRONG, "%s is none of the scenario's goals", label);
}

void model_outcome(uint64_t part)
{
    model.outcome = (model.outcome ^ part) * UINT64_C(1099511628211);
}

void model_cover(const char *label)
{
    model.goals |= UINT64_C(1) << goal_of(label);
}
