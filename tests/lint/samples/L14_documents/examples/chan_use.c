/* chan_use.c - an example
 * SPDX-License-Identifier: MIT
 */
int main(void)
{
    return 0;
}
