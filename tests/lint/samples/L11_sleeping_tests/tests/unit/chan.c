/* chan.c - waits for time to pass
 * SPDX-License-Identifier: MIT
 *
 * Risk     Something.
 * Method   Calls it.
 * Catches  Its loss.
 */
#include <time.h>
#include <unistd.h>

static long wait_a_little(struct timespec *ts)
{
    sleep(1);
    usleep(10);
    nanosleep(ts, NULL);
    clock_gettime(CLOCK_REALTIME, ts);
    cconc_ctx_sleep(NULL, 1);
    return (long)time(NULL);
}
