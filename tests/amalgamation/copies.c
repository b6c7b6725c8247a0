/* copies.c - two copies of the library in one program have nothing in common
 * SPDX-License-Identifier: MIT
 *
 * Risk      A function or a variable that both copies share: the second one cannot be set up, takes
 *           the other's memory, or is shut down with it.
 * Method    Each copy gets an allocator that counts, and works; then the first is shut down and the
 *           other one works on.
 * Catches   A name that kept its external linkage, where the linker does not complain of it.
 */
#include "copy.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(fact)                                                                               \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "copies.c:%d: not so: %s\n", __LINE__, #fact);                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void work(const copy *one, const copy *other)
{
    size_t before = one->allocations();
    size_t other_before = other->allocations();
    long sum;
    EXPECT(one->sum_of_squares(&sum) == 0);
    EXPECT(sum == 333833500);
    EXPECT(one->allocations() > before);
    EXPECT(other->allocations() == other_before);
}

int main(void)
{
    EXPECT(left.use_own_memory() == 0);
    EXPECT(right.use_own_memory() == 0);
    work(&left, &right);
    work(&right, &left);
    EXPECT(left.shutdown() == 0);
    work(&right, &left);
    EXPECT(right.shutdown() == 0);
    work(&left, &right);
    EXPECT(left.shutdown() == 0);
    puts("ok");
    return 0;
}
