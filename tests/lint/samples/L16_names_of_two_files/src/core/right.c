/* right.c - names, some of which another file has
 * SPDX-License-Identifier: MIT
 *
 * Idea        Two files that are to be compiled as one.
 * Invariants  None.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Static.
 * Rejected    None.
 */
#define BOTH_MOST 5

enum { RIGHT_FIRST, BOTH_FIRST };

struct both_kind {
    int inside;
};

typedef struct both_type {
    int inside;
} both_type;

static int count;
static struct {
    int inside;
} nameless = {0};
static void (*hook)(int value);
static int table[2] = {1, 2};

static int both_add(int value, void (*run)(int value))
{
    static int inside;
    run(value);
    return inside + count + nameless.inside + table[0] + (hook ? 1 : 0);
}

static int right_only(int LEFT_MOST)
{
    int left_only = both_add(1, hook);
    return left_only + LEFT_MOST;
}
