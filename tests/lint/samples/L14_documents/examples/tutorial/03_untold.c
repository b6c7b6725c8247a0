/* 03_untold.c - a step
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>

int main(void)
{
    return 0;
}
