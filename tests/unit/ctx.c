/* ctx.c - contexts: err and cause by shape, cancelling, handles, bad input
 * SPDX-License-Identifier: MIT
 *
 * Risk      A descendant left live, a cause that changes, a handle counted wrong, a child that
 *           dies with or without its parent when it must not, misuse or bad input that goes
 *           unseen.
 * Method    The table of shapes as data; trees built by hand. What racing callers see: ctx_race.c.
 * Catches   C5, C6, C8, C11; I14, I19; X4.
 */
#include "ctx_help.h"

#include <string.h>

enum kind { NONE, BACKGROUND, CANCEL, FAR, FAR_CAUSE, NOW, NOW_CAUSE, VALUE, SHIELD };

/* events, in order: c and p cancel child and parent, C and P with a cause, 0 the child with code 0,
 * f and F a foreign after-func cancels the child, F with the cause that C gives. */
struct shape {
    const char *what;
    enum kind parent;
    enum kind child;
    const char *events;
    int err;
    int code;
    const char *message;
};

static const struct shape shapes[] = {
    {"background", NONE, BACKGROUND, "", 0, 0, NULL},
    {"null", NONE, NONE, "", 0, 0, NULL},
    {"shield over a live parent", CANCEL, SHIELD, "", 0, 0, NULL},
    {"shield over an expired parent", NOW_CAUSE, SHIELD, "", 0, 0, NULL},
    {"shield over a later cancelled parent", CANCEL, SHIELD, "P", 0, 0, NULL},
    {"cancel", NONE, CANCEL, "c", ECANCELED, ECANCELED, NULL},
    {"cancel of the parent", CANCEL, CANCEL, "p", ECANCELED, ECANCELED, NULL},
    {"cancel with code 0", NONE, CANCEL, "0", ECANCELED, ECANCELED, NULL},
    {"far timeout, then cancel", NONE, FAR, "c", ECANCELED, ECANCELED, NULL},
    {"far timeout with cause, then cancel", NONE, FAR_CAUSE, "c", ECANCELED, ECANCELED, NULL},
    {"far timeout with cause, then parent", CANCEL, FAR_CAUSE, "P", ECANCELED, ENXIO, "parent 8"},
    {"cancel with cause", NONE, CANCEL, "C", ECANCELED, EPERM, "child 7"},
    {"cancel with cause through a value", CANCEL, VALUE, "P", ECANCELED, ENXIO, "parent 8"},
    {"both causes, parent first", CANCEL, CANCEL, "PC", ECANCELED, ENXIO, "parent 8"},
    {"parent's cause, then plain child", CANCEL, CANCEL, "Pc", ECANCELED, ENXIO, "parent 8"},
    {"both causes, child first", CANCEL, CANCEL, "CP", ECANCELED, EPERM, "child 7"},
    {"child's cause, then plain parent", CANCEL, CANCEL, "Cp", ECANCELED, EPERM, "child 7"},
    {"plain child, then both causes", CANCEL, CANCEL, "cCP", ECANCELED, ECANCELED, NULL},
    {"timeout 0, then cancel", NONE, NOW, "c", ETIMEDOUT, ETIMEDOUT, NULL},
    {"timeout 0, then causes", CANCEL, NOW, "CP", ETIMEDOUT, ETIMEDOUT, NULL},
    {"timeout 0 with cause, then cancel", NONE, NOW_CAUSE, "c", ETIMEDOUT, EDOM, "too slow"},
    {"expired parent", NOW, CANCEL, "C", ETIMEDOUT, ETIMEDOUT, NULL},
    {"parent expired with cause", NOW_CAUSE, FAR_CAUSE, "", ETIMEDOUT, EDOM, "too slow"},
    {"foreign source, own cause first", CANCEL, CANCEL, "FP", ECANCELED, EPERM, "child 7"},
    {"foreign source, plain first", CANCEL, CANCEL, "fP", ECANCELED, ECANCELED, NULL},
    {"foreign source, parent's cause first", CANCEL, CANCEL, "PF", ECANCELED, ENXIO, "parent 8"},
    {"foreign source after a timeout", CANCEL, NOW, "F", ETIMEDOUT, ETIMEDOUT, NULL},
};

static cconc_ctx *shape_make(enum kind kind, cconc_ctx *parent)
{
    switch (kind) {
    case BACKGROUND:
        return cconc_ctx_background();
    case CANCEL:
        return make_cancel(parent);
    case FAR:
        return make_timeout(parent, FAR_NS);
    case FAR_CAUSE:
        return make_timeout_cause(parent, FAR_NS, EBADF, "never seen");
    case NOW:
        return make_timeout(parent, 0);
    case NOW_CAUSE:
        return make_timeout_cause(parent, 0, EDOM, "too slow");
    case VALUE:
        return make_value(parent, &ctx_mark, NULL);
    case SHIELD:
        return make_without_cancel(parent);
    default:
        return NULL;
    }
}

static void cancel_plain(void *ctx)
{
    cconc_ctx_cancel(ctx);
}

static void cancel_as_child(void *ctx)
{
    cconc_ctx_cancel_cause(ctx, EPERM, "child %d", 7);
}

static void cancel_from_after_func(cconc_ctx *child, cconc_after_fn fn)
{
    cconc_ctx *foreign = make_cancel(NULL);
    cconc_after *after;
    assert_int_equal(cconc_ctx_after_func(foreign, fn, child, &after), 0);
    cconc_ctx_cancel(foreign);
    until(cconc_ctx_err(child) != 0);
    cconc_after_free(after);
    cconc_ctx_free(foreign);
}

static void shape_event(char event, cconc_ctx *parent, cconc_ctx *child)
{
    switch (event) {
    case 'c':
        cancel_plain(child);
        break;
    case 'C':
        cancel_as_child(child);
        break;
    case '0':
        cconc_ctx_cancel_cause(child, 0, NULL);
        break;
    case 'p':
        cancel_plain(parent);
        break;
    case 'P':
        cconc_ctx_cancel_cause(parent, ENXIO, "%s %d", "parent", 8);
        break;
    case 'f':
        cancel_from_after_func(child, cancel_plain);
        break;
    default:
        cancel_from_after_func(child, cancel_as_child);
        break;
    }
}

static void ctx_err_and_cause_follow_the_table_of_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *shape = &shapes[i];
        print_message("    %s\n", shape->what);
        cconc_ctx *parent = shape_make(shape->parent, NULL);
        cconc_ctx *child = shape_make(shape->child, parent);
        for (const char *event = shape->events; *event; event++) {
            shape_event(*event, parent, child);
        }
        assert_ended(child, shape->err, shape->code, shape->message);
        cconc_ctx_free(child);
        cconc_ctx_free(parent);
    }
}

static void ctx_null_and_background_never_end(void **state)
{
    (void)state;
    cconc_ctx *background = cconc_ctx_background();
    assert_non_null(background);
    assert_ptr_equal(background, cconc_ctx_background());
    assert_int_equal(cconc_ctx_deadline(background), CCONC_NEVER);
    assert_int_equal(cconc_ctx_deadline(NULL), CCONC_NEVER);
    assert_null(cconc_ctx_value(background, &ctx_mark));
    assert_null(cconc_ctx_value(NULL, &ctx_mark));
    assert_int_equal(cconc_ctx_signal(background), 0);
    assert_int_equal(cconc_ctx_signal(NULL), 0);
    assert_ptr_equal(cconc_ctx_ref(background), background);
    assert_null(cconc_ctx_ref(NULL));
    cconc_ctx_free(background);
    cconc_ctx_free(background);
    cconc_ctx_free(NULL);
    assert_ended(background, 0, 0, NULL);
    assert_ended(NULL, 0, 0, NULL);
}

static void ctx_message_of_a_cause_keeps_255_bytes(void **state)
{
    (void)state;
    char text[400];
    const char *message = NULL;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx_cancel_cause(ctx, EPERM, "%s", text);
    assert_int_equal(cconc_ctx_cause(ctx, &message), EPERM);
    assert_int_equal(strlen(message), CCONC_CTX_MAX_MESSAGE);
    cconc_ctx_free(ctx);
    ctx = make_timeout_cause(NULL, 0, EPERM, text);
    assert_int_equal(cconc_ctx_cause(ctx, &message), EPERM);
    assert_int_equal(strlen(message), CCONC_CTX_MAX_MESSAGE);
    cconc_ctx_free(ctx);
    text[CCONC_CTX_MAX_MESSAGE] = '\0';
    ctx = make_timeout_cause(NULL, 0, EPERM, text);
    memset(text, 'y', 10);
    assert_int_equal(cconc_ctx_cause(ctx, &message), EPERM);
    assert_int_equal(strspn(message, "x"), CCONC_CTX_MAX_MESSAGE);
    cconc_ctx_free(ctx);
}

static void ctx_cause_without_a_message_tells_the_code_in_words(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx_cancel_cause(ctx, EPIPE, NULL);
    assert_ended(ctx, ECANCELED, EPIPE, NULL);
    cconc_ctx_free(ctx);
    ctx = make_timeout_cause(NULL, 0, EPIPE, NULL);
    assert_ended(ctx, ETIMEDOUT, EPIPE, NULL);
    cconc_ctx_free(ctx);
}

static void ctx_cancel_with_code_0_keeps_its_message(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx_cancel_cause(ctx, 0, "stopped by %s", "hand");
    assert_ended(ctx, ECANCELED, ECANCELED, "stopped by hand");
    cconc_ctx_free(ctx);
}

static void ctx_cancel_reaches_every_descendant(void **state)
{
    (void)state;
    cconc_ctx *nodes[TREE_SIZE];
    tree_make(nodes);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        assert_ended(nodes[i], 0, 0, NULL);
    }
    cconc_ctx_cancel_cause(nodes[0], EPERM, "all");
    for (size_t i = 0; i < TREE_SIZE; i++) {
        assert_ended(nodes[i], ECANCELED, EPERM, "all");
    }
    tree_free(nodes);
}

static void ctx_cancel_leaves_parents_and_siblings_alone(void **state)
{
    (void)state;
    cconc_ctx *nodes[TREE_SIZE];
    tree_make(nodes);
    cconc_ctx_cancel(nodes[1]);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        size_t top = i;
        while (top > TREE_FAN) {
            top = (top - 1) / TREE_FAN;
        }
        assert_int_equal(cconc_ctx_err(nodes[i]), top == 1 ? ECANCELED : 0);
    }
    tree_free(nodes);
}

static void ctx_child_of_a_cancelled_parent_is_born_with_its_cause(void **state)
{
    (void)state;
    static const enum kind kinds[] = {CANCEL, FAR, FAR_CAUSE, VALUE, NOW, NOW_CAUSE};
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx_cancel_cause(parent, ENXIO, "gone");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        cconc_ctx *child = shape_make(kinds[i], parent);
        cconc_ctx *grandchild = make_cancel(child);
        assert_ended(child, ECANCELED, ENXIO, "gone");
        assert_ended(grandchild, ECANCELED, ENXIO, "gone");
        cconc_ctx_free(child);
        assert_ended(grandchild, ECANCELED, ENXIO, "gone");
        cconc_ctx_free(grandchild);
    }
    cconc_ctx_free(parent);
}

static void ctx_last_free_cancels_the_subtree(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *value = make_value(parent, &ctx_mark, &ctx_mark);
    cconc_ctx *child = make_cancel(value);
    assert_ptr_equal(cconc_ctx_ref(parent), parent);
    cconc_ctx_free(parent);
    assert_int_equal(cconc_ctx_err(child), 0);
    cconc_ctx_free(value);
    assert_int_equal(cconc_ctx_err(child), 0);
    cconc_ctx_free(parent);
    assert_ended(child, ECANCELED, ECANCELED, NULL);
    assert_ptr_equal(cconc_ctx_value(child, &ctx_mark), &ctx_mark);
    cconc_ctx_free(child);
}

static void ctx_free_of_a_value_or_shield_cancels_nothing(void **state)
{
    (void)state;
    cconc_ctx *shield = make_without_cancel(NULL);
    cconc_ctx *value = make_value(shield, &ctx_mark, NULL);
    cconc_ctx *child = make_cancel(value);
    cconc_ctx_free(shield);
    cconc_ctx_free(value);
    assert_int_equal(cconc_ctx_err(child), 0);
    cconc_ctx_cancel(child);
    assert_int_equal(cconc_ctx_err(child), ECANCELED);
    cconc_ctx_free(child);
}

static void ctx_handles_go_in_any_order(void **state)
{
    (void)state;
    cconc_ctx *nodes[TREE_SIZE];
    struct support_random random = support_random_make(2, 0);
    for (size_t round = 0; round < 20; round++) {
        tree_make(nodes);
        for (size_t left = TREE_SIZE; left > 0; left--) {
            size_t pick = support_random_below(&random, (uint32_t)left);
            cconc_ctx_free(nodes[pick]);
            nodes[pick] = nodes[left - 1];
        }
    }
}

static void ctx_freed_without_cancel_leaves_nothing_behind(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx_free(make_timeout(parent, FAR_NS));
    size_t blocks = support_live_blocks();
    for (size_t i = 0; i < 20000; i++) {
        cconc_ctx_free(make_cancel(parent));
        cconc_ctx_free(make_timeout(parent, FAR_NS));
    }
    assert_int_equal(support_live_blocks(), blocks);
    cconc_ctx_free(parent);
}

static void ctx_cancel_free_and_readers_need_no_memory(void **state)
{
    (void)state;
    cconc_ctx *nodes[TREE_SIZE];
    tree_make(nodes);
    uint64_t allocations = support_alloc_count();
    errno = ERRNO_MARK;
    cconc_ctx_cancel(nodes[2]);
    cconc_ctx_cancel_cause(nodes[0], EPERM, NULL);
    cconc_ctx_cancel(nodes[0]);
    for (size_t i = 0; i < TREE_SIZE; i++) {
        assert_int_equal(cconc_ctx_err(nodes[i]), ECANCELED);
        assert_int_not_equal(cconc_ctx_cause(nodes[i], NULL), 0);
        (void)cconc_ctx_deadline(nodes[i]);
        assert_null(cconc_ctx_value(nodes[i], &ctx_mark));
        cconc_ctx_free(cconc_ctx_ref(nodes[i]));
    }
    tree_free(nodes);
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(support_alloc_count(), allocations);
}

/* Many who poll one context share no line that anybody writes. */
static void ctx_readers_write_nothing(void **state)
{
    (void)state;
    cconc_ctx *parent = make_timeout(NULL, FAR_NS);
    cconc_ctx *ctx = make_value(parent, &ctx_mark, &ctx_mark);
    for (int round = 0; round < 2; round++) {
        const char *message = NULL;
        cconc_ctx before;
        cconc_ctx before_above;
        memcpy(&before, ctx, sizeof(before));
        memcpy(&before_above, parent, sizeof(before_above));
        for (int i = 0; i < 10; i++) {
            assert_int_equal(cconc_ctx_err(ctx), round ? ECANCELED : 0);
            assert_int_equal((cconc_ctx_err)(ctx), round ? ECANCELED : 0);
            assert_int_equal(cconc_ctx_cause(ctx, &message), round ? EPERM : 0);
            assert_true(cconc_ctx_deadline(ctx) != CCONC_NEVER);
            assert_ptr_equal(cconc_ctx_value(ctx, &ctx_mark), &ctx_mark);
        }
        assert_memory_equal(&before, ctx, sizeof(before));
        assert_memory_equal(&before_above, parent, sizeof(before_above));
        cconc_ctx_cancel_cause(parent, EPERM, "read only");
    }
    cconc_ctx_free(ctx);
    cconc_ctx_free(parent);
}

static void ctx_cause_without_memory_is_the_code_alone(void **state)
{
    (void)state;
    cconc_ctx *ctx = make_cancel(NULL);
    cconc_ctx *child = make_cancel(ctx);
    support_fail_alloc(1, true);
    cconc_ctx_cancel_cause(ctx, ENXIO, "lost");
    (void)support_fail_end();
    assert_int_equal(cconc_ctx_err(child), ECANCELED);
    assert_int_equal(cconc_ctx_cause(child, NULL), ENXIO);
    cconc_ctx_free(child);
    cconc_ctx_free(ctx);
}

static void ctx_constructors_refuse_what_is_null(void **state)
{
    (void)state;
    cconc_ctx *ctx = CTX_MARK;
    uint64_t allocations = support_alloc_count();
    errno = ERRNO_MARK;
    assert_int_equal(cconc_ctx_with_cancel(NULL, NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_deadline(NULL, CCONC_NEVER, NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_timeout(NULL, 1, NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_deadline_cause(NULL, 1, EPERM, "x", NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_timeout_cause(NULL, 1, EPERM, "x", NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_value(NULL, &ctx_mark, NULL, NULL, NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_value(NULL, NULL, &ctx_mark, NULL, &ctx), EINVAL);
    assert_int_equal(cconc_ctx_without_cancel(NULL, NULL), EINVAL);
    assert_int_equal(cconc_ctx_with_signals(NULL, NULL, 0, 0, NULL), EINVAL);
    assert_ptr_equal(ctx, CTX_MARK);
    assert_int_equal(errno, ERRNO_MARK);
    assert_int_equal(support_alloc_count(), allocations);
}

static void ctx_cancel_of_what_cannot_be_cancelled_is_misuse(void **state)
{
    (void)state;
    static const char text[] = "ctx cancel of a context that cannot be cancelled";
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *value = make_value(parent, &ctx_mark, NULL);
    cconc_ctx *shield = make_without_cancel(parent);
    cconc_ctx_mem mem;
    cconc_ctx *stack = cconc_ctx_until(&mem, parent, CCONC_NEVER);
    expect_misuse(text, cconc_ctx_cancel(NULL));
    expect_misuse(text, cconc_ctx_cancel(cconc_ctx_background()));
    expect_misuse(text, cconc_ctx_cancel(value));
    expect_misuse(text, cconc_ctx_cancel(shield));
    expect_misuse(text, cconc_ctx_cancel(stack));
    expect_misuse(text, cconc_ctx_cancel_cause(value, EPERM, "x"));
    expect_misuse(text, cconc_ctx_cancel_cause(NULL, EPERM, NULL));
    assert_int_equal(cconc_ctx_err(parent), 0);
    assert_int_equal(cconc_ctx_err(value), 0);
    assert_int_equal(cconc_ctx_err(shield), 0);
    cconc_ctx_free(shield);
    cconc_ctx_free(value);
    cconc_ctx_free(parent);
}

static void ctx_more_frees_than_handles_is_misuse(void **state)
{
    (void)state;
    cconc_ctx *parent = make_cancel(NULL);
    cconc_ctx *child = make_cancel(parent);
    cconc_ctx_free(parent);
    expect_misuse("ctx free with no handle left", cconc_ctx_free(parent));
    cconc_ctx_free(child);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        UNIT_TEST(ctx_err_and_cause_follow_the_table_of_shapes),
        UNIT_TEST(ctx_null_and_background_never_end),
        UNIT_TEST(ctx_message_of_a_cause_keeps_255_bytes),
        UNIT_TEST(ctx_cause_without_a_message_tells_the_code_in_words),
        UNIT_TEST(ctx_cancel_with_code_0_keeps_its_message),
        UNIT_TEST(ctx_cancel_reaches_every_descendant),
        UNIT_TEST(ctx_cancel_leaves_parents_and_siblings_alone),
        UNIT_TEST(ctx_child_of_a_cancelled_parent_is_born_with_its_cause),
        UNIT_TEST(ctx_last_free_cancels_the_subtree),
        UNIT_TEST(ctx_free_of_a_value_or_shield_cancels_nothing),
        UNIT_TEST(ctx_handles_go_in_any_order),
        UNIT_TEST(ctx_freed_without_cancel_leaves_nothing_behind),
        UNIT_TEST(ctx_cancel_free_and_readers_need_no_memory),
        UNIT_TEST(ctx_cause_without_memory_is_the_code_alone),
        UNIT_TEST(ctx_constructors_refuse_what_is_null),
        UNIT_TEST(ctx_cancel_of_what_cannot_be_cancelled_is_misuse),
        UNIT_TEST(ctx_more_frees_than_handles_is_misuse),
        UNIT_TEST(ctx_readers_write_nothing),
    };
    support_start(argc, argv, NULL);
    return UNIT_RUN(tests);
}
