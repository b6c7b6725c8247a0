/* sizes.c - too long, too wide, too deep
 * SPDX-License-Identifier: MIT
 *
 * Idea        One.
 * Invariants  None.
 * Locks       None.
 * Ordering    None.
 * Lifetime    Static.
 * Rejected    Nothing yet.
 */
#include <stddef.h>

int sizes_long(int n);
int sizes_array(int n);
int sizes_frame(int n);
int sizes_down(int n);
static int sizes_up(int n);

int(sizes_long)(int n)
{
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    n += 1;
    return n;
}

int sizes_array(int n)
{
    int array[n];
    for (int i = 0; i < n; i++) {
        array[i] = i * n;
    }
    return array[n / 2];
}

int sizes_frame(int n)
{
    volatile char buffer[2000]; /* lint: allow L3, it keeps the frame */
    for (size_t i = 0; i < sizeof(buffer); i++) {
        buffer[i] = (char)n;
    }
    return buffer[n];
}

int sizes_down(int n)
{
    return n > 0 ? sizes_up(n - 1) : 0;
}

static int sizes_up(int n)
{
    /* A line that is wider than a hundred columns, which is where the reader's window may end. */ return sizes_down(n);
}
