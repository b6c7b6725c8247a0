/* told.h - what is told of misuse
 * SPDX-License-Identifier: MIT
 */
static inline void told_by_all(unsigned long long count, const char *call)
{
    MUST(count == 0, "chan free with %llu waiters, and a text that "
                     "goes on", count);
    MUST(count < 7, "chan free with %zu senders", count);
    cconc__misuse_report("%s of NULL", call);
    cconc__misuse_report("%s of nothing", call);
}
