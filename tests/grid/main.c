/* main.c - bad input: every public function over a grid of arguments
 * SPDX-License-Identifier: MIT
 *
 * Risk      NULL, zero, huge, negative or misaligned arguments that crash, hang, leak, return what
 *           no header says, write outputs of a call that failed, or spoil the object.
 * Method    Every function is called with all combinations of the values of its parameters, or, of
 *           more than 2000, with all pairs and the usual values else. Each call has fresh objects,
 *           which must work afterwards; after each function the library must hold no memory. A call
 *           that allocates nothing by its page of the manual must not, in its own thread.
 *           GRID_ONLY in the environment names the only function to go through.
 * Catches   base.h, Pointers; all-1, all-2, all-15; a code without its line in a contract, a
 *           message without its row in docs/misuse.md.
 */
#include "unit.h"

#include "grid.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_MOST 2000
#define MARK 0xa5
#define OWN_ERRNO 4242
#define FAULTS_SHOWN 20

static grid_call call; /* the one that runs */
static regex_t messages[64];
static size_t faults;
static size_t calls;

/* ---- what is told --------------------------------------------------------------------------- */

static void describe(FILE *out)
{
    fprintf(out, "%s(", call.function->name);
    for (size_t i = 0; i < call.function->count; i++) {
        fprintf(out, "%s%s: %s", i > 0 ? ", " : "", call.function->parameters[i].name,
                call.args[i].kind->values[call.args[i].pick].name);
    }
    fprintf(out, ")");
}

static void fault(const char *text, const char *detail)
{
    faults++;
    if (faults <= FAULTS_SHOWN) {
        describe(stderr);
        fprintf(stderr, " %s%s\n", text, detail);
    }
}

/* The end of the process, while a call ran. */
static void on_signal(int number)
{
    fprintf(stderr, "signal %d in ", number);
    describe(stderr);
    fprintf(stderr, "\n");
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

bool grid_has(const grid_call *c, const char *parameter, const char *value)
{
    for (size_t i = 0; i < c->function->count; i++) {
        if (strcmp(c->function->parameters[i].name, parameter) == 0) {
            return strcmp(c->args[i].kind->values[c->args[i].pick].name, value) == 0;
        }
    }
    return false;
}

/* ---- judging one call ----------------------------------------------------------------------- */

static grid_sort sort_of(const grid_call *c, size_t i)
{
    return c->args[i].kind->values[c->args[i].pick].sort;
}

static bool has_sort(const grid_call *c, grid_sort sort)
{
    for (size_t i = 0; i < c->function->count; i++) {
        if (sort_of(c, i) == sort) {
            return true;
        }
    }
    return false;
}

static bool code_is_documented(const grid_function *f, int code)
{
    for (size_t i = 0; i < f->code_count; i++) {
        if (f->codes[i] == code) {
            return true;
        }
    }
    return f->codes == NULL;
}

/* NULL, or what is wrong with a message that the call was told of. */
static const char *message_fault(const grid_call *c, const char *message)
{
    char own[80];
    char *gap;
    const char *fact;
    size_t i = 0;
    snprintf(own, sizeof(own), "%s ", c->function->name + strlen("cconc_"));
    gap = strchr(own, '_');
    if (gap) {
        *gap = ' ';
    }
    while (i < grid_message_count && regexec(&messages[i], message, 0, NULL, 0) != 0) {
        i++;
    }
    if (i == grid_message_count) {
        return "was told a message without a row: ";
    }
    fact = strstr(message, " of NULL");
    fact = fact ? fact : strstr(message, " of a misaligned pointer");
    if (fact && strncmp(message, own, strlen(own)) != 0) {
        return "was told of another call: ";
    }
    if (fact && !has_sort(c, fact[4] == 'N' ? GRID_NULL : GRID_MISALIGNED)) {
        return "was told of a pointer that is right: ";
    }
    return NULL;
}

static void judge_misuse(const char *message)
{
    const char *wrong = message_fault(&call, message);
    if (wrong) {
        fault(wrong, message);
    } else if (has_sort(&call, GRID_MISALIGNED) && !strstr(message, " of ")) {
        fault("was not told of its misaligned pointer but: ", message);
    }
}

static void judge_code(void)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", call.code);
    if (!code_is_documented(call.function, call.code)) {
        fault("returned a code that its contract does not have: ", text);
    }
    if (has_sort(&call, GRID_MISALIGNED)) {
        fault("was not told as misuse, and returned ", text);
    } else if (has_sort(&call, GRID_REFUSED) && call.code != EINVAL) {
        fault("was not refused, and returned ", text);
    }
    for (size_t i = 0; i < call.function->count; i++) {
        if (sort_of(&call, i) == GRID_NULL && !call.function->parameters[i].may_be_null) {
            fault("was not told of NULL: ", call.function->parameters[i].name);
        }
    }
    if (errno != OWN_ERRNO) {
        fault("changed errno", "");
    }
}

static void judge_outputs(void)
{
    for (size_t i = 0; i < call.function->count; i++) {
        const grid_arg *arg = &call.args[i];
        if (!arg->kind->is_output || call.function->parameters[i].is_count) {
            continue;
        }
        for (size_t at = 0; at < GRID_ROOM; at++) {
            if (arg->room.bytes[at] != MARK) {
                fault("failed and wrote ", call.function->parameters[i].name);
                break;
            }
        }
    }
}

/* ---- one call ------------------------------------------------------------------------------- */

static void call_make(void)
{
    for (size_t i = 0; i < call.function->count; i++) {
        grid_arg *arg = &call.args[i];
        size_t pick = arg->pick;
        memset(arg, 0, sizeof(*arg));
        arg->pick = pick;
        arg->kind = call.function->parameters[i].kind;
        memset(&arg->room, arg->kind->is_output ? MARK : 0, sizeof(arg->room));
        arg->kind->make(&call, arg);
    }
    call.code = 0;
    call.result = NULL;
    call.has_returned = false;
}

static void call_settle(void)
{
    const grid_function *f = call.function;
    if (call.has_returned && f->after) {
        f->after(&call);
    }
    if (call.has_returned && (f->takes || (f->takes_if_0 && call.code == 0))) {
        call.args[0].is_taken = true;
    }
    for (size_t i = f->count; i > 0; i--) {
        grid_arg *arg = &call.args[i - 1];
        grid_sort sort = sort_of(&call, i - 1);
        if (sort != GRID_RIGHT) {
            continue;
        }
        if (arg->kind->works && !arg->is_taken && !arg->kind->works(arg)) {
            fault("spoiled ", f->parameters[i - 1].name);
        }
    }
    for (size_t i = f->count; i > 0; i--) {
        grid_arg *arg = &call.args[i - 1];
        if (arg->kind->release) {
            arg->kind->release(&call, arg);
        }
    }
}

static void call_once(void)
{
    const char *message;
    uint64_t allocated;
    if (grid_lies(&call)) {
        return;
    }
    calls++;
    call_make();
    allocated = support_own_alloc_count();
    if (setjmp(*support_misuse_arm()) == 0) {
        errno = OWN_ERRNO;
        call.function->run(&call);
        call.has_returned = true;
        if (call.function->never_allocates && support_own_alloc_count() != allocated) {
            fault("allocated, and its page of the manual says that it does not", "");
        }
        judge_code();
    }
    message = support_misuse_heard();
    if (!call.has_returned) {
        judge_misuse(message);
    }
    if (!call.has_returned || (call.function->codes && call.code != 0)) {
        judge_outputs();
    }
    call_settle();
}

/* ---- all calls of a function ---------------------------------------------------------------- */

static void pick_usual(void)
{
    for (size_t i = 0; i < call.function->count; i++) {
        call.args[i].kind = call.function->parameters[i].kind;
        call.args[i].pick = call.args[i].kind->count - 1;
    }
}

static size_t product(const grid_function *f)
{
    size_t total = 1;
    for (size_t i = 0; i < f->count; i++) {
        total *= f->parameters[i].kind->count;
    }
    return total;
}

static void call_all(size_t total)
{
    for (size_t number = 0; number < total; number++) {
        size_t rest = number;
        for (size_t i = 0; i < call.function->count; i++) {
            call.args[i].kind = call.function->parameters[i].kind;
            call.args[i].pick = rest % call.args[i].kind->count;
            rest /= call.args[i].kind->count;
        }
        call_once();
    }
}

static void call_pair(size_t a, size_t b)
{
    size_t count_a = call.function->parameters[a].kind->count;
    size_t count_b = call.function->parameters[b].kind->count;
    for (size_t number = 0; number < count_a * count_b; number++) {
        pick_usual();
        call.args[a].pick = number % count_a;
        call.args[b].pick = number / count_a;
        call_once();
    }
}

static void call_pairs(void)
{
    for (size_t a = 0; a < call.function->count; a++) {
        for (size_t b = a + 1; b < call.function->count; b++) {
            call_pair(a, b);
        }
    }
}

static void go_through(const grid_function *f)
{
    size_t total = product(f);
    size_t blocks;
    call.function = f;
    pick_usual();
    if (total <= FULL_MOST) {
        call_all(total);
    } else {
        call_pairs();
    }
    pick_usual();
    blocks = support_live_blocks(); /* what threads keep is given back by shutdown */
    if (cconc_shutdown(NULL) != 0 || support_live_blocks() != 0) {
        char text[32];
        snprintf(text, sizeof(text), "%zu, %zu", support_live_blocks(), blocks);
        fault("and the calls like it leave blocks of memory behind: ", text);
    }
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void compile_messages(void)
{
    assert_true(grid_message_count <= sizeof(messages) / sizeof(messages[0]));
    for (size_t i = 0; i < grid_message_count; i++) {
        assert_int_equal(regcomp(&messages[i], grid_messages[i], REG_EXTENDED | REG_NOSUB), 0);
    }
}

static void free_messages(void)
{
    for (size_t i = 0; i < grid_message_count; i++) {
        regfree(&messages[i]);
    }
}

static void grid_goes_through_every_public_function(void **state)
{
    const char *only = getenv("GRID_ONLY");
    (void)state;
    compile_messages();
    if (!support_is_sanitized()) { /* a sanitizer tells more by itself */
        (void)signal(SIGSEGV, on_signal);
        (void)signal(SIGABRT, on_signal);
    }
    (void)signal(SIGTERM, on_signal);
    for (size_t i = 0; i < grid_function_count; i++) {
        if (!only || strcmp(only, grid_functions[i].name) == 0) {
            go_through(&grid_functions[i]);
        }
    }
    fprintf(stderr, "%zu functions, %zu calls, %zu faults\n", grid_function_count, calls, faults);
    free_messages();
    assert_int_equal(faults, 0);
}

/* What is told of a call is compared with its own name and with what it was given. */
static void grid_tells_what_message_does_not_belong_to_a_call(void **state)
{
    const grid_function *f = grid_functions;
    grid_call given;
    (void)state;
    while (strcmp(f->name, "cconc_sem_resize") != 0) {
        f++;
    }
    compile_messages();
    memset(&given, 0, sizeof(given));
    given.function = f;
    given.args[0].kind = f->parameters[0].kind;
    given.args[1].kind = f->parameters[1].kind;
    given.args[0].pick = 0;
    assert_string_equal(f->parameters[0].kind->values[0].name, "NULL");
    assert_null(message_fault(&given, "sem resize of NULL"));
    assert_null(message_fault(&given, "sem release of -3 permits where 4 are held"));
    assert_non_null(message_fault(&given, "sem resize of nothing"));
    assert_non_null(message_fault(&given, "sem acquire of NULL"));
    assert_non_null(message_fault(&given, "sem resize of a misaligned pointer"));
    assert_non_null(message_fault(&given, "sem resize of NULL, or not"));
    assert_true(code_is_documented(f, 0) && code_is_documented(f, EINVAL));
    assert_false(code_is_documented(f, ENOMEM) || code_is_documented(f, -1));
    free_messages();
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(grid_tells_what_message_does_not_belong_to_a_call),
        UNIT_TEST(grid_goes_through_every_public_function),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
